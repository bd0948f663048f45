"""Soil, pond, heat spot and drift: the true effect is found with its sign and range, a sham is not."""

import numpy as np
import pytest

from models.before_after import effect_of
from models.forecaster import NotCalibrated
from models.pond_oxygen import learn_nights, night_minimum, saturation_mg_l
from models.sensor_drift import co2_baseline, drift_against_neighbours
from models.series import DAY, HOUR, Series
from models.soil_moisture import days_to_dry, learn_drying, watering_due

START = np.datetime64("2025-05-01", "us")


def hourly(values: np.ndarray, unit: str = "Cel") -> Series:
    return Series(START + np.arange(len(values)) * HOUR, values, unit)


# --- heat spot ---


def heat_spot(effect: float, seed: int, days: int = 240) -> tuple[Series, list[Series]]:
    rng = np.random.default_rng(seed)
    n = days * 24
    weather = 15 + 6 * np.sin(2 * np.pi * np.arange(n) / (365 * 24)) + np.repeat(rng.normal(0, 3, days), 24)
    own = np.zeros(days)
    for k in range(1, days):
        own[k] = 0.6 * own[k - 1] + rng.normal(0, 0.3)
    after = np.arange(n) >= n // 2
    spot = weather + 2.0 + np.repeat(own, 24) + effect * after + rng.normal(0, 0.2, n)
    controls = [hourly(weather + offset + rng.normal(0, 0.3, n)) for offset in (0.0, 0.5, -0.4)]
    return hourly(spot), controls


def test_unsealing_is_found_with_sign_and_range() -> None:
    for seed in range(5):
        spot, controls = heat_spot(-1.2, seed)
        found = effect_of(spot, controls, START + 120 * DAY)
        assert not isinstance(found, NotCalibrated)
        assert found.proven
        assert found.low < -1.2 + 0.5
        assert found.high > -1.2 - 0.5
        assert found.high < 0


def test_a_sham_measure_shows_no_effect() -> None:
    proven = 0
    for seed in range(40):
        spot, controls = heat_spot(0.0, 100 + seed, 160)
        found = effect_of(spot, controls, START + 80 * DAY)
        assert not isinstance(found, NotCalibrated)
        proven += found.proven
    assert proven <= 6


def test_a_spot_that_is_hotter_still_in_summer_is_no_effect_of_its_sham_measure() -> None:
    proven = 0
    for seed in range(40):
        spot, controls = heat_spot(0.0, 300 + seed, 160)
        more = spot.with_values(spot.values + 0.15 * controls[0].values)
        found = effect_of(more, controls, START + 80 * DAY)
        assert not isinstance(found, NotCalibrated)
        proven += found.proven
    assert proven <= 6


def test_sensors_that_never_move_show_no_effect_and_are_named() -> None:
    flat = hourly(np.full(24 * 120, 20.0))
    answer = effect_of(flat, [flat], START + 60 * DAY)
    assert isinstance(answer, NotCalibrated)
    assert "unterscheiden sich nie" in answer.reason
    assert isinstance(co2_baseline(hourly(np.full(24 * 60, 400.0), "ppm")), NotCalibrated)
    assert isinstance(learn_nights(flat, flat), NotCalibrated)


def test_a_control_that_drops_out_is_no_effect() -> None:
    spot, controls = heat_spot(0.0, 7)
    gone = controls[1].with_values(
        np.where(controls[1].times > START + 120 * DAY, np.nan, controls[1].values + 5)
    )
    found = effect_of(spot, [controls[0], gone, controls[2]], START + 120 * DAY)
    assert not isinstance(found, NotCalibrated)
    assert abs(found.change) < 0.6


def test_too_few_days_are_said() -> None:
    spot, controls = heat_spot(0.0, 7, 30)
    assert isinstance(effect_of(spot, controls, START + 5 * DAY), NotCalibrated)
    assert isinstance(effect_of(spot, [], START + 5 * DAY), NotCalibrated)


# --- soil ---


def tree_pit(days: int = 120) -> tuple[Series, Series, Series]:
    rng = np.random.default_rng(3)
    warm = 18 + rng.normal(0, 3, days)
    rain = np.where(rng.random(days) < 0.2, rng.gamma(1, 8, days), 0.0)
    level, path = np.log(20.0), []
    for k in range(days):
        before = level
        level = float(
            np.clip(level + 0.12 + 0.01 * (warm[k] - 15) - 0.08 * rain[k] + rng.normal(0, 0.03), 1.0, 5.0)
        )
        path += np.exp(np.linspace(before, level, 24, endpoint=False)).tolist()
    hours = np.zeros(days * 24)
    hours[12::24] = rain
    return hourly(np.array(path), "kPa"), hourly(hours, "mm"), hourly(np.repeat(warm, 24))


def test_days_to_dry_follow_the_soil_and_rain_delays_them() -> None:
    model = learn_drying(*tree_pit())
    assert not isinstance(model, NotCalibrated)
    warm = np.full(30, 18.0)
    dry = days_to_dry(model, 30.0, rain_ahead=np.zeros(3), temperature_ahead=warm)
    wet = days_to_dry(model, 30.0, rain_ahead=np.array([12.0]), temperature_ahead=warm)
    assert not isinstance(dry, NotCalibrated)
    assert not isinstance(wet, NotCalibrated)
    assert abs(dry.days - np.log(80 / 30) / 0.15) <= 2
    assert dry.earliest <= dry.days <= dry.latest
    assert wet.days > dry.days + 3
    assert days_to_dry(model, 95.0, rain_ahead=warm * 0, temperature_ahead=warm).days == 0
    assert isinstance(days_to_dry(model, np.nan, rain_ahead=warm, temperature_ahead=warm), NotCalibrated)


def test_watering_waits_for_rain_and_needs_a_whole_day() -> None:
    tension = hourly(np.concatenate([np.full(10, 50.0), np.full(40, 90.0)]), "kPa")
    now = tension.times[-1]
    assert watering_due(tension, now, critical_kpa=80, rain_ahead_mm=0)
    assert not watering_due(tension, now, critical_kpa=80, rain_ahead_mm=12)
    assert not watering_due(tension, tension.times[20], critical_kpa=80, rain_ahead_mm=0)
    assert not watering_due(tension, now + 3 * DAY, critical_kpa=80, rain_ahead_mm=0)


def test_soil_without_dry_days_is_not_calibrated() -> None:
    tension, rain, warm = tree_pit(6)
    assert isinstance(learn_drying(tension, rain, warm), NotCalibrated)


# --- pond ---


def pond(days: int = 60) -> tuple[Series, Series]:
    rng = np.random.default_rng(5)
    warm = np.repeat(21 + rng.normal(0, 2, days), 24)
    oxygen, level = [], 8.0
    for i in range(days * 24):
        light = max(0.0, np.sin(2 * np.pi * (i % 24 - 5) / 26)) if 5 <= i % 24 <= 19 else 0.0
        full = float(saturation_mg_l(np.array([warm[i]]))[0])
        level += 1.1 * light - 0.45 * 2 ** ((warm[i] - 20) / 10) + 0.03 * (full - level) + rng.normal(0, 0.03)
        level = float(np.clip(level, 0.2, 16))
        oxygen.append(level + rng.normal(0, 0.05))
    return hourly(np.array(oxygen), "mg/L"), hourly(warm)


def test_night_minimum_is_forecast_within_its_interval() -> None:
    oxygen, warm = pond()
    model = learn_nights(oxygen.between(START, START + 40 * DAY), warm)
    assert not isinstance(model, NotCalibrated)
    errors, inside = [], []
    for day in range(41, 58):
        evening = START + day * DAY + 20 * HOUR
        i = int((evening - START) / HOUR)
        made = night_minimum(model, float(oxygen.values[i]), float(warm.values[i]), now=evening)
        true = oxygen.values[i : i + 9].min()
        errors.append(abs(made.minimum - true))
        inside.append(made.low - 0.1 <= true <= made.high + 0.1)
    assert np.mean(errors) < 0.5
    assert np.mean(inside) > 0.7


def test_less_oxygen_or_warmer_water_is_never_safer() -> None:
    model = learn_nights(*pond())
    assert not isinstance(model, NotCalibrated)
    now = START + 20 * HOUR
    chances = [night_minimum(model, level, 22.0, now=now).probability for level in (9.0, 7.0, 5.0, 4.0, 2.0)]
    assert chances == sorted(chances)
    assert chances[-1] == 1.0
    assert night_minimum(model, 7, 25.0, now=now).minimum < night_minimum(model, 7, 18.0, now=now).minimum


def test_saturation_agrees_with_the_table() -> None:
    np.testing.assert_allclose(
        saturation_mg_l(np.array([0, 10, 20, 30.0])), [14.62, 11.29, 9.09, 7.56], atol=0.06
    )


def test_a_silent_pond_is_not_calibrated() -> None:
    empty = hourly(np.array([]))
    assert isinstance(learn_nights(empty, empty), NotCalibrated)


# --- drift ---


def network(drift_per_day: float) -> tuple[Series, list[Series]]:
    rng = np.random.default_rng(2)
    n = 120 * 24
    truth = 40 + 15 * np.sin(np.arange(n) / 40) + np.repeat(rng.normal(0, 5, 120), 24)
    own = truth + 3 + drift_per_day * np.arange(n) / 24 + rng.normal(0, 1, n)
    return hourly(own), [hourly(truth + rng.normal(0, 1.5, n)) for _ in range(4)]


def test_a_drifting_sensor_is_found_and_a_constant_offset_is_not() -> None:
    found = drift_against_neighbours(*network(0.05))
    assert not isinstance(found, NotCalibrated)
    assert found.proven
    assert found.per_month == pytest.approx(1.5, abs=0.3)
    steady = drift_against_neighbours(*network(0.0))
    assert not isinstance(steady, NotCalibrated)
    assert abs(steady.per_month) < 0.2


def test_drift_needs_neighbours_and_weeks() -> None:
    sensor, neighbours = network(0.0)
    assert isinstance(drift_against_neighbours(sensor, neighbours[:1]), NotCalibrated)
    assert isinstance(
        drift_against_neighbours(sensor.between(START, START + 9 * DAY), neighbours), NotCalibrated
    )


def test_self_calibration_of_co2_in_a_stale_room_is_seen() -> None:
    rng = np.random.default_rng(1)
    n = 24 * 70
    room = 620 + 300 * np.abs(np.sin(np.arange(n) / 9)) + rng.normal(0, 10, n)
    pulled = np.where(np.arange(n) >= 24 * 35, room - 200, room)
    check = co2_baseline(hourly(pulled, "[ppm]"))
    assert not isinstance(check, NotCalibrated)
    assert check.steps.sum() == 1
    aired = co2_baseline(hourly(room - 195, "[ppm]"))
    assert not isinstance(aired, NotCalibrated)
    assert aired.plausible
    assert not aired.steps.any()
    stale = co2_baseline(hourly(room, "[ppm]"))
    assert not isinstance(stale, NotCalibrated)
    assert not stale.plausible
    assert isinstance(co2_baseline(hourly(room[:48], "[ppm]")), NotCalibrated)
