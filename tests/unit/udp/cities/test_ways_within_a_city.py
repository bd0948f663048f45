"""Whoever follows links or forms stays in the city, and finds everything."""

# ruff: noqa: E501 - tables of addresses are read line by line
from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit

import pytest
from two_in_one import ask, opened, pairs

from udp.citizens import consent


@pytest.fixture(scope="module")
def towns(instance):
    return instance.towns


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = ("href", "src", "action")
        self.found += [value for name, value in attrs if name in wanted and value]


_ADDRESS = re.compile(r'(?:https?://[^\s"<>\\{}|^`]+|(?<=")/(?:[a-z][^\s"<>\\{}|^`]*)?(?="))')


def links_in(text: str, media_type: str) -> list[str]:
    if media_type == "text/html":
        parser = _Links()
        parser.feed(text)
        return parser.found
    if media_type in ("application/json", "text/turtle", "application/ld+json", "application/rdf+xml"):
        return _ADDRESS.findall(text)
    return []


# Some of each kind: a city has thousands, and each differs from the next by its number only.
_ALIKE = re.compile(r"\d+")
_MOST_ALIKE = 3
# What exists only once somebody has signed in, applied or measured; or is not a page but a name.
_EXPECTED = {
    "/anmelden": (404,), "/betrieb/": (401,), "/klima/": (401,), "/api/v1": (404,), "/nicht/da": (404,),
}  # fmt: skip


@pytest.mark.parametrize("begin", [0, 1])
def test_whoever_follows_links_stays_in_the_city_and_finds_everything(towns, begin):
    town, other = towns[begin], towns[1 - begin]
    home = town.door + town.root
    # The main city lies at /: what is below the other's prefix is not its own.
    foreign = (other.door + other.root + "/") if other.root else None
    waiting = [f"{home}{path}" for path in (
        "/", "/v1.1", "/v1.1/Things?$expand=Datastreams/Observations&$top=1", "/v1.1/Observations?$top=1",
        "/opendata/catalog.ttl", "/opendata/catalog.jsonld", "/opendata/catalog.rdf", "/api", "/api/v1/things",
        "/api/v1/datastreams", "/opendata/", "/ngsi-ld/v1/entities?type=AirQualityObserved", "/nicht/da",
    )]  # fmt: skip
    seen: set[str] = set()
    kinds: dict[str, int] = {}
    while waiting:
        address = urldefrag(waiting.pop())[0]
        kind = _ALIKE.sub("0", address.partition("?")[0])
        if address in seen or kinds.get(kind, 0) >= _MOST_ALIKE or len(seen) > 400:
            continue
        seen.add(address)
        kinds[kind] = kinds.get(kind, 0) + 1
        answer = ask(address)
        path = urlsplit(address).path.removeprefix(town.root)
        if answer.status in (303, 307, 308):
            found_there = urljoin(address, answer.headers["Location"])
            assert found_there.startswith(f"{home}/"), (address, found_there)
            waiting.append(found_there)
            continue
        assert answer.status in _EXPECTED.get(path, (200,)), (address, answer.text[:300])
        # Of the description of the interface the paths are relative to its `servers` (below), the rest examples.
        media_type = "" if path == "/api/openapi.json" else answer.headers.get_content_type()
        for found in links_in(answer.text, media_type):
            target = urljoin(address, found)
            if not target.startswith(town.door) or "{" in target:
                continue
            assert target == home or target.startswith(f"{home}/"), (address, found)
            assert not (foreign and target.startswith(foreign)), (address, found)
            waiting.append(target)
    assert len(seen) > 40, sorted(seen)


def application(town, dev_eui):
    """The form as a browser sends it, when a person has had the time to fill it in."""
    page = town.ask("/buerger/anmelden").text
    assert f'action="{town.root}/buerger/anmelden"' in page
    ticket = re.search(r'name="beleg" value="([^"]+)"', page)
    time.sleep(2.1)  # who is faster is taken for a machine
    return {
        "beleg": ticket[1], "webseite": "", "titel": f"Balkon {town.name}", "geraet": "formatter", "dev_eui": dev_eui,
        "abstand": "15", "feld": "temperatur", "messgroesse": "air_temperature", "breite": "51,58312",
        "laenge": "7,35111", "ortsteil": "mitte", "name": "Kim", "mail": f"kim@{town.name}.example",
        "lizenz": "dl-de/zero-2-0", "einwilligung": consent.VERSION,
    }  # fmt: skip


def send(town, path, fields, **headers):
    body = urlencode(fields).encode()
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    return town.ask(path, "", "POST", body, **kind, **headers)


def test_a_citizen_of_one_city_is_nobody_at_the_other(towns):
    """From the form to the decision and out again, with the same device at both."""
    personal = {}
    for town in towns:
        taken = send(town, "/buerger/anmelden", application(town, "70B3D57ED0000001"))
        assert taken.status == 201, taken.text
        link = re.search(r'class="geheim" href="([^"]+)"', taken.text)[1]
        assert link.startswith(f"{town.door}{town.root}/buerger/mein/")
        personal[town.name] = link.removeprefix(town.door + town.root)
    for town, other in pairs(towns):
        page = town.ask(personal[town.name])
        assert (page.status, f"Balkon {town.name}" in page.text) == (200, True)
        own = [one for one in links_in(page.text, "text/html") if one.startswith("/")]
        assert own and all(one.startswith(f"{town.root}/") for one in own), own
        assert town.ask(personal[other.name]).status == 404
        cookie = opened(town)
        waiting = town.ask("/betrieb/buerger", Cookie=cookie).text
        assert f"Balkon {town.name}" in waiting
        assert f"Balkon {other.name}" not in waiting
        where = re.search(r'action="([^"]+/b-[^"]+)"', waiting)[1]
        assert where.startswith(f"{town.root}/betrieb/buerger/")
        decided = send(town, where.removeprefix(town.root), {"entscheidung": "freigeben"}, Cookie=cookie)
        assert (decided.status, decided.headers["Location"]) == (303, f"{town.root}/betrieb/buerger")
        gone = send(town, f"{personal[town.name]}/loeschen", {"sicher": "ja"})
        assert gone.status == 200, gone.text
        assert town.ask(personal[town.name]).status == 404
