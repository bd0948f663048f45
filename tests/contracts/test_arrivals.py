"""What is appended is told to who listens: all of it, whoever wrote it, once, and no longer than may be."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from udp.store.arrivals import Following, TellsArrivals
from udp.store.columns import Observations
from udp.store.embedded import arriving
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
MINUTE_US = 60_000_000


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(EmbeddedSettings(tmp_path, settle=timedelta(0)), clock) as made:
        yield made


@pytest.fixture
def reader(tmp_path: Path, store: EmbeddedStore, clock: Clock) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(EmbeddedSettings(tmp_path), clock, read_only=True) as made:
        yield made


def some(stream: int, *minutes_ago: int, result: float = 1.5, **more: int) -> Observations:
    times = [NOW_US - one * MINUTE_US for one in minutes_ago]
    return Observations.build(stream, times, result, **more)


def told(store: EmbeddedStore, after: int = 0, most: int = 10**6) -> list[tuple[int, int, int, float, int]]:
    return [
        (stream, time, lead, result, revision)
        for one in store.arrivals(after, most)
        for stream, time, lead, result, revision in zip(
            one.rows.datastream.tolist(), one.rows.phenomenon_time.astype(np.int64).tolist(),
            one.rows.lead.tolist(), one.rows.result.tolist(), one.rows.revision.tolist(), strict=True,
        )
    ]  # fmt: skip


def test_nothing_is_remembered_while_nobody_listens(store, clock):
    store.append(some(1, 5, 4))
    assert told(store) == [] and store.position() == 0
    store.listen(NOW + timedelta(seconds=60))
    store.append(some(1, 3))
    assert told(store) == [(1, NOW_US - 3 * MINUTE_US, 0, 1.5, 0)]
    clock.now += timedelta(seconds=61)
    store.append(some(1, 2))
    store.append(some(1, 1))
    assert told(store) == [] and store.position() == 1
    with contextlib.closing(sqlite3.connect(store._database.path)) as file:
        assert file.execute("SELECT count(*) FROM arrival").fetchone() == (0,)


def test_new_late_corrected_and_foretold_values_are_told_once_and_repetitions_are_not(store, reader, clock):
    store.append(some(1, 8_640, 60, 5))  # six days ago, an hour ago, now
    clock.now += timedelta(minutes=5)
    while store.maintain(clock.now):
        pass
    assert list((store._cold.folder).glob("*.parquet"))
    store.listen(clock.now + timedelta(seconds=60))
    store.append(some(1, 8_640, 60, 5))
    assert told(reader) == []
    store.append(some(1, 8_641, 61))
    store.append(some(1, 8_640, 60, result=2.5, revision=1))
    store.append(some(2, -60, lead=3600))
    store.append(Observations.concatenate([some(1, 61), some(3, 1), some(1, 60, result=2.5, revision=1)]))
    assert told(reader) == [
        (1, NOW_US - 8_641 * MINUTE_US, 0, 1.5, 0), (1, NOW_US - 61 * MINUTE_US, 0, 1.5, 0),
        (1, NOW_US - 8_640 * MINUTE_US, 0, 2.5, 1), (1, NOW_US - 60 * MINUTE_US, 0, 2.5, 1),
        (2, NOW_US + 60 * MINUTE_US, 3600, 1.5, 0), (3, NOW_US - MINUTE_US, 0, 1.5, 0),
    ]  # fmt: skip


def test_in_order_from_where_somebody_was_and_in_parts(store):
    store.listen(NOW + timedelta(seconds=60))
    for minute in range(20, 0, -1):
        store.append(some(1, minute))
    assert store.position() == 20
    first = store.arrivals(0, 7)
    assert [one.number for one in first] == list(range(1, 8))
    assert [one.number for one in store.arrivals(7, 10**6)] == list(range(8, 21))
    assert store.arrivals(20, 10) == []


def test_a_transaction_that_fails_tells_nothing_and_takes_no_number(store, monkeypatch):
    store.listen(NOW + timedelta(seconds=60))
    store.append(some(1, 3))
    with monkeypatch.context() as broken, pytest.raises(ZeroDivisionError):
        broken.setattr(arriving.hot, "mark_of", lambda _batch: 1 // 0)
        store.append(some(1, 2))
    store.append(some(1, 1))
    assert [one.number for one in store.arrivals(0, 100)] == [1, 2]


def test_memory_is_bounded_in_time_and_octets_and_a_gap_shows(store, clock, monkeypatch):
    store.listen(NOW + timedelta(hours=1))
    monkeypatch.setattr(arriving, "_MOST_OCTETS", 48 * 10 * 20)
    for minute in range(160):
        store.append(some(1, *range(minute * 10, minute * 10 + 10)))
    kept = store.arrivals(0, 10**6)
    assert 20 <= len(kept) <= 20 + arriving._EVERY and kept[-1].number == 160
    assert store.arrivals(3, 10**6)[0].number > 4
    clock.now += timedelta(minutes=3)
    for minute in range(arriving._EVERY):
        store.append(some(2, minute))
    assert {stream for stream, *_ in told(store)} == {2}


def test_what_is_forgotten_for_good_is_forgotten_here_too(store, clock):
    store.listen(NOW + timedelta(seconds=60))
    store.append(some(1, 60 * 24 * 5, result=4711.25))
    store.append(some(2, 1))
    store.prune([1], NOW - timedelta(days=2))
    assert told(store) == []
    octets = np.float64(4711.25).tobytes()
    for file in store._database.path.parent.glob("hot.sqlite*"):
        assert octets not in file.read_bytes(), file


def test_a_follower_of_the_embedded_store_sees_all(store, reader):
    following = Following(store, reader)
    assert isinstance(store, TellsArrivals) and following.complete
    following.listen(NOW + timedelta(seconds=60))
    position = following.position()
    store.append(some(1, 8_640, 5))
    assert [len(one.rows) for one in following.arrivals(position, 100)] == [2]


def test_of_other_engines_what_is_newest_is_seen(store, reader):
    """A follower without a store to write to stands for engines that remember nothing."""
    store.append(some(1, 60))
    following = Following(None, reader)
    assert not following.complete
    following.listen(NOW + timedelta(seconds=60))
    assert following.arrivals(following.position(), 100) == []
    store.append(some(1, 30, 20, 10))
    store.append(some(2, 10))
    store.append(some(1, 8_640, 50))  # the first is late: not seen, and the module says so
    (one,) = following.arrivals(following.position(), 100)
    times = ((one.rows.phenomenon_time.astype(np.int64) - NOW_US) // -MINUTE_US).tolist()
    assert sorted(zip(one.rows.datastream.tolist(), times, strict=True)) == [
        (1, 10), (1, 20), (1, 30), (1, 50), (2, 10),
    ]  # fmt: skip
    store.append(some(1, 10, result=9.0, revision=1))
    (two,) = following.arrivals(one.number, 100)
    assert two.number > one.number and two.rows.result.tolist() == [9.0]
