"""Weather as gauges really tell it: gaps, other steps, codes. It never becomes a number without basis."""

import numpy as np

from models import metrics
from models.forecaster import NotCalibrated
from models.rainfall_runoff.concept import weather_on
from models.rainfall_runoff.daily import DailyCatchment, Forcing
from models.series import HOUR, Series

START = np.datetime64("2024-01-01T00:00", "us")
MINUTES = np.timedelta64(5, "m")


def test_finer_rain_is_summed_to_the_gauges_step_and_not_thinned() -> None:
    rng = np.random.default_rng(0)
    amount = np.where(rng.random(12 * 48) < 0.1, rng.gamma(1, 1, 12 * 48), 0.0)
    rain = Series(START + np.arange(1, len(amount) + 1) * MINUTES, amount, "mm")
    grid = START + np.arange(1, 49) * HOUR
    made = weather_on(grid, HOUR, rain=rain, temperature=None, evaporation=None).fallen
    np.testing.assert_allclose(made, amount.reshape(48, 12).sum(axis=1), atol=1e-9)


def test_rain_of_a_wandering_clock_is_not_lost() -> None:
    rng = np.random.default_rng(1)
    amount = rng.gamma(1, 1, 200)
    late = rng.integers(1, 600, 200).astype("timedelta64[s]")
    rain = Series(START + np.arange(200) * HOUR + late, amount, "mm")
    grid = START + np.arange(201) * HOUR
    made = weather_on(grid, HOUR, rain=rain, temperature=None, evaporation=None).fallen
    assert np.isclose(made.sum(), amount.sum())


def test_gaps_in_the_weather_of_a_basin_do_not_ruin_its_simulation() -> None:
    rng = np.random.default_rng(2)
    days = 365 * 5
    rain = np.where(rng.random(days) < 0.4, rng.gamma(1.0, 5.0, days), 0.0)
    store, flow = 100.0, np.empty(days)
    for i, fallen in enumerate(rain):
        store += 0.5 * fallen
        flow[i] = 0.02 * store
        store -= flow[i]
    columns = [rain, np.full(days, 12.0), np.full(days, 1.5)]
    for column in columns:
        column[rng.random(days) < 0.01] = np.nan
    columns[0][7] = -999.0
    model, forcing = DailyCatchment(generations=15), Forcing(*columns)
    assert model.fit(forcing.head(days // 5 * 4), flow[: days // 5 * 4]) is None
    made = model.simulate(forcing)
    assert not isinstance(made, NotCalibrated)
    assert np.isfinite(made).all()
    assert metrics.nash_sutcliffe(flow[days // 5 * 4 :], made[days // 5 * 4 :]) > 0.5


def test_a_basin_without_rain_is_not_calibrated() -> None:
    days = 365 * 4
    flow = 1.0 + np.random.default_rng(3).random(days)
    dry = Forcing(np.full(days, np.nan), np.full(days, 10.0), np.ones(days))
    refused = DailyCatchment().fit(dry, flow)
    assert refused is not None
    assert "Regen" in refused.reason
