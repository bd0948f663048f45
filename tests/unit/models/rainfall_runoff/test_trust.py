"""A stream's forecaster gives up what does not come true, and forecasts no change where none is known."""

import numpy as np
import pytest

from models import metrics
from models.backtest import truth
from models.rainfall_runoff.forecast import RunoffForecaster
from models.rainfall_runoff.rain_ahead import MeasuredRain, NoRainAhead
from models.rainfall_runoff.transform import FlowScale
from models.rainfall_runoff.trust import MOVE_CLASSES, NEIGHBOURS, TRUST_POWER, Trust
from models.series import DAY, HOUR, Record, Series

LEADS = np.array([1, 3, 6]) * HOUR
START = np.datetime64("2024-01-01", "us")
SCALE = FlowScale.learn(np.linspace(0.5, 2.0, 200), "m3/s")


def walk(days: int, seed: int) -> Record:
    """Flow wanders by itself, without memory of where it went, and rain falls beside it."""
    rng = np.random.default_rng(seed)
    n = days * 24
    flow = np.exp(0.03 * np.cumsum(rng.normal(0.0, 1.0, n)))
    rain = np.where(rng.random(n) < 0.1, rng.gamma(0.7, 3.0, n), 0.0)
    times = START + np.arange(n) * HOUR
    return Record(Series(times, flow, "m3/s"), {"precipitation": Series(times, rain, "mm")})


@pytest.mark.parametrize(("days", "seed", "least"), [(21, 0, -0.10), (21, 2, -0.10), (300, 1, -0.03)])
def test_where_nothing_can_be_known_no_change_is_forecast(days: int, seed: int, least: float) -> None:
    """Whatever is said of coming rain: three weeks may teach a connection that is none, but are soon taught
    better (before outcomes spoke for neighbouring sizes, the same walk cost -.38); a year teaches none."""
    record = walk(days + 90, seed)
    rain = record.driver("precipitation")
    assert rain is not None
    model = RunoffForecaster(LEADS, generations=2)
    model.fit(record.as_of(START + days * DAY))
    origins = record.target.times[days * 24 : -6]
    seen, last = truth(record, origins, LEADS)
    for source in (NoRainAhead(), MeasuredRain(rain, 6 * HOUR)):
        model.rain_ahead = source
        made = model.hindcast(record, origins, LEADS)
        assert made is not None
        skill = [metrics.persistence_index(seen[:, i], made[0][:, i], last[:, i]) for i in range(3)]
        assert min(skill) > least


def learned() -> Trust:
    rng = np.random.default_rng(1)
    now, came = np.full(400, 1.0), np.abs(rng.normal(0.0, 0.4, 400))
    return Trust.learn(SCALE, now=now, point=now + came, then=now + came, evidence=3.0)


def test_what_one_size_of_moves_was_worth_says_as_much_of_its_neighbours_and_nothing_of_the_rest() -> None:
    trust = learned()
    sizes = np.concatenate([trust.edges[:1] / 2, trust.edges]) * 1.4
    for number, size in enumerate(sizes):
        move, came = np.array([size, -size]), np.array([0.3 * size, -0.3 * size])
        told = trust.told(move, came)
        assert told.shape == (2, MOVE_CLASSES, 2)
        rows = told[:, :, 1] / sizes**2
        expected = np.zeros(MOVE_CLASSES)
        expected[max(0, number - 1) : number + 2] = NEIGHBOURS
        expected[number] = 1.0
        np.testing.assert_allclose(rows, [expected, expected])
        np.testing.assert_allclose(told[:, :, 0], 0.3 * told[:, :, 1])


def test_small_rises_that_never_came_are_a_warning_before_the_first_greater_one() -> None:
    trust = learned()
    small = np.full(20, 1.4 * trust.edges[3])
    lived = trust.told(small, np.zeros(20)).sum(axis=0)[None]
    nothing = np.zeros_like(lived)
    doubted = [
        float((trust.factor(np.array([size]), lived) / trust.factor(np.array([size]), nothing))[0])
        for size in (small[0], 2 * small[0], 8 * small[0])
    ]
    assert doubted[0] < 0.4
    assert doubted[0] < doubted[1] < 0.7
    assert doubted[2] == pytest.approx(1.0)


def test_two_storms_overdrawn_threefold_take_most_of_the_trust_of_a_short_record() -> None:
    trust, own = learned(), SCALE.with_power(TRUST_POWER)
    move = own.forward(np.full(20, 2.5)) - own.forward(np.ones(20))
    real = own.forward(np.full(20, 1.5)) - own.forward(np.ones(20))
    lived = trust.told(move, real).sum(axis=0)[None]
    before = trust.factor(move[:1], np.zeros_like(lived))[0]
    after = trust.factor(move[:1], lived)[0]
    assert before == pytest.approx(1.0, abs=0.05)
    assert after < 0.75
