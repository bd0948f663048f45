"""EMU Professional II: electricity meter that stamps its registers itself and checks frames by CRC-8.

Little-endian. Port 1: time, then (index, 32-bit value) pairs; port 100: what the meter is, after a
join. The last octet is the CRC-8 (polynomial 07, start 00) of all before it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from struct import Struct

from edge.codecs.port import CodecError, Decoded
from edge.wire.instants import EPOCH
from edge.wire.messages import FieldValue, Record

_ENERGY_PORT, _INFORMATION_PORT = 1, 100
_PAIR = Struct("<BL")
_REGISTERS = {
    1: "timestamp",
    3: "Active Energy Import T1",
    4: "Active Energy Import T2",
    5: "Active Energy Export T1",
    6: "Active Energy Export T2",
    7: "Reactive Energy Import T1",
    8: "Reactive Energy Import T2",
    9: "Reactive Energy Export T1",
    10: "Reactive Energy Export T2",
}
_RATIOS = {
    0xF3: "current-transformer primary",
    0xF4: "current-transformer secondary",
    0xF5: "voltage-transformer primary",
    0xF6: "voltage-transformer secondary",
}
_SERIAL, _TYPE, _YEAR = 0xF1, 0xF7, 0xF8
_INFORMATION_LENGTHS = {_SERIAL: 4, _TYPE: 1, _YEAR: 4, **dict.fromkeys(_RATIOS, 2)}


def _crc_table() -> bytes:
    table = bytearray()
    for octet in range(256):
        for _ in range(8):
            octet = (octet << 1 ^ 0x07) & 0xFF if octet & 0x80 else octet << 1  # noqa: PLW2901
        table.append(octet)
    return bytes(table)


_CRC = _crc_table()


def prof_ii(payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG001
    """Energies in Wh and varh at the meter's own time; CodecError for a wrong check octet too."""
    if f_port not in (_ENERGY_PORT, _INFORMATION_PORT):
        raise CodecError(f"emu-prof-ii: port {f_port} carries no data, expected 1 or 100")
    if len(payload) < 6:
        raise CodecError(f"emu-prof-ii: {len(payload)} octets are shorter than time, a value and check")
    _verify(payload)
    seconds = int.from_bytes(payload[:4], "little")
    fields: dict[str, FieldValue] = {
        "timeStamp": seconds,
        "medium.type": 1,
        "medium.desc": "Electricity",
    }
    if f_port == _ENERGY_PORT:
        _energies(payload, fields)
    else:
        _information(payload, fields)
    return Decoded((Record(fields, EPOCH + timedelta(seconds=seconds)),))


def _verify(payload: bytes) -> None:
    check = 0
    for octet in payload[:-1]:
        check = _CRC[check ^ octet]
    if check != payload[-1]:
        raise CodecError(f"emu-prof-ii: check octet is {payload[-1]:02x}, the frame gives {check:02x}")


def _energies(payload: bytes, fields: dict[str, FieldValue]) -> None:
    if (len(payload) - 5) % _PAIR.size:
        raise CodecError(f"emu-prof-ii: {len(payload)} octets end within a register")
    for offset in range(4, len(payload) - 1, _PAIR.size):
        index, value = _PAIR.unpack_from(payload, offset)
        name = _REGISTERS.get(index)
        if name is None:
            raise CodecError(f"emu-prof-ii: unknown register {index} at octet {offset}")
        fields[name] = value


def _information(payload: bytes, fields: dict[str, FieldValue]) -> None:
    offset, end = 4, len(payload) - 1
    while offset < end:
        kind, start = payload[offset], offset + 1
        offset = start + _INFORMATION_LENGTHS.get(kind, 0)
        if offset == start or offset > end:
            raise CodecError(
                f"emu-prof-ii: information {kind:02x} at octet {start - 1} is unknown or cut off"
            )
        value = payload[start:offset]
        if kind in _RATIOS:
            fields[_RATIOS[kind]] = int.from_bytes(value, "little")
        elif kind == _TYPE:
            fields["meter-typ"] = value[0]
        elif kind == _SERIAL:
            fields["serial-number"] = value[::-1].hex()
        else:
            fields["MID year"] = sum(digit * 10**power for power, digit in enumerate(reversed(value)))
