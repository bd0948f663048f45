"""Answer queries from one consistent picture: Parquet, hot rows, late rows and packed statistics."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from functools import partial

import numpy as np

from udp.store.acceptance import moment_known
from udp.store.columns import Ints, Observations
from udp.store.embedded import hot, packed
from udp.store.embedded.cold import ColdFolder
from udp.store.embedded.kept import Kept
from udp.store.embedded.manifest import files_between
from udp.store.embedded.ordering import newest
from udp.store.embedded.places import Span, day_of_late_slot
from udp.store.statistics import DAY_US, HOUR_US, Statistics, of_observations

_SLOTS_KEPT = 96


class Reader:
    """Reads inside a transaction it is given; remembers unpacked hours between calls."""

    def __init__(self, cold: ColdFolder) -> None:
        self._cold = cold
        self._slots = Kept[Statistics](_SLOTS_KEPT)

    def observations(
        self, connection: sqlite3.Connection, wanted: Ints, span: Span, as_of: datetime | None = None
    ) -> Observations:
        """The port's `read`; `wanted` ascending without repetition."""
        slots = hot.touched_slots(connection, span)
        parts = [hot.read_slots(connection, slots, wanted, span)] if slots else []
        for file in files_between(connection, span.first_day, span.last_day):
            parts.append(self._cold.read(file, wanted, span))
        if as_of is None:
            return newest(_joined(parts))[0]
        parts.append(hot.read_superseded(connection, wanted, span))
        candidates = _joined(parts)
        return newest(candidates.take(candidates.result_time <= moment_known(as_of)))[0]

    def statistics(
        self, connection: sqlite3.Connection, wanted: Ints, span: Span, every_us: int
    ) -> list[Statistics]:
        """Summaries that together are `span`, none straddling a bucket of `every_us`."""
        if every_us % HOUR_US:
            return [of_observations(self.observations(connection, wanted, span))]
        hours = _inner(span, HOUR_US)
        parts = [of_observations(self.observations(connection, wanted, edge)) for edge in _edges(span, hours)]
        if hours.start == hours.end:
            return parts
        days = _inner(hours, DAY_US) if every_us % DAY_US == 0 else Span(hours.end, hours.end)
        for edge in _edges(hours, days):
            parts += self._condensed(connection, wanted, edge, daily=False)
        if days.start < days.end:
            parts += self._condensed(connection, wanted, days, daily=True)
        return parts

    def _condensed(
        self, connection: sqlite3.Connection, wanted: Ints, span: Span, *, daily: bool
    ) -> list[Statistics]:
        """Whole hours (or days): packed where valid, from rows where not."""
        slots = hot.touched_slots(connection, span)
        read = packed.read_days if daily else packed.read_hours
        closed = read(connection, wanted, span)
        stale = _stale_pairs(connection, [slot for slot in slots if slot < 0], wanted)
        parts = []
        if len(stale):
            pair = closed.datastream * DAY_US + closed.time // DAY_US
            closed = closed.take(~hot.is_among(pair, np.unique(stale[:, 0] * DAY_US + stale[:, 1])))
            parts += self._from_rows(connection, stale, span)
        return [closed, *parts, *self._open_hours(connection, wanted, slots)]

    def _from_rows(self, connection: sqlite3.Connection, stale: Ints, span: Span) -> list[Statistics]:
        parts = []
        for day in np.unique(stale[:, 1]).tolist():
            of_day = Span(max(span.start, day * DAY_US), min(span.end, (day + 1) * DAY_US))
            datastreams = np.unique(stale[stale[:, 1] == day, 0])
            parts.append(of_observations(self.observations(connection, datastreams, of_day)))
        return parts

    def _open_hours(
        self, connection: sqlite3.Connection, wanted: Ints, slots: dict[int, int]
    ) -> list[Statistics]:
        parts, raw = [], []
        first, last = min(slots, default=0), max(slots, default=-1)
        versions = dict(
            connection.execute(
                "SELECT slot, version FROM slot_statistics WHERE slot BETWEEN ? AND ?", (max(first, 0), last)
            ).fetchall()
        )
        for slot, version in slots.items():
            if slot < 0:
                continue
            if versions.get(slot) == version:
                hour = self._slot(connection, slot, version)
                parts.append(hour.take(_rows_of(hour.datastream, wanted)))
            else:
                raw.append(slot)
        if raw:
            parts.append(of_observations(hot.read_slots(connection, raw, wanted)))
        return parts

    def _slot(self, connection: sqlite3.Connection, slot: int, version: int) -> Statistics:
        return self._slots.of(slot, version, partial(packed.read_slot, connection, slot))


def _joined(parts: list[Observations]) -> Observations:
    filled = [part for part in parts if len(part)]
    return filled[0] if len(filled) == 1 else Observations.concatenate(filled)


def _rows_of(datastream: Ints, wanted: Ints) -> Ints:
    """Positions of `wanted` in the ascending, unique `datastream`."""
    if not len(datastream):
        return np.empty(0, np.int64)
    at = np.searchsorted(datastream, wanted)
    at[at == len(datastream)] = 0
    found: Ints = at[datastream[at] == wanted]
    return found


def _stale_pairs(connection: sqlite3.Connection, late_slots: list[int], wanted: Ints) -> Ints:
    """(datastream, day) of closed days whose packed statistics do not know the late rows yet."""
    pairs = []
    for slot in late_slots:
        found = connection.execute("SELECT DISTINCT datastream FROM hot WHERE slot = ?", (slot,)).fetchall()
        datastreams = np.array(found, np.int64).reshape(-1)
        datastreams = datastreams[hot.is_among(datastreams, wanted)]
        pairs.append(np.column_stack([datastreams, np.full(len(datastreams), day_of_late_slot(slot))]))
    return np.concatenate(pairs) if pairs else np.empty((0, 2), np.int64)


def _inner(span: Span, unit_us: int) -> Span:
    """The whole units within `span`; empty at its end when there are none."""
    start, end = -(-span.start // unit_us) * unit_us, span.end // unit_us * unit_us
    return Span(start, end) if start < end else Span(span.end, span.end)


def _edges(span: Span, inner: Span) -> list[Span]:
    """What `inner` leaves of `span`, before and behind it."""
    sides = (Span(span.start, inner.start), Span(inner.end, span.end))
    return [side for side in sides if side.start < side.end]
