"""Let the temperature to come enter by one door: as a weather service expects it, else as yesterday's.

A model that learned from the temperature that was asks here for the temperature that will be. What nobody had
said at an origin is filled with the last day, going on day after day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.forecaster import Leads
from models.series import DAY, HOUR, Floats, Integers, Series, Step, Times

# What a thermometer said is believed so long.
HOLDS: Step = 6 * HOUR
_BACK_HOURS = 72
# The service's place is not the city's: the mean difference of two weeks is taken off, pulled to nothing as
# if three more days had shown none.
_BIAS_DAYS, _PRIOR_DAYS = 14, 3.0


class WarmthAhead(Protocol):
    """Outdoor temperature to come as it was expected at each origin."""

    def table(self, origins: Times, leads: Leads) -> Floats:
        """Degrees Celsius at origin + lead (origins, leads); NaN where nobody had said so by the origin."""


@dataclass(frozen=True, slots=True)
class NoWarmthAhead:
    """Nobody knows."""

    def table(self, origins: Times, leads: Leads) -> Floats:
        """All NaN."""
        return np.full((len(origins), len(leads)), np.nan)


@dataclass(frozen=True, slots=True)
class MeasuredWarmth:
    """The temperature that was measured later: a perfect forecast. For backtests only: it shows what better
    forecasts would be worth."""

    temperature: Series

    def table(self, origins: Times, leads: Leads) -> Floats:
        """NaN where the thermometer was silent."""
        valid = origins[:, None] + leads[None, :]
        return self.temperature.on_grid(valid.ravel(), HOLDS).reshape(valid.shape)


def warmth_of(times: Times, temperature: Series | None) -> Floats | None:
    """Temperature now and its means over one and three days (n, 3), None without a thermometer."""
    if temperature is None or not len(temperature):
        return None
    now = temperature.on_grid(times, HOLDS)
    step = float((times[1] - times[0]) / HOUR) if len(times) > 1 else 1.0
    return np.stack([now, _trailing(now, round(24 / step)), _trailing(now, round(72 / step))], axis=1)


def warmth_ahead(
    temperature: Series | None, origins: Times, leads: Leads, ahead: WarmthAhead
) -> Floats | None:
    """The same (origins, leads, 3) for times to come: measured until each origin, then as ``ahead`` says, and
    where it says nothing as in the last day."""
    if temperature is None or not len(temperature):
        return None
    hours = np.arange(1, -(-leads[-1] // HOUR) + 1)
    before = origins[:, None] + np.arange(1 - _BACK_HOURS, 1) * HOUR
    was = temperature.on_grid(before.ravel(), HOLDS).reshape(before.shape)
    again = was[:, _BACK_HOURS - 24 + (hours - 1) % 24]
    told = ahead.table(origins, hours * HOUR)
    if np.isfinite(told).any():
        told = told + _bias(temperature, origins, ahead)[:, None]
    whole = np.concatenate([was, np.where(np.isfinite(told), told, again)], axis=1)
    place = _BACK_HOURS - 1 + (leads // HOUR).astype(np.int64)
    table = [whole[:, place], _mean(whole, place, 24), _mean(whole, place, 72)]
    return np.stack(table, axis=2)


def _bias(temperature: Series, origins: Times, ahead: WarmthAhead) -> Floats:
    """How much warmer it was lately than said a day before (origins,)."""
    back = np.arange(1, _BIAS_DAYS + 1) * DAY
    asked, place = np.unique((origins[:, None] - back).ravel(), return_inverse=True)
    said = ahead.table(asked, np.arange(1, 25) * HOUR)
    came = MeasuredWarmth(temperature).table(asked, np.arange(1, 25) * HOUR)
    error = _mean(came - said, np.array([23]), 24)[place, 0].reshape(len(origins), len(back))
    known = np.isfinite(error)
    return np.asarray(np.where(known, error, 0.0).sum(axis=1) / (known.sum(axis=1) + _PRIOR_DAYS))


def _mean(table: Floats, place: Integers, width: int) -> Floats:
    """Mean of what is known in the ``width`` columns that end at each place (rows, places); NaN of none."""
    solid = np.isfinite(table)
    edge = np.zeros((len(table), 1))
    total = np.concatenate([edge, np.cumsum(np.where(solid, table, 0.0), axis=1)], axis=1)
    count = np.concatenate([edge, np.cumsum(solid, axis=1)], axis=1)
    first, last = np.maximum(place + 1 - width, 0), place + 1
    seen = count[:, last] - count[:, first]
    mean = (total[:, last] - total[:, first]) / np.maximum(seen, 1.0)
    return np.asarray(np.where(seen > 0, mean, np.nan))


def _trailing(values: Floats, width: int) -> Floats:
    """Mean of the last ``width`` values known, causal."""
    return np.asarray(_mean(values[None], np.arange(len(values)), width)[0])
