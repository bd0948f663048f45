"""Who is silent: everybody is judged by his own rhythm, and nobody while his past is still arriving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dashboards.operator.report import DeviceState, GatewayState, ModuleState, ModuleStream, Operations

# An agent reports its health every minute; ten silent minutes are an outage.
AGENT_SILENT = timedelta(minutes=10)
# A packet forwarder sends statistics every 30 s, whether it hears anybody or not.
GATEWAY_SILENT = timedelta(minutes=5)
# Without statistics only devices tell that a gateway lives; some device within reach speaks hourly.
GATEWAY_UNHEARD = timedelta(hours=1)
MODULE_SILENT = timedelta(minutes=10)
# Measurements of the past arrive in steps; a step may be late.
ARRIVAL_PAUSE = timedelta(minutes=2)
_MISSED = 3


def device_limit(interval: timedelta) -> timedelta:
    """Three expected intervals; at least half an hour, and six hours for those that speak seldom."""
    often = interval < timedelta(hours=2)
    return max(_MISSED * interval, timedelta(minutes=30) if often else timedelta(hours=6))


def limit_of(device: DeviceState) -> timedelta:
    """What its own rhythm says; while none is learned, what is expected of its type."""
    return device.silent_after or device_limit(device.expected_interval)


def gateway_limit(gateway: GatewayState) -> timedelta:
    """How long a gateway may give no sign."""
    if gateway.stat_interval is None:
        return GATEWAY_UNHEARD
    return max(GATEWAY_SILENT, _MISSED * gateway.stat_interval)


def stream_limit(stream: ModuleStream) -> timedelta:
    """How long a wired sensor may give no value: no radio loses one."""
    return max(MODULE_SILENT, _MISSED * stream.interval)


def agent_silent(name: str, operations: Operations) -> bool:
    """Whether the whole agent is silent; what hangs on it is then no trouble of its own."""
    last = next((one.last_journalled_at for one in operations.agents if one.agent == name), None)
    return last is not None and operations.at - last > AGENT_SILENT


def silent_devices(operations: Operations) -> list[DeviceState]:
    """Devices that have spoken once and are quiet too long now, longest first."""
    now = arrived_until(operations)
    quiet = [
        device
        for device in operations.devices
        if device.last_received_at is not None and now - device.last_received_at > limit_of(device)
    ]
    return sorted(quiet, key=lambda device: device.last_received_at or operations.at)


def silent_gateway(gateway: GatewayState, operations: Operations) -> bool:
    """Whether it once gave a sign and gives none now."""
    last = gateway.last_sign
    return (
        last is not None
        and operations.at - last > gateway_limit(gateway)
        and ("gateway", gateway.gateway) not in operations.catching_up
    )


def silent_streams(module: ModuleState, operations: Operations) -> Sequence[ModuleStream]:
    """Datastreams of a module that once had values and have none now."""
    if ("module", f"{module.agent} {module.sensor}") in operations.catching_up:
        return ()
    return [
        stream
        for stream in module.streams
        if stream.last_measured_at is not None
        and operations.at - stream.last_measured_at > stream_limit(stream)
    ]


def arrived_until(operations: Operations) -> datetime:
    """Up to when the radio's past has arrived: now, unless every sign of a gateway is from a history."""
    signs = [one.last_sign for one in operations.gateways if one.last_sign is not None]
    late = any(kind == "gateway" for kind, _ in operations.catching_up)
    if not late or not signs:
        return operations.at
    return min(operations.at, max(signs))


@dataclass(slots=True)
class Arrivals:
    """Remembers from report to report whose old measurements are still arriving.

    Old signs that advance are a backlog that is worked off; old signs that stand still are silence.
    One report alone cannot tell, so the first one believes in a backlog only while nobody
    of that kind is live.
    """

    _signs: dict[tuple[str, str], tuple[datetime, datetime]] = field(default_factory=dict)

    def note(self, operations: Operations) -> frozenset[tuple[str, str]]:
        """Kind and name of everybody who is catching up in this report."""
        signs = _signs(operations)
        live = {kind for (kind, _), sign in signs.items() if operations.at - sign <= ARRIVAL_PAUSE}
        for key, sign in signs.items():
            before = self._signs.get(key)
            if before is None:
                self._signs[key] = (sign, sign if key[0] in live else operations.at)
            elif before[0] != sign:
                self._signs[key] = (sign, operations.at)
        return frozenset(
            key
            for key, sign in signs.items()
            if operations.at - sign > ARRIVAL_PAUSE and operations.at - self._signs[key][1] <= ARRIVAL_PAUSE
        )


def _signs(operations: Operations) -> Mapping[tuple[str, str], datetime]:
    signs = {("gateway", one.gateway): one.last_sign for one in operations.gateways}
    signs |= {("module", f"{one.agent} {one.sensor}"): one.last_sign for one in operations.modules}
    return {key: sign for key, sign in signs.items() if sign is not None}
