"""The pages as Chromium shows them, served by the real interface over the real store."""

from __future__ import annotations

import csv
import io
import urllib.request
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver.support.wait import WebDriverWait

pytestmark = pytest.mark.external_service

PAGES = [
    "/",
    "/thema/wetter/",
    "/thema/papier-und-abfall/",
    "/ortsteil/rauxel/",
    "/ortsteil/becklem/",
    "/messwert/{air}/",
    "/messwert/{rain}/",
    "/messwert/{silent}/",
    "/vorhersage/",
    "/impressum/",
    "/datenschutz/",
    "/barrierefreiheit/",
    "/offene-daten/",
    "/quellcode/",
    "/betrieb/",
]
OPERATOR_KEY = "operator-key-of-this-test"
FIRST_LOAD_BYTES = 100_000
MOST_REQUESTS = 10


def address(city: Any, page: str) -> str:
    numbers = {
        "air": city.number("wetter-0", "air_temperature"),
        "rain": city.number("wetter-0", "precipitation"),
        "silent": city.number("behaelter-0003", "fill_level"),
    }
    path = page.format(**numbers)
    return city.address + path + (f"?schluessel={OPERATOR_KEY}" if path == "/betrieb/" else "")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("width", [320, 1280])
def test_no_page_scrolls_sideways(city: Any, browser: Any, page: str, width: int) -> None:
    browser.size(width, 640)
    browser.driver.get(address(city, page))
    assert browser.run("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("page", PAGES)
def test_text_may_be_twice_as_large_and_spaced(city: Any, browser: Any, page: str) -> None:
    """WCAG 2.2: 1.4.4 (at 640 px 200 % leaves 320), 1.4.12."""
    browser.size(640, 800)
    browser.driver.get(address(city, page))
    browser.run(
        "const style = document.createElement('style');"
        "style.textContent = 'html{font-size:200%} *{line-height:1.5!important;"
        "letter-spacing:.12em!important;"
        "word-spacing:.16em!important}'; document.head.append(style);"
    )
    assert browser.run("return document.documentElement.scrollWidth") <= 640


@pytest.mark.parametrize("page", PAGES)
def test_a_first_visit_is_small_asks_nobody_else_and_raises_no_complaint(
    city: Any, browser: Any, page: str
) -> None:
    browser.driver.get_log("browser")
    events = browser.first_visit(address(city, page))
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert asked
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(city.address).netloc}
    transferred = sum(
        event["params"]["encodedDataLength"]
        for event in events
        if event["method"] == "Network.loadingFinished"
    )
    print(f"{page}: {transferred} bytes, {len(asked)} requests")
    assert 0 < transferred < FIRST_LOAD_BYTES
    assert len(asked) <= MOST_REQUESTS
    failed = [event for event in events if event["method"] == "Network.loadingFailed"]
    statuses = [
        event["params"]["response"]["status"]
        for event in events
        if event["method"] == "Network.responseReceived"
    ]
    assert not failed
    assert all(status < 400 for status in statuses)
    # Content security policy, script errors.
    assert browser.driver.get_log("browser") == []


@pytest.mark.parametrize("page", PAGES)
def test_page_language_title_landmarks_and_headings(city: Any, browser: Any, page: str) -> None:
    browser.driver.get(address(city, page))
    found = browser.run(
        "return {lang: document.documentElement.lang, title: document.title,"
        " main: document.querySelectorAll('main').length, h1: document.querySelectorAll('h1').length,"
        " unnamed: [...document.querySelectorAll('nav, svg, [role=region]')].filter(e => "
        "   !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby')).length,"
        " empty: [...document.querySelectorAll('a, summary')].filter(e => !e.textContent.trim()).length,"
        " mode: document.compatMode}"
    )
    assert found["lang"] == "de"
    assert found["title"].endswith("Castrop-Rauxel")
    assert (found["main"], found["h1"], found["unnamed"], found["empty"]) == (1, 1, 0, 0)
    assert found["mode"] == "CSS1Compat"


@pytest.mark.parametrize("page", PAGES)
def test_links_are_large_enough_to_touch(city: Any, browser: Any, page: str) -> None:
    """WCAG 2.2, 2.5.8: 24 px, unless the link stands in a sentence."""
    browser.size(360, 640)
    browser.driver.get(address(city, page))
    small = browser.run(
        "return [...document.querySelectorAll('a, summary')].filter(e => !e.closest('p, dd, .sprung') && "
        "e.getClientRects().length && e.getBoundingClientRect().left >= 0 && "
        "e.getBoundingClientRect().height < 24).map(e => e.outerHTML.slice(0, 100))"
    )
    assert small == []


def test_the_weather_to_come_is_drawn_with_its_source_and_told_without_scripts(
    city: Any, browser: Any
) -> None:
    browser.scripts(on=False)
    browser.size(360, 640)
    browser.driver.get(city.address + "/vorhersage/")
    text = body(browser)
    for words in (
        "Regen erwartet",
        "Datenbasis: Deutscher Wetterdienst",
        "Ausgegeben",
        "In den nächsten 24 Stunden",
    ):
        assert words in text, words
    assert len(browser.driver.find_elements("css selector", ".schmal svg")) == 2
    assert len(browser.driver.find_elements("css selector", "tbody tr")) == 48


def test_without_scripts_everything_is_there(city: Any, browser: Any) -> None:
    browser.scripts(on=False)
    browser.driver.get(city.address + "/")
    text = body(browser)
    assert "°C in Rauxel" in text
    assert "Simulierte Daten." in text
    browser.driver.get(address(city, "/messwert/{air}/"))
    text = body(browser)
    assert "In den letzten 7 Tagen lagen die Werte zwischen" in text
    tables = browser.driver.find_elements("css selector", "details.tabelle summary")
    assert len(tables) == 2
    tables[0].send_keys("\ue007")  # Enter
    rows = browser.driver.find_elements("css selector", "tbody tr")
    WebDriverWait(browser.driver, 60).until(lambda _: sum(one.is_displayed() for one in rows) > 100)


def test_the_first_screen_of_a_telephone_answers_how_it_is(city: Any, browser: Any) -> None:
    browser.size(360, 640)
    browser.driver.get(city.address + "/")
    for selector in (".simuliert", ".satz", ".wahl"):
        box = browser.driver.find_element("css selector", selector).rect
        assert box["y"] + box["height"] <= 640, selector


def test_the_keyboard_reaches_the_content_at_once(city: Any, browser: Any) -> None:
    browser.driver.get(city.address + "/")
    browser.driver.find_element("css selector", "body").send_keys("\ue004")  # Tab
    active = browser.driver.switch_to.active_element
    assert active.text == "Zum Inhalt springen"
    active.send_keys("\ue007")  # Enter
    browser.until("return document.activeElement.id", "inhalt")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("page", ["/", "/ortsteil/rauxel/", "/messwert/{air}/", "/vorhersage/", "/betrieb/"])
def test_shown_text_has_contrast(city: Any, browser: Any, page: str, dark: bool) -> None:
    """Computed colours against the first opaque background behind them (WCAG 2.2, 1.4.3)."""
    browser.size(1280, 800, dark=dark)
    browser.driver.get(address(city, page))
    assert browser.poor_contrast() == []
    background = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(16, 20, 24)") is dark


def test_a_picture_never_joins_over_a_gap(city: Any, browser: Any) -> None:
    browser.driver.get(address(city, "/messwert/{air}/"))
    assert "1 Lücke" in body(browser)
    lines = browser.run(
        "return document.querySelectorAll('#woche-b-t')[0].closest('svg').querySelectorAll('.line').length"
    )
    assert lines == 2


def test_one_size_of_each_picture_is_shown(city: Any, browser: Any) -> None:
    for width, kind in ((360, "schmal"), (1280, "breit")):
        browser.size(width, 800)
        browser.driver.get(address(city, "/messwert/{air}/"))
        shown = browser.run(
            "return [...document.querySelectorAll('figure svg')].filter(e => e.getClientRects().length)"
            ".map(e => e.parentElement.className)"
        )
        assert shown == [kind, kind]


def test_csv_of_the_picture_and_interface_agree(city: Any, browser: Any) -> None:
    browser.driver.get(address(city, "/messwert/{air}/"))
    section = browser.driver.find_element("css selector", "section[aria-labelledby=woche]")
    links = {
        link.text: link.get_attribute("href") for link in section.find_elements("css selector", ".laden a")
    }
    drawn = table(links["Daten (CSV)"])
    given = table(links["Schnittstelle"] + "&format=csv")
    assert len(drawn) > 100
    for name in ("mean", "min", "max", "count"):
        assert [float(row[name]) for row in drawn] == [float(row[name]) for row in given]
    assert [datetime.fromisoformat(row["start"]) for row in drawn] == [
        datetime.fromisoformat(row["start"]) for row in given
    ]
    assert {row["unit"] for row in drawn} == {row["unit"] for row in given} == {"Cel"}


def test_ages_and_faults_are_words(city: Any, browser: Any) -> None:
    browser.driver.get(city.address + "/thema/papier-und-abfall/")
    text = body(browser)
    drawn = datetime.fromisoformat(browser.run("return document.documentElement.dataset.drawn"))
    age = drawn - (city.started - timedelta(minutes=30))
    for words in (
        f"(vor {age // timedelta(minutes=1)} Minuten)",
        "keine aktuellen Daten",
        "noch keine Daten",
        "kein gültiger Wert",
        "✕ fehlerhaft",
    ):
        assert words in text


def test_internal_streams_have_no_page(city: Any) -> None:
    number = city.number("gateway-1", "backlog_messages")
    assert (city.pages / f"messwert/{city.number('wetter-0', 'air_temperature')}").is_dir()
    assert not (city.pages / f"messwert/{number}").exists()
    assert not (city.pages / "thema/netz").exists()


def test_the_operator_page_needs_the_key_and_names_the_trouble(city: Any, browser: Any) -> None:
    browser.forget()
    browser.driver.get(city.address + "/betrieb/")
    assert "Betrieb" not in browser.driver.title
    browser.driver.get(address(city, "/betrieb/"))
    text = body(browser)
    assert "Alles in Ordnung" not in text
    for words in ("MQTT-Vermittler", "max_queued_bytes", "6 bis 8", "no CBOR", "look at the agent", "00ff"):
        assert words in text
    first = browser.driver.find_element("css selector", ".befund").get_attribute("class")
    assert first == "befund kritisch"


def test_a_page_that_nobody_draws_any_more_says_so(city: Any, browser: Any) -> None:
    browser.driver.get(city.address + "/")
    assert not browser.driver.find_element("id", "veraltet").is_displayed()
    source = browser.run("return document.querySelector('script').src")
    browser.run("document.documentElement.dataset.drawn = '2020-01-01T00:00:00Z'")
    browser.driver.execute_async_script(
        "const done = arguments[1], again = document.createElement('script'); again.src = arguments[0];"
        "again.onload = () => done(); document.head.append(again);",
        source,
    )
    assert "zuletzt am" in browser.driver.find_element("id", "veraltet").text


def body(browser: Any) -> str:
    text: str = browser.driver.find_element("css selector", "body").text
    return text.replace("\u00a0", " ")


def table(url: str) -> list[dict[str, str]]:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return list(csv.DictReader(io.StringIO(answer.read().decode())))
