"""Pepperl+Fuchs WILSEN.sonic: blocks of (length, two-octet name, value), big-endian.

Names and scales are those of the published payloads; a block of another name has a known length and
is named in a warning.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from struct import unpack
from typing import Final

from edge.codecs.port import CodecError, Decoded
from edge.wire.messages import FieldValue, Record

PORT: Final = 1


def _whole(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


def _degrees(octets: bytes) -> float:
    return int.from_bytes(octets, "big", signed=True) / 1e6


def _temperature(octets: bytes) -> float:
    value: float = unpack(">f", octets)[0]
    return round(value, 1) if math.isfinite(value) else math.nan


# name -> (field, octets of the value, how it is read)
_BLOCKS: dict[int, tuple[str, int, Callable[[bytes], float | int]]] = {
    0x0201: ("temp", 4, _temperature),
    0x0B01: ("proxx", 2, _whole),
    0x0B02: ("proxx_mm", 2, _whole),
    0x0B06: ("fillinglvl", 1, _whole),
    0x5001: ("latitude", 4, _degrees),
    0x5002: ("longitude", 4, _degrees),
    0x5101: ("battery_vol", 1, lambda octets: octets[0] / 10),
}


def sonic_level(payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG001
    """Distance (cm, or mm), fill level in %, temperature, battery in V, place if the device knows it."""
    if f_port != PORT:
        raise CodecError(f"wilsen: port {f_port} carries no measurements, expected {PORT}")
    fields: dict[str, FieldValue] = {}
    warnings: list[str] = []
    offset, end = 0, len(payload)
    while offset < end:
        start, length = offset + 1, payload[offset]
        offset = start + length
        if length < 2 or offset > end:
            raise CodecError(f"wilsen: block at octet {start - 1} is cut off after {end} octets")
        name = _whole(payload[start : start + 2])
        field, octets, read = _BLOCKS.get(name, ("", -1, _whole))
        if not field:
            warnings.append(f"block {name:04x} is not known")
            continue
        if length != octets + 2:
            raise CodecError(f"wilsen: {field} has {length - 2} octets, expected {octets}")
        value = read(payload[start + 2 : offset])
        if math.isnan(value):
            warnings.append(f"{field}: no number")
        else:
            fields[field] = value
    if not fields:
        raise CodecError(f"wilsen: {end} octets hold no known block")
    return Decoded((Record(fields),), tuple(warnings))
