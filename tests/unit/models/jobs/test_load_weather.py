"""The temperature to come in load forecasts: only as it was known, only where it helps, and named."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from small_city import NOW, SmallCity, before_now, office_hours

from models.jobs.inputs import Inputs
from models.jobs.rain import RainDesk
from models.jobs.warmth import WarmthRuns, no_runs
from models.series import DAY, HOUR, hours, instant
from udp.weather.archive import Archive
from udp.weather.mosmix import PointForecast

BACK = 100
SIX = timedelta(hours=6)


def weather(seed=4):
    """Hourly temperature from BACK days ago until three days after now, in spells of some days."""
    times = before_now((BACK + 3), until=NOW + timedelta(days=3))
    rng = np.random.default_rng(seed)
    spell = np.zeros(BACK + 4)
    for day in range(1, len(spell)):
        spell[day] = 0.7 * spell[day - 1] + rng.normal(0, 4)
    spell = np.repeat(spell, 24)[: len(times)]
    hour = times.astype("datetime64[h]").astype(int) % 24
    return times, 8 + spell + 3 * np.sin((hour - 9) / 24 * 2 * np.pi)


def true_load(times, warm):
    return (3 + 1.5 * np.maximum(18 - warm, 0)) * np.where(office_hours(times), 2.0, 1.0)


class HeatedCity(SmallCity):
    """One meter that heats, a station, and a classroom that is always warm."""

    def __init__(self, folder):
        super().__init__(folder, bins=0, meters=1, air=True)
        times, warm = weather()
        self.past = times <= instant(NOW)
        self.times, self.warm = times, warm
        rng = np.random.default_rng(1)
        self.true = true_load(times, warm)
        load = self.true * np.exp(rng.normal(0, 0.08, len(times)))
        self.put("zaehler-0", "energy", times[self.past], 1000 + np.cumsum(load)[self.past])
        self.put("wetter", "air_temperature", times[self.past], warm[self.past])
        self.put("raum", "air_temperature", times[self.past], np.full(self.past.sum(), 21.0))
        self.archive = Archive(self.store, self.forecasts)

    def expect(self, since, until, *, off=0.0, noise=0.0, after=timedelta(minutes=70)):
        """Point forecasts every six hours: what will come, ``off`` by a difference of places."""
        rng = np.random.default_rng(7)
        while since <= until:
            valid = instant(since) + np.arange(1, 73) * HOUR
            warm = self.warm[np.searchsorted(self.times, valid).clip(0, len(self.times) - 1)]
            said = warm + off + rng.normal(0, noise, 72)
            made = PointForecast(since, "Probe", "P", valid, np.full(72, np.nan), {}, said)
            self.archive.keep_forecast(made, since + after)
            since += SIX

    def ahead(self, *, desk=True, artefacts="artefacts"):
        made = self.cycle("last", artefacts=artefacts)
        listening = RainDesk(self.archive) if desk else None
        made = replace(made, products=[replace(one, rain=listening) for one in made.products])
        made.round(NOW, force=True)
        return self.forecasts.told().statements[self.stream("zaehler-0", "energy"), "last"]

    def notes(self):
        (card,) = self.forecasts.told().cards
        return " ".join(card.content["notes"])


@pytest.fixture
def heated(tmp_path):
    made = HeatedCity(tmp_path)
    yield made
    made.close()


def test_the_temperature_to_come_is_used_named_and_worth_something(heated):
    plain = heated.ahead(desk=False)
    assert any("als bliebe das Wetter wie gestern: eine Temperatur" in one for one in plain.remarks)
    assert "lag keine Temperaturvorhersage vor" in heated.notes()
    # The service speaks of a hill, three degrees colder: that must not heat the building.
    heated.expect(NOW - timedelta(days=32, hours=3), NOW - timedelta(hours=3), off=-3.0, noise=0.5)
    said = heated.ahead()
    assert not said.fallback
    assert any(
        one.startswith("Temperatur voraus (DWD): Punktvorhersage von 01.07.2026") for one in said.remarks
    )
    assert "lag eine Temperaturvorhersage vor" in heated.notes()
    coming = ~heated.past & (heated.times <= instant(NOW) + 2 * DAY)
    true = heated.true[coming]
    errors = [np.abs(np.array(one.bands["0.5"]) - true).mean() for one in (said, plain)]
    assert errors[0] < 0.5 * errors[1], errors
    widths = [np.subtract(one.bands["0.9"], one.bands["0.1"]).mean() for one in (said, plain)]
    assert widths[0] < 0.9 * widths[1], "less wrong lately, so surer"


def test_what_was_published_after_the_issue_changes_nothing(heated):
    heated.expect(NOW - timedelta(days=10, hours=9), NOW - timedelta(hours=9))
    before = heated.ahead()
    heated.expect(NOW - timedelta(hours=3), NOW, off=25.0, after=timedelta(hours=4))
    again = heated.ahead(artefacts="again")
    assert again.bands == before.bands and again.remarks == before.remarks


def test_of_the_weather_only_what_was_known_by_then_and_is_new_is_asked_again(heated):
    """A service that stays the same process, so that nothing it remembers hides what came late."""
    heated.expect(NOW - timedelta(days=10, hours=9), NOW - timedelta(hours=9))
    made, desk = heated.cycle("last"), RainDesk(heated.archive)
    made = replace(made, products=[replace(one, rain=desk) for one in made.products])
    of = heated.stream("zaehler-0", "energy")

    def asked(at=NOW + timedelta(hours=2)):
        return made.round(at, fit=False).asked, heated.forecasts.told().statements[of, "last"]

    made.round(NOW)
    known = asked()
    assert known[0] == 0
    heated.expect(NOW - timedelta(hours=3), NOW - timedelta(hours=3), off=8.0, after=timedelta(hours=4))
    heated.put("raum", "air_temperature", np.array([instant(NOW) - hours(0.5)]), np.array([30.0]))
    heated.put("wetter", "air_temperature", np.array([instant(NOW) + hours(1)]), np.array([30.0]))
    assert asked() == known, "after the issue, or indoors"
    heated.expect(NOW - timedelta(hours=2), NOW - timedelta(hours=2), off=8.0, after=timedelta(hours=1))
    late = asked()
    assert late[0] == 1 and late[1].bands != known[1].bands and asked()[0] == 0
    heated.put("wetter", "air_temperature", np.array([instant(NOW) - hours(0.5)]), np.array([30.0]))
    assert asked()[0] == 1 and asked()[0] == 0
    assert asked(NOW + timedelta(hours=6))[0] == 1


def test_forecasts_that_make_it_worse_are_not_listened_to(heated):
    heated.expect(NOW - timedelta(days=32, hours=3), NOW - timedelta(hours=3), noise=15.0)
    said = heated.ahead()
    assert any("brachte hier bisher keinen Gewinn" in one for one in said.remarks)
    assert "wird nicht benutzt" in heated.notes()


def test_a_service_that_fell_silent_is_said_and_yesterday_counts(heated):
    heated.expect(NOW - timedelta(days=3), NOW - timedelta(days=2))
    said = heated.ahead()
    assert any("und zu alt" in one for one in said.remarks)


def test_classrooms_are_not_outdoors(heated):
    found = Inputs(heated.store, heated.inventory, NOW).warmth(HOUR, timedelta(days=5))
    np.testing.assert_allclose(found.values, heated.warm[np.searchsorted(heated.times, found.times)])


def runs(*, values, known_after=1.0):
    issued = instant(NOW) + np.arange(len(values)) * hours(6)
    return WarmthRuns(issued, issued + hours(known_after), np.array(values, float), hours(13), "DWD")


def test_between_two_hours_it_is_told_evenly_and_beyond_the_run_nothing():
    made = runs(values=[[10.0, 12.0, np.nan, 16.0]])
    start = np.array([instant(NOW) + hours(1)])
    leads = np.array([hours(0.0), hours(0.5), hours(1.0), hours(1.5), hours(3.0), hours(4.0)])
    expected = [[10.0, 11.0, 12.0, np.nan, 16.0, np.nan]]
    np.testing.assert_allclose(made.table(start, leads), expected)


def test_the_newest_run_known_and_fresh_speaks():
    made = runs(values=[[1.0] * 30, [2.0] * 30], known_after=2.0)
    asked = instant(NOW) + np.array([hours(1), hours(3), hours(7.5), hours(8), hours(20)])
    table = made.table(asked, np.array([hours(1)]))[:, 0]
    np.testing.assert_array_equal(table, [np.nan, 1.0, 1.0, 2.0, np.nan])
    assert not np.isfinite(no_runs().table(asked, np.array([hours(1)]))).any()
    assert made.mark() != made.since(NOW + timedelta(hours=1)).mark()
