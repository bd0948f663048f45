"""How far what goes into a container strays from what was expected, calibrated on past forecasts.

Inflow until a lead is taken as gamma distributed (amounts that come in bags on good and bad days), with a
spread from days, bags, the rate not known better yet, and reading noise. Where past forecasts really fell in
that distribution (their probability integral transform) then bends it: too wide becomes narrower, too narrow
wider, at every level (distributional conformal prediction; Chernozhukov, Wuthrich & Zhu 2021, PNAS 118).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammainc, gammaincinv

from models.series import Floats, Integers

LEARN_HOURS = (6, 12, 24, 48, 72, 120, 168)
# A bag is about one percent of a container; levels come on a grid of 2 cm and are read to about 1 cm.
BAG_PERCENT = 1.5
READING_PERCENT = 1.2
# Noise may let a level fall; below this it counts as not risen at all.
BELOW = 3.0
PIT = np.concatenate([[0.0], np.linspace(0.02, 0.98, 49), [1.0]])
# So many independent past forecasts weigh as much as the gamma distribution itself.
TRUST = 25.0
DAILY_PRIOR = 0.75
PRIOR_PAIRS = 40.0


@dataclass(frozen=True, slots=True)
class Expected:
    """Mean inflow (%), daily squares, and days of own data behind them; arrays of one shape."""

    inflow: Floats
    squares: Floats
    days: Floats | float
    reading: Floats | float = 0.0


@dataclass(frozen=True, slots=True)
class Spread:
    """``daily``: squared variation of one day; ``bend`` (leads, PIT): share of past forecasts whose transform
    lay below each of PIT, by LEARN_HOURS; ``rate_days`` as in FleetRate."""

    daily: float
    rate_days: float
    bend: Floats

    def deviation(self, of: Expected, width: float = 1.0) -> Floats:
        """Standard deviation in percent."""
        return deviation(of, self.daily * width, self.rate_days)

    def below(self, amount: Floats, of: Expected, hours: Floats, width: float = 1.0) -> Floats:
        """Probability of an inflow below ``amount``, for arrays of one shape."""
        raw = transform(amount, of.inflow, self.deviation(of, width))
        low, part = self._leads(hours)
        first = np.array([np.interp(u, PIT, self.bend[k]) for u, k in zip(raw, low, strict=True)])
        second = np.array([np.interp(u, PIT, self.bend[k + 1]) for u, k in zip(raw, low, strict=True)])
        return np.asarray((1 - part) * first + part * second)

    def quantiles(self, levels: Sequence[float], of: Expected, hours: Floats, width: float = 1.0) -> Floats:
        """Inflow (%) at each level, (leads, levels)."""
        low, part = self._leads(hours)
        bent = (1 - part)[:, None] * self.bend[low] + part[:, None] * self.bend[low + 1]
        raw = np.stack([np.interp(levels, row, PIT) for row in bent])
        return _inverse(np.clip(raw, 0.002, 0.998), of.inflow[:, None], self.deviation(of, width)[:, None])

    def _leads(self, hours: Floats) -> tuple[Integers, Floats]:
        place = np.interp(np.log(hours), np.log(LEARN_HOURS), np.arange(len(LEARN_HOURS)))
        low = np.minimum(place.astype(np.int64), len(LEARN_HOURS) - 2)
        return low, np.asarray(place - low)


def deviation(of: Expected, daily: float, rate_days: float) -> Floats:
    """Root of the variances of days, bags, an uncertain rate and two readings (%)."""
    unsure = daily / (of.days + rate_days)
    return np.asarray(
        np.sqrt(
            daily * of.squares + BAG_PERCENT * of.inflow + unsure * of.inflow**2
            + READING_PERCENT**2 + np.square(of.reading)
        )
    )  # fmt: skip


def transform(amount: Floats, mean: Floats, deviation: Floats) -> Floats:
    """Probability of less than ``amount`` under the gamma distribution."""
    shape = ((mean + BELOW) / deviation) ** 2
    return np.asarray(gammainc(shape, np.maximum(amount + BELOW, 0.0) * shape / (mean + BELOW)))


def _inverse(level: Floats, mean: Floats, deviation: Floats) -> Floats:
    shape = ((mean + BELOW) / deviation) ** 2
    return np.asarray(gammaincinv(shape, level) * (mean + BELOW) / shape - BELOW)


def learn(real: Floats, of: Expected, lead: Integers, rate_days: float, independent: Floats) -> Spread:
    """From matured forecasts (n,): what really came, what was expected, which of LEARN_HOURS. ``independent``
    (leads,) is how many of them do not overlap: those count against the gamma distribution."""
    daily = _daily(real, of, rate_days, lead)
    raw = transform(real, of.inflow, deviation(of, daily, rate_days))
    bend = np.empty((len(LEARN_HOURS), len(PIT)))
    for k in range(len(LEARN_HOURS)):
        own = np.sort(raw[lead == k])
        share = np.searchsorted(own, PIT, side="right") / max(len(own), 1)
        weight = independent[k] / (independent[k] + TRUST) if len(own) else 0.0
        bend[k] = weight * share + (1 - weight) * PIT
        bend[k, 0], bend[k, -1] = 0.0, 1.0
    # Strictly rising, so that a level has one answer.
    return Spread(daily, rate_days, np.asarray(0.995 * np.maximum.accumulate(bend, axis=1) + 0.005 * PIT))


def _daily(real: Floats, of: Expected, rate_days: float, lead: Integers) -> float:
    """Variation of days that explains the squared errors at one to three days."""
    some = (lead >= 2) & (lead <= 4)
    if not some.any():
        return DAILY_PRIOR
    days = np.broadcast_to(of.days, real.shape)[some]
    reading = np.broadcast_to(of.reading, real.shape)[some]
    rest = BAG_PERCENT * of.inflow[some] + READING_PERCENT**2 + reading**2
    grow = of.squares[some] + of.inflow[some] ** 2 / (days + rate_days)
    # Each pair weighs by its own scale, so that no busy container rules.
    weight = 1.0 / (DAILY_PRIOR * grow + rest) ** 2
    found = float((weight * grow * ((real[some] - of.inflow[some]) ** 2 - rest)).sum())
    scale = float((weight * grow**2).sum())
    prior = scale / max(some.sum(), 1) * PRIOR_PAIRS
    return float(np.clip((found + prior * DAILY_PRIOR) / (scale + prior), 0.1, 3.0))
