"""The virtual city's register behind the real interface: a day of values, forecasts, cases, events."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import uvicorn

from dashboards.grafana.source import data_source
from udp.access.porter import open_porter
from udp.access.settings import AccessSettings
from udp.api.app import create_app
from udp.api.desk import Ports
from udp.api.settings import ApiSettings
from udp.auth import KeyWish, SqlKeys
from udp.datasets.reading import SHIPPED
from udp.datasets.source import PolicyFile
from udp.derived.round import Deriving
from udp.events.port import EventKind, Trouble
from udp.events.sql import SqlEvents
from udp.forecasting.port import Case, Statement
from udp.forecasting.sql import SqlForecasts
from udp.ledger.sql import SqlLedger
from udp.policy import Role
from udp.registry.city_file import read_city
from udp.registry.port import CityDescription
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Thing, Unit
from udp.store.columns import Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore
from udp.weather.cap import Warned
from udp.weather.warning_state import SqlWarnings, WarningState

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRET = 4711.25
# What may never be seen by the climate team: personal, and of the state but open to crews.
CLOSED = {
    "geheim-dienstwohnung": ("meter", "energie", "energy", "kWh"),
    "geheim-pumpwerk": ("pump_station", "regen-und-baeche", "water_level", "cm"),
    "geheim-klasse": ("school_room", "schulen", "co2", "[ppm]"),
    "geheim-sonde": ("tree_pit", "baeume-und-boden", "soil_moisture", "%"),
}
_OPENED_BY_DECISION = ("schulluft", "zaehler", "netz")


@dataclass
class Town:
    """Where it is, and who may ask. `policy` is in force a moment after it is written."""

    address: str
    registry: SqlRegistry
    store: EmbeddedStore
    keys: SqlKeys
    policy: Path
    seconds: list[float]

    def key(self, role: Role) -> str:
        """As the README makes it."""
        return self.keys.make(KeyWish(role=role, paths=("/api/v1", "/app/v1")))

    def source(self, key: str) -> dict[str, object]:
        """The data source as it is provisioned."""
        return data_source(self.address, key, "test")

    def decide(self, *opened: str) -> None:
        """The shipped policy, with these datasets visible to the climate team."""
        text = SHIPPED.read_text(encoding="utf-8")
        for key in opened:
            entry = f'key = "{key}"\n'
            assert entry in text
            text = text.replace(entry, f'{entry}visible_to = ["climate"]\n')
        self.policy.write_text(text, encoding="utf-8")
        self.seconds[0] += 3600  # what the platform has read is old now


def described(folder: Path) -> CityDescription:
    """The virtual city, and what must stay hidden."""
    file = folder / "city.toml"
    command = [sys.executable, "-m", "simulators", "describe", "--out", str(file)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    city = _smaller(read_city(file, load_profiles()))
    things, streams = list(city.things), list(city.datastreams)
    for key, (kind, theme, measures, unit) in CLOSED.items():
        place = Location(51.55, 7.31, city.things[0].location.district, city.things[0].location.district_name)
        things.append(Thing(key, f"Geheim {key}", kind, theme, place, simulated=True))
        access = Access.RESTRICTED if key == "geheim-sonde" else Access.OPEN
        streams.append(
            Datastream(
                len(streams), "geheim", f"Geheim {measures}", key, "s",
                ObservedProperty(measures, measures, "tag:x"), Unit(unit, unit), access,
                None if access is Access.OPEN else "personal",
                "dl-de/zero-2-0" if access is Access.OPEN else "", 600.0,
            )
        )  # fmt: skip
    return replace(city, things=tuple(things), datastreams=tuple(streams))


def _smaller(city: CityDescription) -> CityDescription:
    """Of each kind of sensor the first few: as many questions are asked here as there are pictures."""
    measured: dict[str, list[str]] = {}
    for one in city.datastreams:
        measured.setdefault(one.thing, []).append(one.key)
    count: Counter[tuple[str, ...]] = Counter()
    kept = set()
    for one in city.things:
        kind = (one.theme, one.kind, *measured.get(one.key, ()))
        count[kind] += 1
        if count[kind] <= 3 and one.key in measured:
            kept.add(one.key)
    streams = [one for one in city.datastreams if one.thing in kept]
    return CityDescription(
        city.name,
        city.simulated,
        tuple(one for one in city.things if one.key in kept),
        tuple(replace(one, id=number) for number, one in enumerate(streams)),
        (),
        (),
    )


def _fill(registry: SqlRegistry, store: EmbeddedStore) -> None:
    """A day of every sensor; the last value just now."""
    parts = []
    for number, one in registry.inventory().datastreams.items():
        step = int(max(300.0, min(one.expected_interval_s, 3600.0)))
        ago = np.arange(0, 86_400, step)[::-1]
        times = np.datetime64(NOW.replace(tzinfo=None), "us") - (ago + 30) * np.timedelta64(1, "s")
        rising = one.observed_property.key in ("energy", "volume", "precipitation_total")
        values = np.arange(len(ago)) * 1.5 if rising else 20 + 10 * np.sin(ago / 86_400 * 2 * math.pi)
        if one.thing in CLOSED:
            values = np.full(len(ago), SECRET) + (np.arange(len(ago)) * SECRET if rising else 0)
        parts.append(Observations.build(number, times, values))
    store.append(Observations.concatenate(parts))


def _tell(registry: SqlRegistry, forecasts: SqlForecasts, events: SqlEvents) -> None:
    inventory = registry.inventory()
    of = {(one.thing, one.observed_property.key): number for number, one in inventory.datastreams.items()}
    leads, bands = (3600, 7200), {"0.05": [1.0, 2.0], "0.5": [3.0, 4.0], "0.95": [5.0, 6.0]}
    statements = [
        Statement(of=number, product="p", issued_at=NOW, leads_s=leads, model="m", fallback=False, reason="",
                  remarks=(), summary={"hours_to_critical": 20.0}, fingerprint="x", bands=bands)
        for (thing, measures), number in of.items()
        if measures in ("fill_level", "water_level") or thing in CLOSED
    ]  # fmt: skip
    first = next(
        one for one in statements if inventory.datastreams[one.of].observed_property.key == "fill_level"
    )
    statements[statements.index(first)] = replace(
        first, model="", leads_s=(), bands={}, summary={}, reason="Noch zu wenige Messwerte."
    )
    meters = [number for (thing, measures), number in of.items() if measures == "energy"]
    over = next(one for one in meters if inventory.datastreams[one].thing not in CLOSED)
    cases = [
        Case(id=0, of=number, family="base", kind="nights", opened_at=NOW - timedelta(days=3),
             last_seen_at=NOW, closed_at=NOW if number == over else None, strangeness=3.1,
             excess=120.0, unit="kWh", cost_eur=36.0,
             reason=f"Nachts mehr als sonst bei {inventory.datastreams[number].thing}")
        for number in meters
    ]  # fmt: skip
    forecasts.write(statements, [], cases)
    troubles = [
        Trouble(EventKind.STUCK, f"datastream:{number}", f"steht still seit gestern ({one.thing})",
                NOW - timedelta(hours=5), one.thing, number)
        for number, one in inventory.datastreams.items()
        if one.observed_property.key in ("air_temperature", "soil_moisture", "energy", "water_level")
    ]  # fmt: skip
    events.begin(troubles, NOW - timedelta(hours=4))
    ended = [one.id for one in events.open_events()][::2]
    events.end(ended, NOW - timedelta(hours=1))


def _warning() -> WarningState:
    one = Warned("id", "FROST", 1, "Amtliche WARNUNG vor FROST", "kalt", "", "Kreis Recklinghausen", "DWD",
                 "", NOW, NOW - timedelta(hours=1), NOW + timedelta(hours=8), False, 0.0)  # fmt: skip
    return WarningState(NOW, (one,))


@contextmanager
def running(folder: Path) -> Iterator[Town]:
    """Served until the block ends."""
    registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite", lambda: NOW)
    registry.import_city(described(folder))
    store = EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: NOW)
    _fill(registry, store)
    Deriving(registry, store, lambda: NOW).round()
    ledger = SqlLedger(f"sqlite:///{folder}/ledger.sqlite")
    forecasts = SqlForecasts(f"sqlite:///{folder}/forecasts.sqlite")
    events, warnings = SqlEvents(registry.database), SqlWarnings(registry.database)
    _tell(registry, forecasts, events)
    warnings.write(_warning())
    keys, policy = SqlKeys(registry.database, None, lambda: NOW), folder / "policy.toml"
    porter = open_porter(registry.database, AccessSettings(), lambda: NOW)
    seconds = [0.0]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        town = Town(address, registry, store, keys, policy, seconds)
        town.decide(*_OPENED_BY_DECISION)
        ports = Ports(
            registry, store, ledger, keys, None, ApiSettings(), lambda: NOW, lambda: seconds[0],
            policy=PolicyFile(policy), porter=porter, events=events, forecasts=forecasts, warnings=warnings,
        )  # fmt: skip
        server = uvicorn.Server(uvicorn.Config(create_app(ports), log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield town
        finally:
            server.should_exit = True
            thread.join(timeout=20)
    for one in (store, ledger, forecasts, registry):
        one.close()
