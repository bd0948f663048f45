"""The true weather over the virtual city: temperature, sun, wind, pressure, and rain by storms.

Rain follows the Neyman-Scott idea (clusters of cells within a storm; Rodriguez-Iturbe, Cox, Isham
1987), scaled so that its long mean is the monthly normal of `places.toml`. Frontal storms wet the
whole town, convective ones pass over parts of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulators.almanac import DAY, ORIGIN, day_of_year, offset_s
from simulators.noise import Floats, key_of, normal, smooth, uniform

LATITUDE, LONGITUDE = 51.55657, 7.31155  # centre of the town (GeoNames)
_KM_PER_DEGREE = 111.2
_STORMS_PER_DAY = 1.0
_SPREAD = 0.9  # how unequal days are: standard deviation of the log of the storm rate
_CELL_RADIUS_KM = 6.0
_BOX_KM = 24.0  # convective cells are born anywhere in this square around the town
_ORIGIN_DAY = ORIGIN // DAY
_LONGEST_DAYS = 2


@dataclass(frozen=True, slots=True)
class Cells:
    """Rain cells born on one day; arrays of one length. Times in epoch seconds, depths in mm."""

    start: Floats
    duration: Floats
    depth: Floats
    shape: Floats
    east_km: Floats
    north_km: Floats
    convective: Floats

    def depth_at(self, latitude: float | Floats, longitude: float | Floats) -> Floats:
        """Millimetres each cell brings to a point."""
        north = (latitude - LATITUDE) * _KM_PER_DEGREE
        east = (longitude - LONGITUDE) * _KM_PER_DEGREE * np.cos(np.radians(LATITUDE))
        square = (self.east_km - east) ** 2 + (self.north_km - north) ** 2
        # Mean of the bell over the square is 1: a cell that hits must bring more than the mean.
        bell = np.exp(-square / (2 * _CELL_RADIUS_KM**2)) * _BOX_KM**2 / (2 * np.pi * _CELL_RADIUS_KM**2)
        return np.asarray(self.depth * np.where(self.convective > 0, bell, 1.0))

    def fallen_share(self, times: Floats) -> Floats:
        """Which part of each cell's depth has fallen by `times`: (cells, times), 0 to 1."""
        part = np.clip((times - self.start[:, None]) / self.duration[:, None], 0.0, 1.0)
        return np.asarray(1 - (1 - part ** self.shape[:, None]) ** 2)


class Weather:
    """Weather of one seed; every method takes epoch seconds (float array) and returns the same shape."""

    def __init__(self, seed: int, temperature_c: Sequence[float], precipitation_mm: Sequence[float]) -> None:
        self._seed = seed
        self._keys = {name: key_of(seed, "weather", name) for name in _FIELDS}
        self._temperature = np.asarray(temperature_c, dtype=np.float64)
        self._precipitation = np.asarray(precipitation_mm, dtype=np.float64)
        self._days: dict[int, Cells] = {}
        self._prefix: dict[tuple[float, float], Floats] = {}

    def temperature(self, times: Floats) -> Floats:
        """Air temperature, degrees Celsius, 2 m above grass at the edge of the town."""
        noise = (
            2.8 * smooth(self._keys["synoptic"], times, 3.5 * DAY)
            + 1.0 * smooth(self._keys["half-day"], times, 40_000)
            + 0.25 * smooth(self._keys["gust"], times, 1_800)
        )
        season = _cyclic(self._temperature, times)
        swing = (
            2.2 + 3.0 * np.clip(np.sin((day_of_year(times) - 80) / 365.2425 * 2 * np.pi) + 0.3, 0, 1.3)
        ) * (1.3 - 0.8 * self.cloud(times))
        solar_hour = np.mod(times / 3600.0 + LONGITUDE / 15.0, 24)
        return np.asarray(season + noise + swing * np.cos((solar_hour - 14.8) / 24 * 2 * np.pi))

    def cloud(self, times: Floats) -> Floats:
        """Covered part of the sky, 0-1."""
        both = 0.8 * smooth(self._keys["cloud"], times, 30_000) + 0.6 * self._wet(times)
        return np.asarray(1.0 / (1.0 + np.exp(-1.8 * both - 0.5)))

    def radiation(self, times: Floats) -> Floats:
        """Global radiation, W/m2: clear sky by solar height, clouds after Kasten and Czeplak (1980)."""
        height = np.clip(solar_height_sine(times), 0, 1)
        clear = np.clip(910 * height - 30, 0, None)
        broken = 1 + 0.08 * smooth(self._keys["broken"], times, 900)
        return np.asarray(np.clip(clear * (1 - 0.75 * self.cloud(times) ** 3.4) * broken, 0, 1300))

    def humidity(self, times: Floats) -> Floats:
        """Relative humidity, per cent, from a dew point that follows the season and the fronts."""
        air = self.temperature(times)
        dew = (
            _cyclic(self._temperature, times)
            - 3.6
            + 2.2 * smooth(self._keys["synoptic"], times, 3.5 * DAY)
            + 1.6 * smooth(self._keys["dew"], times, 2 * DAY)
            + 1.0 * self._wet(times)
        )
        percent = 100 * np.exp(17.625 * dew / (243.04 + dew) - 17.625 * air / (243.04 + air))
        return np.asarray(np.clip(percent, 18, 100))

    def pressure(self, times: Floats) -> Floats:
        """Air pressure at the station (about 70 m above sea level), hPa."""
        slow = smooth(self._keys["pressure"], times, 4 * DAY)
        return np.asarray(
            1007.0 + 6.5 * slow - 3.0 * self._wet(times) + 0.5 * smooth(self._keys["gust"], times, 9e3)
        )

    def wind_speed(self, times: Floats) -> Floats:
        """Mean wind of ten minutes, m/s, stronger by day and in wet weather."""
        spread = 0.45 * smooth(self._keys["wind"], times, DAY) + 0.18 * smooth(self._keys["gust"], times, 900)
        day = 1 + 0.25 * np.clip(solar_height_sine(times), 0, 1)
        return np.asarray(2.6 * day * np.exp(spread + 0.2 * self._wet(times)))

    def wind_direction(self, times: Floats) -> Floats:
        """Degrees from north the wind comes from; south-west is home."""
        turn = 55 * smooth(self._keys["turn"], times, 1.5 * DAY) + 9 * smooth(
            self._keys["broken"], times, 600
        )
        return np.asarray(np.mod(225 + turn, 360))

    def rain_total(self, latitude: float, longitude: float, times: Floats) -> Floats:
        """Millimetres fallen at a point since 1 January 2025; differences are exact for any interval."""
        if np.any(np.diff(times) < 0):
            order = np.argsort(times, kind="stable")
            total = np.empty(len(times))
            total[order] = self.rain_total(latitude, longitude, times[order])
            return total
        first = int(times[0] // DAY) - _LONGEST_DAYS
        last = int(times[-1] // DAY)
        total = np.full(len(times), self._fallen_before(latitude, longitude, first))
        ended = np.zeros(len(times) + 1)
        for day in range(max(first, _ORIGIN_DAY), last + 1):
            cells = self._cells(day)
            depths = cells.depth_at(latitude, longitude)
            begins = np.searchsorted(times, cells.start)
            ends = np.searchsorted(times, cells.start + cells.duration)
            np.add.at(ended, ends, depths)
            for cell in np.flatnonzero(begins < ends):
                during = slice(begins[cell], ends[cell])
                part = (times[during] - cells.start[cell]) / cells.duration[cell]
                total[during] += depths[cell] * (1 - (1 - part ** cells.shape[cell]) ** 2)
        return np.asarray(total + np.cumsum(ended)[:-1])

    def cells_near(self, time: float) -> Cells:
        """All cells that may rain from a few hours before `time` until a day after it."""
        day = int(time // DAY)
        days = [self._cells(one) for one in range(max(day - _LONGEST_DAYS, _ORIGIN_DAY), day + 2)]
        return Cells(
            *(
                np.concatenate([getattr(one, field) for one in days])
                for field in ("start", "duration", "depth", "shape", "east_km", "north_km", "convective")
            )
        )

    def _fallen_before(self, latitude: float, longitude: float, day: int) -> float:
        """Rain at a point of all cells born before `day`: they have ended when it is asked for."""
        if day <= _ORIGIN_DAY:
            return 0.0
        known = self._prefix.get((latitude, longitude), np.zeros(1))
        if (missing := day - _ORIGIN_DAY - (len(known) - 1)) > 0:
            first = _ORIGIN_DAY + len(known) - 1
            sums = [self._cells(d).depth_at(latitude, longitude).sum() for d in range(first, first + missing)]
            known = np.concatenate((known, known[-1] + np.cumsum(sums)))
            self._prefix[(latitude, longitude)] = known
        return float(known[day - _ORIGIN_DAY])

    def _wet(self, times: Floats) -> Floats:
        """The slow swing between fine and wet weather, standard normal."""
        return smooth(self._keys["wet"], times, 4.5 * DAY)

    def _cells(self, day: int) -> Cells:
        if day not in self._days:
            self._days[day] = self._make_cells(day)
        return self._days[day]

    def _make_cells(self, day: int) -> Cells:
        key = key_of(self._seed, "rain", day)
        noon = np.array([day * DAY + DAY / 2.0])
        wet = float(self._wet(noon)[0])
        rate = _STORMS_PER_DAY * float(np.exp(_SPREAD * wet - _SPREAD**2 / 2))
        storms = _poisson(rate, float(uniform(key, 0)))
        # Thunderstorms belong to summer: 5 % of the storms in January, 55 % in July.
        thundery = 0.30 - 0.25 * float(np.cos((day_of_year(noon)[0] - 15) / 365.2425 * 2 * np.pi))
        mean_depth = float(_cyclic(self._precipitation, noon)[0]) / 30.44 / _STORMS_PER_DAY
        rows = [self._storm(key, number, day, thundery, mean_depth) for number in range(storms)]
        table = np.concatenate(rows, axis=1) if rows else np.zeros((7, 0))
        return Cells(*table)

    def _storm(self, key: int, number: int, day: int, thundery: float, mean_depth: float) -> Floats:
        chance = uniform(key, np.arange(8), stream=number + 1)
        convective = chance[0] < thundery
        count = 1 + _poisson(1.2 if convective else 4.0, float(chance[1]))
        index = np.arange(count)
        one, two, three = (uniform(key, index, stream=1000 * (number + 1) + n) for n in range(3))
        gaps = -np.log1p(-one) * (1_500 if convective else 6_000)
        hour = 12 + 5 * np.sqrt(-np.log1p(-chance[2])) if convective else 24 * chance[2]
        birth = day * DAY - offset_s(day) + 3600.0 * hour
        duration = (900 if convective else 3_600) * np.exp(0.6 * normal(key, index, stream=9_000 + number))
        depth = mean_depth * (0.3 - 0.7 * np.log1p(-two)) / count * (0.3 - 0.7 * np.log1p(-chance[3]))
        place = (chance[4:6] - 0.5) * _BOX_KM
        drift = np.cumsum(gaps) / 3600 * 15  # cells travel north-east with 15 km/h
        rows = (
            birth + np.cumsum(gaps),
            np.clip(duration, 300, 6 * 3600),
            depth,
            1.1 + 1.2 * three,
            place[0] + (0.7 * drift if convective else 0 * drift),
            place[1] + (0.7 * drift if convective else 0 * drift),
            np.full(count, float(convective)),
        )
        return np.asarray(np.vstack(rows))


_FIELDS = ("synoptic", "half-day", "gust", "cloud", "broken", "dew", "pressure", "wind", "turn", "wet")


def solar_height_sine(times: Floats) -> Floats:
    """Sine of the sun's height above the horizon of the town (Cooper 1969 declination, no refraction)."""
    declination = np.radians(23.45) * np.sin(2 * np.pi * (284 + day_of_year(times) + 1) / 365.2425)
    hour_angle = np.radians(15.0) * (np.mod(times / 3600.0 + LONGITUDE / 15.0, 24) - 12)
    latitude = np.radians(LATITUDE)
    return np.asarray(
        np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
    )


def _cyclic(monthly: Floats, times: Floats) -> Floats:
    """Monthly normals as a curve through the middles of the months."""
    middle = (np.arange(-1, 13) + 0.5) * 365.2425 / 12
    return np.asarray(np.interp(day_of_year(times), middle, np.take(monthly, np.arange(-1, 13), mode="wrap")))


def _poisson(mean: float, chance: float) -> int:
    """The Poisson number whose cumulative probability first exceeds `chance` (at most 40)."""
    term = np.exp(-mean)
    cumulative, number = term, 0
    while chance > cumulative and number < 40:
        number += 1
        term *= mean / number
        cumulative += term
    return number
