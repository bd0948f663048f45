"""Laws of the true city: plausible, the same for the same seed, computable at any moment alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.almanac import DAY, hour_of_day, weekday
from simulators.catchment import Catchment, stream
from simulators.city import City, Device
from simulators.containers import OVERFULL, Containers, container
from simulators.inventory import build_city
from simulators.meters import Medium, Meters, meter
from simulators.noise import key_of, normal, smooth, uniform
from simulators.parking import Parking, bay
from simulators.places import Places
from simulators.ponds import Ponds, pond
from simulators.rooms import OUTDOOR_PPM, Rooms, room
from simulators.sensing import Senses
from simulators.soil import Soil, pit
from simulators.weather import Weather

YEAR = np.arange(
    datetime(2026, 1, 1, tzinfo=UTC).timestamp(), datetime(2027, 1, 1, tzinfo=UTC).timestamp(), 1_800.0
)
MONTHS = [(datetime.fromtimestamp(t, tz=UTC).month - 1) for t in YEAR]
POINT = (51.55, 7.31)


def weather_of(seed: int, places: Places) -> Weather:
    return Weather(seed, places.temperature_mean_c, places.precipitation_mm)


def test_noise_is_uniform_normal_and_the_same_again() -> None:
    index = np.arange(50_000)
    key = key_of("any", 3)
    flat, bell = uniform(key, index), normal(key, index)
    assert flat.min() >= 0
    assert flat.max() < 1
    assert abs(flat.mean() - 0.5) < 0.01
    assert abs(bell.mean()) < 0.02
    assert abs(bell.std() - 1) < 0.02
    assert abs(np.corrcoef(flat[:-1], flat[1:])[0, 1]) < 0.02
    assert np.array_equal(flat, uniform(key, index))
    assert abs(np.corrcoef(flat, uniform(key, index, 1))[0, 1]) < 0.02


def test_slow_noise_has_no_jumps_and_keeps_its_variance() -> None:
    times = np.arange(0, 4_000 * 3600, 600.0)
    curve = smooth(key_of("slow"), times, 6 * 3600)
    assert np.abs(np.diff(curve)).max() < 0.35
    assert 0.85 < curve.std() < 1.15


@pytest.mark.parametrize("seed", [1, 2])
def test_a_year_of_temperature_follows_the_monthly_normals(seed: int, places: Places) -> None:
    warmth = weather_of(seed, places).temperature(YEAR)
    for month, normal_c in enumerate(places.temperature_mean_c):
        mean = float(np.mean(warmth[[m == month for m in MONTHS]]))
        assert abs(mean - normal_c) < 3.5, f"month {month + 1}: {mean:.1f} instead of about {normal_c}"
    assert -20 < warmth.min() < 0
    assert 28 < warmth.max() < 41


def test_rain_of_many_years_comes_to_the_normals(places: Places) -> None:
    yearly, monthly = [], np.zeros(12)
    edges = np.array([datetime(2026 + (m // 12), m % 12 + 1, 1, tzinfo=UTC).timestamp() for m in range(13)])
    for seed in range(16):
        fallen = np.diff(weather_of(seed, places).rain_total(*POINT, edges))
        yearly.append(float(fallen.sum()))
        monthly += fallen / 16
    wanted = sum(places.precipitation_mm)
    assert 0.8 * wanted < np.mean(yearly) < 1.2 * wanted
    assert min(yearly) > 0.4 * wanted
    for month, normal_mm in enumerate(places.precipitation_mm):
        assert 0.4 * normal_mm < monthly[month] < 1.7 * normal_mm


def test_rain_comes_in_storms_with_dry_days_between(places: Places) -> None:
    times = np.arange(YEAR[0], YEAR[-1], 300.0)
    fallen = np.diff(weather_of(3, places).rain_total(*POINT, times))
    assert fallen.min() >= 0
    assert 0.03 < np.mean(fallen > 0.005) < 0.2
    days = fallen[: len(fallen) // 288 * 288].reshape(-1, 288).sum(axis=1)
    assert 0.3 < np.mean(days < 0.1) < 0.75
    assert days.max() > 12
    assert fallen.max() < 25, "no five minutes in this town have ever brought more"


def test_rain_of_an_interval_is_the_same_in_one_step_or_in_many(places: Places) -> None:
    weather = weather_of(5, places)
    start = datetime(2026, 7, 1, tzinfo=UTC).timestamp()
    fine = weather.rain_total(*POINT, np.arange(start, start + 20 * DAY + 1, 600.0))
    alone = [weather_of(5, places).rain_total(*POINT, np.array([t]))[0] for t in (start, start + 20 * DAY)]
    assert fine[-1] - fine[0] == pytest.approx(alone[1] - alone[0], abs=1e-9)
    assert np.all(np.diff(fine) >= -1e-9)


def test_weather_stays_within_physics(places: Places) -> None:
    weather = weather_of(1, places)
    assert np.all((weather.humidity(YEAR) > 0) & (weather.humidity(YEAR) <= 100))
    assert weather.pressure(YEAR).min() > 960
    assert weather.pressure(YEAR).max() < 1050
    night = hour_of_day(YEAR) < 3
    assert weather.radiation(YEAR[night]).max() == 0
    assert 600 < weather.radiation(YEAR).max() < 1100


def test_a_stream_rises_after_rain_and_falls_again(places: Places) -> None:
    weather = weather_of(1, places)
    catchment = Catchment(1, weather)
    site = places.streams[2]
    water = stream(site.id, site.latitude, site.longitude, site.size, 1)
    times = np.arange(YEAR[0] + 30 * DAY, YEAR[0] + 120 * DAY, 600.0)
    flow, level = catchment.flow(water, times), catchment.level_cm(water, times)
    rain = np.diff(weather.rain_total(site.latitude, site.longitude, times), prepend=0)[1:]
    hours = np.convolve(rain, np.ones(36))[: len(rain)]
    assert np.corrcoef(hours, flow[1:])[0, 1] > 0.4
    assert flow.min() > 0
    assert flow.max() > 8 * np.median(flow)
    assert np.argmax(level) > 0
    assert 1.2 * np.median(level) < level.max() < 400


def test_bins_fill_are_emptied_and_sometimes_overflow(places: Places) -> None:
    town = Containers(1)
    times = np.arange(YEAR[0], YEAR[0] + 180 * DAY, 3600.0)
    cycles, full = [], 0
    for number in range(60):
        one = container(f"bin-{number}", 1, empty_mm=1200, full_mm=200)
        fill = town.fill(one, times)
        emptied = town.emptied(one, times[-1])
        inside = emptied[(emptied > times[0]) & (emptied < times[-1])]
        assert np.all((fill >= 0) & (fill <= OVERFULL))
        assert np.all(
            np.diff(fill)[[not np.any((inside > a) & (inside <= a + 3600)) for a in times[:-1]]] >= -1e-9
        )
        for moment in inside:
            assert town.fill(one, np.array([moment + 1]))[0] < 25
        cycles += list(np.diff(inside) / DAY)
        full += int(np.any(fill >= 100))
    assert 5 < np.median(cycles) < 11
    assert np.percentile(cycles, 5) > 1
    assert 5 < full < 55, "some bins overflow, not all"
    assert not np.any(weekday(inside) == 6), "nobody empties on Sundays"


def test_bin_sensors_have_grid_noise_and_obstacles() -> None:
    town = Containers(2)
    blocked = next(
        one
        for one in (container(f"c{n}", 2, empty_mm=1200, full_mm=200) for n in range(50))
        if one.obstacle_mm and one.obstacle_share > 0.15
    )
    times = np.arange(YEAR[0], YEAR[0] + 60 * DAY, 3600.0)
    heard = town.distance_mm(blocked, times)
    heard_some = heard[~np.isnan(heard)]
    assert np.all(heard_some % 20 == 0)
    true = 1200 - 10 * town.fill(blocked, times)[~np.isnan(heard)]
    false = np.abs(heard_some - true) > 60
    assert 0.03 < false.mean() < 0.5
    assert np.all(np.abs(heard_some[false] - (blocked.obstacle_mm or 0)) <= 20)


def test_counters_never_fall_and_buildings_sleep_at_night() -> None:
    meters = Meters(1)
    for medium, size in ((Medium.ELECTRICITY, 20.0), (Medium.WATER, 40.0)):
        one = meter(f"m-{medium}", 1, medium, size)
        counter = meters.counter(one, YEAR)
        assert np.all(np.diff(counter) >= 0)
        load = meters.load(one, YEAR)
        work = (weekday(YEAR) < 5) & (hour_of_day(YEAR) > 9) & (hour_of_day(YEAR) < 15)
        night = hour_of_day(YEAR) < 4
        assert load[work].mean() > 1.8 * load[night].mean()
        # A fresh object asked in the middle of the year knows the same reading.
        assert Meters(1).counter(one, YEAR[9_000:9_001])[0] == pytest.approx(counter[9_000], abs=1e-6)


def test_classroom_air_follows_the_timetable(places: Places) -> None:
    rooms = Rooms(1, weather_of(1, places))
    peaks = []
    school_day = datetime(2026, 11, 10, tzinfo=UTC).timestamp() + np.arange(0, DAY, 300.0)
    sunday = school_day - 2 * DAY
    for number in range(12):
        one = room(f"r-{number}", 1)
        air = rooms.co2(one, school_day)
        peaks.append(air.max())
        assert air[:60].max() < 500
        assert air.min() >= OUTDOOR_PPM - 1
        assert rooms.co2(one, sunday).max() < 500
    assert max(peaks) > 1_800
    assert min(peaks) > 900
    assert max(peaks) < 6_000


def test_parking_bays_are_free_at_night_and_used_by_day() -> None:
    parking = Parking(1)
    times = YEAR[0] + 200 * DAY + np.arange(0, 14 * DAY, 600.0)
    used = np.mean([parking.occupied(bay(f"b-{n}", 1), times) for n in range(30)], axis=0)
    night, noon = hour_of_day(times) < 4.9, np.abs(hour_of_day(times) - 12) < 2
    assert used[night & (hour_of_day(times) > 4.1)].max() < 0.15
    assert used[noon].mean() > 0.2
    one = bay("b-1", 1)
    for change in parking.changes(one, times[0], times[-1]):
        before, after = parking.occupied(one, np.array([change - 0.5, change]))
        assert before != after


def test_oxygen_is_lowest_at_the_end_of_a_summer_night(places: Places) -> None:
    ponds = Ponds(1, weather_of(1, places))
    start = datetime(2026, 7, 1, tzinfo=UTC).timestamp()
    times = start + np.arange(0, 20 * DAY, 900.0)
    oxygen = ponds.oxygen_mg_l(pond("p", 1), times)
    lowest = [
        float(hour_of_day(times)[day * 96 + int(np.argmin(oxygen[day * 96 : day * 96 + 96]))])
        for day in range(20)
    ]
    assert 3 < np.median(lowest) < 9
    assert oxygen.max() - oxygen.min() > 2


def test_soil_dries_in_summer_and_drinks_rain(places: Places) -> None:
    soil = Soil(1, weather_of(1, places))
    pits = [pit(f"t-{n}", 1, *POINT) for n in range(3)]
    for one in pits:
        winter = soil.moisture(one, YEAR[48 * 40 : 48 * 50 : 4]).mean()
        summer = soil.moisture(one, YEAR[48 * 200 : 48 * 215 : 4]).mean()
        assert one.wilting * 0.7 < summer < winter < one.field + 13


@pytest.mark.parametrize(
    "kind",
    ["weather_station", "waste_bin", "stream_gauge", "meter", "parking_bay", "school_room", "tree_pit"],
)
def test_a_value_does_not_depend_on_what_else_was_asked(
    kind: str, senses: Senses, of_kind: Callable[[str], list[Device]], city: City
) -> None:
    device = of_kind(kind)[0]
    times = datetime(2026, 9, 15, 6, tzinfo=UTC).timestamp() + np.arange(0, 6 * 3600, 1_171.0)
    together = senses.read(device, times)
    fresh = Senses(city)
    for row, time in zip(together, times, strict=True):
        alone = fresh.read(device, np.array([time]))[0]
        assert alone.keys() == row.keys()
        assert all(alone[name] == pytest.approx(row[name], abs=1e-6) for name in row)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_every_seed_makes_a_city_of_the_same_kind(seed: int) -> None:
    from simulators.places import read_places

    city = build_city(seed, read_places())
    assert 235 <= len(city.devices) <= 260
    assert len({device.keys.dev_eui for device in city.devices}) == len(city.devices)
