"""A whole instance as a city has it after a year: measured, written by people, computed, corrected, keyed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from starlette.testclient import TestClient

from edge.wire.settings import Secret
from udp.access.audit import AuditLog
from udp.access.porter import open_porter
from udp.access.settings import AccessSettings
from udp.api.app import create_app
from udp.api.desk import Ports, Writable
from udp.api.settings import ApiSettings
from udp.auth import SqlKeys
from udp.datasets.reading import SHIPPED
from udp.datasets.source import PolicyFile
from udp.derived.round import Deriving
from udp.ledger.sql import SqlLedger
from udp.opendata.instance.exporting import Source
from udp.opendata.instance.importing import Target
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Observations
from udp.store.opening import maintain
from udp.store.port import ObservationStore

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CITY = """
format = 1
[city]
name = "Probestadt"
simulated = true
[[thing]]
key = "mast-1"
name = "Mast Ärzteweg"
kind = "pole"
theme = "luft"
latitude = 51.55
longitude = 7.31
district = "castrop"
district_name = "Castrop"
access = "open"
licence = "dl-de/zero-2-0"
[[thing.device]]
dev_eui = "A84041000181A001"
profile = "milesight-am319"
"""
BANK = {
    "name": "Bank am Markt", "description": "Sitzbank",
    "Locations": [{
        "name": "Markt", "description": "Mitte", "encodingType": "application/geo+json",
        "location": {"type": "Point", "coordinates": [7.3, 51.5]},
    }],
    "Datastreams": [{
        "name": "Licht", "description": "Licht",
        "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
        "unitOfMeasurement": {"name": "Lux", "symbol": "lx", "definition": "https://ucum.org/lx"},
        "Sensor": {"name": "S", "description": "S", "encodingType": "text/html", "metadata": "S"},
        "ObservedProperty": {"name": "Licht", "definition": "https://example.org/licht", "description": "L"},
        "Observations": [
            {"phenomenonTime": f"2026-11-20T1{hour}:00:00Z", "result": 100.5 + hour,
             "parameters": {"wolken": hour}}
            for hour in range(5)
        ],
    }],
}  # fmt: skip


@dataclass
class Instance:
    """One installation: its parts, and what tests want to say shortly."""

    registry: SqlRegistry
    store: ObservationStore
    folder: Path
    _clients: list[TestClient] = field(default_factory=list)

    @property
    def source(self) -> Source:
        return Source(self.registry, self.store, SHIPPED, lambda: NOW)

    @property
    def target(self) -> Target:
        return Target(self.registry.database, self.store, lambda: maintain(self.store, NOW))

    @property
    def audit(self) -> AuditLog:
        return AuditLog(self.registry.database, lambda: NOW)

    def derive(self) -> Any:
        return Deriving(self.registry, self.store, lambda: NOW).round()

    def number(self, thing: str, key: str) -> int:
        found = self.registry.ever().datastreams.items()
        return next(number for number, one in found if (one.thing, one.key) == (thing, key))

    def client(self) -> TestClient:
        """SensorThings and all other exits, for the operator."""
        keys = SqlKeys(self.registry.database, Secret("operator-of-this-test"), lambda: NOW)
        ports = Ports(
            self.registry, self.store, SqlLedger(f"sqlite:///{self.folder}/ledger.sqlite"), keys,
            self.folder / "pages", ApiSettings(refresh_s=0.0), lambda: NOW, policy=PolicyFile(SHIPPED),
            porter=open_porter(self.registry.database, AccessSettings(), lambda: NOW),
            writing=Writable(self.registry.database, self.store),
        )  # fmt: skip
        client = TestClient(create_app(ports), headers={"X-Api-Key": "operator-of-this-test"})
        client.__enter__()
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.__exit__(None, None, None)
        self.store.close()
        self.registry.close()


def measure(one: Instance, thing: str, *, days: int = 20, micros: int = 0, shift: float = 0.0) -> None:
    """Every Datastream of a Thing every 15 minutes until a day ago; two corrections of some, a forecast."""
    start = np.datetime64((NOW - timedelta(days=days)).replace(tzinfo=None), "us")
    times = start + np.arange((days - 1) * 96) * np.timedelta64(900, "s") + np.timedelta64(micros, "us")
    random = np.random.default_rng(11)
    for number, stream in sorted(one.registry.inventory().datastreams.items()):
        if stream.thing != thing:
            continue
        values = np.round(random.normal(24, 6, len(times)) + shift, 1)
        one.store.append(Observations.build(number, times, values, quality=Quality.GOOD))
    number = one.number(thing, "air_temperature")
    for revision, chosen in ((1, slice(10, 300)), (2, slice(100, 200))):
        known = times[chosen] + np.timedelta64(revision, "D")
        one.store.append(
            Observations.build(
                number, times[chosen], 20.0 + revision, result_time=known, revision=revision,
                quality=Quality.SUSPECT, rule=QualityRule.PERSON,
            )
        )  # fmt: skip
    one.store.append(Observations.build(number, [times[-1]], [1.5], lead=3600))


def settle(one: Instance, city: str = CITY) -> None:
    """The register of a city."""
    path = one.folder / "city.toml"
    path.write_text(city)
    one.registry.import_city(read_city(path, load_profiles()))
