"""Keep what was heard until the receiver says it is on its disk: one SQLite file, one commit per batch.

What `write` returned from survives kill -9 and loss of power (WAL, synchronous FULL). The spool is
bounded; what it must let go it counts, per priority, in the same transaction.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from edge import salvage
from edge.ballast import Ballast
from edge.priority import Priority, priority_of
from edge.wire import cbor
from edge.wire.instants import instant, microseconds
from edge.wire.messages import Message, Receipt

log = logging.getLogger(__name__)

_FORMAT: Final = 1
_ROW_OVERHEAD: Final = 40  # octets a row costs beside its body, measured over 100,000 rows
_DROP_AT_ONCE: Final = 256
_LONGEST_STEP: Final = timedelta(hours=1)
_UNREADABLE_FOR_GOOD: Final = 10  # I/O errors in a row while reading: about as many seconds

_SCHEMA: Final = """
CREATE TABLE message (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    priority INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    running_s INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX expendable ON message (priority, sequence) WHERE priority < 2;
CREATE TABLE spool (identity BLOB NOT NULL, running_s INTEGER NOT NULL);
CREATE TABLE dropped (priority INTEGER PRIMARY KEY, messages INTEGER NOT NULL);
"""


class SpoolUnavailable(Exception):
    """Nothing was written, nothing may be acknowledged; the same call may succeed later."""


# SQLite takes the partial index only where its condition stands word for word.
_OF_PRIORITY: Final = {
    Priority.HEALTH: "priority < 2 AND priority = 0",
    Priority.FOREIGN: "priority < 2 AND priority = 1",
    Priority.DATA: "priority = 2",
}


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """Where the spool lies and how much it may hold."""

    path: Path
    max_bytes: int = 256_000_000
    max_hours: float = 240.0  # of running time; the receiver remembers 14 days of duplicates

    def __post_init__(self) -> None:
        if self.max_bytes < 100_000:
            raise ValueError(f"max_bytes {self.max_bytes} is too small for a spool: at least 100000")
        if not 0 < self.max_hours <= 330:
            raise ValueError(
                f"max_hours {self.max_hours} is not in 0-330: the receiver tells duplicates for 14 days"
            )


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive rows, as bytes."""

    first: int
    bodies: tuple[bytes, ...]

    @property
    def last(self) -> int:
        """Sequence number of the last message."""
        return self.first + len(self.bodies) - 1


@dataclass(frozen=True, slots=True)
class SpoolState:
    """What is waiting: messages, their octets, since when, and how many were ever let go.

    `damaged_files`: earlier spools set aside, until somebody has looked at them and removed them.
    """

    messages: int
    octets: int
    oldest: datetime | None
    dropped: int
    damaged_files: int = 0


class Spool:
    """The file, open. For one thread; the process that has it open is its only user."""

    def __init__(self, settings: SpoolSettings, now: Callable[[], datetime]) -> None:
        """Open or create the file; a file that is damaged is moved aside and a new one begun."""
        self.settings = settings
        self._now = now
        self._ballast = Ballast(settings.path.with_name(settings.path.name + ".ballast"))
        self._last_write = now()
        self._running_written = 0
        self._reported_at: datetime | None = None
        self._unreadable = 0
        settings.path.parent.mkdir(parents=True, exist_ok=True)
        self._start()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def write(self, messages: Sequence[Message], receipts: Iterable[Receipt] = ()) -> None:
        """Keep `messages`, forget what `receipts` confirm, drop what exceeds the bounds: all or none.

        Durable on return. Raises SpoolUnavailable (disk full, for instance) with nothing changed.
        """
        confirmed = [r for receipt in receipts if receipt.spool == self.identity for r in receipt.ranges]
        if not messages and not confirmed:
            return
        try:
            self._write(messages, confirmed)
        except sqlite3.DatabaseError as error:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            self._recount()
            if not self._mended(error) and self._ballast.throw_off():
                log.exception(
                    "spool %s: no room; reserve given up so that receipts can be kept", self.settings.path
                )
            raise SpoolUnavailable(
                f"spool {self.settings.path}: {error}; nothing is acknowledged until this is "
                f"remedied (disk space, permissions, or a new disk)"
            ) from error
        self._ballast.take_on()

    def run(self, first: int, last: int, *, max_messages: int, max_bytes: int) -> Run | None:
        """The first unbroken run of rows in [first, last], at least one if there is any.

        SpoolUnavailable if the file cannot be read; one that is damaged is moved aside.
        """
        bodies: list[bytes] = []
        begin = expected = size = 0
        with self._reading():
            rows = self._database.execute(
                "SELECT sequence, body FROM message WHERE sequence BETWEEN ? AND ? ORDER BY sequence LIMIT ?",
                (first, last, max_messages),
            )
            for sequence, body in rows:
                size += len(body)
                if bodies and (sequence != expected or size > max_bytes):
                    break
                begin = begin or sequence
                expected = sequence + 1
                bodies.append(body)
        self._unreadable = 0
        return Run(begin, tuple(bodies)) if bodies else None

    @property
    def floor(self) -> int:
        """Everything below has left the spool, confirmed or dropped. SpoolUnavailable as `run`."""
        with self._reading():
            (lowest,) = self._database.execute("SELECT min(sequence) FROM message").fetchone()
        return self.last + 1 if lowest is None else int(lowest)

    def state(self) -> SpoolState:
        """What is waiting just now. SpoolUnavailable as `run`."""
        query = "SELECT stored_at FROM message ORDER BY sequence LIMIT 1"
        with self._reading():
            oldest = self._database.execute(query).fetchone()
        return SpoolState(
            messages=self._messages,
            octets=self._octets,
            oldest=None if oldest is None else instant(oldest[0]),
            dropped=self._dropped,
            damaged_files=salvage.files_set_aside(self.settings.path),
        )

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            self._unreadable += salvage.io_failed(error)
            self._mended(error)
            raise SpoolUnavailable(f"spool {self.settings.path} cannot be read: {error}") from error

    def _write(self, messages: Sequence[Message], confirmed: Sequence[tuple[int, int]]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        for first, last in confirmed:
            self._forget("sequence BETWEEN ? AND ?", (first, last))
        self._insert(messages)
        dropped = {priority: count for priority, count in self._make_room() if count}
        for priority, count in dropped.items():
            self._database.execute(
                "INSERT INTO dropped VALUES (?1, ?2) ON CONFLICT DO UPDATE SET messages = messages + ?2",
                (priority, count),
            )
        self._database.execute("COMMIT")
        if dropped:
            self._dropped += sum(dropped.values())
            self._report()

    def _insert(self, messages: Sequence[Message]) -> None:
        moment = self._now()
        step = min(max(moment - self._last_write, timedelta(0)), _LONGEST_STEP)
        self._last_write = moment
        self._running += step
        stored_at = microseconds(moment)
        running_s = int(self._running.total_seconds())
        rows = [(priority_of(item), stored_at, running_s, cbor.encode_message(item)) for item in messages]
        self._database.executemany(
            "INSERT INTO message (priority, stored_at, running_s, body) VALUES (?, ?, ?, ?)", rows
        )
        if running_s - self._running_written > 60:
            self._database.execute("UPDATE spool SET running_s = ?", (running_s,))
            self._running_written = running_s
        self._messages += len(rows)
        self._octets += sum(len(row[3]) + _ROW_OVERHEAD for row in rows)
        if rows:
            self.last = self._highest()

    def _make_room(self) -> Iterator[tuple[int, int]]:
        """Let go what is too old, then what is too much; yields (priority, messages)."""
        # Age is counted in time the agent was running, not by the calendar: a clock that jumps to
        # next year must not empty the spool.
        too_old = int(self._running.total_seconds() - self.settings.max_hours * 3600)
        oldest = self._database.execute("SELECT running_s FROM message ORDER BY sequence LIMIT 1").fetchone()
        if oldest is not None and oldest[0] < too_old:
            kept = self._database.execute(
                "SELECT sequence FROM message WHERE running_s >= ? ORDER BY sequence LIMIT 1", (too_old,)
            ).fetchone()
            for priority in Priority:
                upto = self.last if kept is None else kept[0] - 1
                yield priority, self._forget(f"{_OF_PRIORITY[priority]} AND sequence <= ?", (upto,))
        for priority in Priority:
            while self._octets > self.settings.max_bytes and (count := self._drop_oldest(priority)):
                yield priority, count

    def _drop_oldest(self, priority: Priority) -> int:
        rows = self._database.execute(
            f"SELECT sequence, length(body) FROM message WHERE {_OF_PRIORITY[priority]} "  # noqa: S608
            "ORDER BY sequence LIMIT ?",
            (_DROP_AT_ONCE,),
        ).fetchall()
        surplus = self._octets - self.settings.max_bytes
        upto = 0
        for sequence, size in rows:
            upto = sequence
            surplus -= size + _ROW_OVERHEAD
            if surplus <= 0:
                break
        return self._forget(f"{_OF_PRIORITY[priority]} AND sequence <= ?", (upto,)) if rows else 0

    def _forget(self, condition: str, values: tuple[int, ...]) -> int:
        # `condition` is one of the literals in this file.
        count, octets = self._database.execute(
            f"SELECT count(*), coalesce(sum(length(body)), 0) FROM message WHERE {condition}",  # noqa: S608
            values,
        ).fetchone()
        if count:
            self._database.execute(f"DELETE FROM message WHERE {condition}", values)  # noqa: S608
            self._messages -= count
            self._octets -= octets + count * _ROW_OVERHEAD
        return int(count)

    def _report(self) -> None:
        moment = self._now()
        if self._reported_at is None or abs(moment - self._reported_at) > timedelta(minutes=1):
            self._reported_at = moment
            log.warning(
                "spool %s: bound reached (%d octets, %g h); %d messages let go so far, least important first",
                self.settings.path, self.settings.max_bytes, self.settings.max_hours, self._dropped,
            )  # fmt: skip

    def _open(self) -> None:
        path = self.settings.path
        path.touch(mode=0o600)  # it holds decrypted payloads
        self._database = sqlite3.connect(path, isolation_level=None, timeout=5.0)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        # Small, so that the reserve can hold a whole write-ahead log when the disk is full.
        self._database.execute("PRAGMA wal_autocheckpoint = 250")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._create()
        elif version != _FORMAT:
            self._database.close()
            raise SpoolUnavailable(
                f"spool {path} has format {version}, this agent knows {_FORMAT}: update the agent"
            )
        (verdict,) = self._database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise salvage.Damaged(f"quick_check: {verdict}")
        identity, running_s = self._database.execute("SELECT identity, running_s FROM spool").fetchone()
        self.identity = bytes(identity)
        self._running = timedelta(seconds=running_s)
        self._running_written = running_s
        self._recount()
        self._ballast.take_on()

    def _create(self) -> None:
        self._database.execute("BEGIN EXCLUSIVE")
        for statement in _SCHEMA.split(";"):
            self._database.execute(statement)
        # Random, because the sequence of a new file begins at 1 again; not a secret.
        self._database.execute("INSERT INTO spool VALUES (?, 0)", (os.urandom(8),))
        self._database.execute(f"PRAGMA user_version = {_FORMAT}")
        self._database.execute("COMMIT")

    def _recount(self) -> None:
        """Set the counters by what is in the file; after a failure they may have run ahead."""
        with contextlib.suppress(sqlite3.DatabaseError):
            count, octets = self._database.execute(
                "SELECT count(*), coalesce(sum(length(body)), 0) FROM message"
            ).fetchone()
            self._messages: int = count
            self._octets: int = octets + count * _ROW_OVERHEAD
            (self._dropped,) = self._database.execute(
                "SELECT coalesce(sum(messages), 0) FROM dropped"
            ).fetchone()
            self.last = self._highest()

    def _highest(self) -> int:
        row = self._database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'message'").fetchone()
        return 0 if row is None else int(row[0])

    def _start(self) -> None:
        """Open the file, or a new one in place of a damaged one; go on with what was interrupted."""
        try:
            salvage.settle(self.settings.path)
            self._open()
            self._read_out()
        except (OSError, sqlite3.DatabaseError) as error:
            with contextlib.suppress(sqlite3.Error, AttributeError):
                self._database.close()
            self._unreadable += isinstance(error, sqlite3.DatabaseError) and salvage.io_failed(error)
            if isinstance(error, OSError) or not self._beyond_use(error):
                raise SpoolUnavailable(f"spool {self.settings.path}: {error}; check the disk") from error
            self._begin_anew(error)

    def _begin_anew(self, error: sqlite3.DatabaseError) -> None:
        """Move the damaged file aside, with all that belongs to it, and start one with what it still gives.

        SpoolUnavailable if that cannot be done now; the next call tries again.
        """
        path = self.settings.path
        log.error("spool %s is damaged (%s): it is moved aside and a new one begins", path, error)
        self._unreadable = 0
        with contextlib.suppress(sqlite3.Error):
            self._database.close()
        try:
            salvage.set_aside(path, self._now())
            self._open()
            self._read_out()
        except (OSError, sqlite3.DatabaseError) as fault:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            raise SpoolUnavailable(
                f"spool {path}: a new one cannot be begun: {fault}; check the disk"
            ) from fault

    def _read_out(self) -> None:
        """Bring over what the files set aside still give."""
        for aside in salvage.unread(self.settings.path):
            copied = salvage.bring_over(aside, self._database)
            self._recount()
            log.error(
                "spool %s: %d messages of the damaged file could be read and will be sent; others only "
                "%s holds: `sqlite3 FILE .recover` may find them; remove it when it is of no more use",
                self.settings.path, copied, aside,
            )  # fmt: skip
            salvage.read_out(aside)

    def _mended(self, error: sqlite3.DatabaseError) -> bool:
        """Begin a new file if this one is of no more use; False if it may be used again as it is."""
        if isinstance(error, sqlite3.ProgrammingError):  # closed: an earlier attempt went wrong half-way
            self._start()
        elif self._beyond_use(error):
            self._begin_anew(error)
        else:
            return False
        return True

    def _beyond_use(self, error: sqlite3.DatabaseError) -> bool:
        return salvage.is_damage(error) or self._unreadable >= _UNREADABLE_FOR_GOOD
