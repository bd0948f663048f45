"""Statistics as few bytes: whole numbers of the smallest decimal step, each beside its neighbour.

What sensors say has few digits (21.9), and what an hour or a day of it comes to has no more. As
doubles six statistics take 48 bytes; as differences of tenths, about four.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Table = NDArray[np.float64]
"""(6, series, spans): count, total, minimum, maximum, first, last."""

FIELDS = 6
_COUNT, _TOTAL, _MINIMUM, _MAXIMUM, _FIRST, _LAST = range(FIELDS)
_CODEC = pa.Codec("zstd", compression_level=3)
_POWERS = np.array([10.0**number for number in range(7)])
_NO_SIGN = np.int64(2**63 - 1)
_AS_DOUBLES = 255
_WIDTHS = (1, 2, 4, 8)
# Whole numbers below this keep their differences within 64 bits, and doubles hold them exactly.
_LARGEST = 2.0**50
# A total is a sum of doubles: its last digits are rounding, not measurement.
_ROUNDING = 1e-13


def pack(table: Table) -> bytes:
    """All but totals exactly; totals to thirteen digits. What has a count of 0 comes back as zeros."""
    table = np.where(table[_COUNT] > 0, table, 0.0)
    digits = _digits(table)
    doubles = digits == _AS_DOUBLES
    whole = np.rint(table[:, ~doubles] * _POWERS[digits[~doubles], None])
    whole[_COUNT] = table[_COUNT, ~doubles]
    zigzag = _beside_neighbours(whole.astype(np.int64))
    greatest = int(zigzag.max(initial=0))
    width = next(width for width in _WIDTHS if greatest < 1 << 8 * width)
    body = (_by_byte(zigzag.astype(f"<u{width}"), width), _by_byte(table[:, doubles], 8))
    octets = b"".join((bytes([width]), digits.tobytes(), *body))
    packed: bytes = _CODEC.compress(octets, asbytes=True)
    return len(octets).to_bytes(4, "little") + packed


def unpack(several: Sequence[bytes], series: int, spans: int) -> NDArray[np.float64]:
    """The tables `pack` was given, one behind the other: (6, n, series, spans)."""
    octets = [
        _CODEC.decompress(memoryview(packed)[4:], int.from_bytes(packed[:4], "little"), asbytes=True)
        for packed in several
    ]
    table = np.empty((FIELDS, len(several), series, spans))
    if not table.size:
        return table
    header = np.frombuffer(b"".join([one[1 : 1 + series] for one in octets]), np.uint8)
    digits = header.reshape(len(several), series)
    doubles = digits == _AS_DOUBLES
    widths = np.array([one[0] for one in octets], np.int64)
    mixed = doubles.any(axis=1)
    for width in _WIDTHS:
        chosen = np.flatnonzero((widths == width) & ~mixed)
        if len(chosen):
            body = b"".join([octets[number][1 + series :] for number in chosen.tolist()])
            powers = _POWERS[digits[chosen]]
            table[:, chosen] = _whole(body, width, len(chosen), powers, spans)
    for number in np.flatnonzero(mixed).tolist():
        as_whole, body = ~doubles[number], octets[number][1 + series :]
        powers = _POWERS[digits[number, as_whole]][None]
        split = int(widths[number]) * FIELDS * powers.size * spans
        table[:, number, as_whole] = _whole(body[:split], int(widths[number]), 1, powers, spans)[:, 0]
        rest = _from_bytes(body[split:], 8, 1).view(np.float64)
        table[:, number, ~as_whole] = rest.reshape(FIELDS, -1, spans)
    return table


def _whole(
    body: bytes, width: int, tables: int, powers: NDArray[np.float64], spans: int
) -> NDArray[np.float64]:
    """(6, tables, series, spans) out of the whole numbers of so many tables of one width."""
    zigzag = _from_bytes(body, width, tables).view(f"<u{width}")
    by_field = zigzag.reshape(tables, FIELDS, powers.shape[1], spans).swapaxes(0, 1)
    whole = _from_neighbours(by_field.astype(np.int64))
    table: NDArray[np.float64] = whole / powers[:, :, None]
    table[_COUNT] = whole[_COUNT]
    return table


def _digits(table: Table) -> NDArray[np.uint8]:
    """Per series how many decimals say all of it; 255 where more than six would be needed."""
    digits = np.full(table.shape[1], _AS_DOUBLES, np.uint8)
    size = table[_COUNT] * np.maximum(np.abs(table[_MINIMUM]), np.abs(table[_MAXIMUM]))
    for number, power in enumerate(_POWERS.tolist()):
        whole = np.rint(table * power)
        back = whole / power
        same = (back[_MINIMUM:] == table[_MINIMUM:]).all(axis=(0, 2))
        same &= (np.abs(back[_TOTAL] - table[_TOTAL]) <= _ROUNDING * size).all(axis=1)
        same &= np.abs(whole).max(axis=(0, 2), initial=0) < _LARGEST
        digits[same & (digits == _AS_DOUBLES)] = number
        if (digits != _AS_DOUBLES).all():
            break
    return digits


def _beside_neighbours(whole: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Small numbers: what follows from others is taken off, signs go to the lowest bit."""
    whole[_TOTAL] -= whole[_COUNT] * whole[_FIRST]
    whole[_MINIMUM] = whole[_FIRST] - whole[_MINIMUM]
    whole[_MAXIMUM] -= whole[_FIRST]
    whole[_LAST] -= whole[_FIRST]
    whole[_FIRST] = np.diff(whole[_FIRST], prepend=0, axis=-1)
    return ((whole << 1) ^ (whole >> 63)).view(np.uint64)


def _from_neighbours(zigzag: NDArray[np.int64]) -> NDArray[np.int64]:
    whole = (zigzag >> 1 & _NO_SIGN) ^ -(zigzag & 1)
    whole[_FIRST] = np.cumsum(whole[_FIRST], axis=-1)
    whole[_LAST] += whole[_FIRST]
    whole[_MINIMUM] = whole[_FIRST] - whole[_MINIMUM]
    whole[_MAXIMUM] += whole[_FIRST]
    whole[_TOTAL] += whole[_COUNT] * whole[_FIRST]
    return whole


def _by_byte(values: NDArray[np.generic], width: int) -> bytes:
    """All lowest bytes first, all highest last: the high ones are nearly all the same."""
    return np.ascontiguousarray(values).view(np.uint8).reshape(-1, width).T.tobytes()


def _from_bytes(octets: bytes, width: int, tables: int) -> NDArray[np.uint8]:
    parts = np.frombuffer(octets, np.uint8).reshape(tables, width, -1)
    return np.ascontiguousarray(parts.swapaxes(1, 2)).reshape(-1)
