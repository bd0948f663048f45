"""Bring a store that an earlier version made to today's tables, in the transaction that opens it."""

from __future__ import annotations

import sqlite3

import numpy as np
import pyarrow as pa

from udp.store.embedded import packed
from udp.store.embedded.places import EVERY_DAY, HOURS
from udp.store.statistics import DAY_US, HOUR_US, Statistics, condense

_CODEC = pa.Codec("zstd", compression_level=1)


def convert(connection: sqlite3.Connection, version: int) -> None:
    """To format 3: statistics of closed days in blocks of series; those of open hours are made anew."""
    if not 1 <= version <= 2:
        return
    hourly = connection.execute("SELECT id, packed FROM hourly ORDER BY id").fetchall()
    connection.execute("DELETE FROM slot_statistics")
    connection.execute("DELETE FROM hourly")
    connection.execute("DELETE FROM daily")
    days: dict[int, list[Statistics]] = {}
    for identifier, octets in hourly:
        datastream, day = divmod(identifier, EVERY_DAY)
        table = np.frombuffer(_CODEC.decompress(octets, 6 * HOURS * 8, asbytes=True)).reshape(6, HOURS)
        filled = np.flatnonzero(table[0] > 0)
        time = day * DAY_US + filled * HOUR_US
        one = Statistics(np.full(len(filled), datastream), time, *table[:, filled])
        days.setdefault(day, []).append(one)
    for day, parts in sorted(days.items()):
        of_day = Statistics.concatenate(parts)
        asked = np.unique(of_day.datastream)
        packed.write_hours_of(connection, day, asked, of_day)
        packed.write_day_of(connection, day, asked, condense(of_day, DAY_US))
