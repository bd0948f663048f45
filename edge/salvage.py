"""Bring over what a damaged spool still lets us read: its messages were acknowledged to a gateway.

The damaged file itself is only read. Rows are read from both ends towards the damage; what comes
twice is recognised by the receiver.
"""

from __future__ import annotations

import contextlib
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
Row = tuple[int, int, bytes]  # priority, stored_at, body


class Damaged(sqlite3.DatabaseError):
    """The file is readable and wrong."""


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file's content is wrong, rather than out of reach for now."""
    return isinstance(error, Damaged) or _result_code(error) in _DAMAGE


def io_failed(error: sqlite3.DatabaseError) -> bool:
    """Whether the disk did not give what was asked of it."""
    return _result_code(error) == sqlite3.SQLITE_IOERR


def set_aside(path: Path, now: datetime) -> Path:
    """Rename the file, with all that belongs to it; returns its new name. OSError if that fails."""
    aside = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%S%fZ}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def files_set_aside(path: Path) -> int:
    """How many damaged files still lie beside the spool `path`."""
    return sum(1 for _ in path.parent.glob(f"{path.name}.damaged-*Z"))


def salvage(damaged: Path, database: sqlite3.Connection) -> int:
    """Copy every readable message of `damaged` into `database`, in order; returns how many.

    sqlite3.DatabaseError if `database` does not take them; what was committed by then stays.
    """
    wanted = array("q", _sequences(damaged, "ASC"))  # a gateway has little memory: 8 octets a message
    known = wanted[-1] if wanted else 0
    behind = array("q", (one for one in _sequences(damaged, "DESC") if one > known))
    wanted.extend(reversed(behind))
    copied = 0
    rows = _rows(damaged, wanted)
    while some := list(islice(rows, _AT_ONCE)):
        database.execute("BEGIN IMMEDIATE")
        # Their time in the old file is over: they may wait as long as what is heard now.
        database.executemany(
            "INSERT INTO message (priority, stored_at, running_s, body) VALUES (?, ?, 0, ?)", some
        )
        database.execute("COMMIT")
        copied += len(some)
    return copied


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
        (priority, stored_at, body)
        for priority, stored_at, body in found.fetchall()
        if priority in _PRIORITIES
        and isinstance(stored_at, int)
        and isinstance(body, bytes)
        and cbor.is_message(body)
    ]
