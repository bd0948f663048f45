"""A small town over real register, ledger and store, with a clock we move and a log of events."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from edge.wire.identifiers import DevEUI
from udp.events.sql import SqlEvents
from udp.events.watch import Watch
from udp.ledger.port import Page, SeenUplink, SequenceRun
from udp.ledger.sql import SqlLedger
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.store.columns import Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

START = datetime(2026, 11, 1, tzinfo=UTC)
TEN_MINUTES = timedelta(minutes=10)
DEVICES = 6
HEAD = 'format = 1\n[city]\nname = "Teststadt"\nsimulated = true\n'
PLACE = """
[[thing]]
key = "{key}"
name = "{name}"
kind = "gauge"
theme = "regen-und-baeche"
district = "castrop"
district_name = "Castrop"
latitude = 51.55
longitude = 7.31
access = "open"
licence = "dl-de/zero-2-0"
"""
DEVICE = """
[[thing.device]]
dev_eui = "{eui}"
profile = "decentlab-dl-ctd10"
"""
WIRED = """
[[thing.wired]]
agent = "gw-1"
sensor = "agent"
profile = "agent-health"
[[thing.wired]]
agent = "gw-1"
sensor = "gateway"
profile = "gateway-statistics"
"""


def eui(number: int) -> str:
    return f"00000000000000{number:02X}"


def city_text(devices: int = DEVICES) -> str:
    parts = [HEAD]
    for number in range(1, devices + 1):
        parts.append(PLACE.format(key=f"pegel-{number}", name=f"Pegel {number}"))
        parts.append(DEVICE.format(eui=eui(number)))
    parts += [PLACE.format(key="gw-rathaus", name="Rathaus"), WIRED]
    return "".join(parts)


@dataclass
class Town:
    """`at`: the clock. `speak` lets devices and the gateway say something now."""

    folder: Path
    registry: SqlRegistry
    ledger: SqlLedger
    store: EmbeddedStore
    events: SqlEvents
    clock: list[datetime]
    watch: Watch
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    sent: dict[int, int] = field(default_factory=dict)
    told: int = 0
    volts: float = 3.1
    stuck: dict[int, float] = field(default_factory=dict)

    def stream(self, thing: str, key: str) -> int:
        streams = self.registry.inventory().datastreams.values()
        return next(one.id for one in streams if (one.thing, one.key) == (thing, key))

    def speak(self, devices: tuple[int, ...] = tuple(range(1, DEVICES + 1)), *, gateway: bool = True) -> None:
        self.say([self.clock[0]], devices, gateway=gateway)

    def say(
        self,
        moments: list[datetime],
        devices: tuple[int, ...],
        *,
        gateway: bool = True,
        statistics: bool = True,
    ) -> None:
        """All of it in one step: a past arrives faster than it happened.

        Without `statistics` the agent speaks and its packet forwarder does not.
        """
        seen, rows = [], []
        for at in moments:
            for number in devices:
                count = self.sent[number] = self.sent.get(number, 0) + 1
                identity = DevEUI.parse(eui(number)) + b"sess" + count.to_bytes(4, "big")
                seen.append(SeenUplink(identity, eui(number), b"sess", count, at, "edge", ()))
                value = self.stuck.get(number, round(50 + self.chance.gauss(0, 3), 1))
                rows.append((f"pegel-{number}", "water_level", at, value))
                warmth = round(8 + self.chance.gauss(0, 1), 1)
                rows.append((f"pegel-{number}", "water_temperature", at, warmth))
                rows.append((f"pegel-{number}", "battery_voltage", at, self.volts))
            if gateway and statistics:
                rows.append(("gw-rathaus", "packets_received", at, float(self.told)))
        runs = []
        if gateway:
            self.told += 1
            run = SequenceRun("gw-1", b"s" * 16, self.told, self.told, 1, moments[-1], moments[-1])
            runs = [run]
        ids = {(one.thing, one.key): one.id for one in self.registry.inventory().datastreams.values()}
        self.store.append(
            Observations.build(
                [ids[thing, key] for thing, key, _, _ in rows],
                [np.datetime64(at.replace(tzinfo=None), "us") for _, _, at, _ in rows],
                [value for *_, value in rows],
            )
        )
        self.ledger.write(Page(uplinks=seen, runs=runs))

    def wait(self, length: timedelta, devices: tuple[int, ...] = (), *, gateway: bool = True) -> None:
        """Time goes by: these speak every ten minutes, the gateway every minute; the watch looks around."""
        end = self.clock[0] + length
        while self.clock[0] < end:
            self.clock[0] += timedelta(minutes=1)
            minute = self.clock[0].minute % 10 == 0
            if (minute and devices) or gateway:
                self.say([self.clock[0]], devices if minute else (), gateway=gateway)
            self.watch.look()

    def open(self) -> dict[str, str]:
        return {f"{one.kind} {one.subject}": one.reason for one in self.events.open_events()}

    def restart(self) -> None:
        self.watch = new_watch(self)


def new_watch(town: Town) -> Watch:
    return Watch(
        town.registry, town.ledger, town.store, town.events, load_profiles(), lambda: town.clock[0],
        monotonic=lambda: 0.0,
    )  # fmt: skip


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    clock = [START]
    (tmp_path / "city.toml").write_text(city_text(), "utf-8")
    registry = SqlRegistry(f"sqlite:///{tmp_path}/registry.sqlite")
    registry.import_city(read_city(tmp_path / "city.toml", load_profiles()))
    ledger = SqlLedger(f"sqlite:///{tmp_path}/ledger.sqlite")
    store = EmbeddedStore(EmbeddedSettings(tmp_path / "store"), lambda: clock[0])
    made = Town(
        tmp_path, registry, ledger, store, SqlEvents(registry.database), clock,
        Watch(registry, ledger, store, SqlEvents(registry.database), load_profiles(), lambda: clock[0],
              monotonic=lambda: 0.0),
    )  # fmt: skip
    yield made
    store.close()
    ledger.close()
    registry.close()


@pytest.fixture
def settled(town: Town) -> Town:
    """Five days of everybody, and the watch has seen them."""
    everybody = tuple(range(1, DEVICES + 1))
    moments = [START + number * TEN_MINUTES for number in range(5 * 144)]
    for first in range(0, len(moments), 144):
        town.say(moments[first : first + 144], everybody)
    town.clock[0] = moments[-1]
    town.wait(timedelta(minutes=10), everybody)
    return town
