"""The true parking bays: cars come and go, more on market days and Saturdays, few at night."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.almanac import DAY, offset_s
from simulators.noise import Floats, key_of, uniform

_DEMAND = np.array(
    [0.02] * 5
    + [0.05, 0.15, 0.4, 0.8, 1.1, 1.3, 1.3, 1.1, 1.0, 1.0, 1.1, 1.2, 1.1, 0.8, 0.5, 0.3, 0.2, 0.1, 0.05]
)
_WEEKDAY = (0.9, 1.0, 0.95, 1.1, 1.15, 1.3, 0.35)
_TURN = 4 * 3600  # a parking day goes from 4 to 4 o'clock local time: then every bay is free


@dataclass(frozen=True, slots=True)
class Bay:
    """One bay; `demand` scales arrivals per hour, `stay_min` is the mean stay in minutes."""

    key: str
    demand: float
    stay_min: float


def bay(key: str, seed: int) -> Bay:
    """A bay with its own popularity."""
    chance = uniform(key_of(seed, "bay", key), np.arange(2))
    return Bay(key, 0.35 + 0.8 * float(chance[0]), 35 + 70 * float(chance[1]))


class Parking:
    """Occupancy of all bays of one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._days: dict[tuple[str, int], Floats] = {}

    def changes(self, bay: Bay, first: float, last: float) -> Floats:
        """Moments in [first, last) at which the bay turns occupied or free, ascending."""
        days = range(int(first // DAY) - 1, int(last // DAY) + 2)
        moments = np.concatenate([self._day(bay, day) for day in days])
        return np.asarray(moments[(moments >= first) & (moments < last)])

    def occupied(self, bay: Bay, times: Floats) -> Floats:
        """1 while a car stands there, else 0; a change counts from its own moment on."""
        moments = np.concatenate(
            [
                self._day(bay, day)
                for day in range(int(np.min(times) // DAY) - 1, int(np.max(times) // DAY) + 2)
            ]
        )
        return np.asarray(np.searchsorted(moments, times, side="right") % 2, dtype=np.float64)

    def _day(self, bay: Bay, day: int) -> Floats:
        """Alternating arrivals and departures of one parking day: always an even number."""
        if (bay.key, day) not in self._days:
            if len(self._days) > 1_000:
                self._days.clear()
            self._days[(bay.key, day)] = self._make_day(bay, day)
        return self._days[(bay.key, day)]

    def _make_day(self, bay: Bay, day: int) -> Floats:
        key = key_of(self._seed, "cars", bay.key, day)
        start = day * DAY - offset_s(day) + _TURN
        busy = bay.demand * _WEEKDAY[(day + 3) % 7]
        moments: list[float] = []
        clock, draw = float(start), 0
        while draw < 80:
            # Thinning (Lewis and Shedler 1979): candidates at the highest rate, kept by the hour's demand.
            chance = uniform(key, np.arange(3), stream=draw)
            draw += 1
            clock += -np.log1p(-chance[0]) * 3600 / (1.5 * busy)
            leave = clock + 120 - np.log1p(-chance[2]) * bay.stay_min * 60
            if leave >= start + DAY - 60:
                break
            if chance[1] < _DEMAND[int((clock - start + _TURN) // 3600) % 24] / 1.5:
                moments += [np.ceil(clock), np.ceil(leave)]
                clock = leave + 60
        return np.array(moments)
