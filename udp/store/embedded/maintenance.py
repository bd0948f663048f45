"""Move closed days to Parquet, keep statistics packed, merge files: in steps, beside appends and reads.

Every step prepares without a lock and ends in one short transaction that first checks that nothing
it read has changed. Killed at any instant, the store is as before or as after the step; a file
nobody names is removed by the next step.
"""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pyarrow as pa

from udp.errors import StoreUnavailable
from udp.store.columns import Observations
from udp.store.embedded import hot, manifest, merging, packed, places
from udp.store.embedded.cold import ColdFolder
from udp.store.embedded.database import Database
from udp.store.embedded.ordering import ascending
from udp.store.embedded.places import HOURS, ColdFile
from udp.store.embedded.rewriting import Rewriter, retire
from udp.store.statistics import DAY_US, HOUR_US, condense, of_observations

_SLOTS_PER_STEP = 24
_ROWS_PER_DELETE = 20_000
_ASK_AGAIN_S = 0.05
# Late rows are folded early when they are this share of their file.
_LATE_SHARE = 0.05


class Maintenance:
    """The store's housekeeping; one process at a time, whoever gets the lock."""

    def __init__(
        self, database: Database, cold: ColdFolder, *, keep_open_us: int, settle_us: int, fold_after_us: int
    ) -> None:
        self._database = database
        self._cold = cold
        self._rewriter = Rewriter(database, cold)
        self._keep_open_us = keep_open_us
        self._settle_us = settle_us
        self._fold_after_us = fold_after_us

    def step(self, now_us: int) -> bool:
        """Do the most urgent piece of work; True when something was done."""
        with self.at_work(wait_s=0.0) as mine:
            if not mine:
                return False
            self._rewriter.remove_strays()
            return (
                self.purge()
                or self._pack_hours(now_us)
                or self._close_day(now_us)
                or self._fold(now_us)
                or self._merge(now_us)
            )

    @contextmanager
    def at_work(self, wait_s: float) -> Iterator[bool]:
        """Whether nobody else is at work: in no thread and no process, for as long as the block lasts."""
        # The lock belongs to the open file: it is gone with the process, however that ends.
        deadline = time.monotonic() + wait_s
        try:
            with (self._cold.folder.parent / "maintenance.lock").open("a") as file:
                while not (mine := _locked(file)) and time.monotonic() < deadline:
                    time.sleep(_ASK_AGAIN_S)
                yield mine
        except OSError as error:
            raise StoreUnavailable(
                f"{self._cold.folder}: maintenance could not write ({error}); free space, then it resumes"
            ) from error
        except pa.ArrowException as error:
            raise StoreUnavailable(
                f"{self._cold.folder}: a file is damaged; restore it from a backup ({error})"
            ) from error

    def rewrite(self, file: ColdFile, now_us: int) -> None:
        """One file anew, with its late rows and without what is forgotten; only while `at_work`."""
        if not self._rewriter.rewrite([file], now_us):
            raise StoreUnavailable(f"{self._cold.folder / file.name}: its day has been opened; repeat")

    def purge(self) -> bool:
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
        file = self._rewriter.new_file(day, day, now_us)
        with self._cold.writing(file) as writer:
            writer.add(observations)
        with self._database.writing() as connection:
            if _open_slots(connection, day) != versions:
                return False
            manifest.replace(connection, [], file._replace(rows=len(observations)))
            packed.write_days(connection, hourly, None)
            retire(connection, list(versions))
        return True

    def _fold(self, now_us: int) -> bool:
        """A file whose late rows are many or have waited long is rewritten with them."""
        with self._database.reading() as connection:
            files = manifest.all_files(connection)
            late = connection.execute(_LATE).fetchall()
        rows: dict[str, int] = {}
        for slot, since, count in late:
            file = places.file_of_day(files, places.day_of_late_slot(slot))
            rows[file.name] = rows.get(file.name, 0) + count
            if since + self._fold_after_us <= now_us or rows[file.name] > _LATE_SHARE * file.rows:
                return self._rewriter.rewrite([file], now_us)
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
        return self._rewriter.rewrite(run, now_us) if run else False


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


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
