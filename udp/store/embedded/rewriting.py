"""Make one Parquet file out of several and the late rows they have by now, beside appends and reads."""

from __future__ import annotations

import itertools
import sqlite3

import numpy as np

from udp.store.columns import Ints, Observations
from udp.store.embedded import forgotten, hot, manifest, packed, places
from udp.store.embedded.cold import ColdFolder
from udp.store.embedded.database import Database
from udp.store.embedded.ordering import ascending, newest
from udp.store.embedded.places import HOURS, ColdFile
from udp.store.statistics import DAY_US, HOUR_US, Statistics, condense, of_observations

_ROWS_PER_TRANSACTION = 20_000
_ROWS_PER_PART = 500_000


class Rewriter:
    """Used by whoever holds the lock of maintenance."""

    def __init__(self, database: Database, cold: ColdFolder) -> None:
        self._database = database
        self._cold = cold

    def rewrite(self, files: list[ColdFile], now_us: int) -> bool:
        """One file out of neighbours; what is forgotten counts in statistics once more and is left out.

        False when it must be tried again: a day between the files has been opened meanwhile.
        """
        new = self.new_file(files[0].first_day, files[-1].last_day, now_us)
        with self._database.writing() as connection:
            generation = manifest.raise_generation(connection, files)
            frozen = _frozen_slots(connection, files, generation)
        with self._database.reading() as connection:
            late = ascending(Observations.concatenate([hot.read_slot(connection, slot) for slot in frozen]))
            gone = forgotten.marks_after(connection, new.first_day * DAY_US)
        pairs = np.unique(np.column_stack([late.datastream, _days(late)]), axis=0)
        hourly = []
        with self._cold.writing(new) as writer:
            for low, high in self._parts(files, late):
                rows, former = newest(self._part(files, late, low, high))
                touched = hot.is_among(_pair(rows.datastream, _days(rows)), _pair(pairs[:, 0], pairs[:, 1]))
                hourly.append(condense(of_observations(rows.take(touched)), HOUR_US))
                writer.add(rows.take(~gone.cover(rows)))
                self._keep_former(former.take(~gone.cover(former)))
        with self._database.writing() as connection:
            if _open_within(connection, new):
                return False
            manifest.replace(connection, files, new._replace(generation=generation, rows=writer.rows))
            packed.write_days(connection, Statistics.concatenate(hourly), pairs)
            retire(connection, frozen)
        self.remove_strays()
        return True

    def new_file(self, first_day: int, last_day: int, now_us: int) -> ColdFile:
        """A name never used before."""
        with self._database.writing() as connection:
            number = manifest.next_number(connection)
        days = [str(np.datetime64(day, "D")) for day in (first_day, last_day)]
        span = days[0] if first_day == last_day else "_".join(days)
        return ColdFile(f"{span}.{number}.parquet", number, first_day, last_day, 0, now_us)

    def remove_strays(self) -> None:
        """Files nobody names: replaced, or left behind by a crash."""
        with self._database.reading() as connection:
            names = {file.name for file in manifest.all_files(connection)}
        self._cold.remove_all_but(names)

    def _part(self, files: list[ColdFile], late: Observations, low: int, high: int) -> Observations:
        begin, end = np.searchsorted(late.datastream, [low, high])
        parts = [self._cold.read_range(file, low, high) for file in files]
        return Observations.concatenate([*parts, late.take(slice(begin, end))])

    def _parts(self, files: list[ColdFile], late: Observations) -> list[tuple[int, int]]:
        """Ranges [low, high) of datastreams with about _ROWS_PER_PART rows each, to bound memory."""
        indexes = [self._cold.index(file) for file in files]
        first = np.concatenate([*(index.first for index in indexes), late.datastream])
        if not len(first):
            return []
        rows = np.concatenate([*(index.rows for index in indexes), np.ones(len(late), np.int64)])
        order = np.argsort(first, kind="stable")
        part = np.cumsum(rows[order]) // _ROWS_PER_PART
        cuts = np.unique(first[order][np.flatnonzero(np.diff(part)) + 1]).tolist()
        limits = [int(first.min()), *(cut for cut in cuts if cut > first.min()), np.iinfo(np.int64).max]
        return list(itertools.pairwise(limits))

    def _keep_former(self, former: Observations) -> None:
        """Before the swap, in short transactions: a former revision kept twice is harmless."""
        for begin in range(0, len(former), _ROWS_PER_TRANSACTION):
            with self._database.writing() as connection:
                hot.write_superseded(connection, former.take(slice(begin, begin + _ROWS_PER_TRANSACTION)))


def retire(connection: sqlite3.Connection, slots: list[int]) -> None:
    """From this transaction on nobody reads these slots; their rows are deleted later, in parts."""
    keys = [(slot,) for slot in slots]
    connection.executemany("DELETE FROM slot WHERE slot = ?", keys)
    connection.executemany("DELETE FROM slot_statistics WHERE slot = ?", keys)
    connection.executemany("INSERT OR IGNORE INTO residue VALUES (?)", keys)


def _frozen_slots(connection: sqlite3.Connection, files: list[ColdFile], generation: int) -> list[int]:
    """Late slots of the files' days from before `generation`; nothing is appended to them any more."""
    days = range(files[0].first_day, files[-1].last_day + 1)
    late = connection.execute("SELECT slot FROM slot WHERE slot < 0 ORDER BY slot").fetchall()
    return [
        slot
        for (slot,) in late
        if places.day_of_late_slot(slot) in days and places.generation_of_late_slot(slot) != generation
    ]


def _open_within(connection: sqlite3.Connection, file: ColdFile) -> bool:
    found = connection.execute(
        "SELECT 1 FROM slot WHERE slot BETWEEN ? AND ? LIMIT 1",
        (file.first_day * HOURS, file.last_day * HOURS + HOURS - 1),
    )
    return found.fetchone() is not None


def _days(rows: Observations) -> Ints:
    return rows.phenomenon_time.astype(np.int64) // DAY_US


def _pair(datastream: Ints, day: Ints) -> Ints:
    return datastream * places.EVERY_DAY + day
