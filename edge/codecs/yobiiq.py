"""Yobiiq EM4301: three-phase meter with blocks of (channel, type, value), big-endian.

Port 1 measures, port 50 says what the device is; channel ff is the device. Energies in Wh.
Port 60 (events) is not in the published payloads and is refused.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from edge.codecs.port import CodecError, Decoded
from edge.wire.messages import FieldValue, Record

_DATA, _INFORMATION, _EVENTS = 1, 50, 60
_DEVICE, _MODBUS_ERROR = 0xFF, (0x0B, 0x0A)
_MODEL = 0x28
_CLASSES: Final = ("Class A", "Class B", "Class C")
# type -> (field, octets, signed, divisor)
_MEASURED: dict[int, tuple[str, int, bool, int]] = {
    0x01: ("timestamp", 4, False, 1),
    0x03: ("dataloggerTimestamp", 4, False, 1),
    0x04: ("activeEnergyImportL123T1", 4, False, 1),
    0x05: ("activeEnergyImportL123T2", 4, False, 1),
    0x06: ("activeEnergyExportL123T1", 4, False, 1),
    0x07: ("activeEnergyExportL123T2", 4, False, 1),
    0x08: ("reactiveEnergyImportL123T1", 4, False, 1),
    0x09: ("reactiveEnergyImportL123T2", 4, False, 1),
    0x0A: ("reactiveEnergyExportL123T1", 4, False, 1),
    0x0B: ("reactiveEnergyExportL123T2", 4, False, 1),
    0x0C: ("voltageL1N", 4, True, 10),
    0x0D: ("voltageL2N", 4, True, 10),
    0x0E: ("voltageL3N", 4, True, 10),
    0x10: ("currentL1", 4, True, 1),
    0x11: ("currentL2", 4, True, 1),
    0x12: ("currentL3", 4, True, 1),
    0x13: ("activePowerL123", 4, True, 1),
    0x14: ("activePowerL1", 4, True, 1),
    0x15: ("activePowerL2", 4, True, 1),
    0x16: ("activePowerL3", 4, True, 1),
}
_SAID: dict[int, tuple[str, int]] = {
    0x09: ("hardwareVersion", 2),
    0x0A: ("firmwareVersion", 2),
    0x0B: ("powerEvent", 1),
    0x0F: ("deviceClass", 1),
    0x16: ("deviceSerialNumber", 4),
    0x1E: ("primaryCurrentTransformerRatio", 2),
    0x1F: ("secondaryCurrentTransformerRatio", 1),
    0x20: ("primaryVoltageTransformerRatio", 4),
    0x21: ("secondaryVoltageTransformerRatio", 2),
}


def em4301(payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG001
    """Registers of the meter, or the device's own words; CodecError at the first unknown block."""
    if f_port not in (_DATA, _INFORMATION):
        known = " (events are not covered)" if f_port == _EVENTS else ""
        raise CodecError(f"yobiiq-em4301: port {f_port} carries no data{known}, expected 1 or 50")
    fields: dict[str, FieldValue] = {}
    offset, end = 0, len(payload)
    while offset + 2 < end:
        channel, kind = payload[offset], payload[offset + 1]
        offset = (_said if channel == _DEVICE else _measured)(payload, offset, (channel, kind), fields)
    if offset != end or not fields:
        raise CodecError(f"yobiiq-em4301: {end} octets hold no complete block after octet {offset}")
    return Decoded((Record(fields),))


def _measured(payload: bytes, start: int, block: tuple[int, int], fields: dict[str, FieldValue]) -> int:
    if block == _MODBUS_ERROR:  # by channel and type: type 0a elsewhere is an energy
        fields["modbusErrorCode"] = payload[start + 2]
        return start + 3
    name, octets, signed, divisor = _MEASURED.get(block[1], ("", 0, False, 1))
    value = int.from_bytes(_octets(payload, start, octets, name, block), "big", signed=signed)
    fields[name] = value if divisor == 1 else value / divisor
    return start + 2 + octets


def _said(payload: bytes, start: int, block: tuple[int, int], fields: dict[str, FieldValue]) -> int:
    kind = block[1]
    if kind == _MODEL:  # a text to the end
        fields["deviceModel"] = payload[start + 2 :].decode("ascii", "replace")
        return len(payload)
    name, octets = _SAID.get(kind, ("", 0))
    value = _octets(payload, start, octets, name, block)
    number = int.from_bytes(value, "big")
    if name in ("hardwareVersion", "firmwareVersion"):
        fields[name] = f"V{value[0]:x}.{value[1]:x}"
    elif name == "deviceClass":
        fields[name] = _CLASSES[number] if number < len(_CLASSES) else "unknown"
    elif name == "powerEvent":
        fields[name] = "AC Power On" if number else "AC Power Off"
    else:
        fields[name] = number
    return start + 2 + octets


def _octets(payload: bytes, start: int, octets: int, name: str, block: tuple[int, int]) -> bytes:
    if not name:
        raise CodecError(
            f"yobiiq-em4301: unknown channel {block[0]:02x} type {block[1]:02x} at octet {start}"
        )
    value = payload[start + 2 : start + 2 + octets]
    if len(value) < octets:
        raise CodecError(f"yobiiq-em4301: {name} at octet {start} is cut off after {len(payload)} octets")
    return value
