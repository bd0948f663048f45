"""Appends remembered for a short while, in the transaction that makes them: for those who pass them on.

Nothing is remembered while nobody listens. What is remembered is bounded in time and octets, so a
listener that stands still loses it, not the store its disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import numpy as np

from udp.store.columns import Observations
from udp.store.embedded import hot

_KEEP_US = 120_000_000
_MOST_OCTETS = 64 * 1024 * 1024
# How often the size is added up; between two times at most that many appends are too many.
_EVERY = 16
_LISTEN = """
INSERT INTO listening VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET until = MAX(until, excluded.until)
"""
_FORGET_LARGE = """
DELETE FROM arrival WHERE id <= (
    SELECT MAX(id) FROM (SELECT id, SUM(size) OVER (ORDER BY id DESC) AS total FROM arrival) WHERE total > ?)
"""


def listen(connection: sqlite3.Connection, until_us: int) -> None:
    """Remember appends until then."""
    connection.execute(_LISTEN, (until_us,))


def position(connection: sqlite3.Connection) -> int:
    """The number of the last append that was remembered, also if it is forgotten by now."""
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'arrival'").fetchone()
    return int(found[0]) if found else 0


def remember(connection: sqlite3.Connection, batch: Observations, now_us: int) -> None:
    """Within the transaction that appended `batch`."""
    found = connection.execute("SELECT until FROM listening").fetchone()
    if found is None or not len(batch):
        return
    if found[0] <= now_us:
        forget(connection)
        connection.execute("DELETE FROM listening")
        return
    table = np.empty(len(batch), hot.ROW)
    table["datastream"], table["lead"], table["result"] = batch.datastream, batch.lead, batch.result
    table["time"] = batch.phenomenon_time.astype(np.int64)
    table["result_time"] = batch.result_time.astype(np.int64)
    table["mark"] = hot.mark_of(batch)
    octets = table.tobytes()
    made = connection.execute(
        "INSERT INTO arrival (at, size, rows) VALUES (?, ?, ?)", (now_us, len(octets), octets)
    )
    if (made.lastrowid or 0) % _EVERY == 0:
        connection.execute("DELETE FROM arrival WHERE at < ?", (now_us - _KEEP_US,))
        connection.execute(_FORGET_LARGE, (_MOST_OCTETS,))


def forget(connection: sqlite3.Connection) -> None:
    """All of it: what is deleted from the store must not stand here either."""
    connection.execute("DELETE FROM arrival")


def after(connection: sqlite3.Connection, number: int, most_rows: int) -> Iterator[tuple[int, Observations]]:
    """In order, until `most_rows` are full."""
    for found, octets in connection.execute(
        "SELECT id, rows FROM arrival WHERE id > ? ORDER BY id", (number,)
    ):
        rows = hot.of_table(np.frombuffer(octets, hot.ROW))
        yield found, rows
        most_rows -= len(rows)
        if most_rows <= 0:
            return
