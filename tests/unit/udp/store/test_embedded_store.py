"""What only the embedded store promises: files anyone can read, readers beside writers, full disks."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from udp.errors import StoreRejected, StoreUnavailable
from udp.sensorthings import Quality
from udp.store.columns import Function, Observations, Period
from udp.store.embedded import packed, rewriting
from udp.store.embedded.places import Span
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore
from udp.store.statistics import DAY_US, HOUR_US

START = datetime(2026, 1, 1, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
TEN_MINUTES_US = 600_000_000
ALWAYS = Period(START - timedelta(days=1), START + timedelta(days=99))
IDS = range(1, 21)


def city(days: float, *, first: float = 0.0, revision: int = 0) -> Observations:
    """Twenty series, one value every ten minutes."""
    steps = np.arange(round(first * 144), round((first + days) * 144))
    time = START_US + np.repeat(steps, len(IDS)) * TEN_MINUTES_US
    datastream = np.tile(np.array(IDS), len(steps))
    return Observations.build(
        datastream, time, np.round(np.sin(time / 1e10) * 20 + datastream, 1),
        result_time=time + 5_000_000, quality=Quality.GOOD, revision=revision,
    )  # fmt: skip


def opened(folder: Path, **changes: object) -> EmbeddedStore:
    settings = EmbeddedSettings(
        **{"folder": folder, "settle": timedelta(0), "fold_after": timedelta(0), **changes}  # type: ignore[arg-type]
    )
    return EmbeddedStore(settings, lambda: START)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with opened(tmp_path / "store") as store:
        yield store


def housekeep(store: EmbeddedStore, days: float) -> int:
    """All that is due at START + days; returns the number of steps."""
    for step in range(1_000):
        if not store.maintain(START + timedelta(days=days)):
            return step
    pytest.fail("maintenance found no end")


def files(folder: Path) -> list[str]:
    return sorted(path.name.partition(".")[0] for path in folder.rglob("*.parquet"))


def count(store: EmbeddedStore) -> int:
    return len(store.read(IDS, ALWAYS))


def test_days_close_one_by_one_and_a_month_becomes_one_file(store: EmbeddedStore, tmp_path: Path) -> None:
    store.append(city(33))
    housekeep(store, 3.5)
    assert files(tmp_path) == ["2026-01-01", "2026-01-02"]
    housekeep(store, 8)
    assert files(tmp_path) == ["2026-01-01_2026-01-05", "2026-01-06", "2026-01-07"]
    housekeep(store, 34)
    assert files(tmp_path) == ["2026-01-01_2026-01-31", "2026-02-01", "2026-02-02"]
    assert count(store) == 33 * 144 * len(IDS)


def test_closed_days_leave_sqlite(store: EmbeddedStore, tmp_path: Path) -> None:
    store.append(city(3))
    housekeep(store, 9)
    with contextlib.closing(sqlite3.connect(tmp_path / "store" / "hot.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM hot").fetchone() == (0,)
        assert database.execute("SELECT count(*) FROM slot_statistics").fetchone() == (0,)


def test_anyone_reads_a_closed_day_with_pandas(store: EmbeddedStore, tmp_path: Path) -> None:
    day = city(1)
    store.append(day)
    housekeep(store, 3)
    table = pd.read_parquet(next(tmp_path.rglob("*.parquet")))
    assert {name: str(kind) for name, kind in table.dtypes.items()} == {
        "datastream": "int64", "phenomenon_time": "datetime64[us, UTC]",
        "result_time": "datetime64[us, UTC]", "lead": "int64", "result": "float64",
        "quality": "uint8", "rule": "uint8", "revision": "int64",
    }  # fmt: skip
    assert table.sort_values(["datastream", "phenomenon_time"]).index.tolist() == list(range(len(day)))
    assert table.result.sum() == pytest.approx(day.result.sum())


def test_a_replay_of_closed_days_in_random_order_stores_nothing(store: EmbeddedStore) -> None:
    rows = city(12)
    store.append(rows)
    housekeep(store, 20)
    order = np.random.default_rng(3).permutation(len(rows))
    for begin in range(0, len(rows), 5_000):
        store.append(rows.take(order[begin : begin + 5_000]))
    assert housekeep(store, 20) == 0
    assert count(store) == len(rows)


def test_late_rows_show_at_once_and_are_folded_later(store: EmbeddedStore, tmp_path: Path) -> None:
    rows = city(6)
    late = np.zeros(len(rows), bool)
    late[::7] = True
    store.append(rows.take(~late))
    housekeep(store, 20)
    store.append(rows.take(late))
    everything = store.read(IDS, ALWAYS)
    assert len(everything) == len(rows)
    daily = store.aggregate(IDS, ALWAYS, timedelta(days=1), [Function.COUNT])
    assert daily.values[Function.COUNT].tolist() == [144.0] * 6 * len(IDS)
    housekeep(store, 20)
    assert pd.read_parquet(tmp_path / "store" / "observations").shape[0] == len(rows)
    np.testing.assert_array_equal(store.read(IDS, ALWAYS).result, everything.result)
    assert (
        store.aggregate(IDS, ALWAYS, timedelta(days=1), [Function.COUNT]).values[Function.COUNT].tolist()
        == daily.values[Function.COUNT].tolist()
    )


def test_a_correction_of_whole_closed_days_keeps_what_it_supersedes(store: EmbeddedStore) -> None:
    rows = city(6)
    store.append(rows)
    housekeep(store, 20)
    corrected = Observations.build(
        rows.datastream, rows.phenomenon_time, rows.result + 100,
        result_time=START_US + 30 * 86_400_000_000, revision=1, quality=Quality.GOOD,
    )  # fmt: skip
    store.append(corrected)
    for _ in range(2):
        assert store.read(IDS, ALWAYS).result.min() > 50
        before = store.read(IDS, ALWAYS, as_of=START + timedelta(days=29))
        assert len(before) == len(rows)
        assert before.result.max() < 50
        assert store.aggregate(IDS, ALWAYS, timedelta(days=1), [Function.MINIMUM]).values[
            Function.MINIMUM
        ].min() > 50  # fmt: skip
        housekeep(store, 20)


def test_rows_that_come_while_a_file_is_rewritten_are_kept_once(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A late row, its repetition and a correction arrive between the freeze and the swap."""
    rows = city(5)
    store.append(rows.take(slice(2, None)))
    housekeep(store, 6)
    store.append(rows.take(slice(0, 1)))
    prepared = rewriting.newest

    def and_meanwhile(candidates: Observations) -> tuple[Observations, Observations]:
        store.append(rows.take(slice(0, 2)))
        store.append(city(1 / 144, revision=3).take(slice(0, 1)))
        return prepared(candidates)

    monkeypatch.setattr(rewriting, "newest", and_meanwhile)
    assert store.maintain(START + timedelta(days=6))
    monkeypatch.undo()
    for _ in range(2):
        assert count(store) == len(rows)
        assert store.read([1], Period(START, START + timedelta(minutes=1))).revision.tolist() == [3]
        housekeep(store, 6)


def test_a_day_that_still_receives_rows_does_not_close(tmp_path: Path) -> None:
    with opened(tmp_path, settle=timedelta(days=3)) as store:
        store.append(city(1))
        housekeep(store, 2.9)
        assert files(tmp_path) == []
        housekeep(store, 3)
        assert files(tmp_path) == ["2026-01-01"]


def test_readers_beside_maintenance_see_every_row_once(store: EmbeddedStore, tmp_path: Path) -> None:
    rows = city(9)
    store.append(rows)
    done = threading.Event()
    seen: list[int] = []

    def watch() -> None:
        with EmbeddedStore(EmbeddedSettings(tmp_path / "store"), lambda: START, read_only=True) as reader:
            while not done.is_set():
                counts = reader.aggregate(IDS, ALWAYS, timedelta(days=1), [Function.COUNT])
                seen.extend([count(reader), int(counts.values[Function.COUNT].sum())])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for day in range(1, 40):
            housekeep(store, day)
            looked = len(seen)
            while len(seen) == looked and watcher.is_alive():  # each state is looked at
                time.sleep(0.001)
    finally:
        done.set()
        watcher.join(30)
    assert len(seen) >= 39
    assert set(seen) == {len(rows)}


def test_writers_of_several_threads_lose_nothing(store: EmbeddedStore) -> None:
    rows = city(2)
    parts = [rows.take(slice(n, None, 8)) for n in range(8)]
    threads = [threading.Thread(target=store.append, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert count(store) == len(rows)


def test_a_locked_store_says_so_and_takes_the_batch_later(tmp_path: Path) -> None:
    with opened(tmp_path, busy_timeout=timedelta(milliseconds=50)) as store:
        with contextlib.closing(sqlite3.connect(tmp_path / "hot.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match=r"hot\.sqlite: locked by another writer"):
                store.append(city(0.1))
        store.append(city(0.1))
        assert count(store) == len(city(0.1))


def test_a_missing_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    early = EmbeddedStore(EmbeddedSettings(tmp_path / "store"), lambda: START, read_only=True)
    with pytest.raises(StoreUnavailable, match="no store here yet; start ingest once"):
        early.latest()
    with opened(tmp_path / "store") as store:
        store.append(city(1))
        housekeep(store, 3)
        assert len(early.latest()) == len(IDS)
        early.close()
        next(tmp_path.rglob("*.parquet")).unlink()
        with pytest.raises(StoreUnavailable, match="missing; restore it from a backup"):
            store.read(IDS, ALWAYS)


def test_a_damaged_file_is_named(store: EmbeddedStore, tmp_path: Path) -> None:
    store.append(city(1))
    housekeep(store, 3)
    next(tmp_path.rglob("*.parquet")).write_bytes(b"PAR1 and then nothing")
    with pytest.raises(StoreUnavailable, match="a file is damaged; restore it"):
        store.read(IDS, ALWAYS)


def test_a_store_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "hot.sqlite")) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreUnavailable, match="newer version"):
        opened(tmp_path)


def test_a_damaged_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "hot.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreUnavailable, match="damaged; restore a backup"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"datastream": -1}, "datastream is -1"),
        ({"lead": -60}, "lead is -60"),
        ({"phenomenon_time": np.datetime64("1969-12-31", "us")}, "phenomenon_time is 1969"),
        ({"phenomenon_time": np.datetime64("NaT", "us")}, "phenomenon_time is NaT"),
        ({"result_time": np.datetime64("2300-01-01", "us")}, "result_time is 2300"),
        ({"revision": -1}, "revision is -1"),
    ],
)
def test_impossible_values_are_refused_by_name(
    store: EmbeddedStore, columns: dict[str, object], words: str
) -> None:
    row = {"datastream": 1, "phenomenon_time": np.datetime64("2026-01-01", "us"), "result": [1.0], **columns}
    with pytest.raises(StoreRejected, match=words):
        store.append(Observations.build(**row))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs the right to mount a tmpfs: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_says_so_loses_nothing_and_resumes(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 36_000_000)
    with opened(small_disk / "store") as store:
        kept = 0
        with pytest.raises(StoreUnavailable, match="disk full; free space"):
            for day in range(200):
                store.append(city(1, first=day))
                kept = day + 1
        assert kept > 0
        assert count(store) == kept * 144 * len(IDS)
        with pytest.raises(StoreUnavailable):
            housekeep(store, 99)
        assert count(store) == kept * 144 * len(IDS)
        ballast.unlink()
        store.append(city(1, first=kept))
        housekeep(store, 99)
        assert count(store) == (kept + 1) * 144 * len(IDS)


def test_a_store_of_an_earlier_version_keeps_its_statistics(tmp_path: Path) -> None:
    """Format 2 kept a blob per series and day, and the open hours in another form."""
    with opened(tmp_path) as store:
        store.append(city(5))
        housekeep(store, 6)
        before = [store.aggregate(IDS, ALWAYS, timedelta(hours=h), list(Function)) for h in (1, 24)]
    with contextlib.closing(sqlite3.connect(tmp_path / "hot.sqlite")) as database:
        hours = packed.read_hours(database, np.array(IDS), Span(0, START_US + 99 * DAY_US))
        database.execute("DELETE FROM hourly")
        day = hours.time // DAY_US
        for one, of in sorted({*zip(hours.datastream.tolist(), day.tolist(), strict=True)}):
            table = np.zeros((6, 24))
            mine = hours.take((hours.datastream == one) & (day == of))
            for field, name in enumerate(packed.NAMES):
                table[field, (mine.time - of * DAY_US) // HOUR_US] = getattr(mine, name)
            octets = pa.Codec("zstd").compress(table.tobytes(), asbytes=True)
            database.execute("INSERT INTO hourly VALUES (?, ?)", (one << 17 | of, octets))
        database.execute("DELETE FROM daily")
        database.execute("UPDATE slot_statistics SET packed = x'00'")
        database.execute("PRAGMA user_version = 2")
        database.commit()
    with opened(tmp_path) as store:
        for every, expected in zip((1, 24), before, strict=True):
            found = store.aggregate(IDS, ALWAYS, timedelta(hours=every), list(Function))
            for function in Function:
                np.testing.assert_allclose(found.values[function], expected.values[function], rtol=1e-13)
