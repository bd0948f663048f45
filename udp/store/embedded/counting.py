"""The census of the embedded store: each file and each hour is counted once, and again when it changed.

What an append touches is counted anew, one hour or one day's late rows; everything else is known, and
put together beforehand: files, and the hours of each day.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable, Sequence
from functools import partial

import numpy as np

from udp.store.census import Census
from udp.store.columns import Ints
from udp.store.embedded import hot
from udp.store.embedded.cold import ColdFolder
from udp.store.embedded.kept import Kept
from udp.store.embedded.known import KnownRevisions
from udp.store.embedded.late import LateDay, late_days
from udp.store.embedded.manifest import files_between
from udp.store.embedded.places import HOURS, ColdFile, Span, days_of
from udp.store.statistics import DAY_US, HOUR_US

# 48 open hours, days with late rows, and the files of some years; 32 bytes per Datastream each.
_MOST_COUNTED = 400
_MOST_JOINED = 64
# Of so few Datastreams rows are read sooner than an hour of so many is counted again for all.
_FEW = 64
_MANY_ROWS = 4_000

Count = Callable[[], Census]


class Counter:
    """Counts inside a transaction it is given."""

    def __init__(self, cold: ColdFolder, known: KnownRevisions) -> None:
        self._cold = cold
        self._known = known
        self._counted = Kept[Census](_MOST_COUNTED)
        self._joined = Kept[Census](_MOST_JOINED)

    def census(self, connection: sqlite3.Connection, wanted: Ints, span: Span) -> Census:
        """Of `wanted` (ascending ids) within `span`."""
        if not len(wanted) or span.start >= span.end:
            return Census.empty()
        slots = hot.touched_slots(connection, span)
        files = files_between(connection, span.first_day, span.last_day)
        parts = [
            *self._files(files, wanted, span),
            *self._hours(connection, slots, wanted, span),
            *self._late(connection, slots, files, wanted, span),
        ]
        return Census.merge([part.only(wanted) for part in parts])

    def _files(self, files: list[ColdFile], wanted: Ints, span: Span) -> list[Census]:
        whole = [file for file in files if _covers(span, days_of(file).start, days_of(file).end)]
        parts = [Census.of(self._cold.read(file, wanted, span)) for file in files if file not in whole]
        if whole:
            what = ("files", whole[0].first_day, whole[-1].last_day)
            parts.append(
                self._together(what, [(file.name, 0, partial(self._cold.summary, file)) for file in whole])
            )
        return parts

    def _hours(
        self, connection: sqlite3.Connection, slots: dict[int, int], wanted: Ints, span: Span
    ) -> list[Census]:
        """The newest hour, which moves with every append, stands beside its day."""
        newest_hour = max(slots, default=-1)
        by_day: dict[Hashable, list[tuple[Hashable, Hashable, Count]]] = {}
        rest: list[int] = []
        for slot, version in sorted(slots.items()):
            if slot < 0:
                continue
            dear = len(wanted) <= _FEW and self._is_dear(slot, version)
            if dear or not _covers(span, slot * HOUR_US, (slot + 1) * HOUR_US):
                rest.append(slot)
            else:
                day = "newest" if slot == newest_hour else slot // HOURS
                by_day.setdefault(day, []).append((slot, version, partial(_grouped, connection, slot)))
        parts = [self._together((day, hours[0][0], hours[-1][0]), hours) for day, hours in by_day.items()]
        if rest:
            parts.append(Census.of(hot.read_slots(connection, rest, wanted, span)))
        return parts

    def _late(
        self,
        connection: sqlite3.Connection,
        slots: dict[int, int],
        files: list[ColdFile],
        wanted: Ints,
        span: Span,
    ) -> list[Census]:
        """By day what came late and supersedes nothing in the file of its day."""
        parts = []
        for late in late_days(slots, files):
            what = ("late", late.day)
            dear = len(wanted) <= _FEW and self._is_dear(what, late.state)
            if not dear and _covers(span, late.day * DAY_US, (late.day + 1) * DAY_US):
                parts.append(self._counted.of(what, late.state, partial(self._new, connection, late)))
            else:
                rows = hot.read_slots(connection, late.versions, wanted, span)
                parts.append(Census.of(late.sort(self._known, rows)[0]))
        return parts

    def _new(self, connection: sqlite3.Connection, late: LateDay) -> Census:
        return Census.of(late.sort(self._known, late.rows(connection))[0])

    def _is_dear(self, what: Hashable, state: Hashable) -> bool:
        """Whether it would have to be counted again, and had many rows before."""
        former = self._counted.former(what, state)
        return former is not None and former.total > _MANY_ROWS

    def _together(self, what: Hashable, of: Sequence[tuple[Hashable, Hashable, Count]]) -> Census:
        """(what, state, how to count it) of parts that share no Observation, as one."""
        if len(of) == 1:
            return self._counted.of(*of[0])
        state = tuple((one, its_state) for one, its_state, _ in of)
        return self._joined.of(what, state, lambda: Census.merge([self._counted.of(*one) for one in of]))


def _covers(span: Span, start: int, end: int) -> bool:
    return span.start <= start and end <= span.end


def _grouped(connection: sqlite3.Connection, slot: int) -> Census:
    rows = connection.execute(
        "SELECT datastream, count(*), min(time), max(time) FROM hot WHERE slot = ? GROUP BY datastream",
        (slot,),
    ).fetchall()
    return Census(*np.array(rows, np.int64).reshape(-1, 4).T.copy())
