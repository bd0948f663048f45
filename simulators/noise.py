"""Chance that depends on nothing but a key and a place in time.

A generator that is drawn from in order gives other values when the order changes. Here every number
is a hash of (key, index), so any hour of the virtual city can be computed alone, at any speed, and
again after a crash, always with the same result.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014)
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_STREAM = np.uint64(0xD1B54A32D192ED03)
_TO_UNIT = 2.0**-53


def key_of(*parts: str | int) -> int:
    """A 63-bit key from names and numbers; the same on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def uniform(key: int, index: ArrayLike, stream: int = 0) -> Floats:
    """Independent numbers in [0, 1), one per index; `stream` gives further independent ones."""
    with np.errstate(over="ignore"):
        state = np.asarray(index, dtype=np.int64).astype(np.uint64) * _GAMMA
        state += np.uint64(key) + np.uint64(stream) * _STREAM
        state = (state ^ (state >> np.uint64(30))) * _MIX_1
        state = (state ^ (state >> np.uint64(27))) * _MIX_2
        state ^= state >> np.uint64(31)
    return np.asarray((state >> np.uint64(11)).astype(np.float64) * _TO_UNIT)


def normal(key: int, index: ArrayLike, stream: int = 0) -> Floats:
    """Independent standard normal numbers (Box and Muller, 1958), one per index."""
    radius = np.sqrt(-2.0 * np.log1p(-uniform(key, index, 2 * stream + 101)))
    return np.asarray(radius * np.cos(2.0 * np.pi * uniform(key, index, 2 * stream + 102)))


def smooth(key: int, times: ArrayLike, period_s: float) -> Floats:
    """A continuous stationary process: mean 0, variance 1, forgets itself within `period_s` seconds."""
    position = np.asarray(times, dtype=np.float64) / period_s
    left = np.floor(position)
    weight = position - left
    weight = weight * weight * (3.0 - 2.0 * weight)
    index = left.astype(np.int64)
    mixed = (1.0 - weight) * normal(key, index) + weight * normal(key, index + 1)
    return np.asarray(mixed / np.sqrt((1.0 - weight) ** 2 + weight**2))
