"""A store of an earlier version is brought to today's tables without being read into memory."""

from __future__ import annotations

import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from udp.store.embedded import earlier_formats, packed
from udp.store.embedded.database import Database
from udp.store.embedded.places import Span
from udp.store.statistics import DAY_US

FIRST_DAY = 20_000


def earlier_store(path: Path, series: int, days: int) -> None:
    """Format 2 as it lay on disk: a blob per series and day; hour h of series s, day d has mean s + d + h."""
    Database(path, read_only=False, busy_timeout_s=5).close()
    codec = pa.Codec("zstd", compression_level=1)
    hours = np.arange(24.0)
    with closing(sqlite3.connect(path)) as database:
        for one in range(1, series + 1):
            rows = []
            for day in range(days):
                value = one + day + hours
                table = np.stack([np.full(24, 6.0), 6 * value, value - 1, value + 1, value, value])
                octets = codec.compress(table.tobytes(), asbytes=True)
                rows.append((one << 17 | (FIRST_DAY + day), octets))
            database.executemany("INSERT INTO hourly VALUES (?, ?)", rows)
        database.execute("PRAGMA user_version = 2")
        database.commit()


def peak_of_conversion(path: Path) -> int:
    tracemalloc.start()
    try:
        Database(path, read_only=False, busy_timeout_s=5).close()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier_formats, "_AT_ONCE", 100)
    peaks = []
    for number, days in enumerate((40, 160)):
        path = tmp_path / f"{number}.sqlite"
        earlier_store(path, 5, days)
        peaks.append(peak_of_conversion(path))
    assert peaks[1] < 1.3 * peaks[0]


def test_portions_cut_blocks_and_days_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier_formats, "_AT_ONCE", 37)
    path = tmp_path / "hot.sqlite"
    earlier_store(path, 35, 12)
    database = Database(path, read_only=False, busy_timeout_s=5)
    everything = Span(FIRST_DAY * DAY_US, (FIRST_DAY + 12) * DAY_US)
    with database.reading() as connection:
        hours = packed.read_hours(connection, np.arange(1, 36), everything)
        days = packed.read_days(connection, np.arange(1, 36), everything)
        left = connection.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE '%before%'").fetchone()
    database.close()
    assert (len(hours), len(days), left) == (35 * 12 * 24, 35 * 12, (0,))
    day, hour = np.divmod(hours.time - FIRST_DAY * DAY_US, DAY_US)
    expected = hours.datastream + day + hour // 3_600_000_000
    np.testing.assert_allclose(hours.total / hours.count, expected)
    np.testing.assert_allclose(
        days.total / days.count, days.datastream + (days.time // DAY_US - FIRST_DAY) + 11.5
    )
