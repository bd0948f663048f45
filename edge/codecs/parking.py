"""Parking bay sensors whose port says what a frame is: Bosch TPS110, Nwave NPS405."""

from __future__ import annotations

from datetime import datetime
from struct import Struct

from edge.codecs.port import CodecError, Decoded
from edge.wire.messages import FieldValue, Record

_TPS110_LENGTHS = {1: 1, 2: 2, 3: 17}
_TPS110_RESETS = {1: "watchdog", 2: "power on", 3: "system request", 4: "other"}


def bosch_tps110(payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG001
    """TPS110: status (port 1), heartbeat with temperature (2), startup (3).

    Layout: TTN device repository, vendor/bosch/tps110-0292.
    """
    if _TPS110_LENGTHS.get(f_port) != len(payload):
        raise CodecError(f"bosch-tps110: {len(payload)} octets on port {f_port} are no known frame")
    fields: dict[str, FieldValue] = {"occupied": payload[-1 if f_port == 3 else 0] & 1 == 1}
    if f_port == 1:
        fields["type"] = "parking status"
    elif f_port == 2:
        fields["type"] = "heartbeat"
        fields["temperature"] = payload[1] - 256 if payload[1] > 127 else payload[1]
    else:
        fields["type"] = "startup"
        codes = (payload[at] | payload[at + 1] << 8 for at in range(0, 12, 2))
        fields |= {f"debugCodes.{n}": code for n, code in enumerate(code for code in codes if code)}
        fields["firmwareVersion"] = f"{payload[12]}.{payload[13]}.{payload[14]}"
        fields["resetCause"] = _TPS110_RESETS.get(payload[15], f"unknown ({payload[15]})")
    return Decoded((Record(fields),))


_NPS405_LENGTHS = {1: (1,), 2: (3, 6), 3: (5,), 10: (5,)}
_NPS405_HEARTBEAT = Struct(">BBb").unpack_from
_NPS405_RESETS = {
    0: "rejoining_lorawan_network",
    1: "watchdog",
    2: "power_on",
    3: "user_request",
    6: "brownout",
    7: "other",
}


def nwave_nps405(payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG001
    """NPS405: status (port 1), heartbeat (2), startup (3), user registration by tag (10).

    Layout: TTN device repository, vendor/nwave/nps405.
    """
    if len(payload) not in _NPS405_LENGTHS.get(f_port, ()):
        raise CodecError(f"nwave-nps405: {len(payload)} octets on port {f_port} are no known frame")
    if f_port == 1:
        return Decoded((Record({"type": "parking_status", **_nwave_state(payload[0])}),))
    if f_port == 2:
        return Decoded((Record(_nwave_heartbeat(payload)),))
    if f_port == 3:
        return Decoded((Record(_nwave_startup(payload)),))
    # A tag may be shown to an empty bay too; then the state octet says nothing.
    state = _nwave_state(payload[0]) if payload[0] & 1 else {}
    tag = payload[1:].hex().upper()
    return Decoded((Record({"type": "user_registration", **state, "tag_id": tag}),))


def _nwave_state(octet: int) -> dict[str, FieldValue]:
    """Occupied in bit 0; above it minutes of the previous state, coarser the longer it lasted.

    Code below 90: minutes; below 120: steps of 5 from 90; below 127: hours from 240 minutes; 127:
    660 minutes or more. The error is what the rounding down may hide.
    """
    code = octet >> 1
    state: dict[str, FieldValue] = {
        "occupied": octet & 1 == 1,
        "previous_state_duration_overflow": code == 127,
    }
    if code < 90:
        state["previous_state_duration"], state["previous_state_duration_error"] = code, 0
    elif code < 120:
        state["previous_state_duration"] = 90 + 5 * (code - 90)
        state["previous_state_duration_error"] = 4
    elif code < 127:
        state["previous_state_duration"] = 240 + 60 * (code - 120)
        state["previous_state_duration_error"] = 59
    else:
        state["previous_state_duration"] = 660
    return state


def _nwave_heartbeat(payload: bytes) -> dict[str, FieldValue]:
    health, voltage, temperature = _NPS405_HEARTBEAT(payload)
    millivolts, celsius = 2500 + 4 * voltage, temperature / 2 + 10
    low = 3000 if celsius >= -5 else 2900  # a cold cell is weaker: 100 mV less is still normal
    battery = "normal" if millivolts >= low else "low" if millivolts >= low - 100 else "critical"
    return {
        "type": "heartbeat",
        "occupied": health & 1 == 1,
        "hw_health_status": health >> 1,
        "battery_voltage": millivolts / 1000,
        "temperature": celsius,
        "battery_health": battery,
    }


def _nwave_startup(payload: bytes) -> dict[str, FieldValue]:
    return {
        "type": "startup",
        "firmware_version": f"{payload[0]}.{payload[1]}.{payload[2]}",
        "reset_cause": _NPS405_RESETS.get(payload[3], f"unknown ({payload[3]})"),
        "occupied": payload[4] & 1 == 1,
    }
