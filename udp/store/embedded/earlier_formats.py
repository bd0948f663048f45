"""Bring a store that an earlier version made to today's tables, in the transaction that opens it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from udp.store.embedded import packed
from udp.store.embedded.places import EVERY_DAY, HOURS
from udp.store.statistics import DAY_US, HOUR_US, Statistics

_CODEC = pa.Codec("zstd", compression_level=1)
# Rows of a series and day each. More is faster and takes more memory: some 4 kilobytes a row.
_AT_ONCE = 16_384


def convert(connection: sqlite3.Connection, version: int) -> None:
    """To format 3: statistics of closed days in blocks of series; those of open hours are made anew.

    Memory does not grow with the store: years of thousands of series are millions of rows.
    Format 4 has two tables more, which begin empty.
    """
    if not 1 <= version <= 2:
        return
    connection.execute("DELETE FROM slot_statistics")
    connection.execute("DELETE FROM daily")
    connection.execute("ALTER TABLE hourly RENAME TO hourly_before")
    connection.execute("CREATE TABLE hourly (id INTEGER PRIMARY KEY, packed BLOB NOT NULL)")
    for portion in _portions(connection):
        packed.write_days(connection, portion, None)
    connection.execute("DROP TABLE hourly_before")


def _portions(connection: sqlite3.Connection) -> Iterator[Statistics]:
    after = -1
    query = "SELECT id, packed FROM hourly_before WHERE id > ? ORDER BY id LIMIT ?"
    while rows := connection.execute(query, (after, _AT_ONCE)).fetchall():
        after = rows[-1][0]
        datastream, day = np.divmod(np.array([identifier for identifier, _ in rows], np.int64), EVERY_DAY)
        tables = np.stack([_table(octets) for _, octets in rows])
        row, hour = np.nonzero(tables[:, 0] > 0)
        time = day[row] * DAY_US + hour * HOUR_US
        yield Statistics(datastream[row], time, *tables[row, :, hour].T)


def _table(octets: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.frombuffer(_CODEC.decompress(octets, 6 * HOURS * 8, asbytes=True)).reshape(6, HOURS)
