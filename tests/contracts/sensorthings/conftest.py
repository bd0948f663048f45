"""A city behind a real application, and an outsider who asks it over HTTP and keeps count."""
# ruff: noqa: E501 - tables are read line by line

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from loopback import free_port
from starlette.testclient import TestClient

from edge.wire.settings import Secret
from udp.api.app import create_app
from udp.api.desk import Ports, Writable
from udp.api.sensorthings.mqtt.settings import MqttSettings
from udp.api.settings import ApiSettings
from udp.auth import SqlKeys
from udp.ledger.sql import SqlLedger
from udp.registry.port import CityDescription
from udp.registry.sql import SqlRegistry
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Thing, Unit
from udp.store.columns import Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEY = "key-of-this-test"


class Outsider:
    """Asks over HTTP and counts what it asked for which conformance class."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.requests: Counter[str] = Counter()
        self.checks: Counter[str] = Counter()
        self.about = "datamodel"
        self.staff = {"Authorization": f"Bearer {KEY}"}

    def get(self, address: str, status: int = 200) -> Any:
        self.requests[self.about] += 1
        if not address.startswith("http"):
            path, _, query = address.partition("?")
            address = f"/v1.1/{path}" + (f"?{quote(query, safe='$=&,/()')}" if query else "")
        answer = self.client.get(address)
        assert answer.status_code == status, f"{address}: {answer.status_code} {answer.text[:300]}"
        kind = answer.headers.get("content-type", "")
        self.checks[self.about] += 1
        return answer.json() if "json" in kind else answer.text

    def send(
        self, method: str, address: str, body: Any = None, status: int = 201, kind: str = "application/json"
    ) -> Any:
        """As who runs the platform; the whole answer."""
        self.requests[self.about] += 1
        url = address if address.startswith("http") else f"/v1.1/{address}"
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.client.request(
            method, url, content=content, headers={**self.staff, "Content-Type": kind}
        )
        assert answer.status_code == status, f"{method} {url}: {answer.status_code} {answer.text[:400]}"
        self.checks[self.about] += 1
        return answer

    def new(self, address: str, body: Any) -> str:
        """The address of what was created."""
        answer = self.send("POST", address, body)
        self.check("location" in answer.headers, "a Location header")
        return str(answer.headers["location"])

    def see(self, address: str, status: int = 200) -> Any:
        """GET as who runs the platform: what is new is closed."""
        self.requests[self.about] += 1
        url = address if address.startswith("http") else f"/v1.1/{address}"
        answer = self.client.get(url, headers=self.staff)
        assert answer.status_code == status, f"{url}: {answer.status_code} {answer.text[:300]}"
        self.checks[self.about] += 1
        return answer.json() if status == 200 else answer

    def check(self, truth: object, what: str) -> None:
        self.checks[self.about] += 1
        assert truth, what

    def all(self, address: str) -> list[Any]:
        """Every entity, by following the links."""
        answer = self.get(address)
        found = list(answer["value"])
        while "@iot.nextLink" in answer:
            answer = self.get(answer["@iot.nextLink"])
            found += answer["value"]
        return found


def report(asked: Outsider, terminal: Any) -> None:
    """What stands behind each class, at the end of the run."""
    terminal.line()
    terminal.line("SensorThings 1.1, requests and checks by conformance class:")
    for name in sorted(asked.requests):
        terminal.line(f"  {name:45} {asked.requests[name]:5} requests {asked.checks[name]:5} checks")
    terminal.line(f"  {'total':45} {asked.requests.total():5} requests {asked.checks.total():5} checks")


def described() -> CityDescription:
    kinds = (("air_temperature", "Lufttemperatur", "Cel"), ("relative_humidity", "Luftfeuchte", "%"))
    things = tuple(
        Thing(f"mast-{n}", f"Mast {n}", "pole", "luft", Location(round(51.5 + n / 100, 2), round(7.3 + n / 100, 2), "castrop", "Castrop"),
              simulated=True, properties={"hoehe": float(n)})
        for n in range(5)
    )  # fmt: skip
    streams = tuple(
        Datastream(2 * n + k, key, label, f"mast-{n}", f"Fühler {k}",
                   ObservedProperty(key, label, f"https://example.org/{key}"), Unit(unit, label), Access.OPEN,
                   None, "dl-de/zero-2-0", 600.0)
        for n in range(5)
        for k, (key, label, unit) in enumerate(kinds)
    )  # fmt: skip
    return CityDescription("Stadt", True, things, streams, (), ())


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Outsider]:
    folder = tmp_path_factory.mktemp("sensorthings")
    registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite", lambda: NOW)
    registry.import_city(described())
    ledger = SqlLedger(f"sqlite:///{folder}/ledger.sqlite")
    store = EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: NOW)
    rng = np.random.default_rng(3)
    begin = np.datetime64((NOW - timedelta(days=2)).replace(tzinfo=None), "us")
    times = begin + (np.arange(24) * 3_600_000_000).astype("timedelta64[us]")
    for number in registry.inventory().datastreams:
        store.append(Observations.build(number, times, np.round(rng.normal(10, 8, 24), 1), quality=1, rule=1))
    keys = SqlKeys(registry.database, Secret(KEY))
    port = free_port()
    with TestClient(
        create_app(
            Ports(
                registry,
                store,
                ledger,
                keys,
                None,
                ApiSettings(refresh_s=0.1),
                lambda: NOW,
                writing=Writable(registry.database, store),
                mqtt=MqttSettings(port=port, public=(f"mqtt://127.0.0.1:{port}",)),
                public_url="http://testserver",
            )
        )
    ) as client:
        asked = Outsider(client)
        yield asked
        report(asked, request.config.get_terminal_writer())
    store.close()
    ledger.close()
    registry.close()


@pytest.fixture
def about(outside: Outsider, request: pytest.FixtureRequest) -> Outsider:
    outside.about = request.param
    return outside
