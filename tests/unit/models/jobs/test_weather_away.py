"""A weather service that has nothing: the platform says so, streams are forecast without rain ahead, and both
end when it is back."""

from datetime import timedelta

import numpy as np
import pytest
from small_city import NOW, fill_stream

from models.jobs.rain import RainDesk
from simulators.faults import WEATHER_SERVICE, Fault, FaultBoard, FaultKind, write_faults
from simulators.outlook import Outlook
from simulators.places import read_places
from simulators.weather import Weather
from simulators.weather_service import WeatherService
from udp.weather.archive import Archive
from udp.weather.download import Downloads
from udp.weather.round import POINT, RADAR, WeatherRound
from udp.weather.settings import WeatherSettings

AWAY_FROM = NOW - timedelta(hours=16)


class Sky:
    """A virtual weather service with its control file of faults, and the platform's process that asks it."""

    def __init__(self, city, folder):
        places = read_places()
        outlook = Outlook(3, Weather(3, places.temperature_mean_c, places.precipitation_mm))
        self.now, self.file = AWAY_FROM - timedelta(minutes=1), folder / "faults.toml"
        board = FaultBoard(self.file)

        def away(time):
            board.refresh()
            return board.find(FaultKind.WEATHER_AWAY, WEATHER_SERVICE, time) is not None

        self.service = WeatherService(outlook, self.clock, away)
        url = f"http://127.0.0.1:{self.service.open('127.0.0.1', 0)}"
        archive = Archive(city.store, city.forecasts)
        self.desk = RainDesk(archive)
        settings = WeatherSettings(server=url, past=timedelta(0))
        self.round = WeatherRound(city.registry, archive, Downloads(url, 10.0), settings, lambda: self.now)

    def clock(self):
        return self.now.timestamp()

    def said(self, at):
        self.now = at
        return self.round.round()


@pytest.fixture
def sky(city, tmp_path):
    made = Sky(city, tmp_path)
    yield made
    made.service.close()


def forecast(city, sky, at):
    cycle = city.cycle("abfluss")
    cycle.products[0] = type(cycle.products[0])(rain=sky.desk, generations=5)
    cycle.round(at)
    return city.forecasts.told().statements[city.stream("pegel", "water_level"), "abfluss"]


def test_without_the_service_models_go_on_and_say_that_they_expect_no_rain(sky, city):
    fill_stream(city, days=30)
    assert sky.said(AWAY_FROM - timedelta(minutes=1)) == {RADAR: "", POINT: ""}
    write_faults(sky.file, [Fault(FaultKind.WEATHER_AWAY, WEATHER_SERVICE, AWAY_FROM.timestamp())])
    for hours in range(15, -1, -3):
        wrong = sky.said(NOW - timedelta(hours=hours))
    assert all(
        "503" in text and "die neueste Vorhersage ist von 30.06.2026" in text for text in wrong.values()
    )

    alone = forecast(city, sky, NOW)
    assert not alone.fallback and np.isfinite(alone.bands["0.5"]).all()
    assert alone.remarks[0].startswith("Ohne Regenvorhersage gerechnet: die letzte ist von 30.06.2026")
    assert alone.remarks[0].endswith("und zu alt")

    write_faults(sky.file, [])
    assert sky.said(NOW) == {RADAR: "", POINT: ""}
    again = forecast(city, sky, NOW + timedelta(seconds=1))
    assert again.remarks[0].startswith("Regen voraus (DWD): Regenradar von 01.07.2026")
