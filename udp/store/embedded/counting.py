"""The census of the embedded store: each closed file and each untouched hour is counted once, then known."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np

from udp.store.census import Census
from udp.store.columns import Ints, Observations
from udp.store.embedded import hot
from udp.store.embedded.cold import ColdFolder
from udp.store.embedded.known import KnownRevisions
from udp.store.embedded.manifest import files_between
from udp.store.embedded.ordering import newest
from udp.store.embedded.places import ColdFile, Span, day_of_late_slot
from udp.store.statistics import DAY_US, HOUR_US

# 48 open hours, late slots, and the files of some years; 32 bytes per Datastream each.
_KEPT = 400


class Counter:
    """Counts inside a transaction it is given."""

    def __init__(self, cold: ColdFolder, known: KnownRevisions) -> None:
        self._cold = cold
        self._known = known
        self._kept: OrderedDict[Hashable, Census] = OrderedDict()
        self._lock = threading.Lock()

    def census(self, connection: sqlite3.Connection, wanted: Ints, span: Span) -> Census:
        """Of `wanted` (ascending ids) within `span`."""
        if not len(wanted) or span.start >= span.end:
            return Census.empty()
        slots = hot.touched_slots(connection, span)
        files = files_between(connection, span.first_day, span.last_day)
        settled: list[tuple[Hashable, Census]] = []
        parts: list[Census] = []
        for file in files:
            if span.start <= file.first_day * DAY_US and span.end >= (file.last_day + 1) * DAY_US:
                settled.append((file.name, self._whole_file(file)))
            else:
                parts.append(Census.of(self._cold.read(file, wanted, span)))
        # Only the newest hour moves with every append: everything else is put together once.
        moving = max(slots, default=-1)
        late: dict[ColdFile | None, list[int]] = {}
        for slot, version in slots.items():
            if slot < 0:
                late.setdefault(_holder(files, day_of_late_slot(slot)), []).append(slot)
            else:
                whole = span.start <= slot * HOUR_US and span.end >= (slot + 1) * HOUR_US
                if not whole:
                    parts.append(Census.of(hot.read_slots(connection, [slot], wanted, span)))
                elif slot == moving:
                    parts.append(self._whole_hour(connection, slot, version))
                else:
                    settled.append(((slot, version), self._whole_hour(connection, slot, version)))
        for holder, group in late.items():
            rows = newest(hot.read_slots(connection, group, wanted, span))[0]
            parts.append(Census.of(self._new(holder, rows)))
        if settled:
            key = tuple(name for name, _ in settled)
            parts.append(self._remembered(key, lambda: Census.merge([one for _, one in settled])))
        return Census.merge([part.only(wanted) for part in parts])

    def _whole_file(self, file: ColdFile) -> Census:
        return self._remembered(file.name, lambda: self._cold.summary(file))

    def _whole_hour(self, connection: sqlite3.Connection, slot: int, version: int) -> Census:
        return self._remembered((slot, version), lambda: _grouped(connection, slot))

    def _new(self, file: ColdFile | None, rows: Observations) -> Observations:
        """Late rows that supersede nothing in the file of their day."""
        if file is None or not len(rows):
            return rows
        return rows.take(self._known.revisions(file, rows) < 0)

    def _remembered(self, key: Hashable, count: Callable[[], Census]) -> Census:
        with self._lock:
            if (known := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return known
        found = count()
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found


def _grouped(connection: sqlite3.Connection, slot: int) -> Census:
    rows = connection.execute(
        "SELECT datastream, count(*), min(time), max(time) FROM hot WHERE slot = ? GROUP BY datastream",
        (slot,),
    ).fetchall()
    return Census(*np.array(rows, np.int64).reshape(-1, 4).T.copy())


def _holder(files: list[ColdFile], day: int) -> ColdFile | None:
    return next((file for file in files if file.first_day <= day <= file.last_day), None)
