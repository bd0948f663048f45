"""Weather as gauges really tell it: gaps, other steps, codes. It never becomes a number without basis."""

import numpy as np

from models import metrics
from models.forecaster import Forecast, NotCalibrated
from models.rainfall_runoff.concept import weather_on
from models.rainfall_runoff.daily import DailyCatchment, Forcing
from models.rainfall_runoff.forecast import RunoffForecaster
from models.rainfall_runoff.rain_ahead import MeasuredRain
from models.series import HOUR, Floats, Record, Series, Step, Times

START = np.datetime64("2024-01-01T00:00", "us")
MINUTES = np.timedelta64(5, "m")


def test_finer_rain_is_summed_to_the_gauges_step_and_not_thinned() -> None:
    rng = np.random.default_rng(0)
    amount = np.where(rng.random(12 * 48) < 0.1, rng.gamma(1, 1, 12 * 48), 0.0)
    rain = Series(START + np.arange(1, len(amount) + 1) * MINUTES, amount, "mm")
    grid = START + np.arange(1, 49) * HOUR
    made = weather_on(grid, HOUR, rain=rain, temperature=None, evaporation=None).fallen
    np.testing.assert_allclose(made, amount.reshape(48, 12).sum(axis=1), atol=1e-9)


def test_finer_rain_that_came_later_is_known_ahead_as_it_is_afterwards() -> None:
    rng = np.random.default_rng(5)
    amount = np.where(rng.random(12 * 48) < 0.3, rng.gamma(1, 1, 12 * 48), 0.0)
    amount[12 * 20 : 12 * 21] = np.nan
    rain = Series(START + np.arange(1, len(amount) + 1) * MINUTES, amount, "mm")
    grid = START + np.arange(49) * HOUR
    fallen = weather_on(grid, HOUR, rain=rain, temperature=None, evaporation=None).fallen
    ahead = MeasuredRain(rain, 3 * HOUR).table(grid[:-4], HOUR, 4)[0]
    known = np.isfinite(ahead)
    came = np.stack([fallen[k : k + len(grid) - 4] for k in (1, 2, 3, 4)], axis=1)
    np.testing.assert_array_equal(ahead[known], came[known])
    silent = grid[:-4, None] + np.arange(1, 5) * HOUR == START + 21 * HOUR
    np.testing.assert_array_equal(known, ~silent & (np.arange(4) < 3))


def test_rain_of_a_wandering_clock_is_not_lost() -> None:
    rng = np.random.default_rng(1)
    amount = rng.gamma(1, 1, 200)
    late = rng.integers(1, 600, 200).astype("timedelta64[s]")
    rain = Series(START + np.arange(200) * HOUR + late, amount, "mm")
    grid = START + np.arange(201) * HOUR
    made = weather_on(grid, HOUR, rain=rain, temperature=None, evaporation=None).fallen
    assert np.isclose(made.sum(), amount.sum())


def test_gaps_in_the_weather_of_a_basin_do_not_ruin_its_simulation(slow_store) -> None:
    rng = np.random.default_rng(2)
    days = 365 * 5
    rain = np.where(rng.random(days) < 0.4, rng.gamma(1.0, 5.0, days), 0.0)
    flow = slow_store(rain)
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


def _record(days: int) -> Record:
    rng = np.random.default_rng(4)
    rain = np.where(rng.random(24 * days) < 0.06, rng.gamma(1.0, 4.0, 24 * days), 0.0)
    store, flow = 5.0, np.empty(len(rain))
    for i, fallen in enumerate(rain):
        store = 0.93 * store + fallen
        flow[i] = 0.1 + 0.05 * store
    times = START + np.arange(len(rain)) * HOUR
    return Record(Series(times, flow, "m3/s"), {"precipitation": Series(times, rain, "mm")})


def test_rows_of_a_clock_that_stood_at_1970_change_nothing() -> None:
    record, leads = _record(30), np.array([3 * HOUR])
    wrong = np.array(["1970-01-01T00:00", "2095-01-01T00:00"], dtype="datetime64[us]")
    target = Series.tidy(
        np.append(record.target.times, wrong), np.append(record.target.values, [1.0, 2.0]), "m3/s"
    )
    answers = []
    for one in (record, Record(target, record.drivers)):
        model = RunoffForecaster(leads, generations=5)
        model.fit(one)
        answers.append(model.predict(one, record.target.times[-1], leads))
    assert isinstance(answers[0], Forecast)
    assert isinstance(answers[1], Forecast)
    np.testing.assert_array_equal(answers[0].quantiles, answers[1].quantiles)


class _Shower:
    """Somebody else's source of rain: it answers, and knows nothing of what is kept between calls."""

    def table(self, origins: Times, _step: Step, steps: int) -> Floats:
        return np.full((1, len(origins), steps), 2.0)


def test_a_source_of_rain_needs_to_answer_and_nothing_else() -> None:
    record, leads = _record(30), np.array([3 * HOUR])
    model = RunoffForecaster(leads, generations=5, rain_ahead=_Shower())
    model.fit(record)
    made = model.predict(record, record.target.times[-1], leads)
    assert isinstance(made, Forecast)
    point, _ = model.hindcast(record, record.target.times[-1:], leads) or (made.point, None)
    np.testing.assert_array_equal(made.point, point[0])


def test_a_silent_rain_gauge_and_another_unit_are_said_with_the_numbers() -> None:
    record, leads = _record(30), np.array([3 * HOUR])
    model = RunoffForecaster(leads, generations=5)
    model.fit(record)
    now, times = record.target.times[-1], record.target.times
    heard = model.predict(record, now, leads)
    rain = record.drivers["precipitation"]
    mute = rain.with_values(np.where(times > now - 24 * HOUR, np.nan, rain.values))
    silent = model.predict(Record(record.target, {"precipitation": mute}), now, leads)
    litres = record.target.with_values(np.where(times > now - 24 * HOUR, 1000.0, 1.0) * record.target.values)
    mixed = model.predict(Record(litres, record.drivers), now, leads)
    assert all(isinstance(one, Forecast) for one in (heard, silent, mixed))
    assert not any("Regenmesser" in one or "Einheit" in one for one in heard.remarks)
    assert any("Regenmesser schweigt" in one for one in silent.remarks)
    assert any("Einheit prüfen" in one for one in mixed.remarks)
