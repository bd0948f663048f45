"""Real devices count in steps and saturate: the only arithmetic every encoder shares."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

Values = Mapping[str, float | bool | int]
Payload = tuple[int, bytes]
Encoder = Callable[[Values, random.Random], Payload]


def steps(value: float, resolution: float, lowest: int, highest: int) -> int:
    """Whole steps of `resolution` nearest to `value`, held at the ends of the field as a converter does."""
    return max(lowest, min(highest, round(value / resolution)))


def unsigned(value: float, resolution: float = 1, octets: int = 2) -> int:
    """Steps that fit an unsigned field of `octets`."""
    return steps(value, resolution, 0, (1 << 8 * octets) - 1)


def signed(value: float, resolution: float = 1, octets: int = 2) -> int:
    """Steps that fit a two's complement field of `octets`."""
    half = 1 << (8 * octets - 1)
    return steps(value, resolution, -half, half - 1)
