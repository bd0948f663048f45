"""The true soil under trees: a bucket that rain fills and warm dry days empty, hour by hour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.almanac import DAY
from simulators.noise import Floats, key_of, smooth, uniform
from simulators.weather import Weather

_STEP = 3 * 3600
_BLOCK_DAYS = 32
_MEMORY_DAYS = 400  # a bucket that was full in winter has forgotten how it started


@dataclass(frozen=True, slots=True)
class Pit:
    """One tree pit; water contents in per cent by volume, `depth_mm` of soil that one sensor stands for."""

    key: str
    latitude: float
    longitude: float
    wilting: float
    field: float
    depth_mm: float
    catches: float


def pit(key: str, seed: int, latitude: float, longitude: float, *, catches: float = 0.55) -> Pit:
    """A tree pit between sand and loam; `catches` is the share of the rain that gets into it."""
    chance = uniform(key_of(seed, "pit", key), np.arange(3))
    wilting = 6 + 6 * float(chance[0])
    return Pit(
        key=key,
        latitude=latitude,
        longitude=longitude,
        wilting=wilting,
        field=wilting + 14 + 8 * float(chance[1]),
        depth_mm=350 + 250 * float(chance[2]),
        catches=catches,
    )


class Soil:
    """Moisture of all pits of one seed."""

    def __init__(self, seed: int, weather: Weather) -> None:
        self._seed = seed
        self._weather = weather
        self._curves: dict[tuple[str, int], tuple[Floats, Floats]] = {}
        self._demands: dict[int, Floats] = {}

    def moisture(self, pit: Pit, times: Floats) -> Floats:
        """Per cent by volume at the times."""
        blocks = np.floor_divide(times, _BLOCK_DAYS * DAY).astype(np.int64)
        water = np.empty(np.shape(times))
        for block in np.unique(blocks):
            chosen = blocks == block
            water[chosen] = np.interp(times[chosen], *self._curve(pit, int(block)))
        noise = 0.15 * smooth(key_of(self._seed, "soil-noise", pit.key), times, 3 * 3600)
        return np.asarray(np.clip(water + noise, 1, 60))

    def temperature(self, times: Floats) -> Floats:
        """Degrees Celsius in about 30 cm: the air of the last five days."""
        lags = np.arange(6 * 3600, 5 * DAY, 6 * 3600, dtype=np.float64)
        air = np.mean([self._weather.temperature(times - lag) for lag in lags], axis=0)
        return np.asarray(np.clip(1.2 + 0.95 * air, 0.2, None))

    def _curve(self, pit: Pit, block: int) -> tuple[Floats, Floats]:
        if (pit.key, block) not in self._curves:
            if len(self._curves) > 200:
                self._curves.clear()
            first = block * _BLOCK_DAYS
            self._curves[(pit.key, block)] = self._bucket(pit, first - _MEMORY_DAYS, first + _BLOCK_DAYS)
        return self._curves[(pit.key, block)]

    def _bucket(self, pit: Pit, first_day: int, last_day: int) -> tuple[Floats, Floats]:
        """Time and water content on the grid of three hours, for the last block of days only."""
        grid = np.arange(first_day * DAY, last_day * DAY + 2 * _STEP, _STEP, dtype=np.float64)
        fallen = self._weather.rain_total(pit.latitude, pit.longitude, grid)
        rain = np.diff(fallen, prepend=fallen[0]) * pit.catches
        demand = self._demand(grid)
        field, wilting = pit.field, pit.wilting
        content = (field + wilting) / 2
        water = []
        for gain, loss in zip(rain.tolist(), demand.tolist(), strict=True):
            usable = min(max((content - wilting) / (field - wilting), 0.0), 1.0)
            content += (gain - loss * usable**0.7) / pit.depth_mm * 100
            if content > field:  # what the soil cannot hold seeps away within a day and a half
                content -= (content - field) * 0.08
            content = min(content, field + 12)
            water.append(content)
        kept = slice(_MEMORY_DAYS * DAY // _STEP, None)
        return grid[kept], np.array(water)[kept]

    def _demand(self, grid: Floats) -> Floats:
        """What warmth and light would evaporate, mm per step (about 4 mm on a fine July day)."""
        start = int(grid[0])
        if start not in self._demands:
            self._demands.clear()
            warmth = np.clip(self._weather.temperature(grid) + 4, 0, None)
            self._demands[start] = 2.1e-5 * warmth * self._weather.radiation(grid) * _STEP / 3600
        return self._demands[start]
