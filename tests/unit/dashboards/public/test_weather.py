"""What the weather service expects: with its name and age beside, how sure it is, and gone when it is old."""

import csv
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest

NOW = datetime(2026, 11, 21, 14, 20, tzinfo=UTC)
HOURS = 46
CREDIT = "Datenbasis: Deutscher Wetterdienst, eigene Elemente ergänzt (CC-BY-4.0)"


def iso(moment):
    return moment.isoformat().replace("+00:00", "Z")


def radar(*amounts):
    issued = NOW - timedelta(minutes=5)
    steps = [
        {"valid_time": iso(NOW + timedelta(minutes=5 * k)), "rain_mm": mm / 2, "most_mm": mm}
        for k, mm in enumerate(amounts, start=1)
    ]
    return {"issued_at": iso(issued), "known_at": iso(issued), "fresh": True, "steps": steps}


@pytest.fixture
def page(city, public, tmp_path):
    city.value(city.stream(city.place("wetter")), 5.0)

    def drawn(name="vorhersage/index.html", **more):
        if more.pop("public", True):
            city.expect_weather(**more)
        public.round()
        return (tmp_path / "pages" / name).read_text(encoding="utf-8").replace("\u00a0", " ")

    return drawn


def test_rain_and_warmth_with_source_age_and_how_sure(page, tmp_path):
    text = page()
    for words in (
        "In den nächsten 24 Stunden werden etwa 2,5 mm Regen erwartet, am ehesten in der Stunde bis",
        "70 % Wahrscheinlichkeit", "Die Temperatur liegt zwischen 4 und 9 °C.",
        f"{CREDIT}.", "Lizenz: https://creativecommons.org/licenses/by/4.0/</p>", "21.11.2026, 10:00 Uhr",
        "in einem von 10 kommt mehr", "www.dwd.de/warnungen", "± 1,1", "So 3 Uhr",
    ):  # fmt: skip
        assert words in text, words
    assert "Nicht mehr frisch" not in text and "<script>" not in text
    # Pictures speak to who does not see them, and everything in them stands in the table.
    for name in ("regen", "temperatur"):
        assert f'role="img" aria-labelledby="{name}-b-t {name}-b-d"' in text
        ElementTree.parse(tmp_path / "pages" / "vorhersage" / f"{name}.svg")
    assert text.count('<th scope="row">') == HOURS and text.count('scope="col"') == 5
    rows = list(csv.DictReader((tmp_path / "pages" / "vorhersage" / "vorhersage.csv").open(newline="")))
    assert len(rows) == HOURS and rows[2]["rain_mm"] == "1.25" and rows[2]["rain_mm_1_in_10"] == "3.5"
    assert {row["attribution"] for row in rows} == {CREDIT}
    assert {(row["forecast"], row["issued_at"]) for row in rows} == {("true", "2026-11-21T09:00:00Z")}


def test_the_first_page_says_it_in_one_line_while_it_is_fresh(page):
    text = page("index.html")
    assert re.search(r'<a href="/vorhersage/">Voraus</a>: In den nächsten 24 Stunden', text)
    assert "Datenbasis: Deutscher Wetterdienst" in text
    assert "Voraus</a>" not in page("index.html", fresh=False)


def test_an_old_forecast_says_so_and_a_day_later_it_is_gone(page):
    old = page(age=timedelta(hours=11), fresh=False)
    assert "Nicht mehr frisch" in old and "11 Stunden alt" in old and "2,5 mm" in old
    gone = page(age=timedelta(hours=25), fresh=False)
    assert "keine aktuelle Vorhersage" in gone and "<svg" not in gone


def test_without_an_answer_what_was_said_grows_old_here(page, city, public, clock, tmp_path):
    page()
    city.down = True
    clock.now = NOW + timedelta(hours=5)
    public.round()
    text = (tmp_path / "pages" / "vorhersage" / "index.html").read_text(encoding="utf-8")
    assert "Nicht mehr frisch" in text and "antwortet die Datenschnittstelle nicht" in text


def test_what_is_not_public_is_said(page):
    assert "veröffentlicht hier zurzeit keine Wettervorhersage" in page(public=False)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (radar(*[0.0] * 24), "bis 17:20 Uhr kein Regen in Sicht"),
        (radar(0.0, 0.0, 0.0, 0.2, 0.6), "etwa 0,4 mm, örtlich bis 0,8 mm, ab etwa 15:40 Uhr"),
        (radar(0.3, 0.3), "örtlich bis 0,6 mm."),
    ],
)
def test_the_radar_speaks_of_the_next_two_hours(page, told, words):
    assert words in page(radar=told)


def test_dry_days_and_hours_without_a_word(page, city):
    assert "bleibt es wahrscheinlich trocken" in page(wet=False)
    told = city.expect_weather(wet=False)
    for hour in told["point"]["hours"]:
        hour["rain_mm"] = hour["rain_probability"] = hour["rain_mm_1_in_10"] = None
    told["point"]["hours"][5]["temperature_c"] = None
    text = page(point=told["point"])
    assert "Erwarteter Regen" not in text and "Erwartete Temperatur" in text
    assert "None" not in text


def test_simulated_weather_says_so(page):
    assert "Erwarteter Regen (simuliert)" in page(simulated=True)


def test_every_picture_file_of_the_pages_opens_in_any_viewer(page, city, tmp_path):
    for minutes in range(0, 24 * 60, 10):
        city.observe(1, NOW - timedelta(minutes=minutes), 10.0)
    page()
    found = sorted((tmp_path / "pages").rglob("*.svg"))
    assert {path.name for path in found} >= {"woche.svg", "tag.svg", "regen.svg", "temperatur.svg"}
    for path in found:
        assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg", path
