"""KELLER ADT1 and ARC1 loggers: measured values as big-endian floats, chosen by a mask of channels.

Layout: KELLER "Data transmission LoRa". Pressures in bar, temperatures in Cel. The kind of
connection says which channels the mask's bits mean; covered are the two pressure loggers with and
without their own barometer (kinds 0 to 3).
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Final

from edge.codecs.port import CodecError, Decoded
from edge.wire.messages import FieldValue, Record

_MEASURED, _INFORMATION = 1, 12
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_OPEN = ("Pd (P1-P2)", "P1", "P2", "T", "TOB1", "TOB2")
_VENTED = ("Pd (P1-PBaro)", "P1", "P2", "T", "TOB1", "TOB2", "PBaro", "TBaro")
_CHANNELS = {0: _OPEN, 1: _OPEN, 2: _VENTED, 3: _VENTED}
_INFORMATION_LAYOUT = Struct(">BBBBBBLLfBB")


def adt_arc(payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG001
    """Measured values (function 1), or what the logger says of itself (function 12)."""
    if f_port not in (1, 4):
        raise CodecError(f"keller: port {f_port} is not known, expected 1 or 4")
    if not payload:
        raise CodecError("keller: empty payload")
    if payload[0] == _MEASURED:
        return _measured(payload)
    if payload[0] == _INFORMATION:
        return _information(payload)
    raise CodecError(f"keller: function {payload[0]} is not known, only {_MEASURED} and {_INFORMATION}")


def _measured(payload: bytes) -> Decoded:
    if len(payload) < 8 or len(payload) % 4:
        raise CodecError(f"keller: {len(payload)} octets are no function, mask and whole numbers")
    kind, mask = payload[1], int.from_bytes(payload[2:4], "big")
    channels = _CHANNELS.get(kind)
    if channels is None:
        raise CodecError(f"keller: connection {kind} is not covered, only {', '.join(map(str, _CHANNELS))}")
    numbers = [bit for bit in range(16) if mask >> bit & 1]
    if len(payload) != 4 + 4 * len(numbers) or (numbers and numbers[-1] >= len(channels)):
        raise CodecError(f"keller: mask {mask:04x} does not fit {len(payload)} octets of connection {kind}")
    fields: dict[str, FieldValue] = {"ct": kind}
    warnings: list[str] = []
    for bit, (value,) in zip(numbers, Struct(">f").iter_unpack(payload[4:]), strict=True):
        if math.isfinite(value):
            fields[channels[bit]] = value
        else:
            warnings.append(f"{channels[bit]}: the logger gives no number")
    return Decoded((Record(fields),), tuple(warnings))


def _information(payload: bytes) -> Decoded:
    if len(payload) != _INFORMATION_LAYOUT.size:
        raise CodecError(f"keller: {len(payload)} octets of information, expected {_INFORMATION_LAYOUT.size}")
    _, _, kind, group, year, week, serial, seconds, volts, charge, humidity = _INFORMATION_LAYOUT.unpack(
        payload
    )
    moment = _EPOCH + timedelta(seconds=seconds)
    fields: dict[str, FieldValue] = {
        "battery_capacity_percentage": charge,
        "class_group_text": f"{kind}.{group:02d}",
        "device_local_datetime": f"{moment:%Y-%m-%d %H:%M:%S}",
        "humidity_percentage": humidity,
        "serial_number": serial,
        "sw_version_text": f"{year}.{week:02d}",
    }
    if math.isfinite(volts):
        fields["battery_voltage"] = volts
    return Decoded((Record(fields),))
