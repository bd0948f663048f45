"""A small city behind a real application: real register, real ledger, real store, and a clock we move."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from edge.wire.identifiers import DevEUI, GatewayEUI
from edge.wire.messages import Reception
from edge.wire.settings import Secret
from udp.access.porter import Porter, open_porter
from udp.access.settings import AccessSettings
from udp.api.app import create_app
from udp.api.desk import Ports, Writable
from udp.api.settings import ApiSettings
from udp.auth import SqlKeys
from udp.datasets.reading import SHIPPED
from udp.datasets.source import PolicyFile
from udp.devices.sheets import DeviceSheets
from udp.events.sql import SqlEvents
from udp.forecasting.sql import SqlForecasts
from udp.ledger.port import Page, Quarantined, SeenUplink, SequenceRun
from udp.ledger.sql import SqlLedger
from udp.opendata.settings import OpenDataSettings
from udp.registry.port import Channel, CityDescription, Device, WiredSensor
from udp.registry.sql import SqlRegistry
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Quality, QualityRule, Thing, Unit
from udp.store.columns import Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

sys.path.insert(0, str(Path(__file__).parents[3] / "contracts" / "sensorthings"))  # for listening.py
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
OPERATOR_KEY = "operator-key-of-this-test"
SECRET_VALUE = 4711.25

_LEVEL = ObservedProperty("fill_level", "Füllstand", "https://example.org/fill_level")
_AIR = ObservedProperty("air_temperature", "Lufttemperatur", "https://example.org/air_temperature")


def _thing(key: str, *, theme: str, kind: str, district: str, name: str) -> Thing:
    place = Location(51.55, 7.31, district, district.capitalize(), 98.0)
    return Thing(key, name, kind, theme, place, simulated=True, properties={"volumen_l": 120.0})


def _stream(position: int, thing: str, key: str, access: Access, **more: object) -> Datastream:
    values: dict[str, object] = {
        "name": "Füllstand",
        "observed_property": _LEVEL,
        "unit": Unit("%", "Prozent"),
        "licence": "dl-de/zero-2-0" if access is Access.OPEN else "",
        "exemption": None if access is Access.OPEN else "personal",
        "expected_interval_s": 3600.0,
        "sensor": "Dingtek DF702",
    } | more
    return Datastream(id=position, key=key, thing=thing, access=access, **values)  # type: ignore[arg-type]


def small_city() -> CityDescription:
    """Two open Datastreams, one open Thing with a restricted one beside, one Thing all restricted."""
    streams = (
        _stream(0, "behaelter-1", "fill_level", Access.OPEN),
        _stream(1, "behaelter-1", "battery_voltage", Access.RESTRICTED),
        _stream(
            2, "wetter-1", "air_temperature", Access.OPEN,
            name="Lufttemperatur", observed_property=_AIR, unit=Unit("Cel", "Grad Celsius"),
        ),
        _stream(3, "geheim-1", "fill_level", Access.RESTRICTED),
        _stream(4, "intern-1", "fill_level", Access.INTERNAL),
        _stream(5, "ohne-lizenz-1", "fill_level", Access.OPEN, licence=""),
    )  # fmt: skip
    return CityDescription(
        name="Castrop-Rauxel",
        simulated=True,
        things=(
            _thing("behaelter-1", theme="papier-und-abfall", kind="bin", district="castrop", name="=1+1"),
            _thing("wetter-1", theme="wetter", kind="weather_station", district="ickern", name="Wetter"),
            _thing("geheim-1", theme="energie", kind="meter", district="schwerin", name="Zähler von Frau S."),
            _thing("intern-1", theme="netz", kind="gateway", district="castrop", name="Gateway Rathaus"),
            _thing("ohne-lizenz-1", theme="luft", kind="pole", district="castrop", name="Mast"),
        ),
        datastreams=streams,
        devices=(
            Device(DevEUI.parse("0000000000000001"), "behaelter-1", "dingtek-df702", "dingtek-df702",
                   (Channel(0, "level"),), 3600.0),
            Device(DevEUI.parse("0000000000000003"), "geheim-1", "klax", "klax", (Channel(3, "e"),), 900.0),
        ),
        wired=(
            WiredSensor("gw-rathaus", "agent", "intern-1", (Channel(4, "backlog_messages"),)),
            WiredSensor("gw-geheim", "agent", "geheim-1", (Channel(3, "backlog_messages"),)),
        ),
    )  # fmt: skip


@dataclass(repr=False)
class City:
    """The parts, the client, and what a test wants to say shortly."""

    client: TestClient
    registry: SqlRegistry
    store: EmbeddedStore
    ledger: SqlLedger
    keys: SqlKeys
    pages: Path
    clock: list[datetime]
    policy: Path
    description: CityDescription
    porter: Porter
    ids: dict[str, int] = field(default_factory=dict)
    open_ids: list[int] = field(default_factory=list)
    hidden_ids: list[int] = field(default_factory=list)
    events: SqlEvents = field(kw_only=True)
    forecasts: SqlForecasts = field(kw_only=True)

    def decide(self, entry: str, **words: str | None) -> None:
        """Change one dataset of the policy, found by a line of it; None takes a key away."""
        parts = self.policy.read_text(encoding="utf-8").split("[[dataset]]")
        (place,) = (number for number, part in enumerate(parts) if f"\n{entry}\n" in part)
        gone = ("access", "exemption", "licence", *words) if "access" in words else tuple(words)
        kept = [line for line in parts[place].splitlines() if line.split("=")[0].strip() not in gone]
        added = [
            f"{key} = {value}" if value[0] in "{[" else f'{key} = "{value}"'
            for key, value in words.items()
            if value is not None
        ]
        parts[place] = "\n".join(["", *added, *kept, ""])
        self.policy.write_text("[[dataset]]".join(parts), encoding="utf-8")

    def mqtt_port(self) -> int:
        """Opened at the first call."""
        listener = self.client.app.state.mqtt  # type: ignore[attr-defined]
        assert self.client.portal is not None
        if not listener.port:
            self.client.portal.call(listener.open, 0)
        return listener.port

    @property
    def operator(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {OPERATOR_KEY}"}

    def measure(
        self, stream: str, at: Sequence[datetime], values: Sequence[float], quality: Quality = Quality.GOOD
    ) -> None:
        times = [np.datetime64(one.replace(tzinfo=None), "us") for one in at]
        self.store.append(
            Observations.build(self.ids[stream], times, values, quality=quality, rule=QualityRule.PASSED)
        )


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    clock = [NOW]

    def now() -> datetime:
        return clock[0]

    registry = SqlRegistry(f"sqlite:///{tmp_path}/registry.sqlite", now)
    registry.import_city(small_city())
    ledger = SqlLedger(f"sqlite:///{tmp_path}/ledger.sqlite")
    store = EmbeddedStore(EmbeddedSettings(tmp_path / "store"), now)
    keys = SqlKeys(registry.database, Secret(OPERATOR_KEY), now)
    settings = ApiSettings(refresh_s=0.0, default_rows=100, most_rows=1000, heartbeat_s=0.2)
    pages = tmp_path / "pages"
    policy = tmp_path / "policy.toml"
    policy.write_bytes(SHIPPED.read_bytes())
    porter = open_porter(registry.database, AccessSettings(), now)
    forecasts = SqlForecasts(f"sqlite:///{tmp_path}/forecasts.sqlite")
    ports = Ports(
        registry, store, ledger, keys, pages, settings, now, policy=PolicyFile(policy), porter=porter,
        writing=Writable(registry.database, store),
    )  # fmt: skip
    events = SqlEvents(registry.database)
    app = create_app(
        replace(
            ports,
            events=events,
            forecasts=forecasts,
            sheets=DeviceSheets(registry.database),
            opendata=OpenDataSettings(tmp_path / "opendata"),
        )
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        made = City(
            client,
            registry,
            store,
            ledger,
            keys,
            pages,
            clock,
            policy,
            small_city(),
            porter,
            events=events,
            forecasts=forecasts,
        )
        for number, one in registry.inventory().datastreams.items():
            made.ids[f"{one.thing}/{one.key}"] = number
        yield made
    store.close()
    ledger.close()
    forecasts.close()
    registry.close()


@pytest.fixture
def measured(city: City) -> City:
    """Values everywhere, also where nobody may see them."""
    hours = [NOW - timedelta(hours=count) for count in range(48, 0, -1)]
    city.measure("behaelter-1/fill_level", hours, [float(count) for count in range(48)])
    city.measure("wetter-1/air_temperature", [NOW - timedelta(minutes=5)], [-3.5])
    for secret in ("behaelter-1/battery_voltage", "geheim-1/fill_level", "intern-1/fill_level",
                   "ohne-lizenz-1/fill_level"):  # fmt: skip
        city.measure(secret, [NOW - timedelta(minutes=1)], [SECRET_VALUE])
    reception = Reception(GatewayEUI(b"\xaa" * 8), "gw-rathaus", NOW, -90.0, 7.0)
    city.ledger.write(
        Page(
            uplinks=[
                SeenUplink(
                    b"x", "0000000000000001", b"abcd", 7, NOW - timedelta(minutes=3), "edge", (reception,)
                )
            ],
            runs=[
                SequenceRun(agent, b"s" * 16, first, last, 1, NOW, NOW)
                for agent in ("gw-rathaus", "gw-geheim")
                for first, last in ((1, 5), (9, 12))
            ],
            quarantined=[Quarantined(NOW, "edge", "gw-rathaus", "no CBOR", "look at the agent", b"\x00\xff")],
            counters={"messages_edge": 9, "duplicates": 2},
            conditions={"store": "disk /var/lib/x is full; make room"},
        )
    )
    return city
