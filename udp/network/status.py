"""How gateways and devices are, as ChirpStack last heard them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chirpstack_api import api

from edge.wire.identifiers import DevEUI, GatewayEUI
from udp.network.connection import Connection
from udp.network.found import find_application, find_tenant, list_devices, list_gateways


@dataclass(frozen=True, slots=True)
class GatewaySeen:
    """`state`: ChirpStack's own judgement by its statistics interval: online, offline or never seen."""

    eui: GatewayEUI
    name: str
    last_seen_at: datetime | None
    state: str


@dataclass(frozen=True, slots=True)
class DeviceSeen:
    """From the answer to ChirpStack's last DevStatusReq (LoRaWAN 1.0.4, 5.5): `battery` in %, None if the
    device does not know it or was never asked; `margin` in dB of SNR, -32 to 31."""

    dev_eui: DevEUI
    name: str
    profile: str
    last_seen_at: datetime | None
    margin: int | None
    battery: float | None
    mains: bool


def read_status(connection: Connection) -> tuple[list[GatewaySeen], list[DeviceSeen]]:
    """Every gateway of our tenant and every device of our application; nothing where they do not exist."""
    tenant_id = find_tenant(connection)
    if not tenant_id:
        return [], []
    gateways = [_gateway(item) for item in list_gateways(connection, tenant_id)]
    application_id = find_application(connection, tenant_id)
    return gateways, [
        _device(item) for item in list_devices(connection, application_id)
    ] if application_id else []


def _gateway(item: Any) -> GatewaySeen:
    state = {api.GatewayState.ONLINE: "online", api.GatewayState.OFFLINE: "offline"}
    return GatewaySeen(
        GatewayEUI.parse(item.gateway_id), item.name, _time(item), state.get(item.state, "never seen")
    )


def _device(item: Any) -> DeviceSeen:
    told = item.HasField("device_status")
    status = item.device_status
    return DeviceSeen(
        dev_eui=DevEUI.parse(item.dev_eui),
        name=item.name,
        profile=item.device_profile_name,
        last_seen_at=_time(item),
        margin=status.margin if told else None,
        # ChirpStack says -1 for "not available".
        battery=status.battery_level if told and status.battery_level >= 0 else None,
        mains=told and status.external_power_source,
    )


def _time(item: Any) -> datetime | None:
    return item.last_seen_at.ToDatetime(UTC) if item.HasField("last_seen_at") else None
