"""Learn how fast each container fills by weekday and hour, borrowing from the fleet what it cannot know yet.

Inflow is a rate times a weekday factor times an hour factor. Each is a gamma-Poisson posterior mean: the
container's own sums plus as much of the fleet's as a few weeks of data are worth (partial pooling; Gelman &
Hill 2007, ch. 12). A shrunk rate per container and weekday is close to the ceiling of what can be known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.fill_level.cleaning import Cleaned
from models.series import DAY, HOUR, Floats, Instant, Integers, Times

# Days of own data that weigh as much as the fleet.
RATE_DAYS = 6.0
WEEKDAY_DAYS = 150.0
RECENT_HALF_LIFE_DAYS = 60.0


@dataclass(frozen=True, slots=True)
class Inflow:
    """Hourly inflow (% of capacity) from smoothed content; emptying hours and the full container are gaps."""

    times: Times
    percent: Floats

    def before(self, moment: Instant) -> Inflow:
        """What ended by ``moment``."""
        end = int(np.searchsorted(self.times, moment, side="right"))
        return Inflow(self.times[:end], self.percent[:end])

    def after(self, moment: Instant) -> Inflow:
        """What ended later."""
        start = int(np.searchsorted(self.times, moment, side="right"))
        return Inflow(self.times[start:], self.percent[start:])


def inflow_of(cleaned: Cleaned) -> Inflow:
    """Differences of the smoothed content, without the hours around an emptying and without a full container,
    where nothing more can be seen going in."""
    change = np.diff(cleaned.smoothed)
    blocked = cleaned.emptied[1:] | cleaned.emptied[:-1] | (change < -3.0)
    # A full container takes what comes beside it; its silence is no zero inflow.
    blocked |= cleaned.smoothed[:-1] > 97.0
    return Inflow(cleaned.times[1:], np.where(blocked, np.nan, change))


def week_position(times: Times) -> tuple[Integers, Integers]:
    """Weekday (Monday 0) and hour of day of the hour that ends at each time, UTC."""
    begins = times - HOUR
    day = (begins.astype("datetime64[D]").astype(np.int64) + 3) % 7
    return day, begins.astype("datetime64[h]").astype(np.int64) % 24


@dataclass(frozen=True, slots=True)
class FleetRate:
    """What a kind of container does on average: rate (% per hour), weekday (7,) and hour (24,) factors."""

    rate: float
    rate_days: float
    weekday: Floats
    hour: Floats


def fleet_rate(inflows: Sequence[Inflow]) -> FleetRate | None:
    """Pooled over containers, each scaled by its own mean so that no busy one rules the profile. The more the
    containers differ from each other, the fewer days the fleet's rate is worth. None without data."""
    weekday, hour = np.zeros((2, 7)), np.zeros((2, 24))
    rates = []
    for inflow in inflows:
        solid = np.isfinite(inflow.percent)
        if solid.sum() < 72:
            continue
        mean = float(inflow.percent[solid].mean())
        if mean <= 0:
            continue
        rates.append(mean)
        day, clock = week_position(inflow.times[solid])
        share = inflow.percent[solid] / mean
        np.add.at(weekday[0], day, share)
        np.add.at(weekday[1], day, 1.0)
        np.add.at(hour[0], clock, share)
        np.add.at(hour[1], clock, 1.0)
    if not rates:
        return None
    spread = float(np.std(np.log(rates))) if len(rates) > 2 else 0.55
    worth = float(np.clip(0.83 / max(spread, 0.1) ** 2, 1.0, 30.0)) if len(rates) > 2 else RATE_DAYS
    return FleetRate(float(np.exp(np.mean(np.log(rates)))), worth, _normal(weekday), _normal(hour))


def _normal(sums: Floats) -> Floats:
    factor = (np.maximum(sums[0], 0.0) + 24.0) / (sums[1] + 24.0)
    return np.asarray(factor / factor.mean())


@dataclass(frozen=True, slots=True)
class OwnRate:
    """Expected inflow of one container, % per hour by weekday and hour (7, 24)."""

    table: Floats
    days: float

    def expected(self, start: Instant, hours: int) -> Floats:
        """Cumulated expected inflow after 1..hours hours, (hours,)."""
        day, clock = week_position(start + np.arange(1, hours + 1) * HOUR)
        return np.cumsum(self.table[day, clock])


def own_rate(inflow: Inflow, fleet: FleetRate) -> OwnRate:
    """Posterior mean from the container's own hours, recent ones weighing more, and the fleet's."""
    solid = np.isfinite(inflow.percent)
    profile = fleet.weekday[:, None] * fleet.hour[None, :]
    if not solid.any():
        return OwnRate(fleet.rate * profile, 0.0)
    day, clock = week_position(inflow.times[solid])
    age = (inflow.times[-1] - inflow.times[solid]) / DAY
    weight = 0.5 ** (age / RECENT_HALF_LIFE_DAYS)
    amount = inflow.percent[solid] * weight
    exposure = weight * profile[day, clock]
    prior = 24.0 * fleet.rate_days
    rate = max((amount.sum() + prior * fleet.rate) / (exposure.sum() + prior), 0.02 * fleet.rate)
    seen, due = np.zeros(7), np.zeros(7)
    np.add.at(seen, day, amount)
    np.add.at(due, day, rate * exposure)
    trust = rate * 24.0 * WEEKDAY_DAYS / 7.0
    factor = (np.maximum(seen, 0.0) + trust) / (due + trust)
    return OwnRate(rate * profile * factor[:, None], float(weight.sum() / 24.0))
