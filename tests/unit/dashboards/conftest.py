"""A real HTTP server that answers like the data API (same members, ETag, 304), from a small city."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

from dashboards.interface import Interface
from dashboards.page_directory import PageDirectory
from dashboards.public.pages import PublicPages
from dashboards.public.refresh import PublicRefresh
from dashboards.public.settings import SiteSettings
from dashboards.templating import public_environment
from dashboards.wording import LocalTime

NOW = datetime(2026, 11, 21, 14, 20, tzinfo=UTC)  # 15:20 in Castrop-Rauxel


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


@dataclass
class City:
    """What the server tells; tests change it while it runs. `down` closes every connection unanswered."""

    things: list[dict[str, Any]] = field(default_factory=list)
    datastreams: list[dict[str, Any]] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)
    datasets: list[dict[str, Any]] = field(default_factory=list)
    forecasts: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    observations: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    weather: dict[str, Any] | None = None
    operations: dict[str, Any] | None = None
    register: list[dict[str, Any]] = field(default_factory=list)
    key: str = "sesam"
    down: bool = False
    asked: list[str] = field(default_factory=list)
    not_modified: int = 0

    def place(
        self, key: str, *, district: str = "rauxel", theme: str = "wetter", simulated: bool = True
    ) -> str:
        self.things.append(
            {
                "key": key,
                "name": f"Messpunkt {key}",
                "kind": "weather_station",
                "theme": theme,
                "simulated": simulated,
                "location": {
                    "latitude": 51.57,
                    "longitude": 7.31,
                    "elevation_m": None,
                    "district": district,
                    "district_name": district.capitalize(),
                },
                "properties": {},
            }
        )
        return key

    def stream(
        self,
        thing: str,
        observed_property: str = "air_temperature",
        name: str = "Lufttemperatur",
        unit: tuple[str, str] = ("Cel", "Grad Celsius"),
        interval: float = 600,
    ) -> int:
        number = len(self.datastreams) + 1
        self.datastreams.append(
            {
                "id": number,
                "key": observed_property,
                "name": name,
                "thing": thing,
                "sensor": "Testsensor",
                "observed_property": {"key": observed_property, "name": name, "definition": ""},
                "unit": {"symbol": unit[0], "name": unit[1]},
                "access": "open",
                "licence": "dl-de/zero-2-0",
                "expected_interval_s": interval,
            }
        )
        return number

    def value(
        self, number: int, value: float, *, at: datetime = NOW, quality: str = "good", rule: str = "passed"
    ) -> None:
        """The newest value of a Datastream; it replaces an older one."""
        stream = self.datastreams[number - 1]
        self.values = [one for one in self.values if one["datastream"] != number]
        self.values.append(
            {
                "datastream": number,
                "thing": stream["thing"],
                "thing_name": f"Messpunkt {stream['thing']}",
                "observed_property": stream["observed_property"]["key"],
                "value": value,
                "phenomenon_time": iso(at),
                "quality": quality,
                "rule": rule,
            }
        )
        self.values.sort(key=lambda one: one["datastream"])

    def observe(
        self, number: int, at: datetime, value: float, quality: str = "good", rule: str = "passed"
    ) -> None:
        self.observations.setdefault(number, []).append(
            {
                "phenomenon_time": iso(at),
                "result_time": iso(at),
                "value": value,
                "quality": quality,
                "rule": rule,
            }
        )

    def expect_weather(
        self,
        *,
        age: timedelta = timedelta(hours=5, minutes=20),
        wet: bool | None = None,
        fresh: bool = True,
        **more: Any,
    ) -> dict[str, Any]:
        """Two days by the hour; the third and fourth hour are wet unless told otherwise."""
        hours = []
        for hour in range(1, 47):
            rains = hour in (3, 4) if wet is None else wet
            hours.append(
                {
                    "valid_time": iso(NOW.replace(minute=0) + timedelta(hours=hour)),
                    "rain_mm": 1.25 if rains else 0.0,
                    "rain_probability": 0.7 if rains else 0.05,
                    "rain_mm_1_in_10": 3.5 if rains else 0.0,
                    "temperature_c": 4.0 + hour % 6,
                    "temperature_error_k": 1.1,
                }
            )
        issued = iso(NOW - age)
        point = {"issued_at": issued, "known_at": issued, "fresh": fresh, "station": "1", "hours": hours}
        self.weather = {
            "forecast": True,
            "source": "Deutscher Wetterdienst",
            "simulated": False,
            "point": point,
            "radar": None,
            "attribution": "Datenbasis: Deutscher Wetterdienst, eigene Elemente ergänzt (CC-BY-4.0)",
            "licence": "CC-BY-4.0",
            "licence_url": "https://creativecommons.org/licenses/by/4.0/",
        } | more
        return self.weather

    def answer(self, path: str, query: dict[str, list[str]], key: str | None) -> tuple[int, Any]:
        if path == "/api/v1/operations":
            if key != self.key:
                return 401, {"title": "Key required", "detail": "only for operators"}
            return 200, self.operations
        if path == "/api/v1/devices":
            return (401, {"title": "Key required"}) if key != self.key else (200, {"devices": self.register})
        if path == "/api/v1/weather-forecast" and self.weather is not None:
            return 200, self.weather
        if path.endswith("/observations"):
            return self._history(int(path.split("/")[4]), query)
        lists = {
            "/api/v1/things": {"things": self.things},
            "/api/v1/datastreams": {"datastreams": self.datastreams},
            "/api/v1/policy": {"datasets": self.datasets},
            "/api/v1/forecasts": {"forecasts": self.forecasts},
            "/api/v1/models": {"models": self.models},
            "/api/v1/latest": {"now": iso(NOW), "values": self.values},
        }
        return (200, lists[path]) if path in lists else (404, {"title": "Not found"})

    def _history(self, number: int, query: dict[str, list[str]]) -> tuple[int, Any]:
        start, end = (datetime.fromisoformat(query[name][0]) for name in ("from", "to"))
        inside = [
            one
            for one in self.observations.get(number, [])
            if start <= datetime.fromisoformat(one["phenomenon_time"]) < end
        ]
        if "every" not in query:
            return 200, {"observations": inside}
        seconds = int(query["every"][0].removesuffix("m")) * 60
        buckets: dict[int, list[float]] = {}
        for one in inside:
            if one["quality"] != "bad":
                moment = datetime.fromisoformat(one["phenomenon_time"]).timestamp()
                buckets.setdefault(int(moment // seconds), []).append(one["value"])
        return 200, {
            "observations": [
                {
                    "start": iso(datetime.fromtimestamp(index * seconds, UTC)),
                    "mean": sum(values) / len(values),
                    "min": min(values),
                    "max": max(values),
                    "count": len(values),
                }
                for index, values in sorted(buckets.items())
            ]
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet, else every answer waits for a delayed ACK
    city: City

    def do_GET(self) -> None:
        if self.city.down:
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        self.city.asked.append(parts.path)
        key = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        status, content = self.city.answer(parts.path, parse_qs(parts.query), key)
        body = json.dumps(content).encode()
        etag = f'W/"{blake2b(body, digest_size=8).hexdigest()}"'
        if status == 200 and self.headers.get("If-None-Match") == etag:
            self.city.not_modified += 1
            status, body = 304, b""
        self.send_response(status)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


@pytest.fixture
def city() -> City:
    return City()


@pytest.fixture
def api(city: City) -> Iterator[str]:
    """The address under which `city` answers."""
    handler = type("Handler", (_Handler,), {"city": city})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@dataclass
class Clock:
    """A moment that tests move."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def local() -> LocalTime:
    return LocalTime(ZoneInfo("Europe/Berlin"))


@pytest.fixture
def public(city: City, api: str, clock: Clock, local: LocalTime, tmp_path: Path) -> Iterator[PublicRefresh]:
    """The public pages of `city`, drawn into tmp_path / pages at the moment of `clock`."""
    pages = PublicPages(SiteSettings(), PageDirectory(tmp_path / "pages"), public_environment(), local)
    with Interface(api, timedelta(seconds=5)) as interface:
        yield PublicRefresh(
            interface, pages, clock, time.monotonic, every=timedelta(seconds=60), charts_per_round=100
        )
