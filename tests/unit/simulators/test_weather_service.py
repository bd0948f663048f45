"""The virtual weather service is wrong as real ones are, and speaks their formats."""

import urllib.request
from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.error import HTTPError

import numpy as np
import pytest

from simulators.outlook import HOURS, Outlook
from simulators.places import read_places
from simulators.weather import LATITUDE, LONGITUDE, Weather
from simulators.weather_files import OVER
from simulators.weather_service import RADAR_PATH, WeatherService
from udp.weather.mosmix import EXCEEDANCES, path_of, read_forecast
from udp.weather.radar import PATH, read_nowcast

HERE = np.array([LATITUDE]), np.array([LONGITUDE])
BEGIN = 1_790_000_100.0  # a multiple of five minutes


@pytest.fixture(scope="module")
def weather():
    places = read_places()
    return Weather(3, places.temperature_mean_c, places.precipitation_mm)


@pytest.fixture(scope="module")
def outlook(weather):
    return Outlook(3, weather)


def wet_moments(weather, count):
    """Moments before and in rain, evenly over half a year."""
    times = BEGIN + 300 * np.arange(0, 180 * 288, 12)
    fallen = np.diff(weather.rain_total(LATITUDE, LONGITUDE, np.append(times, times[-1] + 3600)))
    wet = times[fallen > 0.3]
    return wet[:: max(1, len(wet) // count)]


def test_the_nowcast_is_good_at_first_and_worse_with_every_step(weather, outlook):
    moments = wet_moments(weather, 120)
    errors, rain = [], []
    for issued in moments:
        truth = np.diff(weather.rain_total(LATITUDE, LONGITUDE, issued + 300.0 * np.arange(25)))
        errors.append(np.abs(outlook.nowcast(issued, *HERE)[:, 0] - truth))
        rain.append(truth)
    wrong, fell = np.array(errors).sum(axis=0), np.array(rain).sum(axis=0)
    first, second, last = (wrong[k : k + 8].sum() / fell[k : k + 8].sum() for k in (0, 8, 16))
    assert first < second < last and first < 0.7 * last


def test_forecasts_depend_on_seed_and_issue_only(weather, outlook):
    again = Outlook(3, weather)
    np.testing.assert_array_equal(again.nowcast(BEGIN, *HERE), outlook.nowcast(BEGIN, *HERE))
    first, second = (one.point(BEGIN, [0.1]).rain_mm for one in (again, outlook))
    np.testing.assert_array_equal(first, second)
    assert (Outlook(4, weather).point(BEGIN, [0.1]).rain_mm != first).any()


def test_point_forecasts_say_what_comes_as_often_as_they_say_it(weather, outlook):
    said, came = [], []
    for issued in BEGIN + 18 * 3600 * np.arange(40):
        made = outlook.point(issued, [0.1])
        total = weather.rain_total(LATITUDE, LONGITUDE, np.append(made.times[:1] - 3600, made.times))
        said.append(made.over[0])
        came.append(np.diff(total) > 0.1)
    said, came = np.array(said), np.array(came)
    brier = ((said - came) ** 2).mean(axis=0)
    climate = came.mean() * (1 - came.mean())
    assert brier[:6].mean() < 0.6 * climate < brier[-72:].mean()
    sure, unlikely = said[:, :48] > 0.7, said[:, :48] < 0.1
    assert came[:, :48][sure].mean() > 0.6 and came[:, :48][unlikely].mean() < 0.12


def test_the_platform_reads_what_is_served(outlook):
    now = [BEGIN + 160]
    service = WeatherService(outlook, lambda: now[0])
    url = f"http://127.0.0.1:{service.open('127.0.0.1', 0)}"
    try:
        assert RADAR_PATH == PATH and OVER == EXCEEDANCES
        with urllib.request.urlopen(url + RADAR_PATH) as answer:
            mark, content = answer.headers["ETag"], answer.read()
        made = read_nowcast(content, [(LATITUDE, LONGITUDE)])
        assert made.issued_at.timestamp() == BEGIN and made.rain.shape == (24, 1)
        np.testing.assert_allclose(made.rain[:, 0], around(outlook, BEGIN), atol=0.05)
        with pytest.raises(HTTPError, match="304"):
            urllib.request.urlopen(urllib.request.Request(url + RADAR_PATH, headers={"If-None-Match": mark}))
        now[0] += 300
        with urllib.request.urlopen(url + RADAR_PATH) as answer:
            assert answer.headers["ETag"] != mark
        with urllib.request.urlopen(url + path_of("10416")) as answer:
            point = read_forecast(answer.read(), "10416")
        assert len(point.rain) == HOURS and point.issued_at.hour in (3, 9, 15, 21)
        assert "Virtuell" in point.issuer
        before = point.issued_at - timedelta(days=9)
        with urllib.request.urlopen(url + path_of("10416", before)) as answer:
            published = parsedate_to_datetime(answer.headers["Last-Modified"])
            assert read_forecast(answer.read(), "10416").issued_at == before < published
        tomorrow = path_of("10416", point.issued_at + timedelta(days=1))
        for nowhere in ("/weather/alerts", tomorrow, path_of("10416", before + timedelta(hours=1))):
            with pytest.raises(HTTPError, match="404"):
                urllib.request.urlopen(url + nowhere)
    finally:
        service.close()


def around(outlook, issued):
    """Mean over 3 x 3 km around the town's middle, as the reader takes it."""
    north, east = np.meshgrid(np.array([-1, 0, 1]) / 111.2, np.array([-1, 0, 1]) / 69.1)
    return outlook.nowcast(issued, LATITUDE + north.ravel(), LONGITUDE + east.ravel()).mean(axis=1)
