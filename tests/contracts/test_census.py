"""The census says what reading says: with closed days, late rows, corrections and any period."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from udp.store import census
from udp.store.census import Census
from udp.store.columns import Observations, Period
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTES = 6 * 24 * 60


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def agree(store: EmbeddedStore, wanted: list[int], period: Period) -> None:
    read = Census.of(store.read(wanted, period))
    counted = store.census(wanted, period)
    for name in ("datastream", "count", "first", "last"):
        assert getattr(counted, name).tolist() == getattr(read, name).tolist(), name


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedStore:
    """Six days: four closed into files, then late rows and corrections for them, then open days."""
    clock = [at(MINUTES)]
    folder = tmp_path_factory.mktemp("store")
    store = EmbeddedStore(EmbeddedSettings(folder, settle=timedelta(0)), lambda: clock[0])
    rng = np.random.default_rng(5)
    start_us = int(START.timestamp() * 1e6)

    def append(count: int, low: int, high: int, revision: int, lead: int = 0) -> None:
        minutes = rng.integers(low, high, count)
        pairs = np.unique(np.stack([rng.integers(1, 9, count), minutes]), axis=1)
        store.append(
            Observations.build(pairs[0], start_us + pairs[1] * 60_000_000, 1.0, revision=revision, lead=lead)
        )

    append(4000, 0, MINUTES, 0)
    clock[0] = at(MINUTES) + timedelta(minutes=5)
    while store.maintain(clock[0]):
        pass
    assert list((folder / "observations").glob("*.parquet"))
    append(500, 0, MINUTES // 2, 0)
    append(500, 0, MINUTES // 2, 1)
    append(200, 0, MINUTES, 0, lead=3600)
    yield store
    store.close()


def test_of_everything(lived_in):
    agree(lived_in, list(range(12)), census.everything())
    assert lived_in.census(range(12), census.everything()).total > 4000


@settings(max_examples=80, deadline=None)
@given(
    wanted=st.lists(st.integers(0, 10), max_size=5),
    limits=st.tuples(st.integers(-100, MINUTES + 100), st.integers(-100, MINUTES + 100)),
)
def test_of_any_part(lived_in, wanted, limits):
    agree(lived_in, wanted, Period(at(min(limits)), at(max(limits))))


def test_it_moves_with_every_append(lived_in):
    before = lived_in.census([1], census.everything()).total
    lived_in.append(Observations.build(1, [np.datetime64("2026-03-06T23:59:59.5", "us")], 1.0))
    assert lived_in.census([1], census.everything()).total == before + 1


def test_an_engine_without_its_own_numbers_is_read(lived_in):
    class Plain:
        read = lived_in.read

    taken = census.take(Plain(), range(12), census.everything())
    assert taken.total == lived_in.census(range(12), census.everything()).total
