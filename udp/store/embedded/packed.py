"""Statistics as blobs: an hour of all series; a day by hour and a month by day of sixteen series.

A row per bucket would double what an append costs and make long views read millions of rows. Sixteen
series share a blob because a question about many then unpacks few, and one about a single series
still unpacks few bytes a day.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udp.store.columns import Ints
from udp.store.embedded import places
from udp.store.embedded.hot import is_among
from udp.store.embedded.packing import FIELDS, Table, pack, unpack
from udp.store.embedded.places import HOURS, Span
from udp.store.statistics import DAY_US, HOUR_US, Statistics, condense

SERIES = 16
_CODEC = pa.Codec("zstd", compression_level=3)
DAYS = 31
NAMES = ("count", "total", "minimum", "maximum", "first", "last")


def write_slot(connection: sqlite3.Connection, slot: int, version: int, statistics: Statistics) -> None:
    """Keep the statistics of one hour as of `version` of its rows."""
    table = np.stack([getattr(statistics, name) for name in NAMES])[:, :, None]
    ids = _CODEC.compress(np.diff(statistics.datastream, prepend=0).tobytes(), asbytes=True)
    sizes = len(statistics).to_bytes(4, "little") + len(ids).to_bytes(4, "little")
    octets = sizes + ids + pack(table)
    connection.execute("INSERT OR REPLACE INTO slot_statistics VALUES (?, ?, ?)", (slot, version, octets))


def read_slot(connection: sqlite3.Connection, slot: int) -> Statistics:
    """What `write_slot` kept; ascending by datastream."""
    (packed,) = connection.execute("SELECT packed FROM slot_statistics WHERE slot = ?", (slot,)).fetchone()
    rows, size = (int.from_bytes(packed[at : at + 4], "little") for at in (0, 4))
    ids = _CODEC.decompress(packed[8 : 8 + size], 8 * rows, asbytes=True)
    datastream = np.cumsum(np.frombuffer(ids, np.int64, rows))
    fields = unpack([packed[8 + size :]], rows, 1)[:, 0, :, 0]
    return Statistics(datastream, np.full(rows, slot * HOUR_US), *fields)


def write_days(connection: sqlite3.Connection, hourly: Statistics, pairs: NDArray[np.int64] | None) -> None:
    """Replace the hourly and daily statistics of closed days.

    hourly: all hours of the (datastream, day) pairs. pairs: (n, 2), every pair to replace, so that
    one whose values all turned bad loses its statistics; None when no pair had any before.
    """
    days = hourly.time // DAY_US
    for day in np.unique(days if pairs is None else pairs[:, 1]).tolist():
        of_day = hourly.take(days == day)
        asked = np.unique(of_day.datastream if pairs is None else pairs[pairs[:, 1] == day, 0])
        write_hours_of(connection, day, asked, of_day)
        write_day_of(connection, day, asked, condense(of_day, DAY_US))


def read_hours(connection: sqlite3.Connection, wanted: Ints, span: Span) -> Statistics:
    """Hourly statistics of closed days that begin in `span`, in no promised order."""

    def starts(days: Ints) -> Ints:
        return days[:, None] * DAY_US + np.arange(HOURS) * HOUR_US

    units = (places.EVERY_DAY, span.first_day, span.last_day)
    return _read(_Blobs(connection, "hourly", HOURS), wanted, units, starts, span)


def read_days(connection: sqlite3.Connection, wanted: Ints, span: Span) -> Statistics:
    """Daily statistics of closed days that begin in `span`, in no promised order."""

    def starts(months: Ints) -> Ints:
        return (places.first_days_of(months)[:, None] + np.arange(DAYS)) * DAY_US

    units = (places.EVERY_MONTH, places.month_of(span.first_day), places.month_of(span.last_day))
    return _read(_Blobs(connection, "daily", DAYS), wanted, units, starts, span)


class _Blobs(NamedTuple):
    """One of the two tables, and how many spans of time a blob of it has."""

    connection: sqlite3.Connection
    table: str
    spans: int


def _read(
    blobs: _Blobs, wanted: Ints, units: tuple[int, int, int], starts_of: Callable[[Ints], Ints], span: Span
) -> Statistics:
    """Every blob of the blocks of `wanted`; units: how many per block, first and last asked for."""
    query = (
        f"SELECT t.id, t.packed FROM json_each(?1) w CROSS JOIN {blobs.table} t"  # noqa: S608 - constants
        " WHERE t.id BETWEEN w.value * ?2 + ?3 AND w.value * ?2 + ?4"
    )
    blocks = np.unique(wanted // SERIES)
    rows = blobs.connection.execute(query, (json.dumps(blocks.tolist()), *units)).fetchall()
    if not rows:
        return Statistics.concatenate([])
    block, unit = np.divmod(np.fromiter((row[0] for row in rows), np.int64, len(rows)), units[0])
    series = block[:, None] * SERIES + np.arange(SERIES)
    starts = starts_of(unit)
    asked = is_among(series.ravel(), wanted).reshape(series.shape)
    inside = (starts >= span.start) & (starts < span.end)
    table = unpack([row[1] for row in rows], SERIES, blobs.spans)
    kept = (table[0] > 0) & asked[:, :, None] & inside[:, None, :]
    return Statistics(
        np.broadcast_to(series[:, :, None], kept.shape)[kept],
        np.broadcast_to(starts[:, None, :], kept.shape)[kept],
        *(field[kept] for field in table),
    )


def write_hours_of(connection: sqlite3.Connection, day: int, asked: Ints, hourly: Statistics) -> None:
    """Replace the hours of one day of the Datastreams `asked`, ascending."""
    blobs = _Blobs(connection, "hourly", HOURS)
    blocks, tables = _known(blobs, asked, places.EVERY_DAY, day)
    _clear(tables, blocks, asked, slice(None))
    _fill(tables, blocks, hourly, hourly.time // HOUR_US - day * HOURS)
    _write(blobs, blocks * places.EVERY_DAY + day, tables)


def write_day_of(connection: sqlite3.Connection, day: int, asked: Ints, daily: Statistics) -> None:
    """Replace one day of its month of the Datastreams `asked`, ascending."""
    month = places.month_of(day)
    blobs = _Blobs(connection, "daily", DAYS)
    blocks, tables = _known(blobs, asked, places.EVERY_MONTH, month)
    column = day - places.first_day_of(month)
    _clear(tables, blocks, asked, slice(column, column + 1))
    _fill(tables, blocks, daily, np.full(len(daily), column))
    _write(blobs, blocks * places.EVERY_MONTH + month, tables)


def _known(blobs: _Blobs, asked: Ints, every: int, unit: int) -> tuple[Ints, Table]:
    """Blocks of `asked`, ascending, and their (blocks, 6, 16, spans) tables as they stand."""
    blocks = np.unique(asked // SERIES)
    identifiers = blocks * every + unit
    found = blobs.connection.execute(
        f"SELECT t.id, t.packed FROM json_each(?) w CROSS JOIN {blobs.table} t ON t.id = w.value",  # noqa: S608 - constants
        (json.dumps(identifiers.tolist()),),
    )
    tables = np.zeros((len(blocks), FIELDS, SERIES, blobs.spans))
    if known := found.fetchall():
        at = np.searchsorted(identifiers, [identifier for identifier, _ in known])
        tables[at] = unpack([packed for _, packed in known], SERIES, blobs.spans).swapaxes(0, 1)
    return blocks, tables


def _clear(tables: Table, blocks: Ints, asked: Ints, columns: slice) -> None:
    tables[np.searchsorted(blocks, asked // SERIES), :, asked % SERIES, columns] = 0


def _fill(tables: Table, blocks: Ints, statistics: Statistics, column: Ints) -> None:
    block = np.searchsorted(blocks, statistics.datastream // SERIES)
    for field, name in enumerate(NAMES):
        tables[block, field, statistics.datastream % SERIES, column] = getattr(statistics, name)


def _write(blobs: _Blobs, identifiers: Ints, tables: Table) -> None:
    filled = tables[:, 0].any(axis=(1, 2))
    blobs.connection.executemany(
        f"DELETE FROM {blobs.table} WHERE id = ?",  # noqa: S608 - constants
        ((identifier,) for identifier in identifiers[~filled].tolist()),
    )
    blobs.connection.executemany(
        f"INSERT OR REPLACE INTO {blobs.table} VALUES (?, ?)",  # noqa: S608 - constants
        zip(
            identifiers[filled].tolist(),
            [pack(table) for table in tables[filled]],
            strict=True,
        ),
    )
