"""What is said of meters, soil and drift at a moment depends on nothing that came or became known later."""

import numpy as np
import pytest

from models.consumption.cases import new_model, open_cases
from models.consumption.expected import Calendar
from models.consumption.outcomes import faults
from models.forecaster import NotCalibrated
from models.sensor_drift import co2_baseline, drift_against_neighbours
from models.series import DAY, HOUR, Floats, Instant, Series
from models.soil_moisture import days_to_dry, learn_drying, watering_due

START = np.datetime64("2025-01-06", "us")
RNG_SEED = 4
MOMENT = START + 200 * DAY + 13 * HOUR


def hourly(values: Floats, unit: str) -> Series:
    """Every third value is reported five hours late."""
    times = START + np.arange(len(values)) * HOUR
    late = np.where(np.arange(len(values)) % 3 == 0, 5, 0)
    return Series(times, values, unit, times + late * HOUR)


def worlds(one: Series, moment: Instant) -> list[Series]:
    """The record as it was known then, from the true future and from another one."""
    known_at = one.known_at
    assert known_at is not None
    other = one.with_values(
        np.where((one.times > moment) | (known_at > moment), -7.0 * one.values + 3, one.values)
    )
    return [one.as_of(moment), other.as_of(moment)]


def test_what_is_known_is_the_same_whatever_comes() -> None:
    rng = np.random.default_rng(RNG_SEED)
    one = hourly(rng.normal(5, 1, 300 * 24), "kWh")
    first, second = worlds(one, MOMENT)
    np.testing.assert_array_equal(first.values, second.values)
    assert len(first) < np.searchsorted(one.times, MOMENT, side="right")


@pytest.fixture(scope="module")
def meter():
    rng = np.random.default_rng(RNG_SEED)
    n = 330 * 24
    hour, day = np.arange(n) % 24, np.arange(n) // 24
    busy = (hour >= 8) & (hour <= 17) & (day % 7 < 5)
    load = Series(
        START + np.arange(n) * HOUR, np.round((5 + 20 * busy) * np.exp(rng.normal(0, 0.1, n)), 1), "kWh"
    )
    warm = Series(load.times, 10 - 8 * np.cos(day / 58.0) + rng.normal(0, 1, n), "Cel")
    model = new_model("m", calendar=Calendar())
    assert model.fit(load.between(START, START + 180 * DAY), warm) is None
    fresh = load.between(START + 180 * DAY, START + 330 * DAY)
    since = np.arange(len(fresh))
    weekend = (since // 24 + 5) % 7 >= 5
    waste = ((since > 600) & (since < 1200) & weekend) | ((since > 1700) & (since < 2100) & (since % 24 < 6))
    return model, fresh.with_values(fresh.values + 15.0 * waste), warm


def test_cases_of_a_meter_are_found_at_their_moment_and_not_later(meter) -> None:
    """Every case opened until a moment is opened identically on the record that ends there."""
    model, fresh, warm = meter
    strange, load = model.strangeness(fresh, warm)
    whole = open_cases(model, strange, load, 2.5)
    assert whole
    for end in range(400, len(fresh), 467):
        moment = fresh.times[end]
        known, weather = fresh.as_of(moment), warm.as_of(moment)
        asked, part = model.strangeness(known, weather)
        for kind, values in asked.items():
            np.testing.assert_allclose(values, strange[kind][: end + 1], rtol=1e-9, atol=1e-9)
        then = open_cases(model, asked, part, 2.5)
        before = [case for case in whole if case.opened_at <= moment]
        assert [(c.kind, c.opened_at) for c in then] == [(c.kind, c.opened_at) for c in before]
        np.testing.assert_allclose([c.excess for c in then], [c.excess for c in before])


def test_faults_told_at_a_moment_know_nothing_later(meter) -> None:
    model, fresh, warm = meter
    moment = fresh.times[1900]
    answers = []
    for factor in (1.0, 40.0):
        other = fresh.with_values(np.where(fresh.times > moment, fresh.values * factor, fresh.values))
        asked, load = model.strangeness(other.as_of(moment), warm.as_of(moment))
        answers.append(faults(model, asked, load, 2.5))
    assert answers[0] == answers[1]
    assert answers[0]


def test_soil_says_the_same_whatever_comes() -> None:
    rng = np.random.default_rng(RNG_SEED)
    days = 240
    rain = np.where(rng.random(days) < 0.2, rng.gamma(1, 8, days), 0.0)
    level, path = np.log(20.0), []
    for k in range(days):
        level = float(np.clip(level + 0.13 - 0.08 * rain[k] + rng.normal(0, 0.03), 1.0, 5.0))
        path += [np.exp(level)] * 24
    hours = np.zeros(days * 24)
    hours[12::24] = rain
    record = (hourly(np.array(path), "kPa"), hourly(hours, "mm"), hourly(np.full(days * 24, 18.0), "Cel"))
    told = []
    for world in range(2):
        tension, fallen, warm = (worlds(one, MOMENT)[world] for one in record)
        model = learn_drying(tension, fallen, warm)
        assert not isinstance(model, NotCalibrated)
        dry = days_to_dry(
            model, float(tension.values[-1]), rain_ahead=np.zeros(3), temperature_ahead=np.full(3, 18.0)
        )
        told.append((model, dry, watering_due(tension, MOMENT, critical_kpa=30.0, rain_ahead_mm=0.0)))
    assert told[0] == told[1]


def test_drift_says_the_same_whatever_comes() -> None:
    rng = np.random.default_rng(RNG_SEED)
    n = 240 * 24
    true = 40 + 15 * np.sin(np.arange(n) / 40) + np.repeat(rng.normal(0, 5, 240), 24)
    sensors = [hourly(true + 0.002 * np.arange(n) + rng.normal(0, 1, n), "%")]
    sensors += [hourly(true + rng.normal(0, 1.5, n), "%") for _ in range(3)]
    first, second = ([worlds(one, MOMENT)[world] for one in sensors] for world in range(2))
    found = drift_against_neighbours(first[0], first[1:])
    assert found == drift_against_neighbours(second[0], second[1:])
    assert not isinstance(found, NotCalibrated)
    assert found.proven
    rooms = worlds(hourly(420 + np.abs(rng.normal(0, 200, n)), "[ppm]"), MOMENT)
    checks = [co2_baseline(one) for one in rooms]
    assert not isinstance(checks[0], NotCalibrated)
    assert not isinstance(checks[1], NotCalibrated)
    np.testing.assert_array_equal(checks[0].weekly_lowest, checks[1].weekly_lowest)
    assert checks[0].offset_ppm == checks[1].offset_ppm
