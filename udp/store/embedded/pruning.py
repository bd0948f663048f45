"""Forget raw values for good: out of Parquet, out of SQLite, out of its free pages and its log.

The mark comes first (nothing earlier is taken in any more), then each day and file in a transaction
of its own, then the files are written without what was deleted, then everything is looked through
once more. Killed in between, the mark stays unfinished and the next call goes on.
"""

from __future__ import annotations

import json
import sqlite3

import numpy as np

from udp.errors import StoreRejected, StoreUnavailable
from udp.store.columns import Ints
from udp.store.embedded import arriving, electing, forgotten, hot, manifest, packed, places
from udp.store.embedded.cold import ColdFolder
from udp.store.embedded.database import Database
from udp.store.embedded.maintenance import Maintenance
from udp.store.embedded.places import HOURS, Span
from udp.store.embedded.reading import Reader
from udp.store.statistics import DAY_US, HOUR_US, Statistics, condense, of_observations

# A step of maintenance that is just running ends within this time.
_WAIT_S = 60.0


class Pruner:
    """Works under the lock of maintenance."""

    def __init__(
        self, database: Database, cold: ColdFolder, reader: Reader, maintenance: Maintenance
    ) -> None:
        self._database = database
        self._cold = cold
        self._reader = reader
        self._maintenance = maintenance

    def prune(self, wanted: Ints, before: int, now_us: int) -> int:
        """Nothing of `wanted` before that midnight is left anywhere; the number of values deleted."""
        with self._database.writing() as connection:
            forgotten.mark(connection, wanted, before)
            marks = forgotten.unfinished(connection)
        if not len(marks.datastream):
            return 0
        with self._maintenance.at_work(_WAIT_S) as mine:
            if not mine:
                raise StoreUnavailable(f"{self._cold.folder}: maintenance is at work; repeat later")
            deleted = self._values(marks, "slot")
            self._prune_open_days(marks)
            self._prune_files(marks, now_us)
            self._prune_tables(marks)
            while self._maintenance.purge():
                pass
            self._database.compact()
            if left := self._values(marks, "hot"):
                raise StoreUnavailable(f"{self._cold.folder}: {left} values are still there; prune again")
            with self._database.writing() as connection:
                forgotten.finish(connection, marks)
        return deleted

    def adopt(self, wanted: Ints, before: int, hours: Statistics) -> None:
        """Hours that another engine has kept take the place of values that were never here."""
        past = Span(0, before)
        with self._database.writing() as connection:
            if len(there := self._reader.observations(connection, wanted, past)):
                raise StoreRejected(
                    f"Datastream {there.datastream[0]} has single values before {there.phenomenon_time[-1]} "
                    "here: hours of another past cannot be put in their place"
                )
            forgotten.mark(connection, wanted, before)
        days = hours.time // DAY_US
        for day in np.unique(days).tolist():
            of_day = hours.take(days == day)
            streams = np.unique(of_day.datastream)
            pairs = np.column_stack([streams, np.full(len(streams), day)])
            with self._database.writing() as connection:
                packed.write_days(connection, of_day, pairs)
        with self._database.writing() as connection:
            forgotten.finish(connection, forgotten.Marks(wanted, np.full(len(wanted), before)))

    def _prune_open_days(self, marks: forgotten.Marks) -> None:
        """Rows in SQLite; the day's statistics of these Datastreams take their place."""
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT DISTINCT slot / ? FROM slot WHERE slot BETWEEN 0 AND ? ORDER BY slot",
                (HOURS, (marks.latest - 1) // HOUR_US),
            )
            days = [day for (day,) in found]
        for day in days:
            with self._database.writing() as connection:
                self._prune_open_day(connection, day, marks)

    def _prune_open_day(self, connection: sqlite3.Connection, day: int, marks: forgotten.Marks) -> None:
        span = Span(day * DAY_US, (day + 1) * DAY_US)
        slots = [slot for slot in hot.touched_slots(connection, span) if slot >= 0]
        rows = hot.read_slots(connection, slots, marks.datastream, span)
        rows = rows.take(marks.cover(rows))
        streams = np.unique(rows.datastream)
        pairs = np.column_stack([streams, np.full(len(streams), day)])
        packed.write_days(connection, condense(of_observations(rows), HOUR_US), pairs)
        ids = json.dumps(streams.tolist())
        for slot in slots:
            deleted = connection.execute(_DELETE_HOT, (slot, ids)).rowcount
            if deleted:
                connection.execute("UPDATE slot SET version = version + 1 WHERE slot = ?", (slot,))
                connection.execute("DELETE FROM slot_statistics WHERE slot = ?", (slot,))
                if connection.execute(_DELETE_EMPTY_SLOT, (slot, slot)).rowcount:
                    manifest.next_number(connection)

    def _prune_files(self, marks: forgotten.Marks, now_us: int) -> None:
        with self._database.reading() as connection:
            files = manifest.files_between(connection, 0, (marks.latest - 1) // DAY_US)
            slots = connection.execute("SELECT slot FROM slot WHERE slot < 0").fetchall()
        late = {places.day_of_late_slot(slot) for (slot,) in slots}
        for file in files:
            has_late = any(map(file.holds, late))
            if has_late or self._cold.count(file, marks.cover_times):
                self._maintenance.rewrite(file, now_us)

    def _prune_tables(self, marks: forgotten.Marks) -> None:
        limits = list(zip(marks.datastream.tolist(), marks.before.tolist(), strict=True))
        with self._database.writing() as connection:
            connection.executemany("DELETE FROM superseded WHERE datastream = ? AND time < ?", limits)
            for datastream, before in limits:
                electing.withdraw(connection, self._reader, datastream, before)
            arriving.forget(connection)

    def _values(self, marks: forgotten.Marks, slots_in: str) -> int:
        """How many values there are of what is to be forgotten, in files and a table's slots."""
        with self._database.reading() as connection:
            files = manifest.files_between(connection, 0, (marks.latest - 1) // DAY_US)
            rows = [
                hot.read_superseded(connection, marks.datastream, Span(0, marks.latest)),
                *(
                    hot.read_slot(connection, slot)
                    for (slot,) in connection.execute(f"SELECT DISTINCT slot FROM {slots_in}").fetchall()  # noqa: S608 - a constant
                    if slot * HOUR_US < marks.latest
                ),
            ]
        in_sqlite = sum(int(marks.cover(some).sum()) for some in rows)
        return in_sqlite + sum(self._cold.count(file, marks.cover_times) for file in files)


# Whole days are forgotten, so every row of the slot is.
_DELETE_HOT = """
DELETE FROM hot WHERE slot = ? AND datastream IN (SELECT value FROM json_each(?))
"""
_DELETE_EMPTY_SLOT = """
DELETE FROM slot WHERE slot = ? AND NOT EXISTS (SELECT 1 FROM hot WHERE hot.slot = ?)
"""
