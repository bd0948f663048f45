"""Turn probabilities of rain per hour into scenarios of coming rain, as an ensemble would be.

A point forecast says for each hour how likely more than so many millimetres are; a catchment needs whole
courses. Each hour's amounts are the quantiles of its own curve, and which scenario gets which is decided by a
template that remembers: ranks of the template are given to the amounts (Schaake shuffle; Clark et al. 2004,
J. Hydrometeor. 5), here of a first-order autoregressive process instead of past weather.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.series import Floats

SCENARIOS = 10
# Hourly rain forgets itself within some hours; showers sooner, fronts later.
_MEMORY_HOURS = 4.0
# Beyond the last threshold nothing is said: its rain is taken to be half as much again.
_BEYOND = 1.5


def scenarios(
    expected: Floats, over: Floats, thresholds: Sequence[float], *, seed: int, count: int = SCENARIOS
) -> Floats:
    """mm per hour (count, hours). ``expected`` (hours,) mm, ``over`` (thresholds, hours) the probability of
    more than each threshold (mm, ascending); hours without probabilities have the expected rain in every
    scenario, hours without either are NaN. Deterministic by ``seed``."""
    hours = len(expected)
    told = np.isfinite(over).all(axis=0)
    curve = np.minimum.accumulate(np.clip(np.nan_to_num(over), 0.0, 1.0), axis=0)
    levels = (np.arange(count) + 0.5) / count
    amounts = np.stack([_amounts(curve[:, hour], thresholds, levels) for hour in range(hours)], axis=1)
    mean = amounts.mean(axis=0)
    # The probabilities are rounded to per cents; the expected amount tells what they leave open.
    share = np.where(np.isfinite(expected) & (mean > 0), expected / np.maximum(mean, 1e-9), 1.0)
    amounts *= np.clip(share, 0.5, 2.0)
    ranks = np.argsort(np.argsort(_template(seed, count, hours), axis=0), axis=0)
    made = np.take_along_axis(np.sort(amounts, axis=0), ranks, axis=0)
    return np.asarray(np.where(told, made, expected))


def _amounts(curve: Floats, thresholds: Sequence[float], levels: Floats) -> Floats:
    """The depth that is exceeded with each probability, log-linear between thresholds, 0 below the first."""
    depth = np.log(np.append(thresholds, _BEYOND * thresholds[-1]))
    chance = np.append(curve, 0.0)
    found = np.exp(np.interp(levels, chance[::-1], depth[::-1]))
    return np.asarray(np.where(levels >= chance[0], 0.0, found))


def _template(seed: int, count: int, hours: int) -> Floats:
    rng = np.random.default_rng(seed)
    keep = float(np.exp(-1.0 / _MEMORY_HOURS))
    state, rows = rng.normal(size=count), np.empty((count, hours))
    for hour in range(hours):
        rows[:, hour] = state
        state = keep * state + np.sqrt(1.0 - keep**2) * rng.normal(size=count)
    return rows
