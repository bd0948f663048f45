"""What the network server holds and does, in German lines that a clerk can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from udp.network.activations import Activations
from udp.network.difference import Plan, Step
from udp.network.port import QueuedDownlink
from udp.network.status import DeviceSeen, GatewaySeen

_PLURAL = {
    "Mandant": "Mandanten",
    "Anwendung": "Anwendungen",
    "Profil": "Profile",
    "Gateway": "Gateways",
    "Gerät": "Geräte",
}
_STATES = {"online": "da", "offline": "weg", "never seen": "-"}


def plan_lines(plan: Plan, *, deleting: bool) -> list[str]:
    """What would be done, what is left over, what is left alone and why."""
    lines = [str(step) for step in plan.steps]
    if deleting:
        lines += [str(step) for step in plan.surplus]
    else:
        lines += [
            f"entfallen: {one.kind} {one.told}: bleibt stehen; löschen mit --delete-removed"
            for one in plan.surplus
        ]
    return lines + list(plan.notes)


def counted(steps: Sequence[Step]) -> str:
    """How many of what, each followed by a comma."""
    counts = Counter((step.kind, step.action) for step in steps)
    words = {"neu": "neu", "ändern": "zu ändern", "löschen": "zu löschen"}
    return "".join(
        f"{number(count, kind, _PLURAL[kind])} {words[action]}, " for (kind, action), count in counts.items()
    )


def number(count: int, one: str, many: str) -> str:
    """A count with its word."""
    return f"{count} {one if count == 1 else many}"


def activation_lines(found: Activations) -> Iterator[str]:
    """The count, and why some were left out."""
    yield (
        f"{number(len(found.news), 'neue Sitzung', 'neue Sitzungen')}, {found.unchanged} unverändert, "
        f"{number(found.never_joined, 'Gerät', 'Geräte')} noch nicht beigetreten"
    )
    for devices, why in (
        (found.later, "LoRaWAN 1.1: seine Rahmen öffnet nur ChirpStack"),
        (found.sealed, "den AppSKey hält ein Join-Server; seine Rahmen öffnet nur dieser"),
    ):
        for dev_eui in devices:
            yield f"ausgelassen: {dev_eui}: {why}"


def queue_line(item: QueuedDownlink) -> str:
    """One that waits."""
    state = f"gesendet (FCnt {item.f_cnt_down}), Bestätigung steht aus" if item.pending else "wartet"
    until = f", bis {item.expires_at:%Y-%m-%d %H:%M} UTC" if item.expires_at else ""
    return f"{item.id}  Port {item.f_port}  {item.payload.hex().upper()}  {state}{until}"


def gateway_line(one: GatewaySeen, now: datetime) -> str:
    """When it was last heard and what ChirpStack thinks of it."""
    return f"Gateway {one.eui}  {_ago(one.last_seen_at, now):<14}  {_STATES[one.state]:<22}  {one.name}"


def device_line(one: DeviceSeen, now: datetime) -> str:
    """When it was last heard and how it is."""
    return f"Gerät   {one.dev_eui}  {_ago(one.last_seen_at, now):<14}  {_health(one):<22}  {one.name}"


def _health(device: DeviceSeen) -> str:
    if device.margin is None:
        return "Zustand unbekannt"
    power = "Netzteil" if device.mains else "-" if device.battery is None else f"{device.battery:.0f} %"
    return f"Batterie {power}, {device.margin:+d} dB"


def _ago(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "nie gehört"
    minutes = max(0, int((now - moment).total_seconds() // 60))
    if minutes < 120:
        return f"vor {minutes} min"
    return f"vor {minutes // 60} h" if minutes < 48 * 60 else f"vor {minutes // 1440} Tagen"
