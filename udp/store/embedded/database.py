"""hot.sqlite: short transactions from any thread and process, and no SQLite error ever leaves."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from udp.errors import StoreUnavailable
from udp.store.embedded import earlier_formats
from udp.write_ahead import write_ahead

FORMAT = 4

# slot: hours since the epoch for days still open; see `places` for closed days.
# mark: revision << 16 | quality << 8 | rule: three columns less to bind per row.
# hot is clustered by hour first: an hour's rows of all series share few pages, so appends in
# order of time dirty one megabyte, not one page per series.
# hourly and daily have integer keys (block of datastreams and day or month in one number) because
# SQLite keeps kilobyte rows well only in tables with an integer key.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS hot (
    slot INTEGER, datastream INTEGER, time INTEGER, lead INTEGER,
    result REAL NOT NULL, result_time INTEGER NOT NULL, mark INTEGER NOT NULL,
    PRIMARY KEY (slot, datastream, time, lead)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS slot (
    slot INTEGER PRIMARY KEY, version INTEGER NOT NULL, since INTEGER NOT NULL, touched INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS slot_statistics (
    slot INTEGER PRIMARY KEY, version INTEGER NOT NULL, packed BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS residue (slot INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS latest (
    datastream INTEGER PRIMARY KEY, time INTEGER NOT NULL,
    result REAL NOT NULL, result_time INTEGER NOT NULL, mark INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS superseded (
    datastream INTEGER, time INTEGER, lead INTEGER, revision INTEGER,
    result REAL NOT NULL, result_time INTEGER NOT NULL, mark INTEGER NOT NULL,
    PRIMARY KEY (datastream, time, lead, revision)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file (
    name TEXT PRIMARY KEY, generation INTEGER NOT NULL, first_day INTEGER NOT NULL,
    last_day INTEGER NOT NULL, rows INTEGER NOT NULL, written INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS counter (last INTEGER NOT NULL);
INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter);
CREATE TABLE IF NOT EXISTS pruned (
    datastream INTEGER PRIMARY KEY, before INTEGER NOT NULL, complete INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS listening (one INTEGER PRIMARY KEY CHECK (one = 1), until INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS arrival (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, size INTEGER NOT NULL, rows BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS hourly (id INTEGER PRIMARY KEY, packed BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS daily (id INTEGER PRIMARY KEY, packed BLOB NOT NULL);
"""
_SETTINGS = (
    "synchronous = FULL",
    "cache_size = -32768",
    "temp_store = MEMORY",
    "wal_autocheckpoint = 4000",
    "journal_size_limit = 16777216",
)


class Database:
    """Lends connections: one per simultaneous transaction, kept for the next."""

    def __init__(self, path: Path, *, read_only: bool, busy_timeout_s: float) -> None:
        """StoreUnavailable when the file cannot be opened or was made by a newer version.

        A reader may be there before the first writer: each of its calls then raises StoreUnavailable.
        """
        self.path = path
        self._read_only = read_only
        self._busy_timeout_s = busy_timeout_s
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._turnstile = threading.Lock()
        self._writer = threading.Lock()
        self._closed = False
        if not read_only:
            with self._translated():
                self._idle.append(self._connect())

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent picture of the store, whatever writers do meanwhile."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, durable (fsync of the write-ahead log) when the block is left."""
        if self._read_only:
            raise StoreUnavailable(f"{self.path}: opened for reading only; writing is ingest's part")
        with self._my_turn(), self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        # Between processes SQLite asks again and again; within one, a thread that appends without
        # pause would keep maintenance waiting (measured: 31 s for one step). Whoever waits stands in
        # the turnstile, so the thread that just wrote comes after it.
        if not self._turnstile.acquire(timeout=self._busy_timeout_s):
            raise StoreUnavailable(f"{self.path}: {_remedy('SQLITE_BUSY')}")
        try:
            mine = self._writer.acquire(timeout=self._busy_timeout_s)
        finally:
            self._turnstile.release()
        if not mine:
            raise StoreUnavailable(f"{self.path}: {_remedy('SQLITE_BUSY')}")
        try:
            yield
        finally:
            self._writer.release()

    def compact(self) -> None:
        """Write the file anew without what was deleted, and empty the write-ahead log.

        Appends wait meanwhile (half a second per 100 MB). StoreUnavailable while a reader still looks
        at the old pages.
        """
        with self._my_turn(), self._translated(), self._borrowed() as connection:
            # The copy VACUUM makes may be larger than memory.
            connection.execute("PRAGMA temp_store = FILE")
            try:
                connection.execute("VACUUM")
                busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                connection.execute("PRAGMA temp_store = MEMORY")
        if busy:
            raise StoreUnavailable(f"{self.path}: a reader still holds the old pages; repeat")

    def close(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._translated(), self._borrowed() as connection:
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # SQLite rolls back by itself on a full disk; a second ROLLBACK would be an error.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _borrowed(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._closed:
                raise StoreUnavailable(f"{self.path}: the store was closed")
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connect()
        try:
            yield connection
        finally:
            with self._lock:
                keep = not self._closed
                if keep:
                    self._idle.append(connection)
            if not keep:
                connection.close()

    def _connect(self) -> sqlite3.Connection:
        if self._read_only and not self.path.exists():
            raise StoreUnavailable(f"{self.path}: no store here yet; start ingest once, or correct the path")
        connection = self._open()
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open(self) -> sqlite3.Connection:
        mode = "ro" if self._read_only else "rwc"
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        if not self._read_only:
            write_ahead(connection, self._busy_timeout_s)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > FORMAT:
            raise StoreUnavailable(
                f"{self.path}: written by a newer version (format {version}, known is {FORMAT}); update"
            )
        if version < FORMAT and self._read_only:
            raise StoreUnavailable(f"{self.path}: not yet set up by this version; start ingest once")
        if version < FORMAT:
            self._set_up(connection)

    def _set_up(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            earlier_formats.convert(connection, version)
            connection.execute(f"PRAGMA user_version = {FORMAT}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            raise StoreUnavailable(f"{self.path}: {_remedy(name)} ({error})") from error


def _remedy(name: str) -> str:
    if name.startswith("SQLITE_FULL"):
        return "disk full; free space, then repeat"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "locked by another writer; repeat"
    if name.startswith("SQLITE_IOERR"):
        return "the disk did not read or write; check space and hardware, then repeat"
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return "cannot be opened; check the path and its permissions"
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return "damaged; restore a backup or replay the journal into a new folder"
    return "SQLite did not answer"
