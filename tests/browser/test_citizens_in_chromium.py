"""The citizens' pages in a real browser: on a telephone, without a mouse, in German, with every mistake."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from udp.citizens import consent
from udp.citizens.application import Written
from udp.ledger.port import Packet, PacketOutcome, PacketValue
from udp.ledger.port import Page as LedgerPage

pytestmark = pytest.mark.external_service

# Everything a person may meet, in the words ingest writes.
_TOLD = (
    (PacketOutcome.CONNECTION, "connected"),
    (
        PacketOutcome.CONNECTION,
        "refused: Not authorized; check username, password and the broker's access list",
    ),
    (PacketOutcome.TOO_OFTEN, "limit: 60 deliveries per minute"),
    (
        PacketOutcome.SET_ASIDE,
        "device 70B3D57ED0000001, codec dragino-lht65n, FPort 2: payload of 3 bytes is too short; "
        "check the device's profile (dragino-lht65n) and firmware; replay after the correction",
    ),
    (PacketOutcome.WRONG_KEY, ""),
)


@pytest.fixture(scope="module")
def owner(city: Any) -> str:
    """The personal page of a project with packets of every kind, in the small city."""
    project, link = city.office.apply(
        Written(
            title="Schulgarten 7b", name="Schule", mail="schule@beispiel.de", latitude="51,58312",
            longitude="7,35111", district="ickern", kind="formatter",
            devices=("70B3D57ED0000001 Beet",), fields=(("temperatur", "air_temperature"),),
            licence="CC-BY-4.0", consent=consent.VERSION,
        )
    )  # fmt: skip
    city.office.approve(project.slug)
    now = datetime.now(UTC)
    packets = [
        Packet(now - timedelta(minutes=9 - n), project.slug, outcome, detail, size=120)
        for n, (outcome, detail) in enumerate(_TOLD)
    ]
    values = (PacketValue("temperatur", "21.5"), PacketValue("akku", "3.1"))
    packets.append(Packet(now, project.slug, PacketOutcome.STORED, "", "70B3D57ED0000001", 9, 1, 90, values))
    city.ledger.write(LedgerPage(packets=packets))
    return f"/buerger/mein/{link}"


@pytest.fixture(params=["guide", "form", "personal", "delete", "unknown"])
def page(request: pytest.FixtureRequest, city: Any, owner: str) -> str:
    """The address of each page in turn."""
    paths = {
        "guide": "/mitmachen/",
        "form": "/buerger/anmelden",
        "personal": owner,
        "delete": f"{owner}/loeschen",
        "unknown": "/buerger/mein/link_falsch",
    }
    return str(city.address + paths[request.param])


@pytest.fixture
def broken_form(city: Any, browser: Any) -> Iterator[Any]:
    """The form, sent empty."""
    browser.driver.get(city.address + "/buerger/anmelden")
    time.sleep(2.1)  # faster than any person could fill it in, the form is refused as a whole
    browser.driver.find_element(By.CSS_SELECTOR, "form button.haupt").send_keys(Keys.ENTER)
    # Enter comes back before the answer does.
    WebDriverWait(browser.driver, 20).until(lambda driver: driver.find_elements(By.ID, "fehler"))
    yield browser


@pytest.mark.parametrize("width", [320, 360, 1280])
def test_nothing_scrolls_sideways(browser: Any, page: str, width: int) -> None:
    browser.size(width, 640)
    browser.driver.get(page)
    _picture(browser, page, width)
    assert browser.run("return document.documentElement.scrollWidth") <= width


def test_language_title_one_heading_and_their_order(browser: Any, page: str) -> None:
    browser.driver.get(page)
    assert browser.run("return document.documentElement.lang") == "de"
    assert browser.driver.title
    levels = browser.run("return [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert browser.run("return document.querySelectorAll('main').length") == 1


def test_every_field_has_a_label_and_every_reference_leads_somewhere(browser: Any, page: str) -> None:
    browser.driver.get(page)
    unnamed = browser.run(
        "return [...document.querySelectorAll('input:not([type=hidden]),select,textarea')]"
        ".filter(f => !f.labels.length || !f.labels[0].textContent.trim()).map(f => f.outerHTML)"
    )
    lost = browser.run(
        "return [...document.querySelectorAll('[aria-describedby],[aria-labelledby],[for]')].flatMap(e =>"
        " ['aria-describedby','aria-labelledby','for'].flatMap(a => (e.getAttribute(a)||'').split(' ')))"
        ".filter(id => id && !document.getElementById(id))"
    )
    doubled = browser.run(
        "const ids = [...document.querySelectorAll('[id]')].map(e => e.id);"
        "return ids.filter((id, n) => ids.indexOf(id) !== n)"
    )
    assert (unnamed, lost, doubled) == ([], [], [])


def test_tables_have_headers(browser: Any, page: str) -> None:
    browser.driver.get(page)
    bare = "return [...document.querySelectorAll('table')].filter(t => !t.querySelector('th[scope]')).length"
    assert browser.run(bare) == 0


@pytest.mark.parametrize("dark", [False, True])
def test_text_and_buttons_have_contrast(browser: Any, page: str, dark: bool) -> None:
    browser.size(360, 640, dark=dark)
    browser.driver.get(page)
    assert browser.poor_contrast() == []


def test_what_one_touches_is_large_enough(browser: Any, page: str) -> None:
    browser.size(360, 640)
    browser.driver.get(page)
    small = browser.run(
        "return [...document.querySelectorAll('main button, main select, main textarea, main input')]"
        ".filter(e => !e.closest('.bait') && e.type !== 'hidden').map(e => [e.outerHTML.slice(0, 80),"
        " e.getBoundingClientRect()]).filter(([_, r]) => r.height < 24 || r.width < 24).map(([h, _]) => h)"
    )
    assert small == []


def test_the_keyboard_goes_down_the_form_in_the_order_of_the_eye(city: Any, browser: Any) -> None:
    browser.driver.get(city.address + "/buerger/anmelden")
    order: list[tuple[str, float]] = []
    for _ in range(60):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        where = browser.run(
            "const e = document.activeElement; if (!e.closest('form')) return null;"
            "const r = e.getBoundingClientRect(), s = getComputedStyle(e);"
            "return [e.id || e.tagName, r.top + scrollY, r.left,"
            " s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2]"
        )
        if where is not None:
            assert where[3], f"{where[0]} does not show that it has the focus"
            order.append((where[0], where[1]))
        elif order:
            break
    names = [name for name, _ in order]
    assert "webseite" not in names
    assert names[0] == "titel"
    assert names[-1] == "BUTTON"
    # In one row the eye goes from left to right: tops may differ by a line.
    assert all(after >= before - 60 for (_, before), (_, after) in itertools.pairwise(order))


def test_the_summary_of_mistakes_leads_to_each_field(broken_form: Any) -> None:
    links = broken_form.run(
        "return [...document.querySelectorAll('#fehler a')].map(a => a.getAttribute('href').slice(1))"
    )
    heights = broken_form.run(
        "return arguments[0].map(id => document.getElementById(id).getBoundingClientRect().top)", links
    )
    assert heights == sorted(heights), "the summary has another order than the page"
    broken_form.until("return document.activeElement.id", "fehler")
    assert broken_form.driver.title.startswith("Fehler: ")
    assert {"titel", "mail", "breite", "dev_eui", "einwilligung"} <= set(links)
    for target in links:
        broken_form.driver.find_element(By.CSS_SELECTOR, f'#fehler a[href="#{target}"]').send_keys(Keys.ENTER)
        broken_form.until("return location.hash", f"#{target}")
    _picture(broken_form, "form-with-mistakes", 1280)


def test_a_german_page_says_in_german_what_ingest_wrote_in_english(
    city: Any, browser: Any, owner: str
) -> None:
    browser.driver.get(city.address + owner)
    shown = browser.driver.find_element(By.ID, "inhalt").text
    for word in ("connected", "refused", "limit:", "deliveries", "replay", "check the device"):
        assert word not in shown, word
    assert "Verbunden" in shown
    quoted = browser.run("return [...document.querySelectorAll('.paket [lang=en]')].map(e => e.textContent)")
    assert quoted == ["payload of 3 bytes is too short", "Not authorized"]


def _picture(browser: Any, page: str, width: int) -> None:
    """For people: UDP_TEST_PICTURES names a folder."""
    folder = os.environ.get("UDP_TEST_PICTURES")
    if folder is None:
        return
    browser.size(width, browser.run("return document.documentElement.scrollHeight"))
    name = "-".join(part[:12] for part in page.split("/")[3:] if part) or page
    browser.driver.save_screenshot(str(Path(folder) / f"{name}-{width}.png"))
