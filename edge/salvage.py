"""Bring over what a damaged spool still lets us read: its messages were acknowledged to a gateway.

The damaged file itself is only read. Rows are read from both ends towards the damage; what comes
twice is recognised by the receiver. How far this has come is said by names beside the damaged file,
`.moving` and then `.unread`, so that whoever is killed in between goes on at the next start.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from array import array
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

from edge.wire import cbor

_AT_ONCE: Final = 500
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PRIORITIES: Final = range(3)
_MOVING: Final = ".moving"
_UNREAD: Final = ".unread"
_PROGRESS: Final = (
    "CREATE TABLE IF NOT EXISTS salvaged (file TEXT PRIMARY KEY, upto INTEGER NOT NULL, "
    "messages INTEGER NOT NULL)"
)
Row = tuple[int, int, int, bytes]  # sequence in the damaged file, priority, stored_at, body


class Damaged(sqlite3.DatabaseError):
    """The file is readable and wrong."""


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file's content is wrong, rather than out of reach for now."""
    return isinstance(error, Damaged) or _result_code(error) in _DAMAGE


def io_failed(error: sqlite3.DatabaseError) -> bool:
    """Whether the disk did not give what was asked of it."""
    return _result_code(error) == sqlite3.SQLITE_IOERR


def set_aside(path: Path, now: datetime) -> Path:
    """Rename the file, with all that belongs to it; returns its new name. OSError: `settle` goes on."""
    aside = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%S%fZ}")
    _beside(aside, _MOVING).touch()
    _to_disk(path.parent)
    _move(path, aside)
    return aside


def settle(path: Path) -> None:
    """Complete a renaming that was interrupted; until then nobody may open `path`. OSError."""
    for moving in _named(path, _MOVING):
        _move(path, moving.with_suffix(""))


def unread(path: Path) -> list[Path]:
    """Damaged files beside the spool `path` whose messages have not all been brought over."""
    return [one.with_suffix("") for one in _named(path, _UNREAD)]


def read_out(damaged: Path) -> None:
    """Everything `damaged` still gives has been brought over. OSError."""
    _beside(damaged, _UNREAD).unlink(missing_ok=True)


def files_set_aside(path: Path) -> int:
    """How many damaged files still lie beside the spool `path`."""
    return sum(1 for _ in path.parent.glob(f"{path.name}.damaged-*Z"))


def _move(path: Path, aside: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    _to_disk(path.parent)
    _beside(aside, _MOVING).rename(_beside(aside, _UNREAD))
    _to_disk(path.parent)


def _beside(aside: Path, suffix: str) -> Path:
    return aside.with_name(aside.name + suffix)


def _named(path: Path, suffix: str) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.damaged-*Z{suffix}"))


def _to_disk(folder: Path) -> None:
    """Names too are only safe once their folder is on the disk (fsync(2))."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def bring_over(damaged: Path, database: sqlite3.Connection) -> int:
    """Copy every readable message of `damaged` into `database`, in order; returns how many there are.

    sqlite3.DatabaseError if `database` does not take them; what was committed by then stays, and the
    next call goes on behind it.
    """
    database.execute(_PROGRESS)
    begun = database.execute("SELECT upto, messages FROM salvaged WHERE file = ?", (damaged.name,)).fetchone()
    upto, copied = begun or (0, 0)
    wanted = array("q", _sequences(damaged, "ASC"))  # a gateway has little memory: 8 octets a message
    known = wanted[-1] if wanted else 0
    behind = array("q", (one for one in _sequences(damaged, "DESC") if one > known))
    wanted.extend(reversed(behind))
    rows = _rows(damaged, (one for one in wanted if one > upto))
    while some := list(islice(rows, _AT_ONCE)):
        copied += len(some)
        database.execute("BEGIN IMMEDIATE")
        # Their time in the old file is over: they may wait as long as what is heard now.
        database.executemany(
            "INSERT INTO message (priority, stored_at, running_s, body) VALUES (?, ?, 0, ?)",
            [row[1:] for row in some],
        )
        database.execute(
            "INSERT OR REPLACE INTO salvaged VALUES (?, ?, ?)", (damaged.name, some[-1][0], copied)
        )
        database.execute("COMMIT")
    return int(copied)


def _opened(damaged: Path) -> sqlite3.Connection:
    """Read-only, with its write-ahead log where there is one."""
    log = damaged.with_name(f"{damaged.name}-wal").exists()
    return sqlite3.connect(f"{damaged.absolute().as_uri()}?{'mode=ro' if log else 'immutable=1'}", uri=True)


def _sequences(damaged: Path, order: str) -> Iterator[int]:
    """Sequence numbers from one end until the damage."""
    with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(_opened(damaged)) as source:
        for (sequence,) in source.execute(f"SELECT sequence FROM message ORDER BY sequence {order}"):  # noqa: S608
            yield sequence


def _rows(damaged: Path, sequences: Iterable[int]) -> Iterator[Row]:
    with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(_opened(damaged)) as source:
        for sequence in sequences:
            with contextlib.suppress(sqlite3.DatabaseError):
                yield from _sound(source, sequence)


def _result_code(error: sqlite3.DatabaseError) -> int:
    """SQLite's primary result code (sqlite.org/rescode.html), 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _sound(source: sqlite3.Connection, sequence: int) -> list[Row]:
    """The row if its parts are what they should be."""
    found = source.execute("SELECT priority, stored_at, body FROM message WHERE sequence = ?", (sequence,))
    return [
        (sequence, priority, stored_at, body)
        for priority, stored_at, body in found.fetchall()
        if priority in _PRIORITIES
        and isinstance(stored_at, int)
        and isinstance(body, bytes)
        and cbor.is_message(body)
    ]
