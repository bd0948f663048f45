"""A city behind a real application, and an outsider who asks it over HTTP and keeps count."""
# ruff: noqa: E501 - tables are read line by line

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from starlette.testclient import TestClient

from edge.wire.settings import Secret
from udp.api.app import create_app
from udp.api.desk import Ports
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


class Outsider:
    """Asks over HTTP and counts what it asked for which conformance class."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.requests: Counter[str] = Counter()
        self.checks: Counter[str] = Counter()
        self.about = "datamodel"
        self.listed: set[str] = set()

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
    registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite")
    registry.import_city(described())
    ledger = SqlLedger(f"sqlite:///{folder}/ledger.sqlite")
    store = EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: NOW)
    rng = np.random.default_rng(3)
    begin = np.datetime64((NOW - timedelta(days=2)).replace(tzinfo=None), "us")
    times = begin + (np.arange(24) * 3_600_000_000).astype("timedelta64[us]")
    for number in registry.inventory().datastreams:
        store.append(Observations.build(number, times, np.round(rng.normal(10, 8, 24), 1), quality=1, rule=1))
    keys = SqlKeys(registry.database, Secret("key-of-this-test"))
    with TestClient(
        create_app(Ports(registry, store, ledger, keys, None, ApiSettings(), lambda: NOW))
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
