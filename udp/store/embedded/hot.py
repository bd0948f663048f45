"""The rows in SQLite: the days still open, and what came late for closed ones."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from udp.store.acceptance import LARGEST_DATASTREAM
from udp.store.columns import Ints, Mask, Observations
from udp.store.embedded.places import HOURS, Span, as_times, day_of_late_slot
from udp.store.statistics import DAY_US

Rows = NDArray[np.void]
ROW = np.dtype(
    [
        ("datastream", "i8"), ("time", "i8"), ("lead", "i8"),
        ("result", "f8"), ("result_time", "i8"), ("mark", "i8"),
    ]
)  # fmt: skip
_COLUMNS = "h.datastream, h.time, h.lead, h.result, h.result_time, h.mark"
# Above this many series one pass over an hour's rows beats one look-up per series.
_FEW_DATASTREAMS = 300


def mark_of(batch: Observations) -> Ints:
    """Revision, quality and rule in one integer that sorts by revision."""
    return batch.revision << 16 | batch.quality.astype(np.int64) << 8 | batch.rule.astype(np.int64)


def touched_slots(connection: sqlite3.Connection, span: Span) -> dict[int, int]:
    """Slot -> version of everything in SQLite that may hold rows of `span`, late slots included."""
    found = connection.execute(
        "SELECT slot, version FROM slot WHERE slot < 0 OR slot BETWEEN ? AND ?",
        (span.first_hour, span.last_hour),
    )
    return {
        slot: version
        for slot, version in found
        if slot >= 0 or span.first_day <= day_of_late_slot(slot) <= span.last_day
    }


def open_days(connection: sqlite3.Connection) -> list[Span]:
    """Days with rows that no file holds, ascending."""
    found = connection.execute("SELECT DISTINCT slot / ? FROM slot WHERE slot >= 0 ORDER BY slot", (HOURS,))
    return [Span(day * DAY_US, (day + 1) * DAY_US) for (day,) in found]


def read_slots(
    connection: sqlite3.Connection, slots: Iterable[int], wanted: Ints, span: Span | None = None
) -> Observations:
    """Rows of `wanted` (ascending ids) in `slots`, cut to `span`; in no promised order."""
    limits = span or Span(0, np.iinfo(np.int64).max)
    if len(wanted) <= _FEW_DATASTREAMS:
        return observations(
            connection.execute(
                f"SELECT {_COLUMNS} FROM json_each(?) s CROSS JOIN json_each(?) w CROSS JOIN hot h"  # noqa: S608 - a constant
                " WHERE h.slot = s.value AND h.datastream = w.value AND h.time >= ? AND h.time < ?",
                (json.dumps(list(slots)), json.dumps(wanted.tolist()), limits.start, limits.end),
            )
        )
    parts = []
    for slot in slots:
        part = read_slot(connection, slot, int(wanted[0]), int(wanted[-1]))
        time = part.phenomenon_time.astype(np.int64)
        parts.append(
            part.take(is_among(part.datastream, wanted) & (time >= limits.start) & (time < limits.end))
        )
    return Observations.concatenate(parts)


def read_slot(
    connection: sqlite3.Connection, slot: int, first: int = 0, last: int = LARGEST_DATASTREAM
) -> Observations:
    """Rows of one slot from datastream `first` to `last`, ascending by datastream, time, lead."""
    return observations(
        connection.execute(
            f"SELECT {_COLUMNS} FROM hot h WHERE h.slot = ? AND h.datastream BETWEEN ? AND ?",  # noqa: S608 - a constant
            (slot, first, last),
        )
    )


def read_latest(connection: sqlite3.Connection, wanted: Ints | None) -> Observations:
    """Newest measurement per datastream, ascending by datastream."""
    columns = "h.datastream, h.time, 0, h.result, h.result_time, h.mark"
    if wanted is None:
        return observations(
            connection.execute(f"SELECT {columns} FROM latest h ORDER BY h.datastream")  # noqa: S608 - a constant
        )
    return observations(
        connection.execute(
            f"SELECT {columns} FROM json_each(?) w CROSS JOIN latest h ON h.datastream = w.value",  # noqa: S608 - a constant
            (json.dumps(wanted.tolist()),),
        )
    )


def read_superseded(connection: sqlite3.Connection, wanted: Ints, span: Span) -> Observations:
    """Former revisions of `wanted` in `span`."""
    return observations(
        connection.execute(
            f"SELECT {_COLUMNS} FROM json_each(?) w CROSS JOIN superseded h"  # noqa: S608 - a constant
            " WHERE h.datastream = w.value AND h.time >= ? AND h.time < ?",
            (json.dumps(wanted.tolist()), span.start, span.end),
        )
    )


def write_superseded(connection: sqlite3.Connection, former: Observations) -> None:
    """Keep former revisions; those already kept stay as they are."""
    mark = mark_of(former)
    connection.executemany(
        "INSERT OR IGNORE INTO superseded VALUES (?, ?, ?, ?, ?, ?, ?)",
        zip(
            former.datastream.tolist(),
            former.phenomenon_time.astype(np.int64).tolist(),
            former.lead.tolist(),
            former.revision.tolist(),
            former.result.tolist(),
            former.result_time.astype(np.int64).tolist(),
            mark.tolist(),
            strict=True,
        ),
    )


def observations(rows: Iterable[Any]) -> Observations:
    """Columns from (datastream, time, lead, result, result_time, mark) rows."""
    return of_table(np.fromiter(rows, ROW))


def of_table(table: Rows) -> Observations:
    """Columns from such rows in one array."""
    mark = table["mark"]
    return Observations(
        np.ascontiguousarray(table["datastream"]),
        as_times(table["time"]),
        as_times(table["result_time"]),
        np.ascontiguousarray(table["lead"]),
        np.ascontiguousarray(table["result"]),
        (mark >> 8 & 0xFF).astype(np.uint8),
        (mark & 0xFF).astype(np.uint8),
        mark >> 16,
    )


def is_among(values: Ints, wanted: Ints) -> Mask:
    """Which `values` occur in the ascending `wanted`; np.isin sorts again, this does not."""
    if not len(wanted):
        return np.zeros(len(values), bool)
    at = np.searchsorted(wanted, values)
    at[at == len(wanted)] = 0
    found: Mask = wanted[at] == values
    return found
