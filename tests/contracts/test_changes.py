"""A part of the store whose state is the same holds the same, whatever was appended, closed or forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from udp.sensorthings import Quality
from udp.store.changes import parts
from udp.store.columns import Observations, Period
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
HOUR_US = 3_600_000_000
ALL = Period(NOW - timedelta(days=40), NOW + timedelta(days=2))
Held = dict[tuple[int, int, str], list[tuple[object, ...]]]


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def opened(folder: Path, clock: Clock) -> EmbeddedStore:
    brisk = EmbeddedSettings(folder, keep_open=timedelta(days=1), settle=timedelta(0))
    return EmbeddedStore(brisk, clock)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with opened(tmp_path, Clock()) as made:
        yield made


def rows_of(store: EmbeddedStore, period: Period, as_of: datetime | None) -> list[tuple[object, ...]]:
    found = store.read([1, 2, 3], period, as_of=as_of)
    names = ("datastream", "phenomenon_time", "lead", "result", "result_time", "quality", "revision")
    return list(zip(*(getattr(found, name).tolist() for name in names), strict=True))


def held(store: EmbeddedStore) -> Held:
    found = parts(store, ALL)
    assert found is not None
    assert all(before.end <= after.start for before, after in pairwise(found))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    answer: Held = {}
    for one in found:
        period = Period(*(epoch + timedelta(microseconds=at) for at in (one.start, one.end)))
        answer[one] = rows_of(store, period, None) + rows_of(store, period, NOW - timedelta(hours=3))
    every = [row for one in answer.values() for row in one]
    whole = rows_of(store, ALL, None) + rows_of(store, ALL, NOW - timedelta(hours=3))
    assert sorted(every, key=repr) == sorted(whole, key=repr), "between parts it is empty"
    return answer


ROWS = st.tuples(
    st.integers(1, 3), st.integers(0, 39 * 24), st.sampled_from([0, 3600]), st.integers(0, 2),
    st.integers(0, 5), st.sampled_from([Quality.GOOD, Quality.BAD]),
)  # fmt: skip
STEPS = st.lists(
    st.one_of(
        st.lists(ROWS, min_size=1, max_size=12), st.just("close"), st.just("again"), st.integers(0, 39)
    ),
    min_size=2, max_size=8,
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_what_is_in_a_part_does_not_change_without_its_state(
    tmp_path_factory: pytest.TempPathFactory, steps: list[object]
) -> None:
    clock = Clock()
    known: Held = {}
    last = Observations.empty()
    with opened(tmp_path_factory.mktemp("store"), clock) as store:
        for step in steps:
            clock.now += timedelta(seconds=1)
            if step == "close":
                while store.maintain(clock.now):
                    clock.now += timedelta(seconds=1)
            elif step == "again":
                store.append(last)
            elif isinstance(step, int):
                store.prune([2], NOW.replace(hour=0) - timedelta(days=step + 1))
            else:
                of, hours, lead, late, result, quality = (list(one) for one in zip(*step, strict=True))
                times = NOW_US - np.array(hours) * HOUR_US
                revisions = np.arange(len(of)) % 3
                last = Observations.build(
                    of, times, np.array(result, float), lead=lead, quality=quality, revision=revisions,
                    result_time=times + np.array(late) * HOUR_US,
                )  # fmt: skip
                store.append(last)
            now = held(store)
            for part, rows in now.items():
                assert known.setdefault(part, rows) == rows, part


def test_a_store_rebuilt_is_not_taken_for_the_one_before(tmp_path: Path) -> None:
    """Other values brought by as many appends, as when the journal is replayed with another codec."""
    clock = Clock()
    seen = []
    for name, value in (("one", 1.0), ("two", 2.0)):
        clock.now += timedelta(seconds=1)
        with opened(tmp_path / name, clock) as store:
            store.append(Observations.build([1, 2], NOW_US - HOUR_US, value))
            seen.append(parts(store, ALL))
    assert seen[0] and seen[0] != seen[1]


def test_nothing_appended_nothing_changed(store: EmbeddedStore) -> None:
    batch = Observations.build([1, 2, 3], NOW_US - HOUR_US, 1.0)
    store.append(batch)
    before = parts(store, ALL)
    store.append(batch)
    assert parts(store, ALL) == before and before
