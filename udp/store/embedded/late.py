"""What came for closed days after their files were written: which days, and what of it is new."""

from __future__ import annotations

import sqlite3
from collections.abc import Hashable
from dataclasses import dataclass

from udp.store.columns import Observations
from udp.store.embedded import hot
from udp.store.embedded.known import KnownRevisions
from udp.store.embedded.ordering import newest
from udp.store.embedded.places import ColdFile, day_of_late_slot, file_of_day


@dataclass(frozen=True, slots=True)
class LateDay:
    """A closed day, its file, and the late slots it has (more than one while a file is rewritten)."""

    day: int
    file: ColdFile
    versions: dict[int, int]

    @property
    def state(self) -> Hashable:
        """Another one whenever something has come since, or the file is another."""
        return (self.file.name, *self.versions.items())

    def rows(self, connection: sqlite3.Connection) -> Observations:
        """All that came, in no promised order."""
        return Observations.concatenate([hot.read_slot(connection, slot) for slot in self.versions])

    def sort(self, known: KnownRevisions, rows: Observations) -> tuple[Observations, Observations]:
        """Late rows of this day, newest revisions: what the file does not hold, and what supersedes it."""
        rows = newest(rows)[0]
        new = known.revisions(self.file, rows) < 0
        return rows.take(new), rows.take(~new)


def late_days(slots: dict[int, int], files: list[ColdFile]) -> list[LateDay]:
    """Of the late ones among slot -> version; `files` hold their days."""
    by_day: dict[int, dict[int, int]] = {}
    for slot, version in slots.items():
        if slot < 0:
            by_day.setdefault(day_of_late_slot(slot), {})[slot] = version
    return [LateDay(day, file_of_day(files, day), versions) for day, versions in by_day.items()]
