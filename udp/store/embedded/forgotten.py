"""Which raw values are forgotten for good: a limit per Datastream, in the same transactions as the rows."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import numpy as np

from udp.store.columns import Ints, Mask, Observations

_MARK = """
INSERT INTO pruned VALUES (?, ?, 0) ON CONFLICT (datastream) DO UPDATE SET
    before = excluded.before, complete = 0
WHERE excluded.before > before
"""


class Marks(NamedTuple):
    """Ascending ids, and the microsecond before which each has no raw values."""

    datastream: Ints
    before: Ints

    @property
    def latest(self) -> int:
        """The greatest limit; 0 when there is none."""
        return int(self.before.max(initial=0))

    def cover(self, rows: Observations) -> Mask:
        """Which rows are forgotten."""
        return self.cover_times(rows.datastream, rows.phenomenon_time.astype(np.int64))

    def cover_times(self, datastream: Ints, time: Ints) -> Mask:
        """The same, of ids and microseconds."""
        if not len(self.datastream):
            return np.zeros(len(datastream), bool)
        at = np.searchsorted(self.datastream, datastream)
        at[at == len(self.datastream)] = 0
        covered: Mask = (self.datastream[at] == datastream) & (time < self.before[at])
        return covered


def mark(connection: sqlite3.Connection, datastreams: Ints, before: int) -> None:
    """From this transaction on nothing earlier is taken in; limits move forward only."""
    connection.executemany(_MARK, [(one, before) for one in datastreams.tolist()])


def marks_after(connection: sqlite3.Connection, time: int) -> Marks:
    """Limits later than `time`: those that can concern rows from then on. Live data finds none at once."""
    return _marks(connection, "WHERE before > ?", time)


def unfinished(connection: sqlite3.Connection) -> Marks:
    """Limits whose values may still be somewhere in the files."""
    return _marks(connection, "WHERE complete = 0")


def finish(connection: sqlite3.Connection, marks: Marks) -> None:
    """The values of these are in no file any more."""
    connection.executemany(
        "UPDATE pruned SET complete = 1 WHERE datastream = ? AND before = ?",
        zip(marks.datastream.tolist(), marks.before.tolist(), strict=True),
    )


def all_marks(connection: sqlite3.Connection) -> Marks:
    """Every limit."""
    return _marks(connection, "")


def _marks(connection: sqlite3.Connection, condition: str, *values: int) -> Marks:
    found = connection.execute(
        f"SELECT datastream, before FROM pruned {condition} ORDER BY datastream",  # noqa: S608 - a constant
        values,
    )
    table = np.array(found.fetchall(), np.int64).reshape(-1, 2)
    return Marks(np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1]))
