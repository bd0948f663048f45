"""Tell the city what sensors are worth: a fixed tour against one on demand, and which site still has room.

Both tours are replayed on the same true inflow, so that the difference is the tour's and not the weather's;
the interval comes from resampling containers (Efron & Tibshirani 1993, ch. 6): a roll-out adds containers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.forecaster import NotCalibrated
from models.series import Floats

LEAST_CONTAINERS = 5
DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Comparison:
    """Per container and 30 days: visits and overflow hours under both tours, and the saved visits and saved
    overflow hours with their 95 % intervals."""

    fixed_visits: float
    demand_visits: float
    fixed_overflow_hours: float
    demand_overflow_hours: float
    saved_visits: tuple[float, float, float]
    saved_overflow_hours: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class TourRule:
    """Crews drive at ``hour`` on working days. The fixed tour comes every ``fixed_days``; the demand tour
    when the fill passes ``visit_at`` percent."""

    fixed_days: int
    visit_at: float
    hour: int = 7


def compare_tours(
    inflows: Sequence[Floats], rule: TourRule, *, first_weekday: int, rng: np.random.Generator
) -> Comparison | NotCalibrated:
    """``inflows`` hold the hourly inflow of each container in percent of its capacity (NaN = unknown, counted
    as the container's mean), from midnight of ``first_weekday`` (Monday = 0)."""
    usable = [one for one in inflows if np.isfinite(one).sum() >= 14 * 24]
    if len(usable) < LEAST_CONTAINERS:
        return NotCalibrated(
            f"Tourvergleich: {len(usable)} Behälter mit zwei Wochen, nötig sind {LEAST_CONTAINERS}"
        )
    rows = np.array(
        [
            (
                *_replay(one, rule, first_weekday, demand=False),
                *_replay(one, rule, first_weekday, demand=True),
            )
            for one in usable
        ]
    )
    mean = rows.mean(axis=0)
    draws = rows[rng.integers(0, len(rows), size=(DRAWS, len(rows)))].mean(axis=1)
    return Comparison(
        float(mean[0]), float(mean[2]), float(mean[1]), float(mean[3]),
        _interval(mean[0] - mean[2], draws[:, 0] - draws[:, 2]),
        _interval(mean[1] - mean[3], draws[:, 1] - draws[:, 3]),
    )  # fmt: skip


def _interval(middle: float, draws: Floats) -> tuple[float, float, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(middle), float(high)


def _replay(inflow: Floats, rule: TourRule, first_weekday: int, *, demand: bool) -> tuple[float, float]:
    """Visits and overflow hours per 30 days."""
    rate = np.where(np.isfinite(inflow), inflow, np.nanmean(inflow))
    fill, visits, overflow, last = 0.0, 0, 0, 0
    for i, amount in enumerate(np.maximum(rate, 0.0)):
        day, hour = divmod(i, 24)
        working = (first_weekday + day) % 7 < 5
        due = fill >= rule.visit_at if demand else day - last >= rule.fixed_days
        if hour == rule.hour and working and due:
            visits, fill, last = visits + 1, 0.0, day
        fill += float(amount)
        overflow += fill > 100.0
    months = len(rate) / 24 / 30
    return visits / months, overflow / months


def site_has_room(probabilities_full: Sequence[float]) -> float:
    """Probability that at least one container of a site is not full, from each one's probability to be full.
    Containers of one site are used alike, so independence would promise too much: the answer lies halfway
    between independent and fully dependent (Frechet 1935 bounds)."""
    if not len(probabilities_full):
        return 0.0
    p = np.clip(np.asarray(probabilities_full, dtype=np.float64), 0.0, 1.0)
    return float(1.0 - 0.5 * (p.prod() + p.min()))
