"""The true consumption of the town's buildings: electricity and water by quarter of an hour.

Profiles are made of a base load, working hours, a half-empty weekend, season and noise; a few buildings
carry what the platform shall find: a leak that runs for days, a load nobody switches off at night.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from simulators.almanac import DAY, ORIGIN, day_of_year, hour_of_day, weekday
from simulators.noise import Floats, Integers, key_of, normal, smooth, uniform

QUARTER = 900
_BLOCK = 32 * DAY  # values are computed and kept in blocks of this length
_PER_BLOCK = _BLOCK // QUARTER


class Medium(StrEnum):
    """What flows through the meter."""

    ELECTRICITY = "electricity"
    WATER = "water"


@dataclass(frozen=True, slots=True)
class Meter:
    """One building's meter; `size` is the mean load by day: kW, or litres per quarter of an hour."""

    key: str
    medium: Medium
    size: float
    works_weekends: float
    leak: tuple[float, float] | None = None


def meter(key: str, seed: int, medium: Medium, size: float) -> Meter:
    """A meter with its own habits; one water meter in four gets leaks of one to ten days."""
    chance = uniform(key_of(seed, "meter", key), np.arange(4))
    leak = None
    if medium is Medium.WATER and chance[0] < 0.25:
        leak = (0.03 + 0.05 * float(chance[1]), 0.15 + 0.3 * float(chance[2]))
    return Meter(key, medium, size, works_weekends=0.15 + 0.5 * float(chance[3]) ** 2, leak=leak)


class Meters:
    """Counters of all meters of one seed; a counter starts at its own reading on 1 January 2025."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._blocks: dict[tuple[str, int], Floats] = {}
        self._sums: dict[str, list[float]] = {}

    def counter(self, meter: Meter, times: Floats) -> Floats:
        """Counter reading at the times: kWh, or litres; never falls."""
        blocks = np.floor_divide(times - ORIGIN, _BLOCK).astype(np.int64)
        reading = np.empty(np.shape(times))
        for block in np.unique(blocks):
            chosen = blocks == block
            curve = self._curve(meter, int(block))
            position = (times[chosen] - ORIGIN - block * _BLOCK) / QUARTER
            reading[chosen] = np.interp(position, np.arange(_PER_BLOCK + 1), curve)
        return reading

    def load(self, meter: Meter, times: Floats) -> Floats:
        """Use per quarter of an hour ending at the times: kWh, or litres."""
        return np.asarray(self.counter(meter, times) - self.counter(meter, times - QUARTER))

    def _curve(self, meter: Meter, block: int) -> Floats:
        sums = self._sums.setdefault(
            meter.key, [float(1_000 + 90_000 * uniform(key_of(self._seed, "reading", meter.key), 0))]
        )
        while len(sums) <= block + 1:
            # By cumsum like the curve: a sum in another order would let the counter fall by a rounding.
            sums.append(sums[-1] + float(np.cumsum(self._use(meter, len(sums) - 1))[-1]))
        return np.concatenate(([0.0], np.cumsum(self._use(meter, block)))) + sums[block]

    def _use(self, meter: Meter, block: int) -> Floats:
        if (meter.key, block) not in self._blocks:
            index = np.arange(block * _PER_BLOCK, (block + 1) * _PER_BLOCK)
            times = np.asarray(ORIGIN + index * float(QUARTER), dtype=np.float64)
            make = self._water if meter.medium is Medium.WATER else self._electricity
            self._blocks[(meter.key, block)] = make(meter, index.astype(np.int64), times)
        return self._blocks[(meter.key, block)]

    def _busy(self, meter: Meter, times: Floats) -> Floats:
        """How much the building is in use, 0-1."""
        hour = hour_of_day(times)
        working = 1 / (1 + np.exp(-2.2 * (hour - 7.2))) / (1 + np.exp(1.6 * (hour - 17.3)))
        return np.asarray(working * np.where(weekday(times) >= 5, meter.works_weekends, 1.0))

    def _electricity(self, meter: Meter, index: Integers, times: Floats) -> Floats:
        key = key_of(self._seed, "load", meter.key)
        winter = 1 + 0.22 * np.cos((day_of_year(times) - 10) / 365.2425 * 2 * np.pi)
        habit = np.exp(0.10 * smooth(key, times, 4 * DAY) + 0.12 * normal(key, index))
        kw = meter.size * (0.28 + 0.95 * self._busy(meter, times)) * winter * habit
        forgotten = (uniform(key, index // 96, 5) < 0.02) & (self._busy(meter, times) < 0.3)
        return np.asarray((kw + 0.35 * meter.size * forgotten) * QUARTER / 3600)

    def _water(self, meter: Meter, index: Integers, times: Floats) -> Floats:
        key = key_of(self._seed, "load", meter.key)
        busy = self._busy(meter, times) * 1.5 + 0.01
        drawn = uniform(key, index) < np.clip(busy, 0, 0.95)
        litres = np.where(drawn, meter.size * busy * -np.log1p(-uniform(key, index, 1)), 0.0)
        if meter.leak is not None:
            share, strength = meter.leak
            # Periods of five days: a leak lasts until somebody comes.
            litres += np.where(uniform(key, index // 480, 7) < share, strength * meter.size, 0.0)
        return np.asarray(litres)
