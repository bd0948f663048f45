"""Rain and warmth to come leave with their source and age, whole, and only where the policy opens them."""

from datetime import timedelta

import numpy as np
import pytest
from starlette.testclient import TestClient

from udp.api.app import create_app
from udp.api.desk import Ports
from udp.api.weather_ahead import WeatherAnswer
from udp.datasets.source import PolicyFile
from udp.weather.archive import Archive
from udp.weather.coming import exceeded
from udp.weather.mosmix import PointForecast
from udp.weather.settings import WeatherSettings

HOUR = np.timedelta64(1, "h")
ADDRESS = "/api/v1/weather-forecast"


def point(issued, mm=0.4, warm=7.5, error=1.2):
    start = np.datetime64(issued.replace(tzinfo=None), "us")
    over = {0.1: 0.6, 0.5: 0.3, 1.0: 0.2, 2.0: 0.05, 5.0: 0.0}
    rows = {limit: np.full(100, chance) for limit, chance in over.items()}
    return PointForecast(
        issued, "Probe", "10416", start + HOUR * np.arange(1, 101), np.full(100, mm), rows,
        np.full(100, warm), None if error is None else np.full(100, error),
    )  # fmt: skip


@pytest.fixture
def sky(measured):
    archive = Archive(measured.store, measured.forecasts)

    def issue(before, after=timedelta(minutes=70), **more):
        issued = measured.clock[0] - before
        archive.keep_forecast(point(issued, **more), issued + after)

    measured.issue = issue
    return measured


def said(city, **more):
    answer = city.client.get(ADDRESS, **more)
    assert answer.status_code == 200
    WeatherAnswer.model_validate_json(answer.content)
    return answer.json()


def test_before_the_first_run_nothing_is_said_and_the_source_is_named(sky):
    found = said(sky)
    assert (found["point"], found["radar"]) == (None, None)
    assert found["source"] == "Deutscher Wetterdienst"
    assert found["attribution"].startswith("Datenbasis: Deutscher Wetterdienst")
    # CC BY 4.0, section 3 a: the licence is named, and where it stands.
    assert found["attribution"].endswith("(CC-BY-4.0)") and found["licence"] == "CC-BY-4.0"
    assert found["licence_url"] == "https://creativecommons.org/licenses/by/4.0/"
    assert found["forecast"] is True
    # Simulated Things stand in this city; whose weather it is says the service's settings.
    assert found["simulated"] is False


def test_a_virtual_citys_weather_service_says_so(sky):
    virtual = WeatherSettings(provider="virtueller Wetterdienst", licence="", simulated=True)
    ports = Ports(
        sky.registry, sky.store, sky.ledger, sky.keys, now=lambda: sky.clock[0],
        policy=PolicyFile(sky.policy), weather=virtual,
    )  # fmt: skip
    with TestClient(create_app(ports)) as client:
        found = client.get(ADDRESS).json()
    assert found["simulated"] is True and found["source"] == "virtueller Wetterdienst"


def test_the_newest_run_known_is_told_hour_by_hour_with_how_sure_it_is(sky):
    sky.issue(timedelta(hours=9), mm=9.9, warm=30.0)
    sky.issue(timedelta(hours=3))
    # Issued, but still on its way: nobody can know it.
    sky.issue(timedelta(minutes=30), mm=5.5)
    found = said(sky)["point"]
    assert (found["issued_at"], found["known_at"]) == ("2026-11-21T09:00:00Z", "2026-11-21T10:10:00Z")
    assert found["fresh"] is True and found["station"] == "10416"
    assert len(found["hours"]) == 48 and found["hours"][0]["valid_time"] == "2026-11-21T13:00:00Z"
    assert found["hours"][0] == {
        "valid_time": "2026-11-21T13:00:00Z", "rain_mm": 0.4, "rain_probability": 0.6,
        "rain_mm_1_in_10": 1.67, "temperature_c": 7.5, "temperature_error_k": 1.2,
    }  # fmt: skip


def test_a_service_that_says_nothing_of_its_error_is_not_given_one(sky):
    sky.issue(timedelta(hours=3), error=None)
    assert said(sky)["point"]["hours"][0]["temperature_error_k"] is None


@pytest.mark.parametrize(("hours", "expected"), [(8.9, True), (9.1, False), (23.9, False), (24.1, None)])
def test_an_old_run_says_so_and_a_very_old_one_is_gone(sky, hours, expected):
    sky.issue(timedelta(hours=hours))
    found = said(sky)["point"]
    assert (None if found is None else found["fresh"]) is expected


def test_what_the_policy_does_not_open_only_operators_see(sky):
    sky.issue(timedelta(hours=3))
    text = sky.policy.read_text(encoding="utf-8")
    assert "\npublic = true\n" in text
    sky.policy.write_text(text.replace("\npublic = true\n", "\n"), encoding="utf-8")
    assert sky.client.get(ADDRESS).status_code == 404
    assert said(sky, headers=sky.operator)["point"] is not None


@pytest.mark.parametrize(
    ("over", "mm"),
    [
        ({}, None), ({0.1: 0.05, 1.0: 0.0}, 0.0), ({0.1: 0.5, 1.0: 0.1}, 1.0), ({0.1: 0.3, 1.1: 0.05}, 0.9),
        ({0.1: 0.9, 25.0: 0.4}, 25.0), ({0.1: 0.2, 0.2: 0.25, 0.3: 0.0}, 0.25),
    ],
)  # fmt: skip
def test_what_one_hour_in_ten_exceeds(over, mm):
    assert exceeded(over) == (None if mm is None else pytest.approx(mm))
