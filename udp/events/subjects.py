"""Who is expected to speak, and when each of them last did: devices, gateways, modules, agents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from edge.wire.identifiers import DevEUI
from udp.ledger.port import DeviceFreshness, Report
from udp.registry.port import Channel, Device, Inventory, WiredSensor

AGENT, GATEWAY = "agent", "gateway"  # wired sensors every agent may have; all others are modules
# Nobody is silent sooner than that, however often he usually speaks.
SHORTEST = {
    "device": timedelta(minutes=30),
    "gateway": timedelta(minutes=5),
    "module": timedelta(minutes=10),
    "agent": timedelta(minutes=5),
}
_HEALTH = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody who speaks. `sign`: when he was last heard, None while never; `channels`: what he says.

    `heard` and `lost`: frames of a radio device, by its counter.
    """

    kind: str
    key: str
    name: str
    thing: str | None
    interval: timedelta
    sign: datetime | None
    channels: tuple[Channel, ...]
    agent: str | None = None
    heard: int = 0
    lost: int = 0

    @property
    def subject(self) -> str:
        """As events name it."""
        return f"{self.kind}:{self.key}"


def subjects(inventory: Inventory, report: Report, newest: Mapping[int, datetime]) -> Iterator[Subject]:
    """Everybody in the register; `newest`: time of each Datastream's newest measurement."""
    heard = {_plain(one.dev_eui): one for one in report.devices}
    for dev_eui, device in inventory.devices.items():
        yield _device(device, heard.get(str(dev_eui)), inventory)
    agents = {one.agent: one.last_journalled_at for one in report.agents}
    by_eui = {one.gateway.lower(): one.last_received_at for one in report.gateways}
    for (agent, sensor), wired in inventory.wired.items():
        signs = [newest[one.datastream] for one in wired.channels if one.datastream in newest]
        if sensor == AGENT:
            signs = [agents[agent]] if agent in agents else []
        elif sensor == GATEWAY:
            eui = str(inventory.things[wired.thing].properties.get("gateway_eui", agent)).lower()
            signs += [by_eui[eui]] if eui in by_eui else []
        yield _wired(agent, sensor, wired, max(signs, default=None), inventory)


def _device(device: Device, fresh: DeviceFreshness | None, inventory: Inventory) -> Subject:
    return Subject(
        "device", str(device.dev_eui), inventory.things[device.thing].name, device.thing,
        timedelta(seconds=device.expected_interval_s), fresh.last_received_at if fresh else None,
        device.channels, heard=fresh.uplinks if fresh else 0, lost=fresh.lost if fresh else 0,
    )  # fmt: skip


def _wired(
    agent: str, sensor: str, wired: WiredSensor, sign: datetime | None, inventory: Inventory
) -> Subject:
    kind = sensor if sensor in (AGENT, GATEWAY) else "module"
    place = inventory.things[wired.thing].name
    intervals = [
        inventory.datastreams[one.datastream].expected_interval_s
        for one in wired.channels
        if one.datastream in inventory.datastreams
    ]
    interval = _HEALTH if kind == AGENT else timedelta(seconds=max(intervals, default=3600.0))
    gateway = place if place.startswith("Gateway ") else f"Gateway {place}"
    named = {AGENT: f"Der Agent {agent}", GATEWAY: f"Das {gateway}"}
    return Subject(
        kind, agent if kind != "module" else f"{agent}/{sensor}",
        named.get(kind, f"Das Modul {sensor} von {place}"),
        wired.thing, interval, sign, wired.channels, agent,
    )  # fmt: skip


def _plain(dev_eui: str) -> str:
    try:
        return str(DevEUI.parse(dev_eui))
    except ValueError:
        return dev_eui
