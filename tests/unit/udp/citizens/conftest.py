"""A city with one official sensor, and people who want to bring theirs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.wire.settings import Secret
from udp.citizens import consent
from udp.citizens.application import Written, check
from udp.citizens.choices import current_offer
from udp.citizens.offer import Offer
from udp.citizens.project import Project
from udp.citizens.projects import CitizenProjects
from udp.citizens.settings import CitizenSettings
from udp.devices.settings import DeviceSettings
from udp.devices.vault import Vault, new_key
from udp.registry.port import CityDescription
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.sensorthings import Location, Thing

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MAIL, NAME = "erika@beispiel.de", "Erika Geheim"
SETTINGS = CitizenSettings(waiting_at_most=3, devices_at_most=2)
WRITTEN = Written(
    title="Balkon Ickern",
    name=NAME,
    mail=MAIL,
    latitude="51,58312",
    longitude="7.35111",
    district="ickern",
    kind="formatter",
    devices=["70B3D57ED0000001"],
    fields=[("temperatur", "air_temperature"), ("luft.feuchte", "relative_humidity")],
    interval_minutes="10",
    licence="dl-de/zero-2-0",
    consent=consent.VERSION,
)


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, step: timedelta) -> None:
        self.now += step


@dataclass
class Town:
    registry: SqlRegistry
    projects: CitizenProjects
    vault: Vault
    clock: Clock

    @property
    def offer(self) -> Offer:
        return current_offer(load_profiles(), self.registry.inventory())

    def apply(self, **changes: object) -> tuple[Project, str]:
        application = check(
            replace(WRITTEN, **changes),  # type: ignore[arg-type]
            self.offer,
            DeviceSettings(),
            most_devices=SETTINGS.devices_at_most,
        )
        return self.projects.apply(application)

    def approved(self, **changes: object) -> tuple[Project, str]:
        project, link = self.apply(**changes)
        return self.projects.approve(project.slug, self.offer), link


def place(key: str, district: str, name: str) -> Thing:
    return Thing(
        key, key, "weather_station", "wetter", Location(51.58, 7.35, district, name), simulated=False
    )


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    registry = SqlRegistry(f"sqlite:///{tmp_path}/registry.sqlite")
    registry.import_city(
        CityDescription(
            "Stadt",
            False,
            (place("rathaus", "rauxel", "Rauxel"), place("bad", "ickern", "Ickern")),
            (),
            (),
            (),
        )
    )
    clock, vault = Clock(), Vault(Secret(new_key()))
    yield Town(registry, CitizenProjects(registry.database, SETTINGS, vault, clock), vault, clock)
    registry.close()
