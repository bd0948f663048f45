"""Forecasts are fetched once, kept with the moment they became known, and their absence is told."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from forecast_files import even, mosmix, radar, wet

from udp.forecasting.port import CITY, ForecastKey, Kind
from udp.forecasting.sql import SqlForecasts
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.opening import StoreSettings, open_store
from udp.weather.archive import Archive, rain_gauges
from udp.weather.download import Downloads
from udp.weather.mosmix import path_of
from udp.weather.radar import PATH
from udp.weather.round import POINT, RADAR, WeatherRound
from udp.weather.settings import WeatherSettings

NOW = datetime(2026, 11, 21, 12, 38, tzinfo=UTC)
ISSUED, RUN = datetime(2026, 11, 21, 12, 35, tzinfo=UTC), datetime(2026, 11, 21, 9, tzinfo=UTC)
POINT_PATH = path_of("10416")
CITY_FILE = """format = 1
[city]
name = "Probe"
simulated = true
[[thing]]
key = "regen"
name = "Regen"
kind = "rain_gauge"
theme = "regen-und-baeche"
district = "castrop"
district_name = "Castrop"
latitude = 51.5656
longitude = 7.3117
access = "open"
licence = "dl-de/zero-2-0"
[[thing.device]]
dev_eui = "0000000000000001"
profile = "decentlab-dl-tbrg"
"""


class Desk:
    def __init__(self, folder, shelf):
        self.folder, self.shelf, self.time = folder, shelf, NOW
        (folder / "city.toml").write_text(CITY_FILE)
        self.registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite")
        self.registry.import_city(read_city(folder / "city.toml", load_profiles()))
        self.forecasts = SqlForecasts(f"sqlite:///{folder}/forecasts.sqlite")
        settings = StoreSettings(embedded=EmbeddedSettings(folder=folder / "store"))
        self.store = open_store(settings, lambda: self.time)
        self.archive = Archive(self.store, self.forecasts)
        ((_, gauge),) = rain_gauges(self.registry.inventory())
        self.gauge = gauge.id

    def started(self):
        settings = WeatherSettings(server=self.shelf.url)
        downloads = Downloads(settings.server, 2.0)
        return WeatherRound(self.registry, self.archive, downloads, settings, lambda: self.time)

    def nowcasts(self, as_of=None):
        return self.archive.nowcasts([self.gauge], NOW - timedelta(days=2), as_of or self.time)

    def points(self, as_of=None):
        return self.archive.point_forecasts(NOW - timedelta(days=2), as_of or self.time)


@pytest.fixture
def desk(tmp_path, shelf):
    desk = Desk(tmp_path, shelf)
    shelf.files = {PATH: radar(ISSUED, even(0.3)), POINT_PATH: mosmix(RUN, wet(0.6))}
    yield desk
    for one in (desk.store, desk.forecasts, desk.registry):
        one.close()


def test_what_was_expected_is_kept_with_issue_lead_and_the_moment_it_became_known(desk):
    assert not any(desk.started().round().values())
    nowcasts, points = desk.nowcasts(), desk.points()
    assert nowcasts.issued.tolist() == [ISSUED.replace(tzinfo=None)]
    assert nowcasts.known_at.tolist() == [NOW.replace(tzinfo=None)]
    np.testing.assert_allclose(nowcasts.values, 0.3)
    assert points.values.shape == (1, 14, 247)
    np.testing.assert_allclose(points.values[0, 0], 0.6)
    np.testing.assert_allclose(points.values[0, 1], 10.0)
    np.testing.assert_allclose(points.values[0, 2], 0.9)
    before = NOW - timedelta(seconds=1)
    assert not len(desk.nowcasts(before)) and not len(desk.points(before))
    number = desk.forecasts.told().streams[ForecastKey(CITY, Kind.RAIN, 0.0)]
    assert number not in desk.registry.inventory().datastreams and not len(desk.store.latest([number]))


def test_nothing_is_fetched_or_kept_twice(desk):
    weather = desk.started()
    weather.round()
    desk.time += timedelta(minutes=3)
    weather.round()
    newest = [status for path, status in desk.shelf.asked if path in (PATH, POINT_PATH)]
    assert newest == [200, 200, 304, 304]
    desk.started().round()  # a new process knows no mark, but what is kept
    assert desk.nowcasts().known_at.tolist() == [NOW.replace(tzinfo=None)]
    desk.time += timedelta(minutes=2)
    desk.shelf.files[PATH] = radar(ISSUED + timedelta(minutes=5), even(0.0))
    weather.round()
    assert len(desk.nowcasts()) == 2 and (desk.nowcasts().values[1] == 0).all()
    assert len(desk.nowcasts(NOW)) == 1


@pytest.mark.parametrize("broken", [404, 500, b"no archive", radar(ISSUED, even(0.3), quantity="RATE")])
def test_one_source_that_fails_never_stops_the_other(desk, broken):
    desk.shelf.files[PATH] = broken
    said = desk.started().round()
    assert said[POINT] == "" and "noch keine Vorhersage erhalten" in said[RADAR]
    assert len(desk.points()) == 1 and not len(desk.nowcasts())


def test_a_service_that_is_away_is_told_and_comes_back(desk):
    weather = desk.started()
    weather.round()
    held, desk.shelf.files = desk.shelf.files, {}
    desk.time += timedelta(minutes=10)
    said = weather.round()
    assert "von 21.11.2026 12:35 UTC" in said[RADAR] and "answered 404" in said[RADAR]
    desk.shelf.files = held
    assert weather.round()[RADAR] == ""


def test_a_file_that_is_never_renewed_is_stale(desk):
    weather = desk.started()
    weather.round()
    desk.time += timedelta(minutes=30)
    said = weather.round()
    assert "die neueste Vorhersage ist von 21.11.2026 12:35 UTC" in said[RADAR] and said[POINT] == ""


def test_a_server_that_does_not_listen_is_away(desk):
    desk.shelf.url = "http://127.0.0.1:9"
    assert all("did not answer" in text for text in desk.started().round().values())


def test_a_forecast_of_tomorrows_issue_is_refused(desk):
    desk.shelf.files[PATH] = radar(NOW + timedelta(hours=3), even(0.3))
    assert "not yet" in desk.started().round()[RADAR] and not len(desk.nowcasts())


def test_a_partial_nowcast_is_kept_as_far_as_it_goes(desk):
    desk.shelf.files[PATH] = radar(ISSUED, even(0.3, 10))
    desk.started().round()
    values = desk.nowcasts().values[0, 0]
    assert np.isfinite(values[:9]).all() and np.isnan(values[9:]).all()


def test_the_past_is_fetched_once_when_nothing_was_kept(desk):
    past = [RUN - timedelta(hours=6 * k) for k in range(1, 6)]
    for issued in past[:-1]:
        desk.shelf.files[path_of("10416", issued)] = mosmix(issued, wet(0.2))
    desk.shelf.modified = {path_of("10416", one): one + timedelta(minutes=70) for one in past}
    del desk.shelf.modified[path_of("10416", past[1])]  # published who knows when
    desk.started().round()
    runs = desk.points()
    kept = [past[3], past[2], past[0], RUN]
    assert runs.issued.tolist() == [one.replace(tzinfo=None) for one in kept]
    known = [one + timedelta(minutes=70) for one in kept[:-1]] + [NOW]
    assert runs.known_at.tolist() == [one.replace(tzinfo=None) for one in known]
    desk.shelf.asked.clear()
    desk.started().round()
    assert {path for path, _ in desk.shelf.asked} == {PATH, POINT_PATH}


def test_a_service_that_comes_up_later_is_asked_for_the_past_again(desk):
    past = RUN - timedelta(hours=6)
    desk.shelf.files |= {path_of("10416", past): mosmix(past, wet(0.2))}
    desk.shelf.modified = {path_of("10416", past): past + timedelta(minutes=70)}
    weather = desk.started()
    url, weather.downloads = weather.downloads, Downloads("http://127.0.0.1:9", 2.0)
    assert all(weather.round().values())
    weather.downloads = url
    weather.round()
    assert desk.points().issued.tolist() == [one.replace(tzinfo=None) for one in (past, RUN)]
