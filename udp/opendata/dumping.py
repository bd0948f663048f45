"""Make the files everybody loads: per dataset one for each month and for each of the last days.

A file holds days that are over (UTC). It is made anew when its values, its terms or this program's format
have changed; this month's and last month's always, since corrections come late. What may no longer leave
is removed, and until then not given out: who serves a file asks `Offered.covers`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge.wire.instants import EPOCH, instant
from udp.opendata.instance.revisions import months
from udp.opendata.offer import Offered
from udp.opendata.packing import FORMAT, Note, read_note, remove_dump, write_dump
from udp.opendata.rows import tables
from udp.store import census
from udp.store.columns import Period
from udp.store.port import ObservationStore

_LOG = logging.getLogger(__name__)
_DAY = timedelta(days=1)
NAME = re.compile(r"\d{4}-\d{2}(-\d{2})?", re.ASCII)
"""A month, or a day of it."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one run did; names are <dataset>/<name>."""

    made: tuple[str, ...]
    kept: int
    removed: tuple[str, ...]


class Dumps:
    """The files below `folder`, one directory per dataset."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def notes(self, offer: Offered) -> list[Note]:
        """Dumps of this dataset that may be given out now, oldest first, days behind their months."""
        folder = self.folder / offer.dataset.key
        found = (read_note(folder, path.stem) for path in sorted(folder.glob("*.json")))
        return [one for one in found if one is not None and offer.covers(one.terms)]

    def note(self, offer: Offered, name: str) -> Note | None:
        """The one called `name`, if there is such and it may be given out now."""
        if NAME.fullmatch(name) is None:
            return None
        found = read_note(self.folder / offer.dataset.key, name)
        return found if found is not None and offer.covers(found.terms) else None

    def path(self, offer: Offered, name: str, ending: str) -> Path:
        """Where the file lies."""
        return self.folder / offer.dataset.key / f"{name}.{ending}"

    def make(
        self,
        store: ObservationStore,
        offers: Mapping[str, Offered],
        now: Callable[[], datetime],
        daily_files: int,
    ) -> Round:
        """Bring everything up to date. StoreUnavailable: call again."""
        made: list[str] = []
        kept = 0
        wanted: dict[str, set[str]] = {key: set() for key in offers}
        for key, offer in offers.items():
            for name, period in _files(store, offer, now(), daily_files):
                wanted[key].add(name)
                if self._up_to_date(store, offer, name, period, now()):
                    kept += 1
                elif self._make(store, offer, name, period, now()):
                    made.append(f"{key}/{name}")
        return Round(tuple(made), kept, tuple(self._remove(wanted)))

    def _make(
        self, store: ObservationStore, offer: Offered, name: str, period: Period, now: datetime
    ) -> bool:
        folder = self.folder / offer.dataset.key
        mark = _mark(store, offer, period)
        rows = tables(store, offer, period, _midnight(now))
        made_at = now.isoformat(timespec="seconds").replace("+00:00", "Z")
        note = write_dump(folder, name, rows, mark=mark, made_at=made_at, terms=offer.terms())
        return note is not None

    def _up_to_date(
        self, store: ObservationStore, offer: Offered, name: str, period: Period, now: datetime
    ) -> bool:
        note = read_note(self.folder / offer.dataset.key, name)
        if note is None or note.mark != _mark(store, offer, period):
            return False
        settled = period.end < (now.replace(day=1) - _DAY).replace(day=1)
        return settled or note.made_at[:10] == f"{now:%Y-%m-%d}"

    def _remove(self, wanted: Mapping[str, set[str]]) -> Iterator[str]:
        for folder in sorted(self.folder.glob("*")) if self.folder.exists() else ():
            for note in sorted(folder.glob("*.json")):
                if note.stem not in wanted.get(folder.name, ()):
                    remove_dump(folder, note.stem)
                    _LOG.info("%s/%s removed", folder.name, note.stem)
                    yield f"{folder.name}/{note.stem}"


def _files(
    store: ObservationStore, offer: Offered, now: datetime, daily_files: int
) -> Iterator[tuple[str, Period]]:
    """Names and times of all files there should be; days with nothing in them are left out when made."""
    today = _midnight(now)
    found = census.take(store, offer.streams, Period(EPOCH, today))
    if not len(found):
        return
    first = instant(int(found.first.min()))
    for name, month in months(first, today - timedelta(microseconds=1)):
        yield name, Period(month.start, min(month.end, today))
    for back in range(daily_files, 0, -1):
        day = today - back * _DAY
        if day + _DAY > first:
            yield f"{day:%Y-%m-%d}", Period(day, day + _DAY)


def _mark(store: ObservationStore, offer: Offered, period: Period) -> str:
    """Changes with the number of values of any Datastream, with the terms, and with the format."""
    found = census.take(store, offer.streams, period)
    counts = {int(one): int(count) for one, count in zip(found.datastream, found.count, strict=True)}
    words = json.dumps([FORMAT, str(period.end), counts, offer.terms()], sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()


def _midnight(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
