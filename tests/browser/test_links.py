"""Whoever follows links arrives: every link within the house, from the front door and from the operator's."""

from __future__ import annotations

import http.cookiejar
import urllib.error
import urllib.request
from collections import deque
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

OPERATOR_KEY = "operator-key-of-this-test"


class Page(HTMLParser):
    """What a page points at, and the places in it that can be pointed at."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value for name, value in attrs if value}
        self.links += [named[name] for name in ("href", "src") if name in named]
        if tag == "form" and named.get("method", "get").lower() == "get" and "action" in named:
            self.links.append(named["action"])
        self.links += [one.split()[0] for one in named.get("srcset", "").split(",") if one.strip()]
        if "id" in named:
            self.places.add(named["id"])


@dataclass
class Walk:
    """`faults`: link and page it stands on, with what is wrong; `pages`: every page that was read."""

    house: str
    pages: dict[str, Page] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    _pointed: list[tuple[str, str, str]] = field(default_factory=list)
    _open: urllib.request.OpenerDirector = field(
        default_factory=lambda: urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        )
    )

    def follow(self, start: str) -> None:
        """Everything that can be reached from there."""
        waiting = deque([(start, "the address bar")])
        while waiting:
            path, source = waiting.popleft()
            if path in self.answers:
                continue
            page = self._visit(path, source)
            if page is None:
                continue
            for link in page.links:
                target = urlsplit(urljoin(self.house + path, link))
                if f"{target.scheme}://{target.netloc}" != self.house:
                    continue
                where = target.path + (f"?{target.query}" if target.query else "")
                if target.fragment:
                    self._pointed.append((where, target.fragment, path))
                waiting.append((where, path))

    def _visit(self, path: str, source: str) -> Page | None:
        try:
            with self._open.open(self.house + path, timeout=30) as answer:
                self.answers[path], kind, body = answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as error:
            self.answers[path] = error.code
            self.faults.append(f"{path} on {source}: {error.code}")
            return None
        if not kind.startswith("text/html"):
            return None
        self.pages[path] = Page(body.decode())
        return self.pages[path]

    def lost_places(self) -> list[str]:
        """Links to a place within a page that this page does not have."""
        return [
            f"{where}#{place} on {source}"
            for where, place, source in self._pointed
            if where in self.pages and place not in self.pages[where].places
        ]


def test_every_link_of_a_visitor_arrives(city: Any) -> None:
    walk = Walk(city.address)
    walk.follow("/")
    assert walk.faults == []
    assert walk.lost_places() == []
    assert {"/impressum/", "/offene-daten/", "/mitmachen/"} <= set(walk.pages), sorted(walk.pages)
    assert not [path for path in walk.answers if path.startswith("/betrieb/")], "staff's pages stay theirs"


def test_every_link_of_the_operator_arrives(city: Any) -> None:
    walk = Walk(city.address)
    walk.follow(f"/betrieb/?schluessel={OPERATOR_KEY}")
    assert walk.faults == []
    assert walk.lost_places() == []
    assert {"/betrieb/", "/betrieb/geraete/", "/betrieb/buerger"} <= set(walk.pages), sorted(walk.pages)
