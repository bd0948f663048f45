"""Rain ahead: only what was known, only while it is fresh, and said in every forecast."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from small_city import NOW, before_now, fill_stream

from models.jobs.inputs import Inputs
from models.jobs.outcome import Fitted
from models.jobs.product import Ask
from models.jobs.rain import CityOutlook, RainDesk, RainSettings
from models.jobs.report_pages import ReportPages
from models.jobs.trees import TreeMaterial, Trees
from models.rainfall_runoff.ensemble import scenarios
from models.series import HOUR, Series, hours, instant
from models.soil_moisture import DryingModel
from udp.forecasting.port import Kind
from udp.forecasting.sql import SqlForecasts
from udp.store.columns import Observations, Period
from udp.weather.archive import Archive
from udp.weather.mosmix import EXCEEDANCES, PointForecast
from udp.weather.radar import Nowcast

FIVE = np.timedelta64(300_000_000, "us")
TEN = hours(1 / 6)


def nowcast(issued, mm):
    start = np.datetime64(issued.replace(tzinfo=None), "us")
    return Nowcast(
        issued, start + FIVE * np.arange(1, 25), np.broadcast_to(np.asarray(mm), (24,))[:, None] * 1.0
    )


def point(issued, mm, *, warm=18.0):
    start = np.datetime64(issued.replace(tzinfo=None), "us")
    rain = np.broadcast_to(np.asarray(mm, dtype=float), (247,)).copy()
    over = {limit: np.where(rain > limit, 0.95, 0.02) for limit in EXCEEDANCES.values()}
    return PointForecast(
        issued, "Probe", "P", start + HOUR * np.arange(1, 248), rain, over, np.full(247, warm)
    )


class Sky:
    """The archive of a small city."""

    def __init__(self, city, store=None, forecasts=None):
        self.city, self.store = city, store or city.store
        self.archive = Archive(self.store, forecasts or city.forecasts)
        self.gauge = city.stream("regen", "precipitation_total")
        self.desk = RainDesk(self.archive)

    def near(self, issued, mm, after=timedelta(minutes=2)):
        self.archive.keep_nowcast(nowcast(issued, mm), [self.gauge], issued + after)

    def far(self, issued, mm, after=timedelta(hours=1), **more):
        self.archive.keep_forecast(point(issued, mm, **more), issued + after)

    def inputs(self, at=NOW):
        return Inputs(self.store, self.city.inventory, at)

    def expected(self, at=NOW):
        return self.desk.expected(self.inputs(at), {self.gauge: 1.0})

    def table(self, at=NOW, steps=72):
        return self.expected(at).table(np.array([instant(at)]), TEN, steps)[:, 0]

    def cycle(self, *names, **more):
        made = self.city.cycle(*names, store=self.store, **more)
        return replace(made, products=[replace(one, rain=self.desk) for one in made.products])


@pytest.fixture
def sky(city):
    return Sky(city)


def test_without_a_service_nothing_is_expected_and_that_is_said(sky):
    assert np.isnan(sky.table()).all()
    assert sky.desk.told(sky.expected(), instant(NOW)) == (
        "Ohne Regenvorhersage gerechnet: es liegt keine vor",
    )


def test_the_radar_leads_for_two_hours_and_scenarios_follow(sky):
    sky.near(NOW - timedelta(minutes=5), 0.1)
    sky.far(NOW - timedelta(hours=3), 0.6)
    rain = sky.table()
    # Five minutes of the nowcast have passed: it says nothing of the last half step of its two hours.
    np.testing.assert_allclose(rain[:, :11], 0.2)
    np.testing.assert_allclose(rain[:, 11:].mean(axis=0), 0.1, rtol=0.02)
    (told, young) = sky.desk.told(sky.expected(), instant(NOW))
    assert told == (
        "Regen voraus (DWD): Regenradar von 01.07.2026, 13:55 Uhr, "
        "dann Punktvorhersage von 01.07.2026, 11:00 Uhr"
    )
    assert "erst seit 01.07.2026, 11:00 Uhr gesammelt" in young


def test_what_is_too_old_is_not_used(sky):
    sky.near(NOW - timedelta(minutes=50), 0.1)
    assert np.isnan(sky.table()).all()
    assert (
        "die letzte ist von 01.07.2026, 13:10 Uhr und zu alt"
        in sky.desk.told(sky.expected(), instant(NOW))[0]
    )
    sky.far(NOW - timedelta(hours=14), 0.6)
    assert np.isnan(RainDesk(sky.archive).expected(sky.inputs(), {sky.gauge: 1.0}).table(
        np.array([instant(NOW)]), TEN, 6)).all()  # fmt: skip


def test_nothing_issued_or_known_later_than_an_origin_is_used_for_it(sky):
    for minutes, mm in ((-30, 0.1), (-20, 0.2), (-10, 0.3), (10, 9.0)):
        sky.near(NOW + timedelta(minutes=minutes), mm, after=timedelta(minutes=7))
    sky.far(NOW - timedelta(hours=9), 0.0)
    sky.far(NOW - timedelta(hours=3), 9.0, after=timedelta(hours=4))
    later = sky.expected(NOW + timedelta(days=1))
    origins = np.array([instant(NOW + timedelta(minutes=m)) for m in (-24, -20, -13, -4, 0, 12, 16)])
    first = later.table(origins, TEN, 1)[0, :, 0] / 2
    # 10 minutes after the hour nothing newer is known than what was issued at -10; at 17 min comes the next.
    np.testing.assert_allclose(first, [0.0, 0.1, 0.2, 0.2, 0.3, 0.3, 0.3], atol=1e-9)
    for at in (NOW - timedelta(minutes=4), NOW, NOW + timedelta(minutes=16)):
        alone = RainDesk(sky.archive).expected(sky.inputs(at), {sky.gauge: 1.0})
        when = np.array([instant(at)])
        np.testing.assert_array_equal(alone.table(when, TEN, 72), later.table(when, TEN, 72))


def test_a_desk_that_read_step_by_step_knows_the_same_as_one_that_reads_all(sky):
    for k in range(30):
        at = NOW - timedelta(hours=30 - k)
        sky.near(at - timedelta(minutes=5), 0.01 * k)
        if k % 6 == 0:
            sky.far(at - timedelta(hours=2), 0.1 * k)
        sky.expected(at)
    origins = before_now(2, 1.0)
    fresh = RainDesk(sky.archive).expected(sky.inputs(), {sky.gauge: 1.0})
    np.testing.assert_array_equal(sky.expected().table(origins, TEN, 30), fresh.table(origins, TEN, 30))


def test_scenarios_have_the_amounts_that_were_said(sky):
    limits = list(EXCEEDANCES.values())
    over = np.array([[0.8 * np.exp(-mm / 2.0)] * 24 for mm in limits])
    made = scenarios(np.full(24, 1.6), over, limits, seed=5, count=200)
    assert made.shape == (200, 24) and (made >= 0).all()
    np.testing.assert_allclose(made.mean(axis=0), 1.6, rtol=0.02)
    np.testing.assert_allclose((made > 0.2).mean(axis=0), 0.75, atol=0.05)
    assert np.corrcoef(made[:, 10], made[:, 11])[0, 1] > 0.4 > abs(np.corrcoef(made[:, 1], made[:, 22])[0, 1])
    np.testing.assert_array_equal(made, scenarios(np.full(24, 1.6), over, limits, seed=5, count=200))
    unsaid = scenarios(np.array([0.4, np.nan]), np.full((12, 2), np.nan), limits, seed=1)
    assert (unsaid[:, 0] == 0.4).all() and np.isnan(unsaid[:, 1]).all()


def test_a_stream_rises_with_the_rain_that_is_expected(sky, city):
    fill_stream(city, days=30)
    of = city.stream("pegel", "water_level")
    cycle = sky.cycle("abfluss")
    cycle.round(NOW)
    quiet = city.forecasts.told().statements[of, "abfluss"]
    assert not quiet.fallback and "es liegt keine vor" in quiet.remarks[0]
    sky.near(NOW - timedelta(minutes=5), 0.5)
    sky.far(NOW - timedelta(hours=3), 4.0)
    again = cycle.round(NOW + timedelta(seconds=1))
    wet = city.forecasts.told().statements[of, "abfluss"]
    assert again.asked == 1 and wet.remarks[0].startswith("Regen voraus (DWD): Regenradar von")
    assert wet.bands["0.5"][3] > quiet.bands["0.5"][3] + 5
    assert cycle.round(NOW + timedelta(seconds=2)).unchanged == 1  # no new run, no new level: nothing again


def test_a_forecast_with_rain_ahead_knows_no_later_run(sky, city, tmp_path):
    """A service that sees what comes, so that it is listened to."""
    times, rain, _ = fill_stream(city, days=20)
    rain = np.append(rain, np.zeros(6 * 247))
    issue = NOW - timedelta(hours=10)
    for hour in range(14 * 24):
        at = NOW - timedelta(days=14) + timedelta(hours=hour)
        coming = rain[np.searchsorted(times, instant(at), side="right") :]
        sky.near(at, np.repeat(coming[:12] / 2, 2))
        if hour % 6 == 0:
            sky.far(at, coming[: 6 * 247].reshape(247, 6).sum(axis=1))
    sky.cycle("abfluss").round(issue)
    of = city.stream("pegel", "water_level")
    whole = city.forecasts.told().statements[of, "abfluss"]
    assert "Regen voraus" in " ".join(whole.remarks) and not whole.fallback

    cut, alone = city.opened("cut"), SqlForecasts(f"sqlite:///{tmp_path}/alone.sqlite")
    keys = [key for key in city.forecasts.told().streams if key.kind is not Kind.QUANTILE]
    theirs, ours = city.forecasts.number(keys), alone.number(keys)
    known = city.store.read(
        [*city.inventory.datastreams, *theirs.values()],
        Period(NOW - timedelta(days=90), NOW + timedelta(days=20)), as_of=issue,
    )  # fmt: skip
    known = known.take((known.lead > 0) | (known.phenomenon_time <= instant(issue)))
    same = {theirs[key]: ours[key] for key in keys}
    renamed = np.array([same.get(int(one), int(one)) for one in known.datastream])
    cut.append(
        Observations.build(
            renamed, known.phenomenon_time, known.result, result_time=known.result_time, lead=known.lead
        )
    )
    Sky(city, cut, alone).cycle("abfluss", forecasts=alone, artefacts="alone").round(issue)
    assert alone.told().statements[of, "abfluss"] == whole


def test_rain_that_made_it_worse_is_not_listened_to(sky, city):
    fill_stream(city, days=30)
    rng = np.random.default_rng(4)
    for hour in range(12 * 24):  # a service that expects floods at random
        at = NOW - timedelta(days=12) + timedelta(hours=hour)
        sky.near(at - timedelta(minutes=5), float(rng.choice([0.0, 3.0], p=[0.7, 0.3])))
    sky.cycle("abfluss").round(NOW)
    (card,) = city.forecasts.told().cards
    said = city.forecasts.told().statements[city.stream("pegel", "water_level"), "abfluss"]
    assert "sie wird deshalb nicht benutzt" in " ".join(card.content["notes"])
    assert said.fallback or "brachte bisher keinen Gewinn" in said.remarks[0]


def test_the_city_expects_rain_and_warmth_by_whole_days(sky):
    assert sky.desk.city(sky.inputs()) is None
    sky.far(NOW - timedelta(hours=3), 1.0, warm=21.0)
    ahead = RainDesk(sky.archive).city(sky.inputs())
    assert ahead.rain_by_day.shape == (10, 10) and ahead.issued == NOW - timedelta(hours=3)
    np.testing.assert_allclose(ahead.rain_by_day.mean(axis=0), 24.0, rtol=0.02)
    np.testing.assert_allclose(ahead.air_by_day, 21.0)


def drying(rain_mm):
    """Answer for a pit that dries by 10 % a day, at 40 kPa, with so much rain each day of ten."""
    hours_back = before_now(1)
    dryness = Series(hours_back, np.full(len(hours_back), 40.0), "kPa")
    nothing = Series(hours_back[:0], np.array([]), "")
    ahead = None
    if rain_mm is not None:
        amounts = np.tile(rain_mm * np.linspace(0.5, 1.5, 10)[:, None], (1, 10))
        ahead = CityOutlook(amounts, np.full(10, 15.0), np.zeros((10, 240)), NOW)
    model = DryingModel(rate=0.1, warmth=0.0, wetting=0.05, spread=0.02, highest=90.0)
    material = TreeMaterial(dryness, nothing, nothing, 80.0, ahead)
    return Trees.answer(Ask(1, Fitted(model, "drying", False, "", None), material, instant(NOW)))


def test_a_tree_that_will_be_rained_on_is_dry_later():
    without, dry, wet = drying(None), drying(0.0), drying(4.0)
    assert without.remarks == ("Ohne Regenvorhersage: solange es trocken bleibt",)
    assert without.summary == dry.summary and dry.summary["days_to_dry"] == 7.0
    assert wet.summary["days_to_dry"] > 12 and wet.summary["days_to_dry_10"] < wet.summary["days_to_dry"]
    assert wet.remarks[0].startswith(
        "Mit 24 bis 56 mm Regen in 10 Tagen gerechnet (Punktvorhersage von 01.07.2026"
    )


def test_settings_that_cannot_be_meant():
    with pytest.raises(ValueError, match="nowcast_within"):
        RainSettings(nowcast_within=timedelta(days=1))
    with pytest.raises(ValueError, match="forecast_within"):
        RainSettings(forecast_within=timedelta(days=9))


def test_a_fortnight_is_examined_and_uses_rain_ahead_where_that_passes(sky, city):
    """A new city has two weeks with gaps, not 24 days; what it forecasts is held against persistence."""
    times, rain, _ = fill_stream(city, days=13.6)
    total = np.concatenate([[0.0], np.cumsum(rain)])
    for hour in range(1, 10 * 24):  # a radar that is right
        at = NOW - timedelta(hours=hour)
        issued = at - timedelta(minutes=10)
        ends = np.datetime64(issued.replace(tzinfo=None), "us") + FIVE * np.arange(25)
        fallen = np.interp(ends.astype(np.int64), times.astype(np.int64), total[1:])
        sky.near(issued, np.diff(fallen))
    sky.near(NOW - timedelta(minutes=5), 0.0)
    sky.cycle("abfluss").round(NOW)
    (card,) = city.forecasts.told().cards
    scores = {name: row["crps"] for name, row in card.content["scores"].items()}
    assert np.isfinite(list(scores.values())).all()
    said = city.forecasts.told().statements[city.stream("pegel", "water_level"), "abfluss"]
    assert said.leads_s
    assert said.fallback == (scores["runoff hybrid"] > min(scores.values()))
    assert said.fallback or "Aus erst 13 Tagen gelernt: vorläufig" in said.remarks
    assert "kalibriert" not in " ".join(said.remarks)


def test_five_days_are_too_few_and_that_is_said(sky, city):
    fill_stream(city, days=5)
    sky.cycle("abfluss").round(NOW)
    said = city.forecasts.told().statements[city.stream("pegel", "water_level"), "abfluss"]
    assert said.fallback
    assert "5 volle Tage Messung, nötig sind 7" in " ".join(said.remarks)


def reported(sky, city, folder, at=NOW):
    pages = ReportPages(city.store, city.cycle("abfluss").artefacts, "Probe", 0, sky.desk.lately)
    return pages.write(folder / "bericht.html", city.inventory, city.forecasts.told(), at).read_text()


def test_the_report_draws_the_rain_that_is_expected_and_how_much_it_may_be(sky, city, tmp_path):
    fill_stream(city, days=20)
    shower = np.zeros(247)
    shower[5:8] = 2.0  # the scenarios differ in when and how much of it falls
    sky.far(NOW - timedelta(hours=3), shower)
    sky.near(NOW - timedelta(minutes=5), 0.1)
    sky.cycle("abfluss").round(NOW)
    html = reported(sky, city, tmp_path)
    assert "Erwarteter Regen der nächsten 12 Stunden: im Mittel" in html
    assert html.count('class="rain due"') > 12 and 'class="rain maybe"' in html
    assert sky.desk.lately.kept < timedelta(days=1) < sky.desk.kept


def test_the_report_says_when_no_rain_is_expected_because_nobody_said_any(sky, city, tmp_path):
    fill_stream(city, days=6)
    sky.near(NOW - timedelta(hours=5), 0.1)
    sky.cycle("abfluss").round(NOW)
    html = reported(sky, city, tmp_path)
    assert "Ohne Regenvorhersage gerechnet: die letzte ist von 01.07.2026" in html
    assert 'class="rain due"' not in html and "Erwarteter Regen" not in html
