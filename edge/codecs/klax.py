"""KLAX 2.0: an optical head on an electricity meter that sends four values of 15 minutes at a time.

Header version 0 of the SML head, uplink port 3: two octets of state (vendor's payload description),
two of message numbering, then blocks: 01 history of two registers, 03 identity of the meter (TTN
device repository, vendor/alpha-omega-technology/klax). Anything else (header version 1, block 02)
is refused: no published payload shows it.

Values are named `registers.<filter>.<unit>`, so that a register that was set to another quantity
never continues a Datastream of energy.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from struct import Struct

from edge.codecs.port import CodecError, Decoded
from edge.wire.messages import FieldValue, Record

PORT = 3
PERIOD = timedelta(minutes=15)

_UNITS = ("NDEF", "Wh")
_METERS = ("SML", "IEC 62056-21 normal mode", "IEC 62056-21 battery mode", "Logarex")
_HISTORY, _IDENTITY = 1, 3
_LENGTHS = {_HISTORY: 34, _IDENTITY: 10}
_VALUES = Struct(">4l").unpack_from

_Fields = dict[str, FieldValue]


def klax(payload: bytes, f_port: int, received_at: datetime) -> Decoded:
    """Newest record first (time of reception), then 15, 30 and 45 minutes earlier."""
    if f_port != PORT:
        raise CodecError(f"klax: port {f_port} carries no measurements, expected {PORT}")
    fields = _header(payload)
    ages: tuple[_Fields, _Fields, _Fields, _Fields] = (fields, {}, {}, {})
    offset, end = 4, len(payload)
    while offset < end:
        kind, start = payload[offset], offset + 1
        offset = start + _LENGTHS.get(kind, 0)
        if offset == start:
            raise CodecError(f"klax: unknown block {kind:02x} at octet {start - 1}")
        if offset > end:
            raise CodecError(f"klax: block {kind:02x} at octet {start - 1} is cut off after {end} octets")
        if kind == _HISTORY:
            _history(payload, start, ages)
        else:
            fields["serverID"] = payload[start:offset].hex()
    records = [Record(fields)]
    records += (Record(old, received_at - age * PERIOD) for age, old in enumerate(ages) if age and old)
    return Decoded(tuple(records))


def _header(payload: bytes) -> _Fields:
    if len(payload) < 4:
        raise CodecError(f"klax: {len(payload)} octets are shorter than the 4 octet header")
    version, head = payload[0] >> 2, payload[0] & 3
    if version or head:
        raise CodecError(
            f"klax: header version {version}, head {head} at octet 0; only 0, 0 (SML) is readable"
        )
    state, numbering = payload[1], payload[3]
    return {
        "type": "app",
        "header.version": version,
        "header.deviceType": "SML Klax",
        "header.meterType": _METERS[state >> 4 & 3],
        "header.batteryPerc": min(100, (state & 0x0F) * 10),
        "header.configured": state & 0x40 != 0,
        "header.connTest": state & 0x80 != 0,
        "msgInfo.msgIdx": payload[2],
        "msgInfo.msgCnt": numbering & 0x0F,
        "msgInfo.msgNum": numbering >> 4,
    }


def _history(payload: bytes, start: int, ages: tuple[_Fields, ...]) -> None:
    """Two registers: each active bit, two bits filter, valid bit; a nibble of unit; four values."""
    state, units = payload[start], payload[start + 1]
    for register in (0, 1):
        nibble = state >> 4 * register & 0x0F
        if not nibble & 1:
            continue
        name, valid = f"registers.{nibble >> 1 & 3}", nibble & 8 != 0
        unit = _unit(units >> 4 * register & 0x0F)
        ages[0][f"{name}.dataValid"], ages[0][f"{name}.unit"] = valid, unit
        if valid:
            values = _VALUES(payload, start + 2 + 16 * register)
            for fields, value in zip(ages, values, strict=True):
                fields[f"{name}.{unit}"] = value


def _unit(code: int) -> str:
    """Other units than these are set on the head by its owner; they keep their number."""
    return _UNITS[code] if code < len(_UNITS) else f"unit{code}"
