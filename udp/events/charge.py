"""How full a battery is and how long it will last, from its days so far."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from udp.store.columns import Floats

FEWEST_DAYS = 10
_NORMAL_95 = 1.96
_FARTHEST_DAYS = 3650.0


@dataclass(frozen=True, slots=True)
class Charge:
    """`percent` now (median of the last three days), and days until empty with a 95 % interval.

    Days are None where the charge does not surely fall, or too few days are known.
    """

    percent: float
    days: float | None = None
    soonest: float | None = None
    latest: float | None = None


def judge_charge(days: Floats, percents: Floats) -> Charge | None:
    """From daily values, `days` counted from any beginning; None without any.

    The slope is Theil-Sen's median of all pairs with the interval of Sen (1968): one cold week or
    one wrong value does not bend it.
    """
    known = np.isfinite(percents)
    days, percents = days[known], percents[known]
    if not len(percents):
        return None
    now = float(np.median(percents[-3:]))
    if len(percents) < FEWEST_DAYS:
        return Charge(now)
    low, middle, high = _slopes(days, percents)
    if not high < 0:  # not surely falling
        return Charge(now)
    return Charge(now, *(min(now / -slope, _FARTHEST_DAYS) for slope in (middle, low, high)))


def _slopes(days: Floats, percents: Floats) -> tuple[float, float, float]:
    count = len(days)
    first, second = np.triu_indices(count, 1)
    slopes = np.sort((percents[second] - percents[first]) / (days[second] - days[first]))
    half = _NORMAL_95 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18) / 2
    middle = len(slopes) / 2
    lower, upper = int(max(middle - half, 0)), int(min(middle + half, len(slopes) - 1))
    return float(slopes[lower]), float(np.median(slopes)), float(slopes[upper])
