"""Tomorrow's load of a meter: known in time, better than last week or silent about being better, told."""

from datetime import timedelta

import numpy as np
import pytest
from small_city import NOW, before_now, fill_offices

from models.jobs.inputs import Inputs
from models.jobs.metering import use_of
from models.jobs.report_pages import ReportPages
from models.jobs.report_parts import ahead
from models.jobs.scoring import score
from udp.forecasting.port import Kind
from udp.store.columns import Period

DAY = timedelta(days=1)
HOURS = range(1, 49)


def said_of(city, thing="zaehler-0"):
    return city.forecasts.told().statements[city.stream(thing, "energy"), "last"]


def test_two_days_are_forecast_by_hour_and_the_model_is_better_than_last_week(office):
    fill_offices(office)
    tally = office.cycle("last").round(NOW)
    assert tally.fitted == 1 and tally.asked == 2
    assert sum(tally.silent.values()) == 1, "the second meter has never spoken"
    (card,) = office.forecasts.told().cards
    crps = {name: row["crps"] for name, row in card.content["scores"].items()}
    assert card.usable and crps["expected load"] < 0.8 * crps["seasonal naive (168 hours)"]
    assert 0.85 <= card.content["scores"]["expected load"]["coverage90"] <= 0.95
    said = said_of(office)
    assert not said.fallback and said.issued_at == NOW
    assert said.leads_s == tuple(3600 * h for h in HOURS)
    middle = np.array(said.bands["0.5"])
    valid = [(NOW + timedelta(seconds=lead)) for lead in said.leads_s]
    working = np.array([7 <= at.hour < 18 and at.weekday() < 5 for at in valid])
    assert middle[working].min() > 15
    assert middle[~working].max() < 6
    assert said.summary["expected_48h"] == pytest.approx(middle.sum(), rel=0.1)
    of = office.stream("zaehler-0", "energy")
    streams = [(key, n) for key, n in office.forecasts.told().streams.items() if key.of == of]
    numbers = {key.level: n for key, n in streams if key.kind is Kind.LOAD}
    assert set(numbers) == {0.05, 0.1, 0.5, 0.9, 0.95}, "never among quantiles of the reading itself"
    stored = office.store.read([numbers[0.5]], Period(NOW, NOW + 3 * DAY))
    np.testing.assert_allclose(stored.result, middle)


def test_between_two_issue_hours_nothing_is_computed_again(office):
    fill_offices(office, until=NOW + 7 * timedelta(hours=1))
    cycle = office.cycle("last")
    cycle.round(NOW)
    for minutes in (10, 60, 350):
        again = cycle.round(NOW + timedelta(minutes=minutes))
        assert (again.fitted, again.asked, again.unchanged, again.values) == (0, 0, 2, 0)
    later = cycle.round(NOW + timedelta(hours=6))
    assert (later.fitted, later.asked) == (0, 2)


def test_a_forecast_knows_nothing_later_than_its_issue(office, tmp_path):
    fill_offices(office)
    office.cycle("last").round(NOW)
    before = said_of(office)
    times = before_now(2, until=NOW + 2 * DAY)
    known = times + np.timedelta64(1, "m")
    office.put("zaehler-0", "energy", times, np.linspace(9e5, 9.1e5, len(times)), result_time=known)
    # A late report of an hour before the issue that nobody knew then.
    late = before_now(3 / 24, until=NOW - 5 * DAY)
    office.put("zaehler-0", "energy", late, np.full(len(late), 5e5), result_time=known[-len(late) :])
    office.cycle("last", artefacts="again").round(NOW + timedelta(minutes=50), force=True)
    again = said_of(office)
    assert again.issued_at == NOW and again.bands == before.bands


def test_where_last_week_is_better_it_speaks_and_says_so(office):
    """Every week exactly as the last, with days no calendar explains: nothing beats the copy."""
    times = before_now(95)
    rng = np.random.default_rng(3)
    week = rng.gamma(0.6, 12.0, 168)
    load = week[np.arange(len(times)) % 168]
    office.put("zaehler-0", "energy", times, np.cumsum(load))
    office.cycle("last").round(NOW)
    said = said_of(office)
    assert said.fallback and said.model == "seasonal naive (168 hours)"
    assert any("einfache Vergleich besser" in one for one in said.remarks)
    (card,) = office.forecasts.told().cards
    assert not card.usable and "Nicht in Gebrauch" in card.verdict


def test_a_young_meter_is_told_by_last_week_and_a_mute_one_says_so(office):
    times = before_now(40)
    load = np.where(times.astype("datetime64[h]").astype(int) % 24 > 12, 9.0, 3.0)
    office.put("zaehler-0", "energy", times, np.cumsum(load))
    tally = office.cycle("last").round(NOW)
    said = said_of(office)
    assert said.fallback and min(said.bands["0.05"]) >= 0
    assert any("weniger als 60 Tage" in one for one in said.remarks)
    assert sum(tally.silent.values()) == 1 and not said_of(office, "zaehler-1").bands
    (card,) = office.forecasts.told().cards
    assert card.verdict.startswith("Nicht kalibriert") and not card.usable


def test_published_loads_are_held_against_what_was_used(office):
    fill_offices(office)
    office.cycle("last").round(NOW - 3 * DAY)
    inputs = Inputs(office.store, office.inventory, NOW)
    found = score(inputs, office.store, office.forecasts.told(), since=NOW - 5 * DAY, products=["last"])
    assert [one.lead_hours for one in found] == list(HOURS) and all(one.count == 1 for one in found)
    assert np.mean([one.mae for one in found]) < 4 < np.mean([one.mae_persistence for one in found])
    assert 0.75 <= np.mean([one.coverage90 for one in found]) <= 1


def report_of(city, folder):
    pages = ReportPages(city.store, city.cycle().artefacts, "Probe", 0)
    path = folder / "bericht" / "index.html"
    pages.write(path, city.inventory, city.forecasts.told(), NOW)
    page = path.read_text(encoding="utf-8")
    return page[page.index('id="verbrauch"') :]


def test_the_report_shows_the_curve_with_the_expected_band(office, tmp_path):
    fill_offices(office)
    office.cycle("last", "verbrauch").round(NOW)
    section = report_of(office, tmp_path)
    assert "in den nächsten 24 Stunden" in section and "Lastprognose" in section
    assert section.count("90 %") >= 2


def test_a_young_meter_is_drawn_with_what_last_week_expects_of_it(office, tmp_path):
    fill_offices(office, days=30)
    office.cycle("last", "verbrauch").round(NOW)
    section = report_of(office, tmp_path)
    assert "in den nächsten 24 Stunden" in section and "weniger als 60 Tage" in section
    assert "2 Zähler werden noch nicht auf Auffälliges geprüft" in section


def test_hours_that_have_come_since_the_issue_are_drawn_as_measured_only(office):
    fill_offices(office, until=NOW + timedelta(hours=5))
    office.cycle("last").round(NOW)
    inputs = Inputs(office.store, office.inventory, NOW + timedelta(hours=5))
    curve = use_of(inputs, office.stream("zaehler-0", "energy"), 5 * DAY)
    line, bands = ahead(said_of(office), curve)
    assert (np.diff(line.times) > np.timedelta64(0)).all() and line.times[0] == curve.times[-1]
    assert len(line.times) == 1 + 48 - 5 == len(bands[0].low)


def ugly(kind, times, load):
    """Times and readings of a counter that does what counters should not."""
    counter, place = 1000 + np.cumsum(load), np.arange(len(times))
    seldom = place % 50 == 0
    return {
        "constant": (times, np.full(len(times), 500.0)),
        "two points": (times[-2:], counter[-2:]),
        "unit mixed up": (times, np.where(place > len(times) // 2, counter * 1000, counter)),
        "runs backwards": (times, counter[::-1]),
        "clock jumped": (times - np.timedelta64(400, "D"), counter),
        "tomorrow's reading": (times + np.timedelta64(3, "D"), counter),
        "mostly silent": (times[seldom], counter[seldom]),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    ["constant", "two points", "unit mixed up", "runs backwards", "clock jumped", "tomorrow's reading",
     "mostly silent"],
)  # fmt: skip
def test_an_ugly_counter_gets_numbers_with_basis_or_a_reason(office, kind):
    times = before_now(70)
    load = np.where(times.astype("datetime64[h]").astype(int) % 24 > 12, 9.0, 3.0)
    when, readings = ugly(kind, times, load)
    known = np.full(len(when), np.datetime64((NOW - DAY).replace(tzinfo=None), "us"))
    office.put("zaehler-0", "energy", when, readings, result_time=known)
    office.cycle("last", "verbrauch").round(NOW)
    said = said_of(office)
    assert bool(said.bands) != bool(said.reason)
    values = np.array([value for band in said.bands.values() for value in band])
    assert np.isfinite(values).all() and (values >= 0).all()
    assert not said.reason or said.reason[0].isupper()
    if kind in ("two points", "clock jumped", "mostly silent", "runs backwards"):
        assert said.reason, "nothing here says how much is used in an hour"
