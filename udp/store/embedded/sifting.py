"""Results of closed files and of untouched hours as bare columns: limits are tried on them, nothing is read.

Each file and each hour is looked through once for the least and the greatest result of every Datastream.
Most Datastreams are decided by these alone; for the others the results themselves are kept in memory up
to a limit (8 bytes a value), and read again, by row groups, beyond it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import partial

import numpy as np

from udp.store.columns import Floats, Ints, Observations
from udp.store.embedded import hot
from udp.store.embedded.cold import ColdFolder
from udp.store.embedded.kept import Kept
from udp.store.embedded.known import KnownRevisions
from udp.store.embedded.late import LateDay, late_days
from udp.store.embedded.manifest import files_between
from udp.store.embedded.places import ColdFile, Span, days_of
from udp.store.embedded.reading import Reader
from udp.store.sieve import Sifted
from udp.store.statistics import HOUR_US

_MOST_VALUES = 8_000_000
_MOST_ZONES = 400
_MOST_LATE_DAYS = 100
_NONE: Ints = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class _Zones:
    """What one file or hour holds, by Datastream ascending: how many results, the least, the greatest."""

    known: Sifted
    starts: Ints


@dataclass(frozen=True, slots=True)
class _Late:
    """Of one closed day: rows that supersede nothing in its file, and the Datastreams of those that do."""

    new: Observations
    corrected: Ints


class Sifter:
    """Sifts inside a transaction it is given."""

    def __init__(self, cold: ColdFolder, known: KnownRevisions, reader: Reader) -> None:
        self._cold = cold
        self._known = known
        self._reader = reader
        self._late_days = Kept[_Late](_MOST_LATE_DAYS)
        self._zones = Kept[_Zones](_MOST_ZONES)
        self._values = Kept[Floats](_MOST_VALUES, weigh=len)

    def sift(
        self, connection: sqlite3.Connection, wanted: Ints, span: Span, low: float, high: float
    ) -> Sifted:
        """Of `wanted` (ascending ids) within `span`."""
        if not len(wanted) or span.start >= span.end or low > high:
            return Sifted.empty()
        slots = hot.touched_slots(connection, span)
        files = files_between(connection, span.first_day, span.last_day)
        late = self._late(connection, slots, files)
        parts = []
        for file in files:
            days = days_of(file)
            inside = Span(max(span.start, days.start), min(span.end, days.end))
            of_file = late.get(file.name, [])
            corrected = np.intersect1d(wanted, np.concatenate([_NONE, *(one.corrected for one in of_file)]))
            settled = wanted[~hot.is_among(wanted, corrected)]
            if len(corrected):
                rows = self._reader.observations(connection, corrected, inside)
                parts.append(Sifted.of(rows.datastream, rows.result, low, high))
            parts += [_of_rows(one.new, settled, inside, low, high) for one in of_file]
            if inside == days:
                parts.append(self._of_file(file, settled, low, high))
            else:
                # What the whole file does not hold is not read of its part.
                somewhere = self._of_file(file, settled, low, high).datastream
                rows = self._cold.read(file, somewhere, inside)
                parts.append(Sifted.of(rows.datastream, rows.result, low, high))
        for slot, version in slots.items():
            if slot >= 0:
                parts.append(self._of_hour(connection, slot, version, wanted, span, low, high))
        return Sifted.merge(parts)

    def _late(
        self, connection: sqlite3.Connection, slots: dict[int, int], files: list[ColdFile]
    ) -> dict[str, list[_Late]]:
        """By name of the file of their days."""
        found: dict[str, list[_Late]] = {}
        for late in late_days(slots, files):
            of_day = self._late_days.of(late.day, late.state, partial(self._of_late_day, connection, late))
            found.setdefault(late.file.name, []).append(of_day)
        return found

    def _of_late_day(self, connection: sqlite3.Connection, late: LateDay) -> _Late:
        new, corrections = late.sort(self._known, late.rows(connection))
        return _Late(new, np.unique(corrections.datastream))

    def _of_hour(  # noqa: PLR0917 - what, where, and the limits
        self,
        connection: sqlite3.Connection,
        slot: int,
        version: int,
        wanted: Ints,
        span: Span,
        low: float,
        high: float,
    ) -> Sifted:
        zones, values = self._zones.get(slot, version), self._values.get(slot, version)
        if zones is None or values is None:
            ids, values = _results_of(connection, slot)
            zones = self._zones.keep(slot, version, _zones(ids, values))
            self._values.keep(slot, version, values)
        decided, open_ = _decide(zones, wanted, low, high)
        whole = Sifted.merge([decided, _try(zones, values, open_, low, high)])
        if span.start <= slot * HOUR_US and span.end >= (slot + 1) * HOUR_US:
            return whole
        rows = hot.read_slots(connection, [slot], whole.datastream, span)
        return Sifted.of(rows.datastream, rows.result, low, high)

    def _of_file(self, file: ColdFile, wanted: Ints, low: float, high: float) -> Sifted:
        zones, values = self._zones.get(file.name), self._values.get(file.name)
        if zones is None:
            zones, values = self._look_through(file)
        decided, open_ = _decide(zones, wanted, low, high)
        if not len(open_):
            return decided
        if values is None and len(open_) * 2 > len(zones.starts) and file.rows <= _MOST_VALUES:
            zones, values = self._look_through(file)
        if values is not None:
            return Sifted.merge([decided, _try(zones, values, open_, low, high)])
        ids = zones.known.datastream[open_]
        parts = [
            Sifted.of(streams[among], results[among], low, high)
            for streams, results in self._cold.results(file, ids)
            for among in [hot.is_among(streams, ids)]
        ]
        return Sifted.merge([decided, *parts])

    def _look_through(self, file: ColdFile) -> tuple[_Zones, Floats | None]:
        found, kept = [], []
        for streams, results in self._cold.results(file, None):
            found.append(_zones(streams, results).known)
            if file.rows <= _MOST_VALUES:
                kept.append(results)
        # No Datastream is in two row groups, and groups ascend: parts in a row are the whole in order.
        known = Sifted.merge(found)
        zones = _Zones(known, np.concatenate([[0], np.cumsum(known.count)[:-1]]).astype(np.int64))
        self._zones.keep(file.name, None, zones)
        return zones, self._values.keep(file.name, None, np.concatenate(kept)) if kept else None


def _results_of(connection: sqlite3.Connection, slot: int) -> tuple[Ints, Floats]:
    rows = connection.execute(
        "SELECT datastream, result FROM hot WHERE slot = ? ORDER BY datastream", (slot,)
    )
    table = np.fromiter(rows, np.dtype([("datastream", "i8"), ("result", "f8")]))
    return np.ascontiguousarray(table["datastream"]), np.ascontiguousarray(table["result"])


def _zones(ids: Ints, values: Floats) -> _Zones:
    if not len(ids):
        return _Zones(Sifted.empty(), np.empty(0, np.int64))
    starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))
    count = np.diff(np.append(starts, len(ids)))
    known = Sifted(
        ids[starts], count, np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    )
    return _Zones(known, starts)


def _decide(zones: _Zones, wanted: Ints, low: float, high: float) -> tuple[Sifted, Ints]:
    """Datastreams whose results all lie within, and the places of those that must be looked at."""
    known = zones.known
    asked = hot.is_among(known.datastream, wanted)
    whole = asked & (known.least >= low) & (known.greatest <= high)
    touched = asked & (known.greatest >= low) & (known.least <= high)
    decided = Sifted(*(getattr(known, name)[whole] for name in ("datastream", "count", "least", "greatest")))
    return decided, np.flatnonzero(touched & ~whole)


def _try(zones: _Zones, values: Floats, places: Ints, low: float, high: float) -> Sifted:
    """The limits on each result of these Datastreams."""
    if not len(places):
        return Sifted.empty()
    within = values <= high if low == -np.inf else values >= low
    if np.inf > high and low > -np.inf:
        within &= values <= high
    # Where those within stand: mostly few, and then a look at each Datastream's limits among them.
    hits = np.flatnonzero(within)
    known, starts = zones.known, zones.starts[places]
    count = np.searchsorted(hits, starts + known.count[places]) - np.searchsorted(hits, starts)
    some = places[count > 0]
    found = Sifted(known.datastream[some], count[count > 0], known.least[some], known.greatest[some])
    return found.within(low, high)


def _of_rows(rows: Observations, wanted: Ints, span: Span, low: float, high: float) -> Sifted:
    time = rows.phenomenon_time.astype(np.int64)
    keep = hot.is_among(rows.datastream, wanted) & (time >= span.start) & (time < span.end)
    return Sifted.of(rows.datastream[keep], rows.result[keep], low, high)
