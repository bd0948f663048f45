"""kill -9 of the embedded store's writer at random instants, beside a reader: nothing lost or doubled."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from udp.store.columns import Function, Period
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

ROUNDS = 22
SERIES = 40
START = datetime(2026, 1, 25, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
STEP_US = 7_200_000_000
ALWAYS = Period(START, START + timedelta(days=4_000))
ENOUGH_S = 240.0

# Batch k is one value of every series; every seventh comes four days late, in a closed day.
# Every batch also repeats its predecessor. The number of a batch is printed once it is acknowledged.
WRITER = """
import sys
from datetime import timedelta
from pathlib import Path
import numpy as np
from udp.store.columns import Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore
from datetime import UTC, datetime

folder, first, series = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
start = datetime(2026, 1, 25, tzinfo=UTC)
start_us = int(start.timestamp()) * 1_000_000
ids = np.arange(series)
late = 4 * 12

def batch(k):
    return Observations.build(ids, [start_us + k * 7_200_000_000] * series, ids + k / 8)

def due(k):
    return [] if k < 0 else [k] if k % 7 else [k - late] if k >= late else []

store = EmbeddedStore(
    EmbeddedSettings(
        folder, keep_open=timedelta(hours=6), settle=timedelta(0), fold_after=timedelta(hours=12)
    ),
    lambda: start,
)
for k in range(first, first + 100_000):
    parts = [batch(n) for n in due(k - 1) + due(k)]
    if parts:
        store.append(Observations.concatenate(parts))
    print(k, flush=True)
    if k % 3 == 0:
        store.maintain(start + timedelta(hours=2 * k))
"""
READER = """
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
import numpy as np
from udp.store.columns import Function, Period
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

folder, series = Path(sys.argv[1]), int(sys.argv[2])
start = datetime(2026, 1, 25, tzinfo=UTC)
always = Period(start, start + timedelta(days=4000))
start_us = int(start.timestamp()) * 1_000_000
store = EmbeddedStore(EmbeddedSettings(folder), lambda: start, read_only=True)
print("reading", flush=True)
before = 0
answers = Path(sys.argv[4])
while not Path(sys.argv[3]).exists():
    rows = store.read(range(series), always)
    k = (rows.phenomenon_time.astype(np.int64) - start_us) // 7_200_000_000
    assert (rows.result == rows.datastream + k / 8).all(), "a value is not what was written"
    assert len(set(zip(rows.datastream.tolist(), k.tolist()))) == len(rows), "a row is there twice"
    assert len(rows) >= before and len(rows) % series == 0, (before, len(rows))
    before = len(rows)
    daily = store.aggregate(range(series), always, timedelta(days=1), [Function.COUNT])
    counted = daily.values[Function.COUNT].sum()
    assert counted >= before and counted % series == 0, (before, counted)
    before = int(counted)
    with answers.open("a") as file:
        file.write(".")
    time.sleep(0.03)  # leaves the two cores of a small machine to the writer
"""


def expected_batches(acknowledged: int) -> set[int]:
    """Batches that must be there when `acknowledged` was the last number printed."""
    late = 4 * 12
    on_time = {k for k in range(acknowledged + 1) if k % 7}
    return on_time | {k - late for k in range(late, acknowledged + 1) if k % 7 == 0}


@pytest.fixture
def reader(tmp_path: Path) -> subprocess.Popen[str]:
    EmbeddedStore(EmbeddedSettings(tmp_path / "store"), lambda: START).close()
    files = [str(tmp_path / name) for name in ("enough", "answers")]
    command = [sys.executable, "-c", READER, str(tmp_path / "store"), str(SERIES), *files]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "reading\n"
    return process


def test_kill_9_loses_nothing_acknowledged_and_doubles_nothing(
    tmp_path: Path, reader: subprocess.Popen[str]
) -> None:
    rng = random.Random(os.environ.get("UDP_TEST_SEED", "2026"))
    acknowledged, deadline = -1, time.monotonic() + ENOUGH_S
    try:
        for number in range(ROUNDS):
            acknowledged = _round(tmp_path / "store", acknowledged + 1, rng.uniform(0.0, 0.5))
            _check(tmp_path / "store", acknowledged)
            while _answers(tmp_path) <= number and reader.poll() is None:  # each round is also read
                time.sleep(0.01)
            assert time.monotonic() < deadline, f"{ROUNDS} rounds took longer than {ENOUGH_S:.0f} s"
    finally:
        (tmp_path / "enough").touch()
        _, errors = reader.communicate(timeout=60)
    assert reader.returncode == 0, errors
    assert _answers(tmp_path) >= ROUNDS
    assert acknowledged > 8 * 12, "too few days were written to close any"
    _finish(tmp_path / "store", acknowledged)


def _answers(folder: Path) -> int:
    path = folder / "answers"
    return path.stat().st_size if path.exists() else 0


def _round(folder: Path, first: int, seconds: float) -> int:
    """Write from batch `first`, kill after `seconds`; the last number acknowledged."""
    command = [sys.executable, "-c", WRITER, str(folder), str(first), str(SERIES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        seen = writer.stdout.readline()
        try:
            writer.wait(seconds)
        except subprocess.TimeoutExpired:
            writer.kill()
        rest = writer.stdout.read()
    lines = [line for line in (seen + rest).split("\n")[:-1] if line]
    assert lines, "the writer ended before its first batch"
    return int(lines[-1])


def _check(folder: Path, acknowledged: int) -> None:
    with EmbeddedStore(EmbeddedSettings(folder), lambda: START, read_only=True) as store:
        rows = store.read(range(SERIES), ALWAYS)
        counted = store.aggregate(range(SERIES), ALWAYS, timedelta(days=1), [Function.COUNT])
    steps = (rows.phenomenon_time.astype(np.int64) - START_US) // STEP_US
    present, times = np.unique(steps, return_counts=True)
    assert (times == SERIES).all(), "a batch is there in part or more than once"
    assert expected_batches(acknowledged) <= set(present.tolist()), "an acknowledged batch is lost"
    # The one batch that was committed when the kill came before its acknowledgement may be there too.
    assert set(present.tolist()) <= expected_batches(acknowledged + 1)
    assert counted.values[Function.COUNT].sum() == len(rows)


def _finish(folder: Path, acknowledged: int) -> None:
    """What the crashes left is taken up by the next maintenance."""
    settings = EmbeddedSettings(folder, settle=timedelta(0), fold_after=timedelta(0))
    with EmbeddedStore(settings, lambda: START) as store:
        # One step closes a day of twelve batches at least; a fast machine has written many days.
        for _ in range(500 + acknowledged // 4):
            if not store.maintain(START + timedelta(days=300)):
                break
        else:
            pytest.fail("maintenance found no end")
    _check(folder, acknowledged)
    names = {path.name for path in (folder / "observations").iterdir()}
    assert all(name.endswith(".parquet") for name in names), names
