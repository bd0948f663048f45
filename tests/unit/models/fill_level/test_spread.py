"""Intervals come from past forecasts alone, become as narrow or as wide as those were wrong, and hold on
records of two weeks."""

import numpy as np
import pytest

from models import metrics
from models.fill_level.cleaning import Cleaned, Container, clean
from models.fill_level.forecast import FillForecaster
from models.fill_level.naive import NaiveRate
from models.fill_level.rate import fleet_rate, inflow_of, own_rate, past_forecasts
from models.fill_level.spread import LEARN_HOURS, Expected, learn
from models.forecaster import NotCalibrated
from models.series import DAY, HOUR, Series

START = np.datetime64("2025-01-06T00:00", "us")
LEADS = np.array([24, 48, 72]) * HOUR


def cleaned(truth) -> Cleaned:
    made = clean(truth.readings, truth.container)
    assert made is not None
    return made


def test_past_forecasts_are_those_that_would_have_been_made(clean_fleet) -> None:
    levels = [cleaned(truth) for truth in clean_fleet[:4]]
    inflows = [inflow_of(one) for one in levels]
    fleet = fleet_rate(inflows)
    assert fleet is not None
    past = past_forecasts(inflows[0], fleet, (100, 1200, 157), LEARN_HOURS)
    for row, at in enumerate(past.origin):
        moment = levels[0].times[at]
        then = own_rate(inflows[0].before(moment), fleet)
        curve, squares = then.expected(moment, LEARN_HOURS[-1])
        hours = np.array(LEARN_HOURS) - 1
        np.testing.assert_allclose(past.expected[row], curve[hours], rtol=1e-6)
        np.testing.assert_allclose(past.squares[row], squares[hours], rtol=1e-6)
        assert past.days[row] == pytest.approx(then.days, rel=1e-6)


@pytest.mark.parametrize("true_spread", [0.4, 1.0, 2.0])
def test_intervals_narrow_and_widen_to_what_past_forecasts_missed(true_spread: float) -> None:
    rng = np.random.default_rng(4)
    count = 4000
    lead = np.repeat(np.arange(len(LEARN_HOURS)), count)
    mean = np.tile(rng.uniform(4, 20, count), len(LEARN_HOURS))
    shape = 2.0 / true_spread**2
    of = Expected(mean, mean**2, np.full(len(mean), 40.0), np.zeros(len(mean)))
    real = rng.gamma(shape, mean / shape)
    known = learn(real, of, lead, 5.0, np.full(len(LEARN_HOURS), float(count)))
    one = Expected(mean[:count], mean[:count] ** 2, 40.0)
    bands = known.quantiles((0.1, 0.9), one, np.full(count, 24.0))
    fresh = rng.gamma(shape, mean[:count] / shape)
    assert 0.77 <= metrics.coverage(fresh, bands[:, 0], bands[:, 1]) <= 0.83
    assert (np.diff(bands, axis=1) > 0).all()
    chance = known.below(bands[:, 1], one, np.full(count, 24.0))
    np.testing.assert_allclose(chance, 0.9, atol=0.01)


def judged(fleet, days: int) -> dict[str, np.ndarray]:
    """Per forecaster rows of (real, 10 %, 50 %, 90 %) after so many days of learning."""
    split = START + days * DAY
    known = {str(i): clean(truth.readings.as_of(split), truth.container) for i, truth in enumerate(fleet)}
    rows: dict[str, list] = {}
    for model in (FillForecaster(), NaiveRate()):
        assert model.fit(known) is None
        rows[model.name] = []
        for i, truth in enumerate(fleet):
            level, visits = cleaned(truth), np.cumsum(truth.emptied)
            for k in range(days * 24 + i, len(truth.fill.values) - 73, 29):
                at = int((truth.fill.times[k] - level.times[0]) // HOUR)
                made = model.predict(
                    str(i), float(level.filtered[at]), issued_at=level.times[at], leads=LEADS,
                    spread=float(level.spread[at]), levels=(0.1, 0.5, 0.9),
                )  # fmt: skip
                for row, hours in enumerate((24, 48, 72)):
                    if visits[k + hours] == visits[k] and truth.fill.values[k] < 90:
                        # What a sensor would say: levels that nobody threw into stay the same but for noise.
                        real = min(float(level.smoothed[at + hours]), 100.0)
                        rows[model.name].append((real, *made.quantiles[row]))
    return {name: np.array(found) for name, found in rows.items()}


@pytest.mark.parametrize("days", [14, 40])
@pytest.mark.parametrize("disturbed", [False, True], ids=["clean", "disturbed"])
def test_short_records_are_calibrated_and_no_worse_than_naive(days: int, disturbed: bool, made) -> None:
    fleet = [made(7000 + seed, days + 16, disturbed=disturbed) for seed in range(33)]
    rows = judged(fleet, days)
    own, naive = rows["pooled inflow rate"], rows["mean pace"]
    assert np.abs(own[:, 0] - own[:, 2]).mean() <= np.abs(naive[:, 0] - naive[:, 2]).mean() * 1.005
    assert 0.74 <= metrics.coverage(own[:, 0], own[:, 1], own[:, 3]) <= 0.87


def test_a_city_far_from_greenwich_has_the_same_days(made) -> None:
    """The same life ten hours earlier by the clock: a day is what people do, not what UTC says."""
    levels = [cleaned(made(9100 + seed, 80, disturbed=False)) for seed in range(20)]
    moved = [
        Cleaned(one.times - 10 * HOUR, one.filtered, one.spread, one.smoothed, one.emptied, one.container)
        for one in levels
    ]
    here, there = (fleet_rate([inflow_of(one) for one in fleet]) for fleet in (levels, moved))
    assert here is not None
    assert there is not None
    np.testing.assert_allclose(here.weekday, there.weekday)
    np.testing.assert_allclose(np.roll(here.hour, -10), there.hour)
    assert (here.turn - 10 - there.turn) % 24 == 0


def test_a_sensor_that_is_blind_near_the_lid_does_not_make_the_inflow_small() -> None:
    hours = np.arange(24 * 20)
    filling = np.minimum(130.0, (hours % 240) * 1.0)
    heard = np.maximum(140.0 - filling, 10.0)
    level = clean(Series(START + hours * HOUR, heard, "cm"), Container(140.0))
    assert level is not None
    pace = inflow_of(level).percent
    assert np.nanmean(pace) == pytest.approx(100 / 140, rel=0.08)


def test_too_little_is_said_and_not_guessed(made) -> None:
    short = {str(i): cleaned(made(1 + i, 3, disturbed=False)) for i in range(2)}
    model = FillForecaster()
    assert isinstance(model.fit(short), NotCalibrated)
    assert model.fleet is None
    one = cleaned(made(5, 30, disturbed=False))
    zero = Cleaned(
        one.times, one.filtered * 0, one.spread, one.smoothed * 0, one.emptied & False, one.container
    )
    assert isinstance(FillForecaster().fit({"empty": zero}), NotCalibrated)
