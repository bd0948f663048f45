"""Whatever a sensor sends, each series gets a clear answer: numbers with basis, or a reason in words."""

from datetime import timedelta

import numpy as np
import pytest
from small_city import NOW, before_now, fill_bins, fill_stream

from udp.store.columns import Period

DAY = timedelta(days=1)


def nothing(city):
    """All gaps: not one value."""


def constant(city):
    times = before_now(20)
    for number in range(8):
        city.put(f"korb-{number}", "distance", times, np.full(len(times), 700.0))
    city.put("pegel", "water_level", times, np.full(len(times), 30.0))
    city.put("regen", "precipitation_total", times, np.full(len(times), 5.0))
    city.put("teich", "oxygen_concentration", times, np.full(len(times), 8.0))
    city.put("teich", "water_temperature", times, np.full(len(times), 15.0))


def two_points(city):
    times = before_now(2 / 24)
    city.put("korb-0", "distance", times, np.array([700.0, 690.0]))
    city.put("pegel", "water_level", times, np.array([30.0, 31.0]))
    city.put("regen", "precipitation_total", times, np.array([1.0, 2.0]))
    city.put("teich", "oxygen_concentration", times, np.array([8.0, 7.0]))
    city.put("teich", "water_temperature", times, np.array([15.0, 15.0]))


def negative_rain(city):
    times, rain, level = fill_stream(city, days=15)
    city.put("regen", "precipitation", times, -rain)
    del level


def falling_counter(city):
    times = before_now(15, 1 / 6)
    city.put("pegel", "water_level", times, 30 + np.sin(np.arange(len(times)) / 50))
    city.put("regen", "precipitation_total", times, np.linspace(500, 0, len(times)))


def unit_mixed_up(city):
    fill_bins(city, days=20)
    times = before_now(1)
    city.put("korb-1", "distance", times - np.timedelta64(30, "m"), np.full(len(times), 0.7))
    city.put("korb-2", "distance", times - np.timedelta64(30, "m"), np.full(len(times), 70_000.0))


def clock_jumped(city):
    fill_bins(city, days=20)
    jumped = before_now(3) - np.timedelta64(400, "D")
    city.put("korb-1", "distance", jumped, np.full(len(jumped), 500.0))
    city.put("pegel", "water_level", jumped, np.full(len(jumped), 50.0))


def from_the_future(city):
    fill_bins(city, days=20)
    later = before_now(3, until=NOW + 5 * DAY)
    known = np.datetime64((NOW - DAY).replace(tzinfo=None), "us")
    city.put("korb-1", "distance", later, np.full(len(later), 210.0), result_time=known)
    city.put("pegel", "water_level", later, np.full(len(later), 999.0), result_time=known)


def zeros_for_a_year(city):
    times = before_now(365)
    zeros = np.zeros(len(times))
    for thing, key in (
        ("korb-0", "distance"), ("pegel", "water_level"), ("regen", "precipitation_total"),
        ("teich", "oxygen_concentration"), ("teich", "water_temperature"), ("zaehler-0", "energy"),
    ):  # fmt: skip
        city.put(thing, key, times, zeros)


@pytest.mark.parametrize(
    "fill",
    [nothing, constant, two_points, negative_rain, falling_counter, unit_mixed_up, clock_jumped,
     from_the_future, zeros_for_a_year],
)  # fmt: skip
def test_every_series_gets_numbers_with_basis_or_a_reason(metered_city, fill):
    city = metered_city
    fill(city)
    city.cycle().round(NOW)
    told = city.forecasts.told()
    wanted = ("fill_level", "water_level", "oxygen_concentration", "energy")
    streams = city.inventory.datastreams.values()
    asked = {one.id for one in streams if one.observed_property.key in wanted}
    assert {of for of, _ in told.statements} >= asked
    for (of, product), said in told.statements.items():
        assert bool(said.bands) != bool(said.reason) or product in ("drift", "verbrauch"), (of, said)
        if said.reason:
            assert said.reason[0].isupper() or said.reason[0].isdigit(), said.reason
        values = np.array([value for band in said.bands.values() for value in band])
        assert np.isfinite(values).all()
        if product == "fuellstand" and values.size:
            assert values.min() >= 0 and values.max() <= 100
        if product == "teich" and values.size:
            assert values.min() >= 0
    numbers = list(told.streams.values())
    stored = city.store.read(numbers, Period(NOW - 400 * DAY, NOW + 30 * DAY))
    assert (stored.lead > 0).all() and np.isfinite(stored.result).all()


def test_a_sensor_that_lies_about_the_future_changes_no_other_forecast(city, tmp_path):
    fill_bins(city, days=20)
    city.cycle("fuellstand").round(NOW)
    honest = {of: said.bands for (of, _), said in city.forecasts.told().statements.items()}
    later = before_now(2, until=NOW + 3 * DAY)
    city.put(
        "korb-1", "distance", later, np.full(len(later), 210.0), result_time=later[0] - np.timedelta64(9, "D")
    )
    city.cycle("fuellstand", artefacts="again").round(NOW, force=True)
    assert {of: said.bands for (of, _), said in city.forecasts.told().statements.items()} == honest
