"""Warnings are judged on what nobody had seen, and each reader's report shows what the reader may know."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from small_city import NOW, before_now, fill_stream

from models.forecaster import LEVELS
from models.jobs.artefacts import Artefact, Artefacts
from models.jobs.report_pages import ReportPages, seen_by
from models.jobs.warning_trials import HIGH, PROBABILITIES, try_warnings
from models.series import Series, hours
from udp.datasets.source import PolicyFile
from udp.forecasting.port import Card, Told
from udp.policy import OPERATOR, Caller, Gate, Role

LEADS = np.array([hours(h) for h in (1, 3, 6)])


def record(days=20):
    """A level that rises for six hours and falls for six every third day; its first half was learned from."""
    times = before_now(days, 0.5)
    place = np.arange(len(times)) % 144
    level = 20.0 + 10.0 * np.maximum(0, 12 - np.abs(place - 130))
    return Series(times, level, "cm")


def foretold(level, issued, *, seen, noise=0.0):
    """Bands of somebody who knows floods ``seen`` hours ahead, and sees ghosts with chance ``noise``."""
    rng = np.random.default_rng(3)
    bands = np.empty((len(issued), len(LEADS), len(LEVELS)))
    for row, at in enumerate(issued):
        ghost = rng.random() < noise
        for k, lead in enumerate(LEADS):
            true = level.on_grid(np.array([at + lead]))[0]
            told = true if lead <= hours(seen) and np.isfinite(true) else 20.0
            bands[row, k] = (190.0 if ghost else told) + np.linspace(-3, 3, len(LEVELS))
    return bands


def trials(**how):
    level = record()
    half = level.times[len(level) // 2]
    learned, issued = level.between(level.times[0], half), level.times[level.times > half]
    return try_warnings(learned, level, issued, LEADS, foretold(level, issued, **how))


def test_who_sees_floods_six_hours_ahead_warns_six_hours_before():
    found = trials(seen=6)
    assert {one.probability for one in found} == set(PROBABILITIES) and len(found) == len(
        PROBABILITIES
    ) * len(HIGH)
    for one in found:
        assert (one.misses, one.false_alarms) == (0, 0) and one.hits == 3
        assert all(5.5 <= hours_before <= 6.0 for hours_before in one.notice_hours)


def test_who_sees_nothing_misses_all_and_who_sees_ghosts_warns_for_nothing():
    assert all((one.hits, one.false_alarms) == (0, 0) and one.misses == 3 for one in trials(seen=0))
    ghosts = trials(seen=6, noise=0.05)
    assert all(one.false_alarms > 3 for one in ghosts)


def test_without_a_flood_there_is_nothing_to_judge():
    level = record()
    quiet = level.with_values(np.full(len(level), 20.0))
    issued = level.times[-100::2]
    assert try_warnings(quiet, quiet, issued, LEADS, foretold(quiet, issued, seen=6)) == ()


def told_of(city, *things):
    of = {
        thing: next(o.id for o in city.inventory.datastreams.values() if o.thing == thing) for thing in things
    }
    cards = [Card("x", thing, NOW, (number,), True, "gut", {}) for thing, number in of.items()]
    return of, Told(cards=cards)


def test_the_climate_team_reads_only_what_the_policy_shows_it(metered_city):
    city = metered_city
    of, told = told_of(city, "pegel", "zaehler-0")
    gate = Gate(PolicyFile().current())
    inventory, seen = seen_by(gate, Caller(Role.CLIMATE), city.inventory, told)
    assert of["pegel"] in inventory.datastreams and of["zaehler-0"] not in inventory.datastreams
    assert [one.group for one in seen.cards] == ["pegel"]
    whole, all_told = seen_by(gate, OPERATOR, city.inventory, told)
    assert whole.datastreams.keys() == city.inventory.datastreams.keys() and len(all_told.cards) == 2


@pytest.fixture
def reported(metered_city, tmp_path):
    """The reports of a city whose stream has had floods and trials of warnings."""
    city = metered_city
    fill_stream(city, days=20)
    cycle = city.cycle("abfluss")
    cycle.round(NOW)
    newest = cycle.artefacts.newest("abfluss", "pegel-water_level", NOW)
    held = replace(
        newest.fitted, trials=tuple(replace(one, threshold=21.0) for one in trials(seen=3, noise=0.02))
    )
    Artefacts(city.folder / "artefacts").keep(
        "abfluss", "pegel-water_level", Artefact(held, NOW - timedelta(seconds=1), "x")
    )
    (city.folder / "artefacts" / "abfluss" / "pegel-water_level" / f"{NOW:%Y%m%dT%H%M%S}.fit").unlink()
    pages = ReportPages(city.store, cycle.artefacts, "Probe", 0)
    pages.publish(tmp_path / "pages", PolicyFile(), city.inventory, city.forecasts.told(), NOW)
    return tmp_path / "pages"


def test_both_reports_lie_where_their_readers_look_without_style_or_script_inside(reported):
    for place in ("klima", "betrieb/bericht"):
        html = (reported / place / "index.html").read_text()
        assert '<link rel="stylesheet" href="bericht.css">' in html and "<style" not in html
        assert "<script" not in html and " style=" not in html
        assert "--kurve" in (reported / place / "bericht.css").read_text()


def test_floods_are_told_with_their_rain_and_what_warnings_were_worth(reported):
    html = (reported / "klima" / "index.html").read_text()
    assert "Hochwasser und Warnungen" in html and "Pegel: Warnung vor mehr als 21 cm" in html
    assert "Ereignissen angekündigt, " in html and "Warnungen umsonst" in html
    assert "KOSTRA-DWD-2010R" in html and "Höchststand" in html
    assert "amtliche Meldestufen sind das nicht" in html
