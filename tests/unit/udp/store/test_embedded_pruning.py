"""Pruned values are in no byte of the embedded store's folder, whatever happened while it pruned."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from udp.store.columns import Function, Observations, Period
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

START = datetime(2026, 1, 28, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
NOW = datetime(2026, 2, 3, 12, tzinfo=UTC)
LIMIT = START + timedelta(days=5)
ALWAYS = Period(START, START + timedelta(days=30))
SERIES, FORGOTTEN = 40, 7
STEP_US = 600_000_000
ROUNDS = 8

PRUNE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

store = EmbeddedStore(EmbeddedSettings(Path(sys.argv[1])), lambda: datetime(2026, 2, 3, 12, tzinfo=UTC))
print("open", flush=True)
store.prune([int(sys.argv[2])], datetime(2026, 2, 2, tzinfo=UTC))
print("pruned", flush=True)
"""


def readings(revision: int = 0) -> Observations:
    """Each value once in the world, so that it can be searched for."""
    steps = np.arange(6 * 144)
    stream = np.tile(np.arange(SERIES), len(steps))
    time = START_US + np.repeat(steps, SERIES) * STEP_US
    return Observations.build(stream, time, np.pi * np.arange(1, len(time) + 1) + revision, revision=revision)


def store_at(folder: Path) -> EmbeddedStore:
    settings = EmbeddedSettings(folder, settle=timedelta(0), fold_after=timedelta(0))
    return EmbeddedStore(settings, lambda: NOW)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Closed days, open days, late corrections not yet folded, and rows not yet purged."""
    with store_at(tmp_path / "store") as store:
        store.append(readings())
        while store.maintain(NOW - timedelta(hours=12)):
            pass
        some = readings(revision=1)
        store.append(some.take(some.datastream % 2 == 1))
        for _ in range(4):
            store.maintain(NOW)
    return tmp_path / "store"


def found_in(folder: Path, wanted: set[bytes]) -> int:
    """How many of `wanted` (doubles as SQLite writes them) stand anywhere in SQLite's files or in Parquet."""
    octets = [path.read_bytes() for path in folder.iterdir() if path.name.startswith("hot.sqlite")]
    hits = sum(any(one in all_of for all_of in octets) for one in wanted)
    for path in folder.rglob("*"):
        if "parquet" in path.name:
            values = pq.read_table(path)["result"].to_numpy()
            hits += sum(struct.pack(">d", one) in wanted for one in values.tolist())
    return hits


def doomed() -> set[bytes]:
    """Values that no aggregate repeats: of the six in an hour neither the first, last, least nor greatest."""
    rows = Observations.concatenate([readings(), readings(revision=1)])
    time = rows.phenomenon_time.astype(np.int64)
    inner = (time // STEP_US % 6 > 0) & (time // STEP_US % 6 < 5) & (rows.datastream == FORGOTTEN)
    before = time < int(LIMIT.timestamp()) * 1_000_000
    return {struct.pack(">d", one) for one in rows.result[inner & before].tolist()}


def test_pruned_values_are_in_no_byte_of_any_file(folder: Path) -> None:
    assert found_in(folder, doomed()) >= 5 * 24 * 4, "the search must find what is there"
    with store_at(folder) as store:
        assert store.prune([FORGOTTEN], LIMIT).values == 2 * 5 * 144
        assert found_in(folder, doomed()) == 0
        while store.maintain(NOW + timedelta(days=60)):
            pass
    assert found_in(folder, doomed()) == 0


def test_killed_while_pruning_the_next_call_finishes_it(folder: Path) -> None:
    """Between two kills everything still counts once, and in the end nothing is left."""
    with store_at(folder) as store:
        hourly = store.aggregate(range(SERIES), ALWAYS, timedelta(hours=1), list(Function))
    rng = random.Random(2026)
    for _ in range(ROUNDS):
        with subprocess.Popen(
            [sys.executable, "-c", PRUNE, str(folder), str(FORGOTTEN)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            assert process.stdout.readline() == "open\n"
            try:
                process.wait(rng.uniform(0.0, 0.3))
            except subprocess.TimeoutExpired:
                process.kill()
        with store_at(folder) as store:
            now = store.aggregate(range(SERIES), ALWAYS, timedelta(hours=1), list(Function))
            for function in Function:
                np.testing.assert_allclose(now.values[function], hourly.values[function], rtol=1e-12)
            store.maintain(NOW)
    with store_at(folder) as store:
        store.prune([FORGOTTEN], LIMIT)
        assert len(store.read([FORGOTTEN], Period(START, LIMIT))) == 0
        assert len(store.read(range(SERIES), ALWAYS)) == 6 * 144 * SERIES - 5 * 144
    assert found_in(folder, doomed()) == 0


def test_a_reader_in_another_process_goes_on_while_values_are_pruned(folder: Path) -> None:
    with store_at(folder) as store, store_at(folder) as reader:
        assert len(reader.read([FORGOTTEN], ALWAYS)) == 6 * 144
        store.prune([FORGOTTEN], LIMIT)
        assert len(reader.read([FORGOTTEN], ALWAYS)) == 144
        assert len(reader.read([8], ALWAYS)) == 6 * 144


def test_a_month_of_nothing_but_pruned_values_stays_usable(folder: Path) -> None:
    with store_at(folder) as store:
        store.prune(range(SERIES), LIMIT)
        late = Observations.build([SERIES + 1], [START_US + 5], [4.0])
        store.append(late)
        while store.maintain(NOW + timedelta(days=60)):
            pass
        assert store.read(range(SERIES + 2), Period(START, LIMIT)).result.tolist() == [4.0]
