"""Learn how fast each container fills by weekday and hour, borrowing from the fleet what it cannot know yet.

Inflow is a rate times a weekday factor times an hour factor. Each is a gamma-Poisson posterior mean: the
container's own sums plus as much of the fleet's as a few weeks of data are worth (partial pooling; Gelman &
Hill 2007, ch. 12). A shrunk rate per container and weekday is close to the ceiling of what can be known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.compiled import compiled
from models.fill_level.cleaning import Cleaned
from models.series import DAY, HOUR, Floats, Instant, Integers, Times

WEEKDAY_DAYS = 150.0
RECENT_HALF_LIFE_DAYS = 90.0
# Squared variation of one day around its mean, and of the rates of one kind of container (its logarithm).
DAILY_VARIATION = 0.83
KIND_VARIATION = 0.30
# Weekdays differ by a quarter, so that many container-days are worth as much as "all days are alike".
PROFILE_DAYS = 11.0
_QUIET_HOURS = 6


@dataclass(frozen=True, slots=True)
class Inflow:
    """Hourly inflow (% of capacity) from smoothed content; emptying hours and the full container are gaps."""

    times: Times
    percent: Floats

    def before(self, moment: Instant) -> Inflow:
        """What ended by ``moment``."""
        end = int(np.searchsorted(self.times, moment, side="right"))
        return Inflow(self.times[:end], self.percent[:end])


def inflow_of(cleaned: Cleaned) -> Inflow:
    """Differences of the smoothed content, without the hours around an emptying and without a full container,
    where nothing more can be seen going in."""
    change = np.diff(cleaned.smoothed)
    blocked = cleaned.emptied[1:] | cleaned.emptied[:-1] | (change < -3.0)
    # A full container takes what comes beside it; its silence is no zero inflow.
    blocked |= cleaned.smoothed[:-1] > cleaned.container.visible_percent
    return Inflow(cleaned.times[1:], np.where(blocked, np.nan, change))


def week_position(times: Times, turn: int = 0) -> tuple[Integers, Integers]:
    """Weekday (Monday 0) and hour of day (UTC) of the hour that ends at each time; days begin at ``turn``
    o'clock, so that a day of people is one day wherever the city lies."""
    begins = times - HOUR
    day = ((begins - turn * HOUR).astype("datetime64[D]").astype(np.int64) + 3) % 7
    return day, begins.astype("datetime64[h]").astype(np.int64) % 24


@dataclass(frozen=True, slots=True)
class FleetRate:
    """What a kind of container does on average: rate (% per hour), weekday (7,) and hour (24,) factors.
    ``rate_days`` of own data weigh as much as ``rate``; days begin at ``turn`` o'clock UTC (-12 to 11)."""

    rate: float
    rate_days: float
    weekday: Floats
    hour: Floats
    turn: int


def fleet_rate(inflows: Sequence[Inflow]) -> FleetRate | None:
    """Pooled over containers, each scaled by its own mean so that no busy one rules the profile. The more the
    containers differ from each other, the fewer days the fleet's rate is worth. None without data."""
    means, exposed, parts = [], [], []
    for inflow in inflows:
        solid = np.isfinite(inflow.percent)
        mean = float(inflow.percent[solid].mean()) if solid.sum() >= 72 else 0.0
        if mean <= 0:
            continue
        means.append(mean)
        exposed.append(float(solid.sum()) / 24.0)
        parts.append((inflow.times[solid], inflow.percent[solid] / mean))
    if not means:
        return None
    times, share = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    hour = _factors(week_position(times)[1], share, 24, 24.0)
    turn = _quiet(hour)
    weekday = _factors(week_position(times, turn)[0], share, 7, 24.0 * PROFILE_DAYS)
    return FleetRate(*_pooled(np.array(means), np.array(exposed)), weekday, hour, turn)


def _pooled(means: Floats, days: Floats) -> tuple[float, float]:
    """Mean rate, and the days its knowledge is worth: containers differ truly by what is left of their spread
    after the luck of few days is taken off."""
    weight = 1.0 / (KIND_VARIATION + DAILY_VARIATION / days)
    middle = float((weight * means).sum() / weight.sum())
    seen = float((weight * (means / middle - 1.0) ** 2).sum() / weight.sum())
    luck = float((weight * DAILY_VARIATION / days).sum() / weight.sum())
    count = len(means)
    spread = (max(seen - luck, 0.02) * count + 4.0 * KIND_VARIATION) / (count + 4.0)
    return middle, float(np.clip(DAILY_VARIATION / spread, 1.0, 30.0))


def _factors(place: Integers, share: Floats, count: int, trust: float) -> Floats:
    sums = np.bincount(place, weights=share, minlength=count)
    factor = (np.maximum(sums, 0.0) + trust) / (np.bincount(place, minlength=count) + trust)
    return np.asarray(factor / factor.mean())


def _quiet(hour: Floats) -> int:
    """Middle of the quietest hours (-12 to 11)."""
    around = np.array([np.take(hour, range(h, h + _QUIET_HOURS), mode="wrap").sum() for h in range(24)])
    middle = (int(np.argmin(around)) + _QUIET_HOURS // 2) % 24
    return middle if middle < 12 else middle - 24


@dataclass(frozen=True, slots=True)
class OwnRate:
    """Expected inflow of one container, % per hour by weekday and hour (7, 24), from so many ``days`` of its
    own; days begin at ``turn`` o'clock."""

    table: Floats
    days: float
    turn: int

    def expected(self, start: Instant, hours: int) -> tuple[Floats, Floats]:
        """After 1..hours hours, (hours,) each: cumulated expected inflow, and the sum of squares of what each
        day is expected to bring, because days are good or bad as a whole."""
        day, clock = week_position(start + np.arange(1, 2) * HOUR, self.turn)
        return _walk(self.table, int(day[0]), int(clock[0]), self.turn % 24, hours)


@compiled
def _walk(table: Floats, day: int, clock: int, turn: int, hours: int) -> tuple[Floats, Floats]:
    total, squares = np.empty(hours), np.empty(hours)
    sum_, done, today = 0.0, 0.0, 0.0
    for h in range(hours):
        if h and clock == turn:
            done, today, day = done + today * today, 0.0, (day + 1) % 7
        sum_, today = sum_ + table[day, clock], today + table[day, clock]
        total[h], squares[h] = sum_, done + today * today
        clock = (clock + 1) % 24
    return total, squares


def own_rate(inflow: Inflow, fleet: FleetRate) -> OwnRate:
    """Posterior mean from the container's own hours, recent ones weighing more, and the fleet's."""
    solid = np.isfinite(inflow.percent)
    seen, due = np.zeros(7), np.zeros(7)
    day, clock = week_position(inflow.times[solid], fleet.turn)
    age = (inflow.times[-1] - inflow.times[solid]) / DAY if solid.any() else np.zeros(0)
    weight = 0.5 ** (age / RECENT_HALF_LIFE_DAYS)
    np.add.at(seen, day, inflow.percent[solid] * weight)
    np.add.at(due, day, weight * fleet.weekday[day] * fleet.hour[clock])
    table = _posterior(seen, due, (fleet.rate, 24.0 * fleet.rate_days), fleet.weekday, fleet.hour)
    return OwnRate(table, float(weight.sum()) / 24.0, fleet.turn)


@compiled
def _posterior(seen: Floats, due: Floats, kind: tuple[float, float], weekday: Floats, hour: Floats) -> Floats:
    """Percent per hour (7, 24) from what each weekday brought and what a rate of 1 would have brought;
    ``kind``: the fleet's rate and the hours it is worth."""
    rate, prior = kind
    own = max((seen.sum() + prior * rate) / (due.sum() + prior), 0.02 * rate)
    trust = own * 24.0 * WEEKDAY_DAYS / 7.0
    table = np.empty((7, 24))
    for d in range(7):
        factor = (max(seen[d], 0.0) + trust) / (own * due[d] + trust)
        for h in range(24):
            table[d, h] = own * weekday[d] * hour[h] * factor
    return table


@dataclass(frozen=True, slots=True)
class Past:
    """Forecasts as they would have been made: ``origin`` positions (k,), the ``days`` then known (k,), and
    expected inflow and its daily squares at each lead, (k, leads) both."""

    origin: Integers
    days: Floats
    expected: Floats
    squares: Floats


def past_forecasts(
    inflow: Inflow, fleet: FleetRate, origins: tuple[int, int, int], leads: tuple[int, ...]
) -> Past:
    """What `own_rate` and `OwnRate.expected` would have said at positions range(*origins) of the hours (the
    inflow at position i ends at i + 1), from the hours before each alone."""
    day, clock = week_position(inflow.times, fleet.turn)
    at = np.arange(*origins)
    hours = np.stack([inflow.percent, fleet.weekday[day] * fleet.hour[clock], day, clock], axis=1)
    kind = (fleet.rate, 24.0 * fleet.rate_days, fleet.turn % 24)
    made = _past(hours, at, np.array(leads), kind, (fleet.weekday, fleet.hour))
    return Past(at, *made)


@compiled
def _past(
    hours: Floats,
    at: Integers,
    leads: Integers,
    kind: tuple[float, float, int],
    profile: tuple[Floats, Floats],
) -> tuple[Floats, Floats, Floats]:
    """``hours``: inflow, its share of the week, weekday and clock of each hour."""
    rate, prior, turn = kind
    keep = 0.5 ** (1.0 / 24.0 / RECENT_HALF_LIFE_DAYS)
    seen, due, known = np.zeros(7), np.zeros(7), 0.0
    days = np.zeros(len(at))
    expected, squares = np.zeros((len(at), len(leads))), np.zeros((len(at), len(leads)))
    done = 0
    for k in range(len(at)):
        while done < at[k]:
            seen *= keep
            due *= keep
            known *= keep
            if np.isfinite(hours[done, 0]):
                day = int(hours[done, 2])
                seen[day] += hours[done, 0]
                due[day] += hours[done, 1]
                known += 1.0
            done += 1
        table = _posterior(seen, due, (rate, prior), profile[0], profile[1])
        here = min(at[k], len(hours) - 1)
        total, square = _walk(table, int(hours[here, 2]), int(hours[here, 3]), turn, leads[-1])
        for n in range(len(leads)):
            expected[k, n], squares[k, n] = total[leads[n] - 1], square[leads[n] - 1]
        days[k] = known / 24.0
    return days, expected, squares
