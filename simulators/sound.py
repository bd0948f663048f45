"""The true noise of streets and squares, and the air of traffic that goes with it."""

from __future__ import annotations

import numpy as np

from simulators.almanac import hour_of_day, weekday
from simulators.noise import Floats, key_of, normal, smooth
from simulators.weather import Weather

_BY_HOUR = np.array(
    [
        0.12, 0.08, 0.07, 0.08, 0.15, 0.35, 0.65, 0.95, 1.0, 0.9, 0.9, 0.95, 0.95,
        0.92, 0.95, 1.0, 1.0, 0.98, 0.85, 0.65, 0.5, 0.4, 0.3, 0.2, 0.12,
    ]
)  # fmt: skip


class Street:
    """Noise and exhaust at named places of one seed."""

    def __init__(self, seed: int, weather: Weather) -> None:
        self._seed = seed
        self._weather = weather

    def traffic(self, times: Floats) -> Floats:
        """Share of the busiest hour, 0-1, less at weekends."""
        share = np.interp(hour_of_day(times), np.arange(25), _BY_HOUR)
        return np.asarray(
            share * np.where(weekday(times) == 6, 0.45, np.where(weekday(times) == 5, 0.7, 1.0))
        )

    def level_db(self, place: str, times: Floats) -> Floats:
        """A-weighted equivalent level of a quarter of an hour, dB."""
        key = key_of(self._seed, "sound", place)
        base = 60.0 + 3.0 * float(normal(key, 0))
        rain = np.clip(self._weather.humidity(times) - 85, 0, 15) * 0.15  # wet asphalt is louder
        own = 1.2 * smooth(key, times, 1_200) + 0.6 * normal(key, times.astype(np.int64), 3)
        return np.asarray(np.clip(base + 9 * np.log10(self.traffic(times) + 0.05) + rain + own, 32, 100))

    def pm10(self, place: str, times: Floats) -> Floats:
        """Particulate matter below 10 um, ug/m3: traffic, thin in wind, more in cold still air."""
        own = smooth(key_of(self._seed, "pm", place), times, 5_400)
        calm = 3.0 / (0.7 + self._weather.wind_speed(times))
        cold = 1 + 0.03 * np.clip(8 - self._weather.temperature(times), 0, 15)
        return np.asarray((8 + 7 * self.traffic(times)) * calm**0.6 * cold * np.exp(0.2 * own))

    def pm2_5(self, place: str, times: Floats) -> Floats:
        """Particulate matter below 2.5 um, ug/m3."""
        own = smooth(key_of(self._seed, "fine", place), times, 9_000)
        return np.asarray(self.pm10(place, times) * (0.58 + 0.05 * own))

    def no2(self, place: str, times: Floats) -> Floats:
        """Nitrogen dioxide, ug/m3."""
        own = smooth(key_of(self._seed, "no2", place), times, 5_400)
        calm = 3.0 / (0.7 + self._weather.wind_speed(times))
        return np.asarray((6 + 22 * self.traffic(times)) * calm**0.7 * np.exp(0.18 * own))
