"""Sifting says what reading says: with closed days, late rows, corrections, any period and any limits."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from udp.store import census
from udp.store.columns import Observations, Period
from udp.store.embedded import sifting
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore
from udp.store.sieve import Sifted
from udp.store.sieve import sifting as engine_of

START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTES = 6 * 24 * 60


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def agree(store: EmbeddedStore, wanted: list[int], period: Period, low: float, high: float) -> None:
    rows = store.read(wanted, period)
    read = Sifted.of(rows.datastream, rows.result, low, high)
    found = store.sift(wanted, period, low, high)
    for name in ("datastream", "count"):
        assert getattr(found, name).tolist() == getattr(read, name).tolist(), name
    assert (found.least <= read.least).all() and (found.least >= low).all()
    assert (found.greatest >= read.greatest).all() and (found.greatest <= high).all()
    if low == -np.inf and high == np.inf:
        assert found.least.tolist() == read.least.tolist()
        assert found.greatest.tolist() == read.greatest.tolist()


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedStore:
    """Six days: four closed into files, then late rows and corrections for them, then open days."""
    clock = [at(MINUTES)]
    store = EmbeddedStore(
        EmbeddedSettings(tmp_path_factory.mktemp("store"), settle=timedelta(0)), lambda: clock[0]
    )
    rng = np.random.default_rng(5)
    start_us = int(START.timestamp() * 1e6)

    def append(count: int, low: int, high: int, revision: int, lead: int = 0) -> None:
        pairs = np.unique(np.stack([rng.integers(1, 9, count), rng.integers(low, high, count)]), axis=1)
        values = np.round(pairs[0] * 10 + rng.normal(0, 3, pairs.shape[1]))
        store.append(
            Observations.build(
                pairs[0], start_us + pairs[1] * 60_000_000, values, revision=revision, lead=lead
            )
        )

    append(4000, 0, MINUTES, 0)
    clock[0] = at(MINUTES) + timedelta(minutes=5)
    while store.maintain(clock[0]):
        pass
    append(300, 0, MINUTES // 2, 0)
    append(300, 0, MINUTES // 2, 1)
    append(200, 0, MINUTES, 0, lead=3600)
    append(200, MINUTES - 600, MINUTES, 1)
    yield store
    store.close()


LIMITS = st.one_of(st.just(float("-inf")), st.just(float("inf")), st.integers(0, 100).map(float))


@settings(max_examples=100, deadline=None)
@given(
    wanted=st.lists(st.integers(0, 10), max_size=6),
    limits=st.one_of(
        st.just((-1000, 2 * MINUTES)),
        st.tuples(st.integers(-100, MINUTES + 100), st.integers(-100, MINUTES + 100)),
    ),
    low=LIMITS,
    high=LIMITS,
)
def test_any_part_within_any_limits(lived_in, wanted, limits, low, high):
    agree(lived_in, wanted, Period(at(min(limits)), at(max(limits))), low, high)


@pytest.mark.parametrize("most", [0, 600, 10_000_000])
def test_whatever_memory_it_may_take(lived_in, monkeypatch, most):
    monkeypatch.setattr(sifting, "_MOST_VALUES", most)
    lived_in._sifter = sifting.Sifter(lived_in._cold, lived_in._known, lived_in._reader)
    for low, high in (
        (-np.inf, np.inf),
        (40.0, 41.0),
        (35.0, np.inf),
        (-np.inf, 38.0),
        (1e9, np.inf),
        (5, 4),
    ):
        for _ in range(2):
            agree(lived_in, list(range(12)), census.everything(), low, high)
    assert lived_in._sifter._values.weight <= most


def test_it_moves_with_every_append_and_correction(lived_in):
    def greatest() -> float:
        return float(lived_in.sift([1], census.everything(), -np.inf, np.inf).greatest[0])

    moment = [np.datetime64("2026-03-06T23:59:59.5", "us")]
    lived_in.append(Observations.build(1, moment, 777.0))
    assert greatest() == 777.0
    lived_in.append(Observations.build(1, moment, 5.0, revision=1))
    assert greatest() < 777.0
    closed = [np.datetime64("2026-03-01T00:00:59.5", "us")]
    lived_in.append(Observations.build(1, closed, 888.0))
    assert greatest() == 888.0
    lived_in.append(Observations.build(1, closed, 5.0, revision=1))
    assert greatest() < 777.0


def test_an_engine_that_cannot_is_not_asked(lived_in):
    class Plain:
        pass

    assert engine_of(Plain()) is None
    assert engine_of(lived_in) is lived_in
