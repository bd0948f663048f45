"""The true waste: how full every bin and paper container is, when it is emptied, what its sensor says.

The figures are measured ones: 77 ultrasonic containers, and 33 smart bins of Wyndham City (CC BY 2.5
AU). Daily inflow is log-normal over containers (median 4.8 % of the depth, sd of the log 0.55), within
a container daily CV 0.9 with a fifth of the days near zero; weekdays and hours as listed; emptying after
3 / 7.9 / 22 days (5 / 50 / 95 %); 2 cm grid, 1 cm noise, and in 48 of 77 a fixed false echo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.almanac import DAY, ORIGIN, local, offset_s
from simulators.noise import Floats, key_of, normal, smooth, uniform

_WEEKDAY = np.array([1.14, 1.00, 0.96, 0.93, 0.89, 1.50, 0.56])
_BY_DAY = np.array([0.1] * 7 + [0.5] * 2 + [1.6] * 10 + [0.8] * 3 + [0.1] * 2)
_HOURS = np.concatenate(([0.0], np.cumsum(_BY_DAY / _BY_DAY.sum())))
_ORIGIN_DAY = ORIGIN // DAY
_AHEAD_DAYS = 400
OVERFULL = 108.0  # what lies beside and on top still counts a little


@dataclass(frozen=True, slots=True)
class Container:
    """Geometry in mm from the sensor; `rate` is the mean inflow per day in per cent of the depth."""

    key: str
    empty_mm: float
    full_mm: float
    rate: float
    cycle_days: float
    obstacle_mm: float | None
    obstacle_share: float
    blind_mm: float


def container(key: str, seed: int, *, empty_mm: float, full_mm: float, round_days: float = 7.9) -> Container:
    """A container drawn from the measured spread; crews come more often where more is thrown in."""
    own = key_of(seed, "container", key)
    chance = uniform(own, np.arange(6))
    rate = 4.8 * float(np.exp(0.55 * normal(own, 0)))
    blocked = chance[0] < 48 / 77
    return Container(
        key=key,
        empty_mm=empty_mm,
        full_mm=full_mm,
        rate=min(rate, 20.0),
        cycle_days=round_days * (4.8 / rate) ** 0.5,
        obstacle_mm=400.0 + 250.0 * float(chance[1]) if blocked else None,
        obstacle_share=0.05 + 0.35 * float(chance[2]) ** 2 if blocked else 0.0,
        blind_mm=50.0 + 50.0 * float(chance[3]),
    )


class Containers:
    """Fill levels of all containers of one seed, at any time."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._city = key_of(seed, "waste-weeks")
        self._inflow: dict[str, Floats] = {}
        self._emptied: dict[str, Floats] = {}

    def fill(self, container: Container, times: Floats) -> Floats:
        """Per cent of the usable depth, 0 to 108 (overfull)."""
        emptied = self.emptied(container, float(np.max(times)))
        cycle = np.searchsorted(emptied, times, side="right") - 1
        rest = 4.0 * np.abs(normal(key_of(self._seed, "rest", container.key), cycle))
        put_in = self._total(container, times) - self._total(container, emptied[cycle])
        return np.asarray(np.clip(rest + put_in, 0.0, OVERFULL))

    def emptied(self, container: Container, until: float) -> Floats:
        """Moments the container was emptied, from 1 January 2025 to at least `until`."""
        known = self._emptied.get(container.key)
        if known is None or known[-1] <= until:
            known = self._rounds(container, until + _AHEAD_DAYS * DAY)
            self._emptied[container.key] = known
        return known

    def distance_mm(self, container: Container, times: Floats) -> Floats:
        """What the sensor reports: distance in mm on its 2 cm grid; NaN where no echo came back."""
        key = key_of(self._seed, "echo", container.key)
        index = times.astype(np.int64)
        depth = container.empty_mm - container.full_mm
        true = container.empty_mm - self.fill(container, times) / 100 * depth
        heard = true + 10.0 * normal(key, index)
        if container.obstacle_mm is not None:
            hit = (uniform(key, index, 3) < container.obstacle_share) & (true > container.obstacle_mm + 30)
            heard = np.where(hit, container.obstacle_mm, heard)
        gridded = np.round(np.maximum(heard, container.blind_mm) / 20) * 20
        return np.asarray(np.where(uniform(key, index, 5) < 0.004, np.nan, gridded))

    def _rounds(self, container: Container, until: float) -> Floats:
        """Emptying in the morning tour (6-14 h), never on Sunday; cycles vary as measured."""
        key = key_of(self._seed, "rounds", container.key)
        rounds = [float(ORIGIN)]
        number = 0
        while rounds[-1] <= until:
            number += 1
            days = container.cycle_days * float(np.exp(0.45 * normal(key, number)))
            day = int((rounds[-1] + max(days, 0.8) * DAY) // DAY)
            if (day + 3) % 7 == 6:
                day += 1
            hour = 6 + 8 * float(uniform(key, number, 7))
            rounds.append(max(day * DAY - offset_s(day) + hour * 3600, rounds[-1] + 3600.0))
        return np.array(rounds)

    def _total(self, container: Container, times: Floats) -> Floats:
        """Per cent put in since 1 January 2025."""
        position = local(times) / DAY - _ORIGIN_DAY
        day = np.clip(np.floor(position).astype(np.int64), 0, None)
        sums = self._daily(container, int(day.max(initial=0)) + 2)
        hours = np.interp((position - day) * 24, np.arange(25), _HOURS)
        return np.asarray(sums[day] + hours * (sums[day + 1] - sums[day]))

    def _daily(self, container: Container, days: int) -> Floats:
        known = self._inflow.get(container.key)
        if known is None or len(known) <= days:
            index = np.arange(_ORIGIN_DAY, _ORIGIN_DAY + days + _AHEAD_DAYS)
            key = key_of(self._seed, "inflow", container.key)
            weekday = _WEEKDAY[(index + 3) % 7]
            # A fifth of the days brings nothing; the others are log-normal around 1 / 0.8.
            spread = np.exp(0.55 * normal(key, index) - 0.55**2 / 2) * np.where(
                uniform(key, index, 9) < 0.2, 0.08, 1.23
            )
            town = np.exp(0.18 * smooth(self._city, index * float(DAY), 7 * DAY))
            known = np.concatenate(([0.0], np.cumsum(container.rate * weekday * spread * town)))
            self._inflow[container.key] = known
        return known
