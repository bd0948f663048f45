"""Translate any statistic into one currency: how often this meter, healthy, would show it in a month.

Peaks of the reference are declustered (48 h, as cases are) and counted; beyond the largest the tail is
exponential (peaks over threshold; Davison & Smith 1990, J. R. Stat. Soc. B 52) with a scale shared with the
fleet, because twelve months hold few peaks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.alarm_metrics import MONTH_DAYS
from models.compiled import compiled
from models.series import Floats

PEAKS = 12
FLEET_PEAKS = 8.0


@compiled
def peaks_of(values: Floats, hold: int) -> Floats:
    """Highest value of each cluster: maxima at least ``hold`` steps apart."""
    n = len(values)
    keep = np.zeros(n, np.bool_)
    best, place = -np.inf, -1
    for i in range(n):
        if np.isnan(values[i]):
            continue
        if place >= 0 and i - place > hold:
            keep[place] = True
            best, place = -np.inf, -1
        if values[i] > best:
            best, place = values[i], i
    if place >= 0:
        keep[place] = True
    return values[keep]


@dataclass(frozen=True, slots=True)
class Tail:
    """Declustered reference peaks (descending), the months they came from, the scale beyond the largest."""

    peaks: Floats
    months: float
    scale: float

    @classmethod
    def learn(cls, reference: Floats, per_day: int) -> Tail:
        """From a statistic over the reference."""
        months = float(np.isfinite(reference).sum()) / per_day / MONTH_DAYS
        found = np.sort(peaks_of(reference, 2 * per_day))[::-1]
        top = found[: PEAKS + 1]
        scale = float((top[:-1] - top[-1]).mean()) if len(top) > 3 else float("nan")
        return cls(found, max(months, 1e-9), scale)

    def shared(self, fleet_scale: float) -> Tail:
        """With the scale pulled towards the fleet's."""
        if not np.isfinite(fleet_scale):
            return self
        if not np.isfinite(self.scale):
            return Tail(self.peaks, self.months, fleet_scale)
        own = float(min(len(self.peaks), PEAKS))
        return Tail(
            self.peaks, self.months, (own * self.scale + FLEET_PEAKS * fleet_scale) / (own + FLEET_PEAKS)
        )

    def with_fine(self, peak: float) -> Tail:
        """A person said this peak was fine: from now on it belongs to the healthy reference, twice."""
        return Tail(np.sort(np.append(self.peaks, [peak, peak]))[::-1], self.months, self.scale)

    def strangeness(self, values: Floats) -> Floats:
        """-log10 of the expected cases per month at least this strange; -2 where nothing can be said."""
        if not len(self.peaks) or not np.isfinite(self.scale):
            return np.full(len(values), -2.0)
        # The tail begins at the third largest peak: a single oddity of the reference must not blunt it.
        base = self.peaks[min(2, len(self.peaks) - 1)]
        scale = max(self.scale, 1e-3)
        above = np.searchsorted(-self.peaks, -np.where(np.isfinite(values), values, -np.inf), side="right")
        counted = (above + 0.5) / self.months
        rank = (min(2, len(self.peaks) - 1) + 1.5) / self.months
        beyond = rank * np.exp(-np.clip((values - base) / scale, 0.0, 60.0))
        rate = np.where(values > base, beyond, counted)
        return np.where(np.isfinite(values), -np.log10(np.maximum(rate, 1e-12)), -2.0)
