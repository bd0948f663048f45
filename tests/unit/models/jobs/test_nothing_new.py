"""Laws of doing nothing: what did not change is neither read nor said again; whatever changed is, alone, and
as if all of it had been computed anew."""

import shutil
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from small_city import HOUR_US, NOW, SmallCity, fill_bins, fill_offices

from models.jobs import fill
from models.jobs.assembly import products
from models.jobs.config import FillSettings, ModelSettings
from models.jobs.consumption import Judged
from models.series import instant
from udp.forecasting.sql import SqlForecasts
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles
from udp.sensorthings import Quality
from udp.store.columns import Period
from udp.store.opening import maintain

BINS = 4
SOON = NOW + timedelta(minutes=10)
LATER = NOW + timedelta(minutes=20)
DAY = timedelta(days=1)


class Watched:
    """The store, and what was asked of it. Not ``telling``: an engine that knows nothing of its changes."""

    def __init__(self, engine, *, telling=True):
        self._engine, self.reads, self.rows, self.appends = engine, [], 0, 0
        if telling:
            self.parts = engine.parts

    def read(self, datastreams, period, as_of=None):
        found = self._engine.read(datastreams, period, as_of)
        self.reads.append((sorted(datastreams), period))
        self.rows += len(found)
        return found

    def append(self, batch):
        self.appends += 1
        return self._engine.append(batch)


class Silent(SqlForecasts):
    """Counts what is written."""

    writes = 0

    def write(self, *given, **named):
        self.writes += 1
        super().write(*given, **named)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A fleet that has learned and spoken at NOW, in a folder to copy."""
    folder = tmp_path_factory.mktemp("learned")
    city = SmallCity(folder, bins=BINS, meters=2)
    fill_bins(city, days=12, bins=BINS)
    fill_offices(city, count=2, days=80)
    city.cycle("fuellstand", "verbrauch", "last").round(NOW)
    city.close()
    return folder


@pytest.fixture
def fleet(learned, tmp_path):
    """A copy of its own: as after a start of the service."""
    shutil.copytree(learned, tmp_path / "city", dirs_exist_ok=True)
    made = SmallCity(tmp_path / "city", bins=BINS, meters=2)
    made.forecasts.close()
    made.forecasts = Silent(f"sqlite:///{tmp_path}/city/forecasts.sqlite")
    yield made
    made.close()


def asked(city, at, *names, **more):
    """Which Things were forecast anew in a round without learning."""
    before = city.forecasts.told().statements
    tally = city.cycle(*(names or ("fuellstand", "last", "verbrauch")), **more).round(at, fit=False)
    after = city.forecasts.told().statements
    fresh = {key for key, said in after.items() if before.get(key) != said}
    assert len(fresh) <= tally.asked
    return {(city.inventory.datastreams[of].thing, name) for of, name in fresh}, tally


def one(city, thing, key, at, value, **more):
    """One measurement."""
    city.put(thing, key, np.array([instant(at)]), np.array([float(value)]), **more)


def test_without_news_no_history_is_read_and_nothing_written(fleet):
    for at in (SOON, LATER, SOON + timedelta(hours=1)):
        store = Watched(fleet.store)
        fresh, tally = asked(fleet, at, store=store)
        assert (fresh, tally.asked, tally.unchanged) == (set(), 0, BINS + 4)
        assert (store.appends, fleet.forecasts.writes) == (0, 0)
        assert all(period.start >= NOW for _, period in store.reads), store.reads
        assert store.rows <= BINS + 2, "values of this very moment"


def test_what_was_read_is_remembered_by_the_next_process(fleet):
    """Also what changed meanwhile; who remembers nothing reads once."""
    correct(fleet, days=3)
    asked(fleet, SOON)
    kept = list(fleet.folder.rglob("*.trace"))
    counts = []
    for _ in range(2):
        store = Watched(fleet.store)
        assert asked(fleet, LATER, store=store)[1].asked == 0
        counts.append(store.rows)
        for trace in kept:
            trace.write_bytes(trace.read_bytes()[:40])
    assert counts[0] <= BINS + 2 and counts[1] > BINS * 12 * 24 and len(kept) == 3


def test_an_engine_that_cannot_tell_is_read_and_nothing_is_said_again(fleet):
    store = Watched(fleet.store, telling=False)
    fresh, tally = asked(fleet, SOON, store=store)
    assert (fresh, tally.asked, fleet.forecasts.writes, store.appends) == (set(), 0, 0, 0)
    assert store.rows > BINS * 12 * 24


def test_days_that_are_closed_and_merged_change_nothing(fleet):
    at = NOW + 40 * DAY
    while maintain(fleet.store, at):
        at += timedelta(minutes=1)
    assert asked(fleet, SOON)[1].asked == 0


def test_only_what_has_news_is_read_back_and_said_again(fleet):
    one(fleet, "korb-2", "distance", NOW + timedelta(minutes=5), 700)
    store = Watched(fleet.store)
    fresh, tally = asked(fleet, SOON, store=store)
    assert fresh == {("korb-2", "fuellstand")} and tally.asked == 1
    back = [of for of, period in store.reads if period.start < NOW]
    assert back == [[fleet.stream("korb-2", "distance")]]


def correct(city, *, days, **more):
    of = city.stream("korb-1", "distance")
    time = instant(NOW) - np.timedelta64(days * 24 * HOUR_US, "us")
    city.put("korb-1", "distance", np.array([time]), np.array([650.0]), revision=1, **more)
    return of


CHANGES = {
    "late": lambda city: one(city, "korb-1", "distance", NOW - timedelta(days=5, minutes=30), 640),
    "late, known since": lambda city: one(
        city, "korb-1", "distance", NOW - timedelta(days=5, minutes=30), 640, result_time=instant(SOON)
    ),
    "corrected": lambda city: correct(city, days=3),
    "found bad": lambda city: correct(city, days=3, quality=Quality.BAD),
    "corrected in the future": lambda city: correct(city, days=3, result_time=instant(SOON)),
}


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_the_past_may_change(fleet, change, closed):
    """Also in days that are closed already."""
    at = NOW + 40 * DAY
    while closed and maintain(fleet.store, at):
        at += timedelta(minutes=1)
    CHANGES[change](fleet)
    assert asked(fleet, SOON)[0] == {("korb-1", "fuellstand")}
    assert asked(fleet, LATER)[1].asked == 0


def test_a_replay_changes_nothing_unless_it_decodes_otherwise(fleet):
    stands = fleet.store.read([fleet.stream("korb-1", "distance")], Period(NOW - 2 * DAY, SOON))
    fleet.store.append(stands)
    assert asked(fleet, SOON)[1].asked == 0
    fleet.store.append(replace(stands, result=stands.result + 20.0, revision=stands.revision + 1))
    assert asked(fleet, SOON)[0] == {("korb-1", "fuellstand")}


def test_what_was_hidden_comes_to_light_without_an_append(fleet):
    """Received after the last round began, or stamped by a clock that runs ahead."""
    one(fleet, "korb-1", "distance", NOW - timedelta(minutes=20), 640, result_time=instant(LATER))
    one(fleet, "korb-2", "distance", LATER, 640)
    assert asked(fleet, SOON)[1].asked == 0
    assert asked(fleet, LATER)[0] == {("korb-1", "fuellstand"), ("korb-2", "fuellstand")}
    assert asked(fleet, LATER)[1].asked == 0


def test_a_corrected_correction_comes_to_light_in_turn(fleet):
    for revision, known in ((1, SOON), (2, LATER)):
        time = np.array([instant(NOW - DAY)])
        fleet.put(
            "korb-1", "distance", time, np.array([600.0 + revision]), revision=revision,
            result_time=instant(known),
        )  # fmt: skip
    for at in (SOON, LATER):
        assert asked(fleet, at)[0] == {("korb-1", "fuellstand")}


@pytest.mark.parametrize("quality", [Quality.GOOD, Quality.BAD])
def test_who_asks_for_a_moment_before_a_correction_hears_what_was_known_then(fleet, quality):
    correct(fleet, days=3, quality=quality, result_time=instant(LATER))
    for at in (LATER, SOON, LATER):
        assert asked(fleet, at)[0] == {("korb-1", "fuellstand")}
        assert asked(fleet, at)[1].asked == 0


def test_a_container_that_falls_silent_is_said_to_be_silent(fleet):
    """No news either, yet the answer stands no longer, by two days and no more."""
    then = NOW + 2 * DAY
    for thing in range(1, BINS):
        one(fleet, f"korb-{thing}", "distance", then, 700)
    assert ("korb-0", "fuellstand") not in asked(fleet, then, "fuellstand")[0]
    fresh, tally = asked(fleet, then + timedelta(minutes=10), "fuellstand")
    assert fresh == {("korb-0", "fuellstand")} and tally.silent
    assert asked(fleet, then + timedelta(minutes=20), "fuellstand")[1].asked == 0


def test_a_late_reading_is_heard_by_all_that_rest_on_the_meter(fleet):
    """Also by load forecasts, which know nothing later than their issue hour."""
    one(fleet, "zaehler-1", "energy", NOW - timedelta(days=2, minutes=-30), 1e6)
    assert asked(fleet, SOON)[0] == {("zaehler-1", "verbrauch"), ("zaehler-1", "last")}
    one(fleet, "zaehler-1", "energy", NOW + timedelta(minutes=5), 1e6 + 1)
    assert asked(fleet, SOON)[1].asked == 0


def changed_register(city, before, after):
    text = (city.folder / "city.toml").read_text()
    assert before in text
    (city.folder / "city.toml").write_text(text.replace(before, after, 1))
    city.registry.import_city(read_city(city.folder / "city.toml", load_profiles()))
    city.inventory = city.registry.inventory()


def test_another_capacity_in_the_register(fleet):
    changed_register(fleet, "empty_mm = 1300.0", "empty_mm = 1400.0")
    assert asked(fleet, SOON)[0] == {("korb-0", "fuellstand")}


def test_another_meter_in_the_register(fleet):
    number = f"{9200:016X}"
    changed_register(fleet, f'dev_eui = "{number}"', f'dev_eui = "{"A" + number[1:]}"')
    assert asked(fleet, SOON)[0] == {("zaehler-0", "verbrauch"), ("zaehler-0", "last")}
    assert asked(fleet, LATER)[1].asked == 0


def test_another_version_of_a_model(fleet, monkeypatch):
    monkeypatch.setattr(fill, "VERSION", "next")
    assert asked(fleet, SOON)[1].asked == BINS


def test_another_fit(fleet):
    cycle = fleet.cycle("fuellstand")
    cycle.round(SOON, forecast=False, force=True)
    assert cycle.round(SOON, fit=False).asked == BINS
    assert cycle.round(SOON, fit=False).asked == 0


def test_another_threshold_in_the_settings(fleet):
    assert asked(fleet, SOON, "fuellstand", settings=ModelSettings(fill=FillSettings(70.0)))[1].asked == BINS


def test_what_a_person_said_of_a_meter(fleet):
    of = fleet.stream("zaehler-0", "energy")
    fine = Judged("base load", instant(NOW - 3 * DAY), instant(NOW), fine=True)
    cycle = fleet.cycle("verbrauch")
    (consumption,) = [one for one in products(ModelSettings()) if one.name == "verbrauch"]
    judged = replace(cycle, products=[replace(consumption, judged={of: (fine,)})])
    assert judged.round(SOON, fit=False).asked == 1
    assert judged.round(SOON, fit=False).asked == 0


def test_step_by_step_is_the_same_as_all_anew(fleet, tmp_path):
    """Values, corrections and late ones over half a day: every statement as a round that remembers nothing,
    reads everything and asks everything says it."""
    rng = np.random.default_rng(3)
    for step in range(1, 7):
        at = NOW + step * timedelta(hours=2)
        for thing in rng.choice(BINS, 2, replace=False):
            one(fleet, f"korb-{thing}", "distance", at - timedelta(minutes=int(rng.integers(1, 90))), 700)
        one(fleet, "zaehler-0", "energy", at, 1e5 + step)
        one(fleet, "korb-0", "distance", NOW - DAY * int(rng.integers(1, 9)) + timedelta(minutes=step), 900)
        correct(fleet, days=step)
        _, tally = asked(fleet, at)
        assert 0 < tally.asked < BINS + 4
        told = fleet.forecasts.told()
        alone = SqlForecasts(f"sqlite:///{tmp_path}/alone-{step}.sqlite")
        shutil.copytree(fleet.folder / "artefacts", tmp_path / f"alone-{step}", symlinks=True)
        for trace in (tmp_path / f"alone-{step}").rglob("*.trace"):
            trace.unlink()
        anew = fleet.cycle("fuellstand", "last", "verbrauch", forecasts=alone)
        anew = replace(anew, artefacts=type(anew.artefacts)(tmp_path / f"alone-{step}"))
        anew.round(at, fit=False, force=True)
        for key, said in alone.told().statements.items():
            was = told.statements[key]
            names = ("bands", "chance", "summary", "fingerprint", "reason", "model", "remarks")
            assert [getattr(was, name) for name in names] == [getattr(said, name) for name in names], key
        alone.close()
