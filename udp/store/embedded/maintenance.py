"""Move closed days to Parquet, keep statistics packed, merge files: in steps, beside appends and reads.

Every step prepares without a lock and ends in one short transaction that first checks that nothing
it read has changed. Killed at any instant, the store is as before or as after the step; a file
nobody names is removed by the next step.
"""

from __future__ import annotations

import fcntl
import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from udp.errors import StoreUnavailable
from udp.store.columns import Ints, Observations
from udp.store.embedded import hot, manifest, merging, packed, places
from udp.store.embedded.cold import ColdFolder
from udp.store.embedded.database import Database
from udp.store.embedded.ordering import ascending, newest
from udp.store.embedded.places import HOURS, ColdFile
from udp.store.statistics import DAY_US, HOUR_US, Statistics, condense, of_observations

_SLOTS_PER_STEP = 24
_ROWS_PER_DELETE = 20_000
_ROWS_PER_PART = 500_000
# Late rows are folded early when they are this share of their file.
_LATE_SHARE = 0.05


class Maintenance:
    """The store's housekeeping; one process at a time, whoever gets the lock."""

    def __init__(
        self, database: Database, cold: ColdFolder, *, keep_open_us: int, settle_us: int, fold_after_us: int
    ) -> None:
        self._database = database
        self._cold = cold
        self._keep_open_us = keep_open_us
        self._settle_us = settle_us
        self._fold_after_us = fold_after_us

    def step(self, now_us: int) -> bool:
        """Do the most urgent piece of work; True when something was done."""
        try:
            with self._alone() as mine:
                if not mine:
                    return False
                self._remove_strays()
                return (
                    self._purge()
                    or self._pack_hours(now_us)
                    or self._close_day(now_us)
                    or self._fold(now_us)
                    or self._merge(now_us)
                )
        except OSError as error:
            raise StoreUnavailable(
                f"{self._cold.folder}: maintenance could not write ({error}); free space, then it resumes"
            ) from error
        except pa.ArrowException as error:
            raise StoreUnavailable(
                f"{self._cold.folder}: a file is damaged; restore it from a backup ({error})"
            ) from error

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        # The lock belongs to the open file: it is gone with the process, however that ends.
        with (self._cold.folder.parent / "maintenance.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def _remove_strays(self) -> None:
        with self._database.reading() as connection:
            names = {file.name for file in manifest.all_files(connection)}
        self._cold.remove_all_but(names)

    def _purge(self) -> bool:
        """Delete some of the rows that Parquet holds by now; nobody reads them any more."""
        with self._database.reading() as connection:
            slots = connection.execute("SELECT slot FROM residue LIMIT ?", (_SLOTS_PER_STEP,)).fetchall()
        for (slot,) in slots:
            with self._database.writing() as connection:
                if connection.execute(_DELETE_PART, (slot, slot, _ROWS_PER_DELETE)).rowcount == 0:
                    connection.execute("DELETE FROM hot WHERE slot = ?", (slot,))
                    connection.execute("DELETE FROM residue WHERE slot = ?", (slot,))
        return bool(slots)

    def _pack_hours(self, now_us: int) -> bool:
        """Statistics of hours that are over and have changed."""
        with self._database.reading() as connection:
            due = connection.execute(_UNPACKED, (now_us // HOUR_US, _SLOTS_PER_STEP)).fetchall()
        done = []
        for slot, _ in due:
            with self._database.reading() as connection:
                (version,) = connection.execute("SELECT version FROM slot WHERE slot = ?", (slot,)).fetchone()
                rows = hot.read_slot(connection, slot)
            done.append((slot, version, condense(of_observations(rows), HOUR_US)))
        if done:
            with self._database.writing() as connection:
                for slot, version, statistics in done:
                    packed.write_slot(connection, slot, version, statistics)
        return bool(done)

    def _close_day(self, now_us: int) -> bool:
        """The oldest day that is over and quiet becomes a file."""
        with self._database.reading() as connection:
            found = connection.execute(_CLOSABLE, (now_us - self._keep_open_us, now_us - self._settle_us))
            day = next((day for (day,) in found), None)
            if day is None:
                return False
            versions = _open_slots(connection, day)
            rows = [hot.read_slot(connection, slot) for slot in versions]
        observations = ascending(Observations.concatenate(rows))
        hourly = condense(of_observations(observations), HOUR_US)
        file = self._new_file(day, day, now_us)
        with self._cold.writing(file) as writer:
            writer.add(observations)
        with self._database.writing() as connection:
            if _open_slots(connection, day) != versions:
                return False
            manifest.replace(connection, [], file._replace(rows=len(observations)))
            packed.write_days(connection, hourly, None)
            _retire(connection, list(versions))
        return True

    def _fold(self, now_us: int) -> bool:
        """A file whose late rows are many or have waited long is rewritten with them."""
        with self._database.reading() as connection:
            files = manifest.all_files(connection)
            late = connection.execute(_LATE).fetchall()
        rows: dict[str, int] = {}
        for slot, since, count in late:
            file = _holding(files, places.day_of_late_slot(slot))
            rows[file.name] = rows.get(file.name, 0) + count
            if since + self._fold_after_us <= now_us or rows[file.name] > _LATE_SHARE * file.rows:
                return self._rewrite([file], now_us)
        return False

    def _merge(self, now_us: int) -> bool:
        """Join neighbouring files of one month."""
        with self._database.reading() as connection:
            files = manifest.all_files(connection)
            opened = connection.execute("SELECT DISTINCT slot / ? FROM slot WHERE slot >= 0", (HOURS,))
            open_days = {day for (day,) in opened}
        run = merging.due(
            files,
            open_days,
            today=(now_us - self._keep_open_us) // DAY_US,
            quiet_since=now_us - self._fold_after_us,
        )
        return self._rewrite(run, now_us) if run else False

    def _rewrite(self, files: list[ColdFile], now_us: int) -> bool:
        """One file out of `files` and the late rows they have by now."""
        new = self._new_file(files[0].first_day, files[-1].last_day, now_us)
        with self._database.writing() as connection:
            generation = manifest.raise_generation(connection, files)
            frozen = _frozen_slots(connection, files, generation)
        with self._database.reading() as connection:
            late = ascending(Observations.concatenate([hot.read_slot(connection, slot) for slot in frozen]))
        pairs = np.unique(np.column_stack([late.datastream, _days(late)]), axis=0)
        hourly = []
        with self._cold.writing(new) as writer:
            for low, high in self._parts(files, late):
                rows, former = newest(self._part(files, late, low, high))
                writer.add(rows)
                touched = hot.is_among(_pair(rows.datastream, _days(rows)), _pair(pairs[:, 0], pairs[:, 1]))
                hourly.append(condense(of_observations(rows.take(touched)), HOUR_US))
                self._keep_former(former)
        with self._database.writing() as connection:
            if _open_within(connection, new):
                return False
            manifest.replace(connection, files, new._replace(generation=generation, rows=writer.rows))
            packed.write_days(connection, Statistics.concatenate(hourly), pairs)
            _retire(connection, frozen)
        self._remove_strays()
        return True

    def _part(self, files: list[ColdFile], late: Observations, low: int, high: int) -> Observations:
        begin, end = np.searchsorted(late.datastream, [low, high])
        parts = [self._cold.read_range(file, low, high) for file in files]
        return Observations.concatenate([*parts, late.take(slice(begin, end))])

    def _parts(self, files: list[ColdFile], late: Observations) -> list[tuple[int, int]]:
        """Ranges [low, high) of datastreams with about _ROWS_PER_PART rows each, to bound memory."""
        indexes = [self._cold.index(file) for file in files]
        first = np.concatenate([*(index.first for index in indexes), late.datastream])
        rows = np.concatenate([*(index.rows for index in indexes), np.ones(len(late), np.int64)])
        order = np.argsort(first, kind="stable")
        part = np.cumsum(rows[order]) // _ROWS_PER_PART
        cuts = np.unique(first[order][np.flatnonzero(np.diff(part)) + 1]).tolist()
        limits = [int(first.min()), *(cut for cut in cuts if cut > first.min()), np.iinfo(np.int64).max]
        return list(itertools.pairwise(limits))

    def _keep_former(self, former: Observations) -> None:
        """Before the swap, in short transactions: a former revision kept twice is harmless."""
        for begin in range(0, len(former), _ROWS_PER_DELETE):
            with self._database.writing() as connection:
                hot.write_superseded(connection, former.take(slice(begin, begin + _ROWS_PER_DELETE)))

    def _new_file(self, first_day: int, last_day: int, now_us: int) -> ColdFile:
        with self._database.writing() as connection:
            number = manifest.next_number(connection)
        days = [str(np.datetime64(day, "D")) for day in (first_day, last_day)]
        span = days[0] if first_day == last_day else "_".join(days)
        return ColdFile(f"{span}.{number}.parquet", number, first_day, last_day, 0, now_us)


# Rows in the order of their key, up to the n-th: SQLite as Debian builds it knows no DELETE ... LIMIT.
_DELETE_PART = """
DELETE FROM hot WHERE slot = ? AND datastream < (
    SELECT datastream FROM hot WHERE slot = ? LIMIT 1 OFFSET ?)
"""
_UNPACKED = """
SELECT s.slot, s.version FROM slot s LEFT JOIN slot_statistics p ON p.slot = s.slot
WHERE s.slot >= 0 AND s.slot < ? AND s.version IS NOT p.version ORDER BY s.slot LIMIT ?
"""
_CLOSABLE = f"""
SELECT slot / {HOURS} AS day FROM slot WHERE slot >= 0
GROUP BY day HAVING (day + 1) * {DAY_US} <= ? AND max(touched) <= ? ORDER BY day LIMIT 1
"""  # noqa: S608 - constants
_LATE = """
SELECT slot, since, (SELECT count(*) FROM hot WHERE hot.slot = slot.slot) FROM slot
WHERE slot < 0 ORDER BY since
"""


def _open_slots(connection: sqlite3.Connection, day: int) -> dict[int, int]:
    return dict(
        connection.execute(
            "SELECT slot, version FROM slot WHERE slot BETWEEN ? AND ?",
            (day * HOURS, day * HOURS + HOURS - 1),
        ).fetchall()
    )


def _frozen_slots(connection: sqlite3.Connection, files: list[ColdFile], generation: int) -> list[int]:
    """Late slots of the files' days from before `generation`; nothing is appended to them any more."""
    days = range(files[0].first_day, files[-1].last_day + 1)
    late = connection.execute("SELECT slot FROM slot WHERE slot < 0 ORDER BY slot").fetchall()
    return [
        slot
        for (slot,) in late
        if places.day_of_late_slot(slot) in days and places.generation_of_late_slot(slot) != generation
    ]


def _holding(files: list[ColdFile], day: int) -> ColdFile:
    return next(file for file in files if file.first_day <= day <= file.last_day)


def _open_within(connection: sqlite3.Connection, file: ColdFile) -> bool:
    found = connection.execute(
        "SELECT 1 FROM slot WHERE slot BETWEEN ? AND ? LIMIT 1",
        (file.first_day * HOURS, file.last_day * HOURS + HOURS - 1),
    )
    return found.fetchone() is not None


def _retire(connection: sqlite3.Connection, slots: list[int]) -> None:
    """From this transaction on nobody reads these slots; their rows are deleted later, in parts."""
    keys = [(slot,) for slot in slots]
    connection.executemany("DELETE FROM slot WHERE slot = ?", keys)
    connection.executemany("DELETE FROM slot_statistics WHERE slot = ?", keys)
    connection.executemany("INSERT OR IGNORE INTO residue VALUES (?)", keys)


def _days(rows: Observations) -> Ints:
    return rows.phenomenon_time.astype(np.int64) // DAY_US


def _pair(datastream: Ints, day: Ints) -> Ints:
    return datastream * places.EVERY_DAY + day
