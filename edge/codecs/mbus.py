"""M-Bus data records (EN 13757-3): the language nearly every heat, water and gas meter speaks.

Read are the records of the application layer: DIF (how the value is written, which storage), VIF
(what it is, in which power of ten) and the value. Units here are those of a meter's bill:
kWh, kW, m3, m3/h, Cel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from struct import unpack

from edge.codecs.port import CodecError

INSTANT = 0
_FILLER, _EXTENSION = 0x2F, 0x80
_INTEGERS = {0x1: 1, 0x2: 2, 0x3: 3, 0x4: 4, 0x6: 6, 0x7: 8}
_DECIMALS = {0x9: 1, 0xA: 2, 0xB: 3, 0xC: 4, 0xE: 6}
_NO_DATA, _FLOAT = 0x0, 0x5
_MOST_EXTENSIONS = 10  # EN 13757-3, 6.3.5 and 6.4.1: at most ten DIFE and ten VIFE
_JOULE_PER_KWH_EXPONENT = 6
_KWH_OF_MEGAJOULE = 3.6


@dataclass(frozen=True, slots=True)
class MBusRecord:
    """One record. `quantity` is "" for a VIF not in the table; `value` None where the meter gives none.

    `function`: 0 instantaneous, 1 maximum, 2 minimum, 3 value during an error. `storage` 0 is now.
    """

    octet: int
    function: int
    storage: int
    tariff: int
    vif: bytes
    quantity: str
    value: int | float | None


# First VIF of a row, how many exponents follow, quantity, exponent of the first (EN 13757-3, table 10).
_QUANTITIES: dict[int, tuple[str, int]] = {
    first + step: (quantity, exponent + step)
    for first, steps, quantity, exponent in (
        (0x00, 8, "energy", -6),
        (0x08, 8, "energy_joule", -_JOULE_PER_KWH_EXPONENT),
        (0x10, 8, "volume", -6),
        (0x28, 8, "power", -6),
        (0x38, 8, "flow", -6),
        (0x58, 4, "flow_temperature", -3),
        (0x5C, 4, "return_temperature", -3),
        (0x60, 4, "temperature_difference", -3),
        (0x64, 4, "external_temperature", -3),
        (0x78, 1, "serial", 0),
    )
    for step in range(steps)
}
_ERROR_FLAGS = b"\xfd\x17"


def records(payload: bytes, offset: int = 0) -> Iterator[MBusRecord]:
    """Every record from `offset` to the end. CodecError where one is cut off or of unknown length."""
    while offset < len(payload):
        if payload[offset] == _FILLER:
            offset += 1
            continue
        one, offset = record(payload, offset)
        yield one


def record(payload: bytes, start: int) -> tuple[MBusRecord, int]:
    """The record at octet `start`, and where the next one begins."""
    dif, offset, storage, tariff = _information(payload, start)
    vif_end = _extended(payload, offset, start)
    vif = payload[offset:vif_end]
    coding = dif & 0x0F
    length = _length(coding, start)
    end = vif_end + length
    if end > len(payload):
        raise CodecError(f"M-Bus record at octet {start} is cut off after {len(payload)} octets")
    raw = _value(coding, payload[vif_end:end], start)
    quantity, value = _meant(vif, raw)
    return MBusRecord(start, dif >> 4 & 3, storage, tariff, vif, quantity, value), end


def _information(payload: bytes, start: int) -> tuple[int, int, int, int]:
    """DIF, where the VIF begins, storage number, tariff."""
    dif = payload[start]
    storage, tariff, offset, shift = dif >> 6 & 1, 0, start + 1, 0
    more = dif
    while more & _EXTENSION:
        if offset >= len(payload) or shift == _MOST_EXTENSIONS:
            raise CodecError(f"M-Bus record at octet {start} has no end of its DIF")
        more = payload[offset]
        storage |= (more & 0x0F) << (1 + 4 * shift)
        tariff |= (more >> 4 & 3) << (2 * shift)
        offset, shift = offset + 1, shift + 1
    return dif, offset, storage, tariff


def _extended(payload: bytes, offset: int, start: int) -> int:
    """Where a VIF that begins at `offset` ends."""
    for end in range(offset + 1, offset + _MOST_EXTENSIONS + 2):
        if end > len(payload):
            break
        if not payload[end - 1] & _EXTENSION:
            return end
    raise CodecError(f"M-Bus record at octet {start} has no end of its VIF")


def _length(coding: int, start: int) -> int:
    if coding == _NO_DATA:
        return 0
    length = 4 if coding == _FLOAT else _INTEGERS.get(coding) or _DECIMALS.get(coding)
    if length is None:
        raise CodecError(f"M-Bus record at octet {start}: data of coding {coding:x} has no fixed length")
    return length


def _value(coding: int, octets: bytes, start: int) -> int | float | None:
    if coding == _NO_DATA:
        return None
    if coding == _FLOAT:
        (value,) = unpack("<f", octets)
        return float(value) if math.isfinite(value) else None
    if coding in _INTEGERS:
        return int.from_bytes(octets, "little", signed=True)
    return bcd(octets, start)


def bcd(octets: bytes, start: int) -> int | None:
    """Decimal digits, least significant octet first; None for a value the meter marks as wrong.

    A leading F is a minus sign (EN 13757-3, annex A, type A); other digits above 9 are error codes.
    """
    digits = octets[::-1].hex()
    sign = -1 if digits[:1] == "f" else 1
    digits = digits.removeprefix("f")
    if not digits.isdigit():
        if not octets:
            raise CodecError(f"M-Bus record at octet {start} has no digits")
        return None
    return sign * int(digits)


def _meant(vif: bytes, raw: int | float | None) -> tuple[str, int | float | None]:
    if vif == _ERROR_FLAGS:
        return "error_flag", raw
    if len(vif) != 1 or vif[0] not in _QUANTITIES:
        return "", raw
    quantity, exponent = _QUANTITIES[vif[0]]
    value = None if raw is None else scaled(raw, exponent)
    if quantity == "energy_joule":  # 1 J x 10^-6 is a megajoule
        return "energy", None if value is None else value / _KWH_OF_MEGAJOULE
    return quantity, value


def scaled(value: int | float, exponent: int) -> int | float:
    """value x 10^exponent, by division where the power is negative: 5410 of thousandths is 5.41 exactly."""
    power: int = 10 ** abs(exponent)
    return value * power if exponent >= 0 else value / power
