"""A register in a real database, a clock, and tables as a clerk would write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.wire.settings import Secret
from udp.devices.register import DeviceRegister, Outcome
from udp.devices.settings import DeviceSettings
from udp.devices.vault import new_key
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry

GOOD = {
    "objekt": "behaelter-0001",
    "name": "Behälter Markt",
    "art": "waste_bin",
    "thema": "papier-und-abfall",
    "ortsteil": "castrop",
    "ortsteil_name": "Castrop (Altstadt)",
    "breite": "51,55",
    "laenge": "7,31",
    "zugang": "open",
    "lizenz": "dl-de/zero-2-0",
    "eigentuemer": "EUV",
    "foto": "behaelter-0001.jpg",
    "standort": "neben dem Brunnen",
    "hoehe_m": "1,2",
    "dev_eui": "70B3D50000000001",
    "join_eui": "70B3D57ED0000001",
    "profil": "dingtek-df702",
    "leer_mm": "1200",
    "voll_mm": "200",
    "app_key": "000102030405060708090a0b0c0d0e0f",
}
ABP = {
    "dev_addr": "26011E05",
    "nwk_s_key": "101112131415161718191a1b1c1d1e1f",
    "app_s_key": "202122232425262728292a2b2c2d2e2f",
}


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, step: timedelta) -> None:
        self.now += step


class Desk:
    """A clerk's desk: rows become a file, the file goes into the register."""

    def __init__(self, folder: Path, registry: SqlRegistry, clock: Clock, key: str | None) -> None:
        self.folder, self.registry, self.clock = folder, registry, clock
        self.settings = DeviceSettings(key=None if key is None else Secret(key))
        self.register = DeviceRegister(registry.database, load_profiles(), self.settings, clock)

    def file(self, *rows: dict[str, str], name: str = "geraete.csv") -> Path:
        columns = list(dict.fromkeys(column for row in rows for column in row))
        lines = [columns, *([row.get(column, "") for column in columns] for row in rows)]
        path = self.folder / name
        path.write_text("\n".join(";".join(line) for line in lines) + "\n", encoding="utf-8")
        return path

    def take_in(self, *rows: dict[str, str], skip_bad: bool = False, dry_run: bool = False) -> Outcome:
        return self.register.take_in(self.file(*rows), skip_bad=skip_bad, dry_run=dry_run)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[SqlRegistry]:
    opened = SqlRegistry(f"sqlite:///{tmp_path}/registry.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_desk(tmp_path: Path, registry: SqlRegistry, clock: Clock) -> Callable[[str | None], Desk]:
    return lambda key: Desk(tmp_path, registry, clock, key)


@pytest.fixture
def desk(make_desk: Callable[[str | None], Desk]) -> Desk:
    return make_desk(new_key())


@pytest.fixture
def row() -> Callable[..., dict[str, str]]:
    """A good row for the bin of a number, with changes; None leaves a column out."""

    def made(number: int = 1, **changes: str | None) -> dict[str, str]:
        numbered = {
            "objekt": f"behaelter-{number:04}",
            "name": f"Behälter {number}",
            "dev_eui": f"70B3D5{number:010X}",
        }
        return {key: value for key, value in {**GOOD, **numbered, **changes}.items() if value is not None}

    return made


@pytest.fixture
def abp() -> dict[str, str | None]:
    return {**ABP, "app_key": None, "join_eui": None}
