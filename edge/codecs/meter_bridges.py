"""Bridges that carry other people's meters: ACRIOS and iot-factory (wired M-Bus), IMST (wireless M-Bus).

A value is named after what it is, so that exchanging the meter behind a bridge cannot turn litres
into kilowatt-hours unnoticed.
"""

from __future__ import annotations

from datetime import datetime
from struct import Struct
from typing import Final

from edge.codecs import mbus
from edge.codecs.port import CodecError, Decoded
from edge.wire.messages import FieldValue, Record

_Fields = dict[str, FieldValue]

# ACRIOS: the only message header in the published payloads.
_ACRIOS_HEADER: Final = b"\x01\x01"
_LONG_FRAME, _STOP, _RSP_UD, _FIXED = 0x68, 0x16, 0x08, 0x73
_FIXED_LENGTH = 19
_STORED_UNIT = 0x3E
# "The M-Bus: A Documentation", 6.6: physical units of the fixed data structure (those of a meter's bill).
_UNITS = {
    **{0x02 + step: ("Wh", 10**step) for step in range(9)},
    **{0x14 + step: ("W", 10**step) for step in range(9)},
    **{0x29 + step: ("l", 10**step) for step in range(6)},
    **{0x32 + step: ("l/h", 10**step) for step in range(6)},
}
_MEDIA = ("Other", "Oil", "Electricity", "Gas", "Heat", "Steam", "Hot water", "Water", "Heat cost allocator")


def acrios_mbus(payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG001
    """One long frame with fixed data structure (CI 73): both counters, by storage and unit.

    Not covered by what is published, hence refused: the variable structure (CI 72), other headers.
    """
    if f_port != 1:
        raise CodecError(f"acrios: port {f_port} carries no M-Bus frame, expected 1")
    frame = _long_frame(payload)
    if frame[2] != _FIXED:
        raise CodecError(f"acrios: control information {frame[2]:02x} is not covered, only {_FIXED:02x}")
    if len(frame) != _FIXED_LENGTH:
        raise CodecError(f"acrios: {len(frame)} octets, the fixed structure has {_FIXED_LENGTH}")
    status, first, second = frame[8], frame[9], frame[10]
    fields: _Fields = {
        **({} if (serial := mbus.bcd(frame[3:7], 3)) is None else {"id": serial}),
        "accessN": frame[7],
        "status": status,
        "deviceType": f"{_medium(first, second)} meter",
    }
    warnings: list[str] = []
    units = (first & 0x3F, second & 0x3F)
    for storage, coded in enumerate(units):
        octets = frame[11 + 4 * storage : 15 + 4 * storage]
        known = _UNITS.get(units[0] if coded == _STORED_UNIT else coded)
        value = int.from_bytes(octets, "little") if status & 1 else mbus.bcd(octets, 11)
        if known is None or value is None:
            warnings.append(f"counter {storage}: no value in a known unit ({coded:02x} {octets.hex()})")
        else:
            fields[f"data.{storage}.{known[0]}"] = value * known[1]
    return Decoded((Record(fields),), tuple(warnings))


def _long_frame(payload: bytes) -> bytes:
    """Control field to the last octet before the check sum, both checked (EN 13757-2, FT 1.2)."""
    if payload[:2] != _ACRIOS_HEADER:
        raise CodecError(f"acrios: header {payload[:2].hex() or 'missing'}, expected {_ACRIOS_HEADER.hex()}")
    frame = payload[2:]
    if len(frame) < 9 or frame[0] != _LONG_FRAME or frame[3] != _LONG_FRAME or frame[1] != frame[2]:
        raise CodecError("acrios: no M-Bus long frame after the header")
    inner = frame[4 : 4 + frame[1]]
    if len(frame) != len(inner) + 6 or frame[-1] != _STOP:
        raise CodecError(f"acrios: the frame says {frame[1]} octets and has {len(frame) - 6}")
    if sum(inner) & 0xFF != frame[-2]:
        raise CodecError(f"acrios: check octet is {frame[-2]:02x}, the frame gives {sum(inner) & 0xFF:02x}")
    if inner[0] & 0x0F != _RSP_UD:
        raise CodecError(f"acrios: control field {inner[0]:02x} is no answer of a meter")
    return inner


def _medium(first: int, second: int) -> str:
    number = (second >> 6) << 2 | first >> 6
    return _MEDIA[number] if number < len(_MEDIA) else f"Medium {number}"


_FACTORY_PORT, _MBUS_FRAME = 10, 0x16
_FACTORY_FRAME = Struct("<HLB4sBB").unpack_from
_FACTORY_SIZE = 13
_STATUS = ("no_error", "application_busy", "any_application_error", "status_3")


def iot_factory_mbus(payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG001
    """Frames of one M-Bus record each: `frames.0.energy` in kWh, `frames.1.volume` in m3, and so on.

    Not covered by what is published, hence refused: frames of other kinds, an announced payload size.
    """
    if f_port != _FACTORY_PORT:
        raise CodecError(f"iot-factory: port {f_port} carries no frames, expected {_FACTORY_PORT}")
    if len(payload) < 6 or payload[1] & 0x11 != 0x01:
        raise CodecError("iot-factory: the header carries no serial number, or a size; not covered")
    fields: _Fields = {
        "type_power": "external" if payload[0] & 1 else "battery",
        "battery_pct": payload[0] >> 1,
        "version_protocol": payload[1] >> 1 & 7,
        "sn": int.from_bytes(payload[2:6], "little"),
    }
    warnings: list[str] = []
    offset, number = 6, 0
    while offset < len(payload):
        offset = _factory_frame(payload, offset, f"frames.{number}", fields, warnings)
        number += 1
    if not number:
        raise CodecError("iot-factory: no frame after the header")
    return Decoded((Record(fields),), tuple(warnings))


def _factory_frame(payload: bytes, start: int, name: str, fields: _Fields, warnings: list[str]) -> int:
    if start + _FACTORY_SIZE + 2 > len(payload):
        raise CodecError(f"iot-factory: frame at octet {start} is cut off after {len(payload)} octets")
    header, moment, _, serial, medium, status = _FACTORY_FRAME(payload, start)
    if header & 0x0FFF != _MBUS_FRAME:
        raise CodecError(f"iot-factory: frame {header & 0x0FFF:02x} at octet {start} is not covered")
    one, end = mbus.record(payload, start + _FACTORY_SIZE)
    if one.value is None and payload[start + _FACTORY_SIZE] & 0x0F == 0:  # no data: one octet stands for it
        if payload[end : end + 1] != b"\x00":
            raise CodecError(f"iot-factory: frame without data at octet {start} has no octet 00 after it")
        end += 1
    fields[f"{name}.frame_unixtime"] = moment
    fields[f"{name}.meter_serial_number"] = serial[::-1].hex()
    fields[f"{name}.medium"] = _MEDIA[medium] if medium < len(_MEDIA) else f"Medium {medium}"
    fields[f"{name}.status"] = _STATUS[status & 3]
    fields[f"{name}.reason"] = ("regular", "alarm")[header >> 12] if header >> 12 < 2 else "unknown"
    if one.value is None or not one.quantity or status & 3:
        warnings.append(f"{name}: no valid value of a known kind (VIF {one.vif.hex()}, status {status & 3})")
    else:
        stored = f".storage{one.storage}" if one.storage else ""
        fields[f"{name}{stored}.{one.quantity}"] = one.value
    return end


_IMST_PORT = 3
_IMST = {28: Struct("<LBBLLHLLL"), 31: Struct("<LBBLLHLLLHB")}


def imst_status(payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG001
    """Status of IMST's wireless M-Bus range extender: counters, supply, the number of its status bits.

    Not covered by what is published: which status bit means what (one combination is shown), and
    the meters' telegrams on other ports, which need their own keys (OMS).
    """
    structure = _IMST.get(len(payload))
    if f_port != _IMST_PORT or structure is None:
        raise CodecError(
            f"imst: {len(payload)} octets on port {f_port} are no status: 28 or 31 on port {_IMST_PORT}"
        )
    moment, minor, major, synchronised, resets, status, received, saved, sent, *supply = structure.unpack(
        payload
    )
    fields: _Fields = {
        "FirmwareVersion": f"{major}.{minor}",
        "Time": moment,
        "LastSyncTime": synchronised,
        "ResetCounter": resets,
        "Status": status,
        "WMBusPackagesReceived": received,
        "WMBusPackagesSaved": saved,
        "WMBusPackagesSent": sent,
    }
    if supply:
        fields["SystemVoltage"] = supply[0]
    return Decoded((Record(fields),))
