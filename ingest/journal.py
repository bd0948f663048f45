"""The truth: every delivery as it came, on disk before anybody is told that it arrived.

One SQLite file per worker and month (`<worker>-2026-11.sqlite`), WAL, synchronous FULL. One process
writes, others read at any time. Rows are only ever added: the row id is the order of arrival. Each
file has a number of its own (user_version), so that one that takes the place of a removed file is
not mistaken for it: its rows count from 1 again.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from edge.wire.instants import microseconds
from edge.wire.topics import agent_name

log = logging.getLogger(__name__)

_NAME = re.compile(r"(?P<worker>[a-z0-9][a-z0-9-]*)-\d{4}-\d{2}")
_SCHEMA = """CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, way TEXT NOT NULL, origin TEXT NOT NULL,
    content_type TEXT NOT NULL, octets BLOB NOT NULL)"""
ERASED = "erased"
"""The way of an entry whose bytes were overwritten because their owner asked for it."""
_INSERT = "INSERT INTO deliveries (received_at, way, origin, content_type, octets) VALUES (?, ?, ?, ?, ?)"


Files = tuple[int, ...]


class JournalUnavailable(Exception):
    """The disk did not take or give: nothing may be acknowledged; the same call may be repeated later."""


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """Where the journal lies and when it stops taking more: pushing back beats a full disk.

    `max_bytes` bounds all its files; `keep_free_bytes` stays free on the file system, so that the
    store and the ledger can still work off what is journalled.
    """

    directory: Path = Path("journal")
    max_bytes: int = 200_000_000_000
    keep_free_bytes: int = 64_000_000


class Delivery(NamedTuple):
    """What one door heard at once: `way` edge, chirpstack or things_stack; `origin` topic or path."""

    received_at: int  # microseconds since the Unix epoch
    way: str
    origin: str
    content_type: str
    octets: bytes


class Entry(NamedTuple):
    """A journalled Delivery with its row id."""

    row: int
    received_at: int
    way: str
    origin: str
    content_type: str
    octets: bytes


class JournalWriter:
    """The only writer of one worker's journal."""

    def __init__(self, settings: JournalSettings, worker: str, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._directory = settings.directory
        self._worker = agent_name(worker)
        self._now = now
        self._connection: sqlite3.Connection | None = None
        self._name = ""
        self._files: Files = ()

    def append(self, deliveries: Sequence[Delivery]) -> None:
        """All or none, durable on return; JournalUnavailable names the disk's trouble."""
        try:
            self._check_room()
            self._insert(deliveries)
            if _files_of(self._directory / f"{self._name}.sqlite") != self._files:
                self._begin_anew()
                self._insert(deliveries)
        except (sqlite3.Error, OSError) as error:
            self.close()  # a fresh connection forgets a half-written transaction for certain
            raise JournalUnavailable(
                f"journal {self._settings.directory} cannot be written ({error}): nothing is acknowledged "
                "until it can; free disk space or repair the disk, no restart is needed"
            ) from error

    def _insert(self, deliveries: Sequence[Delivery]) -> None:
        connection = self._open()
        with connection:
            connection.executemany(_INSERT, deliveries)

    def _begin_anew(self) -> None:
        """Somebody took the file away under us: what we wrote went where no reader will look."""
        log.critical(
            "journal %s was removed or replaced while it was written: what it held and was not handled "
            "yet is lost unless you put it back beside the new one; a new file is begun",
            self._directory / f"{self._name}.sqlite",
        )
        self.close()

    def close(self) -> None:
        """Release the file; the next `append` opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _check_room(self) -> None:
        directory = self._settings.directory
        directory.mkdir(parents=True, exist_ok=True)
        disk = os.statvfs(directory)
        free = disk.f_bavail * disk.f_frsize
        if free < self._settings.keep_free_bytes:
            raise JournalUnavailable(
                f"disk of journal {directory} has {free} bytes free, keep_free_bytes is "
                f"{self._settings.keep_free_bytes}: nothing is acknowledged until space is freed"
            )
        used = sum(_size(entry) for entry in os.scandir(directory))
        if used > self._settings.max_bytes:
            raise JournalUnavailable(
                f"journal {directory} holds {used} bytes, max_bytes is {self._settings.max_bytes}: nothing "
                "is acknowledged until older months are archived or max_bytes is raised"
            )

    def _open(self) -> sqlite3.Connection:
        # Never back to an older file: a clock set back must not write behind the reader.
        name = max(self._name or _newest(self._settings.directory, self._worker), self._name_now())
        if self._connection is None or name != self._name:
            self.close()
            connection = sqlite3.connect(
                self._settings.directory / f"{name}.sqlite", timeout=30.0, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                number = secrets.randbelow(2**31 - 1) + 1
                connection.executescript(f"BEGIN; PRAGMA user_version = {number:d}; {_SCHEMA}; COMMIT")
            self._connection, self._name = connection, name
            self._files = _files_of(self._directory / f"{name}.sqlite")
        return self._connection

    def _name_now(self) -> str:
        return f"{self._worker}-{self._now():%Y-%m}"


class JournalReader:
    """Reads one worker's journal in other processes, from wherever the cursor stands."""

    def __init__(self, directory: Path, worker: str) -> None:
        self._directory = directory
        self._worker = worker
        self._connection: sqlite3.Connection | None = None
        self._name = ""
        self._files: Files = ()

    def another(self) -> JournalReader:
        """A reader of the same journal that stands somewhere else."""
        return JournalReader(self._directory, self._worker)

    @property
    def worker(self) -> str:
        """Whose journal this is."""
        return self._worker

    def names(self) -> list[str]:
        """The journal's files in order of time, as the cursor names them."""
        return _names(self._directory, self._worker)

    def key(self, name: str) -> str:
        """What the cursor calls this file: its name and its number, which a file in its place has not.

        Empty while the writer has made the file and nothing in it.
        """
        with self._rows(
            name, "SELECT count(*), user_version FROM sqlite_master, pragma_user_version"
        ) as rows:
            tables, number = next(iter(rows))
        return "" if not tables else f"{name}:{number:x}" if number else name

    def missing(self, known: Iterable[str]) -> str:
        """Of the files that were ever handled (by `key`) the newest, where it is not here; else nothing.

        Older ones may have been deleted when their time was over, the newest never is. A file that was
        given another name is known by its number.
        """
        own = [(key.partition(":")[0], key) for key in known]
        own = [one for one in own if (match := _NAME.fullmatch(one[0])) and match["worker"] == self._worker]
        newest = max(own, default=("", ""))[0]
        here = [self.key(name) for name in self.names() if name >= newest]
        numbers = {key.partition(":")[2] or key for key in here}
        lost = (key for name, key in sorted(own) if name == newest)
        return next((key for key in lost if (key.partition(":")[2] or key) not in numbers), "")

    def replaced(self, name: str) -> bool:
        """Whether another file has taken the place of the one that is open; the next read opens it."""
        if self._connection is None or name != self._name or self._files[:1] == self._ino(name):
            return False
        self.close()
        return True

    def _ino(self, name: str) -> Files:
        return _files_of(self._directory / f"{name}.sqlite")[:1]

    def read(self, name: str, after: int, limit: int, max_bytes: int = 4_000_000) -> list[Entry]:
        """Entries behind row `after`, in order: at most `limit`, and not many more than `max_bytes`."""
        entries: list[Entry] = []
        held = 0
        query = "SELECT * FROM deliveries WHERE id > ? ORDER BY id LIMIT ?"
        with self._rows(name, query, (after, limit)) as rows:
            for row in rows:
                entries.append(Entry._make(row))
                held += len(row[5])
                if held >= max_bytes:
                    break
        return entries

    def newest(self, name: str) -> int:
        """The highest row id of the file, 0 for none."""
        with self._rows(name, "SELECT max(id) FROM deliveries") as rows:
            return next((row[0] or 0 for row in rows), 0)

    def first_since(self, name: str, moment: datetime) -> int:
        """The row id before the first entry received at or after `moment`."""
        at = microseconds(moment)
        query = "SELECT min(id) FROM deliveries WHERE received_at >= ?"
        with self._rows(name, query, (at,)) as rows:
            first = next((row[0] for row in rows), None)
        return self.newest(name) if first is None else first - 1

    def size(self, name: str) -> int:
        """Bytes of the file on disk."""
        return (self._directory / f"{name}.sqlite").stat().st_size

    def close(self) -> None:
        """Release the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _rows(self, name: str, query: str, values: tuple[int, ...] = ()) -> Iterator[Iterable[Any]]:
        """The rows of `query`, closed with the block: a read that lingers keeps the WAL from shrinking."""
        try:
            cursor = self._open(name).execute(query, values)
        except sqlite3.Error as error:
            if "no such table" in str(error):
                yield ()  # the writer has made the file a moment ago, and its table in the next
                return
            self.close()
            raise JournalUnavailable(
                f"journal {self._directory / name}.sqlite cannot be read: {error}; repair the disk"
            ) from error
        with closing(cursor):
            yield cursor

    def _open(self, name: str) -> sqlite3.Connection:
        if self._connection is None or name != self._name:
            self.close()
            # Not mode=ro: a reader may have to build the WAL index after a crash of the writer.
            path = self._directory / f"{name}.sqlite"
            self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=30.0)
            self._name, self._files = name, self._ino(name)
        return self._connection


def erase(path: Path, way: str, origin: str, *, at_once: int = 500, patience_s: float = 30.0) -> int:
    """Overwrite every entry of a journal file that came in there; how many. JournalUnavailable.

    Rows stay in place, so the numbers of later ones cannot be given twice. In small steps: the doors
    write to the same file and must not wait. `patience_s`: how long others may keep us waiting.
    """
    uri = f"{path.absolute().as_uri()}?mode=rw"
    erased = 0
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=patience_s)) as connection:
            connection.execute("PRAGMA secure_delete=ON")
            query = "SELECT id FROM deliveries WHERE id > ? AND way = ? AND origin = ? ORDER BY id LIMIT ?"
            after = 0
            while rows := connection.execute(query, (after, way, origin, at_once)).fetchall():
                after = rows[-1][0]
                with connection:
                    connection.executemany(
                        f"UPDATE deliveries SET way = '{ERASED}', origin = '', content_type = '', "  # noqa: S608
                        "octets = x'' WHERE id = ?",
                        rows,
                    )
                erased += len(rows)
            fold_back(connection)
    except sqlite3.Error as error:
        raise JournalUnavailable(
            f"journal {path} cannot be erased from: {error}; it is tried again"
        ) from error
    return erased


def fold_back(journal: sqlite3.Connection) -> None:
    """Empty the write-ahead log: until then overwritten bytes still lie in it. sqlite3.OperationalError
    while somebody reads on."""
    busy, _, _ = journal.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise sqlite3.OperationalError("a reader still holds the old pages")


def _size(entry: os.DirEntry[str]) -> int:
    """0 for what has just gone: months grow old and logs are folded back beside us."""
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return 0


def _files_of(path: Path) -> Files:
    """Which files lie at the path of a database and of its WAL; 0 for none."""
    found = []
    for one in (path, path.with_name(f"{path.name}-wal")):
        try:
            found.append(one.stat().st_ino)
        except FileNotFoundError:
            found.append(0)
    return tuple(found)


def workers(directory: Path) -> list[str]:
    """Every worker that has a journal in `directory`."""
    return sorted({match["worker"] for path in _files(directory) if (match := _NAME.fullmatch(path.stem))})


def _names(directory: Path, worker: str) -> list[str]:
    matches = ((path.stem, _NAME.fullmatch(path.stem)) for path in _files(directory))
    return sorted(stem for stem, match in matches if match and match["worker"] == worker)


def _newest(directory: Path, worker: str) -> str:
    return max(_names(directory, worker), default="")


def _files(directory: Path) -> Iterator[Path]:
    return directory.glob("*.sqlite")
