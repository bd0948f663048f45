"""ELSYS sensors (ERS family): big-endian (type, data) blocks, one table for all devices.

Layout: ELSYS "Sensor payload" document. A block of unknown type has no known length and ends the
decoding with an error.
"""

from __future__ import annotations

from datetime import datetime
from struct import Struct

from edge.codecs.port import CodecError, Decoded
from edge.wire.messages import FieldValue, Record

# ELSYS devices send on 5 unless configured otherwise; 1 is what older firmware used. 6 answers settings.
PORTS = (5, 1)

# type -> (layout, names, divisor)
_BLOCKS: dict[int, tuple[Struct, tuple[str, ...], int]] = {
    kind: (Struct(f">{layout}"), names, divisor)
    for kind, layout, names, divisor in (
        (0x01, "h", ("temperature",), 10),
        (0x02, "B", ("humidity",), 1),
        (0x03, "bbb", ("x", "y", "z"), 1),
        (0x04, "H", ("light",), 1),
        (0x05, "B", ("motion",), 1),
        (0x06, "H", ("co2",), 1),
        (0x07, "H", ("vdd",), 1),
        (0x08, "H", ("analog1",), 1),
        (0x0A, "H", ("pulse1",), 1),
        (0x0B, "L", ("pulseAbs",), 1),
        (0x0C, "h", ("externalTemperature",), 10),
        (0x0D, "B", ("digital",), 1),
        (0x0E, "H", ("distance",), 1),
        (0x0F, "B", ("accMotion",), 1),
        (0x10, "hh", ("irInternalTemperature", "irExternalTemperature"), 10),
        (0x11, "B", ("occupancy",), 1),
        (0x12, "B", ("waterleak",), 1),
        (0x14, "l", ("pressure",), 1000),
        (0x15, "BB", ("soundPeak", "soundAvg"), 1),
        (0x16, "H", ("pulse2",), 1),
        (0x17, "L", ("pulseAbs2",), 1),
        (0x18, "H", ("analog2",), 1),
        (0x19, "h", ("externalTemperature2",), 10),
        (0x1A, "B", ("digital2",), 1),
        (0x1C, "H", ("tvoc",), 1),
    )
}


def ers(payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG001
    """Values of any ERS device; CodecError for another port, an unknown type or a cut block."""
    if f_port not in PORTS:
        raise CodecError(f"elsys: port {f_port} carries no measurements, expected {PORTS[0]}")
    if not payload:
        raise CodecError("elsys: empty payload")
    fields: dict[str, FieldValue] = {}
    offset, end = 0, len(payload)
    while offset < end:
        block = _BLOCKS.get(payload[offset])
        if block is None:
            raise CodecError(f"elsys: unknown type {payload[offset]:02x} at octet {offset}")
        structure, names, divisor = block
        start = offset + 1
        offset = start + structure.size
        if offset > end:
            raise CodecError(f"elsys: block at octet {start - 1} is cut off after {end} octets")
        values = structure.unpack_from(payload, start)
        for name, value in zip(names, values, strict=True):
            fields[name] = value if divisor == 1 else value / divisor
    return Decoded((Record(fields),))
