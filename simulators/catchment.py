"""The true water in the six streams: how high they stand after the rain of the last ten days.

Sealed ground answers at once, gardens and fields through a gamma-shaped unit hydrograph whose share
grows with the wetness of the soil (Nash 1957; SCS 1972), and the level follows a power-law rating curve.
The platform's own models use other equations: they must learn this water, not copy it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.almanac import DAY
from simulators.noise import Floats, key_of, smooth, uniform
from simulators.weather import Weather

_STEP = 600
_MEMORY = 10 * DAY
_WETNESS_DAYS = 5.0


@dataclass(frozen=True, slots=True)
class Stream:
    """One gauge; area in km2, base flow in m3/s, lag in hours, level in cm above gauge zero."""

    name: str
    latitude: float
    longitude: float
    area_km2: float
    sealed: float
    lag_h: float
    base_flow: float
    zero_level_cm: float
    rating_cm: float


def stream(name: str, latitude: float, longitude: float, area_km2: float, seed: int) -> Stream:
    """A stream with plausible properties for its size; 1.7 l/s per km2 as at the Deininghauser Bach."""
    chance = uniform(key_of(seed, "stream", name), np.arange(3))
    return Stream(
        name=name,
        latitude=latitude,
        longitude=longitude,
        area_km2=area_km2,
        sealed=0.10 + 0.10 * float(chance[0]),
        lag_h=0.6 * area_km2**0.38,
        base_flow=0.0017 * area_km2,
        zero_level_cm=12 + 10 * float(chance[1]),
        rating_cm=(52 + 12 * float(chance[2])) / area_km2**0.25,
    )


class Catchment:
    """Levels of all streams under one weather."""

    def __init__(self, seed: int, weather: Weather) -> None:
        self._seed = seed
        self._weather = weather

    def flow(self, stream: Stream, times: Floats) -> Floats:
        """Discharge, m3/s, at ascending epoch seconds."""
        grid, discharge = self._hydrograph(stream, float(np.min(times)), float(np.max(times)))
        return np.asarray(np.interp(times, grid, discharge))

    def level_cm(self, stream: Stream, times: Floats) -> Floats:
        """Water above gauge zero, cm, with the small waves a sensor sees."""
        waves = 0.35 * smooth(key_of(self._seed, "waves", stream.name), times, 1_700)
        return np.asarray(stream.zero_level_cm + stream.rating_cm * self.flow(stream, times) ** 0.45 + waves)

    def water_temperature(self, times: Floats) -> Floats:
        """Degrees Celsius: the air of the last day, damped, warmed by cleared sewage and ground water."""
        lags = np.arange(0, DAY, 7_200, dtype=np.float64)
        air = np.mean([self._weather.temperature(times - lag) for lag in lags], axis=0)
        return np.asarray(np.clip(10.5 + 0.65 * (air - 10.5), 0.5, None))

    def _hydrograph(self, stream: Stream, first: float, last: float) -> tuple[Floats, Floats]:
        # Twice the memory: the wetness of ten days ago remembers ten days more.
        start = np.floor(first / _STEP) * _STEP - 2 * _MEMORY
        grid = np.arange(start, last + 2 * _STEP, _STEP)
        fallen = self._weather.rain_total(stream.latitude, stream.longitude, grid)
        rain = np.diff(fallen, prepend=fallen[0])
        steps = np.arange(int(_MEMORY / _STEP))
        fade = np.exp(-steps * _STEP / (_WETNESS_DAYS * DAY))
        wetness = np.convolve(rain, fade)[: len(grid)] / 25.0
        soaked = 0.05 + 0.40 * wetness / (1 + wetness)
        hours = (steps + 0.5) * _STEP / 3600
        quick = _gamma(hours, 2.0, stream.lag_h / 3)
        slow = _gamma(hours, 3.0, stream.lag_h * 1.4)
        # mm per step over the area to m3/s: 1 mm on 1 km2 is 1,000 m3.
        volume = stream.area_km2 * 1_000 / _STEP
        fast_part = np.convolve(rain * stream.sealed, quick)[: len(grid)]
        slow_part = np.convolve(rain * soaked * (1 - stream.sealed), slow)[: len(grid)]
        base = stream.base_flow * (0.7 + 1.6 * wetness / (1 + wetness))
        return grid, np.asarray(base + volume * (fast_part + slow_part))


def _gamma(hours: Floats, shape: float, scale_h: float) -> Floats:
    """A unit hydrograph whose sum is 1."""
    ordinates = hours ** (shape - 1) * np.exp(-hours / scale_h)
    return np.asarray(ordinates / ordinates.sum())
