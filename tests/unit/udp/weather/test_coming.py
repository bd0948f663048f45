"""The radar's next two hours: one run, whole, of the city's gauges only, and gone when it is old."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from udp.forecasting.sql import SqlForecasts
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.opening import StoreSettings, open_store
from udp.weather.archive import Archive
from udp.weather.coming import coming
from udp.weather.radar import Nowcast

NOW = datetime(2026, 11, 21, 12, 38, tzinfo=UTC)
STEP = np.timedelta64(5, "m")
GAUGES = (7, 8, 9)


class Sky:
    def __init__(self, folder):
        self.forecasts = SqlForecasts(f"sqlite:///{folder}/forecasts.sqlite")
        settings = StoreSettings(embedded=EmbeddedSettings(folder=folder / "store"))
        self.store = open_store(settings, lambda: NOW)

    def radar(self, before, rows, after=timedelta(minutes=2)):
        """A run issued so long ago; `rows` mm by step and gauge."""
        issued = NOW - before
        begins = np.datetime64(issued.replace(tzinfo=None), "us")
        run = Nowcast(issued, begins + STEP * np.arange(1, len(rows) + 1), np.array(rows, float))
        Archive(self.store, self.forecasts).keep_nowcast(run, GAUGES, issued + after)

    def told(self, gauges=GAUGES):
        return coming(self.store, self.forecasts.told().streams, gauges, NOW).radar


@pytest.fixture
def sky(tmp_path):
    sky = Sky(tmp_path)
    yield sky
    sky.store.close()
    sky.forecasts.close()


def test_the_newest_run_known_is_told_by_mean_and_most_of_the_gauges(sky):
    sky.radar(timedelta(minutes=8), [[9, 9, 9]] * 6)
    sky.radar(timedelta(minutes=3), [[0, 0, 0.3], [0.2, np.nan, 0.4], [np.nan] * 3, [0.5, 0.1, 0.0]])
    sky.radar(timedelta(minutes=1), [[5, 5, 5]] * 4, after=timedelta(minutes=2))  # still on its way
    found = sky.told()
    assert (found.issued_at, found.known_at, found.fresh) == (
        NOW - timedelta(minutes=3), NOW - timedelta(minutes=1), True,
    )  # fmt: skip
    issued = NOW - timedelta(minutes=3)
    assert [one.ends - issued for one in found.parts] == [timedelta(minutes=count) for count in (5, 10, 20)]
    assert [one.rain for one in found.parts] == pytest.approx([0.1, 0.3, 0.2])
    assert [one.most for one in found.parts] == [0.3, 0.4, 0.5]


def test_only_gauges_of_the_register_speak(sky):
    sky.radar(timedelta(minutes=3), [[0.2, 0.4, 9.0]])
    (step,) = sky.told(gauges=(7, 8)).parts
    assert (step.rain, step.most) == (pytest.approx(0.3), 0.4)
    assert sky.told(gauges=()) is None


@pytest.mark.parametrize(("minutes", "expected"), [(20, True), (21, False), (45, False), (46, None)])
def test_an_old_run_says_so_and_a_very_old_one_is_gone(sky, minutes, expected):
    sky.radar(timedelta(minutes=minutes), [[0.1, 0.1, 0.1]] * 24)
    found = sky.told()
    assert (None if found is None else found.fresh) is expected
