"""The true oxygen in ponds: light makes it, everything living uses it, least of it before sunrise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.almanac import DAY
from simulators.noise import Floats, key_of, smooth, uniform
from simulators.weather import Weather


@dataclass(frozen=True, slots=True)
class Pond:
    """One pond; `algae` 0-1 says how far a bright day and a warm night move its oxygen."""

    key: str
    algae: float


def pond(key: str, seed: int) -> Pond:
    """A pond with its own load of nutrients."""
    return Pond(key, 0.3 + 0.6 * float(uniform(key_of(seed, "pond", key), 0)))


class Ponds:
    """Water of all ponds of one seed."""

    def __init__(self, seed: int, weather: Weather) -> None:
        self._seed = seed
        self._weather = weather

    def temperature(self, times: Floats) -> Floats:
        """Water temperature, degrees Celsius: the air of the last three days, damped."""
        lags = np.arange(0, 3 * DAY, 4 * 3600, dtype=np.float64)
        weights = np.exp(-lags / (1.2 * DAY))
        air = np.array([self._weather.temperature(times - lag) for lag in lags])
        return np.asarray(np.clip(1.0 + 0.98 * np.tensordot(weights / weights.sum(), air, axes=1), 0.5, 30))

    def oxygen_mg_l(self, pond: Pond, times: Floats) -> Floats:
        """Dissolved oxygen, mg/l."""
        water = self.temperature(times)
        warmth = 1.08 ** (water - 20)  # respiration doubles in nine degrees
        lags = np.arange(0, 18 * 3600, 1_800, dtype=np.float64)
        weights = np.exp(-lags / (7 * 3600.0))
        light = np.tensordot(
            weights / weights.sum(), np.array([self._weather.radiation(times - lag) for lag in lags]), axes=1
        )
        balance = pond.algae * (0.016 * light * warmth**0.5 - 4.2 * warmth)
        noise = 0.4 * smooth(key_of(self._seed, "pond-noise", pond.key), times, DAY)
        return np.asarray(np.clip(saturation_mg_l(water) * 0.93 + balance + noise, 0.2, 20))


def saturation_mg_l(water: Floats) -> Floats:
    """Oxygen that fresh water holds at sea level (Elmore and Hayes 1960, degrees Celsius to mg/l)."""
    return np.asarray(14.652 - 0.41022 * water + 0.007991 * water**2 - 0.000077774 * water**3)
