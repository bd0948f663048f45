"""What a virtual weather service expects of the virtual weather: right at first, worse with every hour.

The nowcast moves what rains already and misses most of what is not yet born, as extrapolated radar does.
The point forecast is drawn from scenarios that follow the truth with growing errors of time and amount and
lose it, storm by storm, within days; its probabilities are the shares of scenarios.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulators.almanac import DAY
from simulators.noise import Floats, Integers, key_of, normal, smooth, uniform
from simulators.weather import LATITUDE, LONGITUDE, Cells, Weather

STEP_S, STEPS = 300, 24
HOUR_S, HOURS = 3600, 247
_AHEAD_S = STEP_S * STEPS
# After two hours: how far the field is misplaced, mistimed and misjudged (standard deviations).
_KM, _SECONDS, _FACTOR = 3.0, 600.0, 0.5
# Radar sees what will arrive; thunderstorms are born where nothing was.
_SEEN_BEFORE_S = {False: 3600.0, True: 900.0}
_SCENARIOS = 60
# A scenario keeps to the true storms for days on average, then follows those of another week.
_LOST_AFTER_DAYS = 3.0
_BLOCK_HOURS = 12
_OTHER_DAYS = np.array([day for day in range(-25, 26) if abs(day) > 3])


@dataclass(frozen=True, slots=True)
class PointOutlook:
    """By hour (HOURS,) from one hour after the issue: mm expected in the hour before, the probability of more
    than each threshold (thresholds, HOURS), degrees Celsius, and how far off these usually are."""

    times: Floats
    rain_mm: Floats
    over: Floats
    temperature_c: Floats
    temperature_error: Floats


class Outlook:
    """Every forecast depends on the seed and its issue time only."""

    def __init__(self, seed: int, weather: Weather) -> None:
        self._seed = seed
        self._weather = weather

    def nowcast(self, issued: float, latitude: Floats, longitude: Floats) -> Floats:
        """mm in each of the coming STEPS intervals at points: (STEPS, points)."""
        key = key_of(self._seed, "nowcast", int(issued))
        error = normal(key, np.arange(4))
        cells = self._foreseen(self._weather.cells_near(issued), issued)
        ends = issued + STEP_S * np.arange(STEPS + 1)
        lead = (ends - issued) / _AHEAD_S
        share = cells.fallen_share(ends + _SECONDS * lead * error[0])
        part = np.clip(np.diff(share, axis=1), 0.0, None)
        spread = _FACTOR * np.sqrt(lead[1:])
        factor = np.exp(spread * error[1] - spread**2 / 2)
        fields = np.empty((STEPS, len(latitude)))
        for step in range(STEPS):
            away = _KM * lead[step + 1] * error[2:4]
            moved = replace(cells, east_km=cells.east_km + away[0], north_km=cells.north_km + away[1])
            fields[step] = factor[step] * _field(moved, part[:, step], latitude, longitude)
        return fields

    def point(self, issued: float, thresholds: Sequence[float]) -> PointOutlook:
        """For the middle of the town."""
        times = np.asarray(issued + HOUR_S * np.arange(1, HOURS + 1), dtype=np.float64)
        rain = np.stack([self._scenario(issued, number, times) for number in range(_SCENARIOS)])
        over = np.array([(rain > mm).mean(axis=0) for mm in thresholds])
        days = (times - issued) / DAY
        wrong = smooth(key_of(self._seed, "temperature", int(issued)), times, DAY)
        spread = np.minimum(0.5 + 0.4 * days, 3.5)
        warm = self._weather.temperature(times) + spread * wrong
        # Of normal errors the absolute ones are sqrt(2 / pi) of the standard deviation on average.
        return PointOutlook(times, rain.mean(axis=0), over, warm, spread * np.sqrt(2 / np.pi))

    def _foreseen(self, cells: Cells, issued: float) -> Cells:
        """Those that rain, and of those to come what the radar sees arriving."""
        wait = cells.start - issued
        limit = np.where(cells.convective > 0, _SEEN_BEFORE_S[True], _SEEN_BEFORE_S[False])
        chance = uniform(key_of(self._seed, "foreseen"), cells.start.astype(np.int64))
        keep = wait < -np.log1p(-chance) * limit
        return Cells(*(getattr(cells, name)[keep] for name in Cells.__dataclass_fields__))

    def _scenario(self, issued: float, number: int, times: Floats) -> Floats:
        own = key_of(self._seed, "scenario", int(issued), number)
        # All scenarios of a run share half of the error: the run as a whole is wrong, too.
        shared = normal(key_of(self._seed, "run", int(issued)), np.arange(2))
        error = (shared + normal(own, np.arange(2))) / np.sqrt(2.0)
        days = (times - issued) / DAY
        shift = HOUR_S * (0.5 + 2.0 * np.sqrt(days)) * error[0]
        spread = np.minimum(0.3 + 0.3 * np.sqrt(days), 0.9)
        factor = np.exp(spread * error[1] - spread**2 / 2)
        looked_at = times + shift + DAY * self._strayed(own, days)
        return np.asarray(factor * self._hourly(looked_at))

    @staticmethod
    def _strayed(key: int, days: Floats) -> Integers:
        """By how many days each hour's storms are those of another time: 0 while the scenario holds."""
        block = np.arange(len(days)) // _BLOCK_HOURS
        lost = uniform(key, block, stream=1) > np.exp(-days / _LOST_AFTER_DAYS)
        pick = (uniform(key, block, stream=2) * len(_OTHER_DAYS)).astype(np.int64)
        return np.where(lost, _OTHER_DAYS[pick], 0)

    def _hourly(self, ends: Floats) -> Floats:
        """mm in the hour before each time, in any order."""
        both = np.concatenate([ends - HOUR_S, ends])
        total = self._weather.rain_total(LATITUDE, LONGITUDE, both)
        return np.asarray(np.maximum(total[len(ends) :] - total[: len(ends)], 0.0))


def _field(cells: Cells, part: Floats, latitude: Floats, longitude: Floats) -> Floats:
    """mm at points of the given part of every cell."""
    total = np.zeros(len(latitude))
    for number in np.flatnonzero(part > 0):
        one = Cells(*(getattr(cells, name)[number] for name in Cells.__dataclass_fields__))
        total += part[number] * one.depth_at(latitude, longitude)
    return total
