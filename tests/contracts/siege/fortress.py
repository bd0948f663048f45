"""A small city that hides telling things in every way there is, behind the product's own command.

What is hidden carries marks that occur nowhere else (CANARIES): whoever finds one in an answer to somebody
without the right has found a leak. What is open lies beside it, so that there is something to ask about.
"""
# ruff: noqa: E501 - tables are read line by line

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import numpy as np
import psutil
import tomli_w
from loopback import free_port

from edge.wire.identifiers import DevEUI
from udp.auth import KeyWish, SqlKeys
from udp.datasets.reading import SHIPPED, read_policy
from udp.events.port import EventKind, Trouble
from udp.events.sql import SqlEvents
from udp.forecasting.port import Card, Case, Statement
from udp.forecasting.sql import SqlForecasts
from udp.ledger.port import Page, Quarantined
from udp.ledger.sql import SqlLedger
from udp.opendata.dumping import Dumps
from udp.opendata.offer import offered
from udp.policy import Gate, Role
from udp.registry.port import Channel, CityDescription, Device
from udp.registry.sql import SqlRegistry
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Thing, Unit
from udp.store.columns import Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

SECRET = 4711.25
# A name, a value, a place, a moment, a device, octets of a message: what each hidden thing is known by.
CANARIES = ("kanarie", "4711.25", "51.98765", "7.43219", "371337", "cafe0000dead0001", "ZGVhZGJlZWY", "root:x:", "SQLite format", "Traceback")  # fmt: skip
_ZERO = "dl-de/zero-2-0"
_STARTING_S = 60
# Key, theme, kind, observed property, access by the city file.
_OPEN = (
    ("wetter-1", "wetter", "weather_station", "air_temperature"),
    ("wetter-2", "wetter", "weather_station", "air_temperature"),
    ("behaelter-1", "papier-und-abfall", "bin", "fill_level"),
    ("mast-1", "luft", "pole", "pm10"),
    ("pegel-1", "regen-und-baeche", "stream_gauge", "water_level"),
)
_HIDDEN = (
    ("kanarie-zaehler", "energie", "meter", "energy", Access.OPEN),
    ("kanarie-gateway", "netz", "gateway", "packets_lost", Access.INTERNAL),
    ("kanarie-schule", "schulen", "school_room", "co2", Access.OPEN),
    ("kanarie-pumpwerk", "regen-und-baeche", "pump_station", "sewer_level", Access.OPEN),
    ("kanarie-mast", "luft", "pole", "no2", Access.RESTRICTED),
)
_BAY = "stellplatz-1"


def leaks(answer: httpx2.Response, asked: str = "") -> list[str]:
    """Marks in the answer's headers and body that the question did not bring itself."""
    brought = asked.lower()
    text = "\n".join([*(f"{name}: {value}" for name, value in answer.headers.items()), answer.text]).lower()
    return [word for word in CANARIES if word.lower() in text and word.lower() not in brought]


@dataclass
class Fortress:
    """A running platform and what is known about it from inside."""

    folder: Path
    port: int
    process: psutil.Process
    keys: SqlKeys
    ids: Mapping[str, int]
    hidden: tuple[str, ...]
    operator: str
    client: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx2.Client(base_url=self.url, timeout=60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def staff(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.operator}"}

    def key(self, **wish: object) -> dict[str, str]:
        return {"X-Api-Key": self.keys.make(KeyWish(**wish))}  # type: ignore[arg-type]

    def alive(self, within_s: float = 5.0) -> None:
        """Somebody new is answered, and soon."""
        began = time.monotonic()
        answer = httpx2.get(f"{self.url}/api/v1/latest", timeout=within_s)
        assert answer.status_code == 200, answer.text
        assert answer.json()["count"] >= len(_OPEN)
        assert time.monotonic() - began < within_s

    def raw(self, octets: bytes, timeout: float = 30.0) -> bytes:
        """Send as it is, whatever the server thinks of it; what came back until it closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            with contextlib.suppress(OSError):  # it may have said all it has to say
                connection.sendall(octets)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while part := connection.recv(65536):
                    answer += part
            return answer


def described() -> CityDescription:
    things, streams = [], []

    def add(key: str, theme: str, kind: str, measures: str, access: Access = Access.OPEN) -> None:
        hidden = key.startswith("kanarie")
        number = len(things)
        place = (
            Location(51.98765, 7.43219, "schwerin", "Schwerin", 98.0)
            if hidden
            else Location(51.5 + number / 100, 7.3, "castrop", "Castrop", 98.0)
        )
        name = "Kanarie Familie S." if hidden else "=1+1" if key == "behaelter-1" else f"Ort {key}"
        things.append(
            Thing(
                key,
                name,
                kind,
                theme,
                place,
                simulated=True,
                properties={"kanarie": "ja"} if hidden else {"volumen_l": 120.0},
            )
        )
        streams.append(
            Datastream(
                len(streams), measures, "Kanarienreihe" if hidden else f"Größe {measures}", key, "Kanarienfühler" if hidden else "Fühler",
                ObservedProperty(measures, f"Größe {measures}", f"https://example.org/{measures}"), Unit("1", "1"), access,
                None if access is Access.OPEN else "personal", _ZERO if access is Access.OPEN else "", 600.0,
            )
        )  # fmt: skip

    for open_ in _OPEN:
        add(*open_)
    for closed in _HIDDEN:
        add(*closed)
    add(_BAY, "parken-und-laden", "parking_bay", "parking_occupied")
    # Beside an open series of the same Thing, one that is not.
    streams.append(
        Datastream(len(streams), "battery_voltage", "Kanarienbatterie", "behaelter-1", "Kanarienfühler",
                   ObservedProperty("battery_voltage", "Spannung", "https://example.org/v"), Unit("V", "Volt"), Access.RESTRICTED, "state", "", 600.0)
    )  # fmt: skip
    device = Device(
        DevEUI.parse("cafe0000dead0001"),
        "kanarie-zaehler",
        "klax",
        "klax",
        (Channel(len(_OPEN), "e"),),
        900.0,
    )
    return CityDescription("Stadt", True, tuple(things), tuple(streams), (device,), ())


def build(folder: Path, now: datetime) -> tuple[Mapping[str, int], str]:
    """Registry, ledger, store, events, forecasts, dumps; ids by `thing/key`, and an operator's key."""
    with (
        closing(SqlRegistry(f"sqlite:///{folder}/registry.sqlite")) as registry,
        closing(SqlLedger(f"sqlite:///{folder}/ledger.sqlite")) as ledger,
        closing(SqlForecasts(f"sqlite:///{folder}/forecasts.sqlite")) as forecasts,
        EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: now) as store,
    ):
        registry.import_city(described())
        inventory = registry.inventory()
        ids = {f"{one.thing}/{one.key}": number for number, one in inventory.datastreams.items()}
        _measure(store, ids, now)
        policy = folder / "policy.toml"
        policy.write_bytes(SHIPPED.read_bytes())
        Dumps(folder / "opendata").make(store, offered(Gate(read_policy(policy)), inventory), lambda: now, 3)
        _tell(registry, ledger, forecasts, ids, now)
        key = SqlKeys(registry.database).make(KeyWish(Role.OPERATOR))
    (folder / "pages").mkdir()
    (folder / "pages" / "index.html").write_text("<!doctype html><title>Seite</title>", encoding="utf-8")
    (folder / "pages" / "betrieb").mkdir()
    (folder / "pages" / "betrieb" / "index.html").write_text("kanarie", encoding="utf-8")
    return ids, key


def _measure(store: EmbeddedStore, ids: Mapping[str, int], now: datetime) -> None:
    """Three days every ten minutes; the older ones closed into files."""
    rng = np.random.default_rng(7)
    end = np.datetime64(now.replace(tzinfo=None), "us")
    grid = end - (np.arange(3 * 144, 0, -1) * 600_000_000).astype("timedelta64[us]")
    for name, number in ids.items():
        if name.startswith(_BAY):
            times, values = grid + np.timedelta64(371_337, "us"), rng.integers(0, 2, len(grid)).astype(float)
        elif name.startswith("kanarie") or name.endswith("battery_voltage"):
            times, values = grid, np.full(len(grid), SECRET)
        else:
            times, values = grid, np.round(rng.normal(15, 5, len(grid)), 1)
        store.append(Observations.build(number, times, values, quality=1, rule=1))
    while store.maintain(now + timedelta(minutes=5)):
        pass


def _tell(
    registry: SqlRegistry, ledger: SqlLedger, forecasts: SqlForecasts, ids: Mapping[str, int], now: datetime
) -> None:
    """What stands beside the values: events, quarantine, conditions, forecasts, cases."""
    secret, open_ = ids["kanarie-zaehler/energy"], ids["wetter-1/air_temperature"]
    before = now - timedelta(hours=5)
    SqlEvents(registry.database).begin(
        [
            Trouble(
                EventKind.SILENT, "device:cafe0000dead0001", "Kanarie schweigt", before, "kanarie-zaehler"
            ),
            Trouble(EventKind.STUCK, f"datastream:{open_}", "steht", before, "wetter-1", open_, {"value": 7}),
        ],
        now,
    )
    ledger.write(
        Page(
            quarantined=[Quarantined(now, "edge", "kanarie-gateway", "no CBOR", "look", b"deadbeef")],
            counters={"messages_edge": 9},
            conditions={"store": "disk /kanarie is full"},
        )
    )
    said = [
        Statement(
            of=one, product="pegel", issued_at=now, leads_s=(3600, 7200), model="m", fallback=False, reason="",
            remarks=("Kanarie",) if one == secret else (), summary={}, fingerprint="x",
            bands={"0.5": [SECRET, SECRET] if one == secret else [1.0, 2.0]}, chance=None,
        )
        for one in (secret, open_)
    ]  # fmt: skip
    case = Case(
        of=secret, id=0, family="base", kind="nights", opened_at=before, last_seen_at=now, closed_at=None,
        strangeness=3.1, excess=SECRET, unit="kWh", cost_eur=36.0, reason="Kanarie",
    )  # fmt: skip
    forecasts.write(said, [Card("pegel", "Pegel", now, (open_,), True, "In Gebrauch.", {"seed": 0})], [case])


@contextmanager
def fortress(folder: Path, **server: object) -> Iterator[Fortress]:
    """`udp run` over a filled folder, on a port of its own; `server` are more settings of `udp`."""
    folder.mkdir(parents=True, exist_ok=True)
    ids, key = build(folder, datetime.now(UTC).replace(second=0, microsecond=0))
    port = free_port()
    content: dict[str, object] = {
        "registry": {"url": f"sqlite:///{folder}/registry.sqlite"},
        "ledger": {"url": f"sqlite:///{folder}/ledger.sqlite"},
        "forecasts": {"url": f"sqlite:///{folder}/forecasts.sqlite"},
        "store": {"embedded": {"folder": str(folder / "store")}},
        "policy": str(folder / "policy.toml"),
        "pages_dir": str(folder / "pages"),
        "opendata": {"folder": str(folder / "opendata")},
        **server,
    }
    content["server"] = {"port": port, **dict(content.get("server", {}))}  # type: ignore[call-overload]
    config = folder / "udp.toml"
    config.write_text(tomli_w.dumps(content), encoding="utf-8")
    log = (folder / "udp.log").open("wb")
    command = [sys.executable, "-m", "udp", "run", "--config", str(config)]
    root = str(Path(__file__).parents[3])
    process = subprocess.Popen(
        command, stdout=log, stderr=log, cwd=root, env=os.environ | {"PYTHONPATH": root}
    )
    with closing(SqlRegistry(f"sqlite:///{folder}/registry.sqlite")) as registry:
        hidden = tuple(name for name in ids if name.startswith("kanarie") or name.endswith("battery_voltage"))
        made = Fortress(
            folder, port, psutil.Process(process.pid), SqlKeys(registry.database), ids, hidden, key
        )
        try:
            _until_it_answers(made, process)
            yield made
        finally:
            made.client.close()
            process.terminate()
            try:
                process.wait(timeout=30)
            finally:
                process.kill()
                process.wait()
                log.close()


def _until_it_answers(made: Fortress, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STARTING_S
    while True:
        assert process.poll() is None, (made.folder / "udp.log").read_text()
        try:
            made.alive(within_s=20)
        except httpx2.HTTPError:
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(0.1)
        else:
            return
