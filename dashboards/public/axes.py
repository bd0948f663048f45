"""Round numbers for axes and local hours for time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboards.wording import LocalTime, number

WEEKDAYS = ("Mo", "Di", "Mi", "Do", "Fr", "Sa", "So")


@dataclass(frozen=True, slots=True)
class Scale:
    """From `low` to `high` with labelled `ticks`, in the Datastream's unit."""

    low: float
    high: float
    ticks: tuple[float, ...]
    decimals: int

    def label(self, tick: float) -> str:
        """The tick as people write it."""
        return number(tick, self.decimals)


def scale(low: float, high: float, *, smallest: float, count: int = 5) -> Scale:
    """A scale that holds [low, high] in about `count` round steps.

    `smallest` is the least range worth showing: noise of the last digit must not look like weather.
    """
    if high - low < smallest:
        middle = (high + low) / 2
        # A value that may not be negative does not get a negative axis for the sake of symmetry.
        floor = 0.0 if low >= 0 else -math.inf
        low, high = max(middle - smallest / 2, min(floor, low)), middle + smallest / 2
    step = _round_step((high - low) / count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(index * step for index in range(first, last + 1))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return Scale(ticks[0], ticks[-1], ticks, decimals)


def _round_step(raw: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(raw))
    return next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw * 0.999)


def days(start: datetime, end: datetime, time: LocalTime, *, dated: bool) -> Sequence[tuple[datetime, str]]:
    """Every local midnight in the period, labelled Mo 16. or, where there is little room, Mo."""
    return [
        (midnight, WEEKDAYS[midnight.weekday()] + (f" {midnight.day}." if dated else ""))
        for midnight in _steps(start, end, time, 24)
    ]


def hours(start: datetime, end: datetime, time: LocalTime, every: int) -> Sequence[tuple[datetime, str]]:
    """Every `every`-th local hour in the period, labelled 15 Uhr."""
    return [(moment, f"{moment.hour} Uhr") for moment in _steps(start, end, time, every)]


def _steps(start: datetime, end: datetime, time: LocalTime, every: int) -> list[datetime]:
    local = time.local(start)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    found: list[datetime] = []
    # Wall-clock arithmetic within one zone: on the day of the clock change, hours stay local hours.
    while day <= time.local(end):
        for hour in range(0, 24, every):
            moment = day.replace(hour=hour)
            if start <= moment.astimezone(start.tzinfo) < end:
                found.append(moment)
        day = day + timedelta(days=1)
    return found
