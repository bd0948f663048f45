"""The small city with an office that takes citizens' sensors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from edge.wire.settings import Secret
from udp.access.audit import AuditLog
from udp.api.app import create_app
from udp.api.desk import Ports
from udp.api.settings import ApiSettings
from udp.auth import SqlKeys
from udp.citizens import consent
from udp.citizens.class_codes import ClassCodes
from udp.citizens.office import Office
from udp.citizens.projects import CitizenProjects
from udp.citizens.settings import CitizenSettings
from udp.datasets.source import PolicyFile
from udp.devices.settings import DeviceSettings
from udp.devices.vault import Vault, new_key
from udp.ledger.sql import SqlLedger
from udp.registry.port import CityDescription
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.sensorthings import (
    Access,
    Datastream,
    Location,
    ObservedProperty,
    QualityRule,
    Thing,
    Unit,
)
from udp.store.columns import Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
OPERATOR = {"Authorization": "Bearer operator-key"}
NAME, MAIL = "Erika Geheim", "erika@beispiel.de"
AIR = ObservedProperty("air_temperature", "Lufttemperatur", "https://example.org/air_temperature")
APPLICATION = {
    "title": "Balkon Ickern", "name": NAME, "mail": MAIL, "latitude": "51.58312", "longitude": "7.35111",
    "district": "ickern", "kind": "formatter", "devices": ["70B3D57ED0000001"],
    "fields": {"temperatur": "air_temperature"}, "interval_minutes": "10", "licence": "CC-BY-4.0",
    "consent": consent.VERSION,
}  # fmt: skip


@dataclass(repr=False)
class Town:
    client: TestClient
    registry: SqlRegistry
    store: EmbeddedStore
    ledger: SqlLedger
    office: Office
    ticks: list[float]
    codes: ClassCodes

    def apply(self, **changes: object) -> dict[str, object]:
        answer = self.client.post("/api/v1/citizens/projects", json={**APPLICATION, **changes})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def approved(self) -> tuple[str, str, int]:
        """(project, secret of the link, Datastream)."""
        made = self.apply()
        project, secret = str(made["project"]), str(made["secret"])
        answer = self.client.post(f"/api/v1/citizens/projects/{project}/approval", headers=OPERATOR)
        assert answer.status_code == 200, answer.text
        stream = next(
            n for n, one in self.registry.inventory().datastreams.items() if one.thing == f"{project}-1"
        )
        return project, secret, stream

    def measure(
        self, stream: int, values: dict[datetime, float], rule: QualityRule = QualityRule.CITIZEN
    ) -> None:
        times = [np.datetime64(one.replace(tzinfo=None), "us") for one in values]
        self.store.append(Observations.build(stream, times, list(values.values()), quality=1, rule=rule))

    def form(self, **changes: str) -> dict[str, str]:
        """The fields of the form as a browser sends them, some seconds after it was drawn."""
        page = self.client.get("/buerger/anmelden").text
        ticket = re.search(r'name="beleg" value="([^"]+)"', page)
        assert ticket
        self.ticks[0] += 30.0
        return {
            "beleg": ticket[1], "webseite": "", "titel": "Balkon", "geraet": "formatter",
            "dev_eui": "70B3D57ED0000001", "abstand": "15", "feld": "temperatur",
            "messgroesse": "air_temperature", "breite": "51,58312", "laenge": "7,35111",
            "ortsteil": "ickern", "name": NAME, "mail": MAIL, "lizenz": "dl-de/zero-2-0",
            "einwilligung": consent.VERSION, **changes,
        }  # fmt: skip


def official(position: int, latitude: float) -> tuple[Thing, Datastream]:
    key = f"amt-{position}"
    place = Location(latitude, 7.35, "ickern", "Ickern", 60.0)
    return Thing(key, f"Amt {position}", "weather_station", "wetter", place, simulated=False), Datastream(
        position, "air_temperature", "Lufttemperatur", key, "DL-ATM41", AIR, Unit("Cel", "Grad Celsius"),
        Access.OPEN, None, "dl-de/zero-2-0", 600.0,
    )  # fmt: skip


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    ticks = [1000.0]
    registry = SqlRegistry(f"sqlite:///{tmp_path}/registry.sqlite")
    made = [official(0, 51.585), official(1, 51.60), official(2, 51.57)]
    registry.import_city(
        CityDescription("Stadt", False, *(tuple(part) for part in zip(*made, strict=True)), (), ())
    )
    ledger = SqlLedger(f"sqlite:///{tmp_path}/ledger.sqlite")
    store = EmbeddedStore(EmbeddedSettings(tmp_path / "store"), lambda: NOW)
    settings = CitizenSettings(webhook_url="https://eingang.beispiel.de", per_address_hour=5)
    codes = ClassCodes(registry.database, AuditLog(registry.database, lambda: NOW), lambda: NOW)
    office = Office(
        CitizenProjects(registry.database, settings, Vault(Secret(new_key())), lambda: NOW, codes),
        load_profiles(), registry.inventory, settings, DeviceSettings(),
    )  # fmt: skip
    pages = tmp_path / "pages"
    pages.mkdir()
    app = create_app(
        Ports(
            registry, store, ledger, SqlKeys(registry.database, Secret("operator-key")), pages,
            ApiSettings(refresh_s=0.0), lambda: NOW, lambda: ticks[0], policy=PolicyFile(), citizens=office,
        )
    )  # fmt: skip
    with TestClient(app, base_url="https://stadt.test", raise_server_exceptions=False) as client:
        yield Town(client, registry, store, ledger, office, ticks, codes)
    store.close()
    ledger.close()
    registry.close()


def hours(count: int, value: float, *, swing: float = 3.0) -> dict[datetime, float]:
    """A daily course around `value`, one value per hour up to now."""
    return {
        NOW - timedelta(hours=n + 0.5): value + swing * float(np.sin(n / 24 * 2 * np.pi))
        for n in range(count)
    }
