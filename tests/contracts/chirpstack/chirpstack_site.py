"""A city's register beside a ChirpStack, with a clerk's tables and the syncs of the IT team."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chirpstack_double import serve
from chirpstack_world import ApiKey, World

from edge.wire.settings import Secret
from udp.devices.register import DeviceRegister
from udp.devices.settings import DeviceSettings
from udp.devices.vault import new_key
from udp.network.applying import Outcome, apply
from udp.network.connection import Connection
from udp.network.difference import Plan, compare
from udp.network.found import read
from udp.network.settings import ChirpStackSettings
from udp.network.wanted import wanted
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry

TOKEN = "a-token-of-the-administrator"
_CITY = """
format = 1
[city]
name = "Prüfstadt"
simulated = false
[[thing]]
key = "gw-rathaus"
name = "Gateway Rathaus"
kind = "gateway"
theme = "netz"
district = "castrop"
district_name = "Castrop (Altstadt)"
latitude = 51.5
longitude = 7.3
elevation_m = 83.3
properties = {{ gateway_eui = "{eui}" }}
"""


@dataclass
class Site:
    """A city's register beside a ChirpStack. `world`: the double's tables, None for a real one."""

    folder: Path
    registry: SqlRegistry
    register: DeviceRegister
    settings: ChirpStackSettings
    world: World | None
    prefix: str = field(default_factory=lambda: secrets.token_hex(5))

    def eui(self, number: int) -> str:
        """The DevEUI of a number, nobody else's."""
        return f"{self.prefix}{number:06x}"

    def row(self, number: int = 1, **changes: str | None) -> dict[str, str]:
        """A row of a table for the device of a number; None leaves a column out."""
        good: dict[str, str | None] = {
            "objekt": f"behaelter-{number:04}",
            "name": f"Behälter {number}",
            "art": "waste_bin",
            "thema": "papier-und-abfall",
            "ortsteil": "castrop",
            "ortsteil_name": "Castrop (Altstadt)",
            "breite": "51,55",
            "laenge": "7,31",
            "dev_eui": self.eui(number),
            "join_eui": "70B3D57ED0000001",
            "profil": "dingtek-df702",
            "leer_mm": "1200",
            "voll_mm": "200",
            "app_key": f"{number:032x}"[::-1][:31] + "f",
        }
        return {key: value for key, value in {**good, **changes}.items() if value is not None}

    def abp(self, number: int) -> dict[str, str]:
        """A row of a device that never joins."""
        session = {"dev_addr": f"2601{number:04x}", "nwk_s_key": "1" * 31 + "a", "app_s_key": "2" * 31 + "b"}
        return self.row(number, app_key=None, join_eui=None, **session)

    def take_in(self, *rows: dict[str, str]) -> None:
        """Import a table."""
        columns = list(dict.fromkeys(column for row in rows for column in row))
        lines = [columns, *([row.get(column, "") for column in columns] for row in rows)]
        path = self.folder / "geraete.csv"
        path.write_text("\n".join(";".join(line) for line in lines) + "\n", encoding="utf-8")
        outcome = self.register.take_in(path)
        assert not outcome.findings, outcome.findings

    def gateway(self, number: int = 0xFFFF) -> str:
        """Import a city with one gateway; its EUI."""
        path = self.folder / "stadt.toml"
        path.write_text(_CITY.format(eui=self.eui(number)), encoding="utf-8")
        self.registry.import_city(read_city(path, load_profiles()))
        return self.eui(number)

    def connect(self, **changes: Any) -> Connection:
        """As the platform would, but without waiting between repetitions."""
        return Connection(replace(self.settings, **changes), sleep=lambda _seconds: None)

    def plan(self, *, adopt: bool = False, **changes: Any) -> Plan:
        """What a sync would do."""
        with self.connect(**changes) as connection:
            goal = wanted(self.register, load_profiles(), self.registry.inventory().things)
            return compare(goal, read(connection, goal), connection.settings, adopt=adopt)

    def sync(self, *, adopt: bool = False, deleting: bool = False, **changes: Any) -> Outcome:
        """A sync."""
        with self.connect(**changes) as connection:
            goal = wanted(self.register, load_profiles(), self.registry.inventory().things)
            found = read(connection, goal)
            plan = compare(goal, found, connection.settings, adopt=adopt)
            return apply(connection, goal, found, (*plan.steps, *(plan.surplus if deleting else ())))


@contextmanager
def opened_register(folder: Path) -> Iterator[tuple[SqlRegistry, DeviceRegister]]:
    """An empty register in a real database, its keys sealed."""
    registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite")
    key = DeviceSettings(key=Secret(new_key()))
    try:
        yield registry, DeviceRegister(registry.database, load_profiles(), key, lambda: datetime.now(UTC))
    finally:
        registry.close()


@contextmanager
def double_beside(folder: Path, registry: SqlRegistry, register: DeviceRegister) -> Iterator[Site]:
    """The register beside our double, which runs."""
    world = World({TOKEN: ApiKey()})
    server, port = serve(world)
    settings = ChirpStackSettings(server=f"127.0.0.1:{port}", token=Secret(TOKEN), tls=False)
    try:
        yield Site(folder, registry, register, settings, world)
    finally:
        server.stop(None).wait()
