"""Statistics as blobs: an hour of all series, a day of one series by hour, a month of one by day.

A row per bucket would double what an append costs and make long views read millions of rows.
"""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udp.store.columns import Ints
from udp.store.embedded import places
from udp.store.embedded.places import HOURS, Span
from udp.store.statistics import DAY_US, HOUR_US, Statistics, condense

_DAYS = 31
_FIELDS = 6
_HOURLY_BYTES = _FIELDS * HOURS * 8
_CODEC = pa.Codec("zstd", compression_level=1)


def write_slot(connection: sqlite3.Connection, slot: int, version: int, statistics: Statistics) -> None:
    """Keep the statistics of one hour as of `version` of its rows."""
    packed = b"".join(getattr(statistics, name).tobytes() for name in ("datastream", *_NAMES))
    connection.execute("INSERT OR REPLACE INTO slot_statistics VALUES (?, ?, ?)", (slot, version, packed))


def slot_statistics(slot: int, packed: bytes) -> Statistics:
    """What `write_slot` kept; ascending by datastream."""
    rows = len(packed) // (8 * (_FIELDS + 1))
    datastream = np.frombuffer(packed, np.int64, rows)
    values = np.frombuffer(packed, np.float64, offset=8 * rows).reshape(_FIELDS, rows)
    return Statistics(datastream, np.full(rows, slot * HOUR_US), *values)


def write_days(connection: sqlite3.Connection, hourly: Statistics, pairs: NDArray[np.int64] | None) -> None:
    """Replace the hourly and daily statistics of closed days.

    hourly: all hours of the (datastream, day) pairs. pairs: (n, 2), every pair to replace, so that
    one whose values all turned bad loses its statistics; None when no pair had any before.
    """
    days = hourly.time // DAY_US
    for day in np.unique(days if pairs is None else pairs[:, 1]).tolist():
        of_day = hourly.take(days == day)
        asked = np.unique(of_day.datastream if pairs is None else pairs[pairs[:, 1] == day, 0])
        _write_hours(connection, day, asked, of_day)
        _write_day(connection, day, asked, condense(of_day, DAY_US))


def read_hours(connection: sqlite3.Connection, wanted: Ints, span: Span) -> Statistics:
    """Hourly statistics of closed days that begin in `span`, in no promised order."""
    rows = connection.execute(
        "SELECT h.id, h.packed FROM json_each(?) w CROSS JOIN hourly h"
        " WHERE h.id BETWEEN w.value * ? + ? AND w.value * ? + ?",
        (json.dumps(wanted.tolist()), places.EVERY_DAY, span.first_day, places.EVERY_DAY, span.last_day),
    ).fetchall()
    if not rows:
        return Statistics.concatenate([])
    identifiers = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    decompress = _CODEC.decompress
    packed = b"".join([decompress(row[1], _HOURLY_BYTES, asbytes=True) for row in rows])
    datastream, day = places.of_hourly_id(identifiers)
    table = np.frombuffer(packed).reshape(len(rows), _FIELDS, HOURS)
    starts = day[:, None] * DAY_US + np.arange(HOURS) * HOUR_US
    return _flatten(datastream, starts, table, span)


def read_days(connection: sqlite3.Connection, wanted: Ints, span: Span) -> Statistics:
    """Daily statistics of closed days that begin in `span`, in no promised order."""
    first, last = places.month_of(span.first_day), places.month_of(span.last_day)
    rows = connection.execute(
        "SELECT d.id, d.packed FROM json_each(?) w CROSS JOIN daily d"
        " WHERE d.id BETWEEN w.value * ? + ? AND w.value * ? + ?",
        (json.dumps(wanted.tolist()), places.EVERY_MONTH, first, places.EVERY_MONTH, last),
    ).fetchall()
    if not rows:
        return Statistics.concatenate([])
    identifiers = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    datastream, month = places.of_daily_id(identifiers)
    table = np.frombuffer(b"".join([row[1] for row in rows])).reshape(len(rows), _FIELDS, _DAYS)
    starts = (places.first_days_of(month)[:, None] + np.arange(_DAYS)) * DAY_US
    return _flatten(datastream, starts, table, span)


_NAMES = ("count", "total", "minimum", "maximum", "first", "last")


def _flatten(datastream: Ints, starts: Ints, table: NDArray[np.float64], span: Span) -> Statistics:
    kept = (table[:, 0, :] > 0) & (starts >= span.start) & (starts < span.end)
    return Statistics(
        np.broadcast_to(datastream[:, None], kept.shape)[kept],
        starts[kept],
        *(table[:, field, :][kept] for field in range(_FIELDS)),
    )


def _write_hours(connection: sqlite3.Connection, day: int, asked: Ints, hourly: Statistics) -> None:
    table = np.zeros((len(asked), _FIELDS, HOURS))
    row = np.searchsorted(asked, hourly.datastream)
    hour = hourly.time // HOUR_US - day * HOURS
    for field, name in enumerate(_NAMES):
        table[row, field, hour] = getattr(hourly, name)
    filled = table[:, 0, :].any(axis=1)
    identifiers = places.hourly_id(asked, day)
    connection.executemany(
        "DELETE FROM hourly WHERE id = ?", ((identifier,) for identifier in identifiers[~filled].tolist())
    )
    connection.executemany(
        "INSERT OR REPLACE INTO hourly VALUES (?, ?)",
        zip(
            identifiers[filled].tolist(),
            [_CODEC.compress(one.tobytes(), asbytes=True) for one in table[filled]],
            strict=True,
        ),
    )


def _write_day(connection: sqlite3.Connection, day: int, asked: Ints, daily: Statistics) -> None:
    month = places.month_of(day)
    identifiers = places.daily_id(asked, month)
    table = np.zeros((len(asked), _FIELDS, _DAYS))
    known = connection.execute(
        "SELECT d.id, d.packed FROM json_each(?) w CROSS JOIN daily d ON d.id = w.value",
        (json.dumps(identifiers.tolist()),),
    ).fetchall()
    for identifier, packed in known:
        table[np.searchsorted(identifiers, identifier)] = np.frombuffer(packed).reshape(_FIELDS, _DAYS)
    column = day - places.first_day_of(month)
    table[:, :, column] = 0
    row = np.searchsorted(asked, daily.datastream)
    for field, name in enumerate(_NAMES):
        table[row, field, column] = getattr(daily, name)
    connection.executemany(
        "INSERT OR REPLACE INTO daily VALUES (?, ?)",
        zip(identifiers.tolist(), [one.tobytes() for one in table], strict=True),
    )
