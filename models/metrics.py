"""Measure models the way hydrology and forecasting publish it, each formula with its paper.

All functions take arrays of equal shape, ignore pairs with a NaN on either side, and answer NaN when
nothing is left or the score is undefined (constant observations): a number without basis is no score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.series import Booleans, Floats


def _pairs(observed: Floats, *others: Floats) -> tuple[Floats, ...]:
    arrays = [np.asarray(one, dtype=np.float64) for one in (observed, *others)]
    keep = np.logical_and.reduce([np.isfinite(one) for one in arrays])
    return tuple(one[keep] for one in arrays)


def mean_absolute_error(observed: Floats, predicted: Floats) -> float:
    """mean |p - o|, in the unit of the data."""
    o, p = _pairs(observed, predicted)
    return float(np.abs(p - o).mean()) if o.size else float("nan")


def nash_sutcliffe(observed: Floats, predicted: Floats) -> float:
    """NSE = 1 - sum (o - p)^2 / sum (o - mean o)^2; Nash & Sutcliffe 1970, J. Hydrol. 10(3)."""
    o, p = _pairs(observed, predicted)
    spread = float(((o - o.mean()) ** 2).sum()) if o.size else 0.0
    return 1.0 - float(((o - p) ** 2).sum()) / spread if spread > 0 else float("nan")


def kling_gupta(observed: Floats, predicted: Floats) -> float:
    """KGE = 1 - sqrt((r-1)^2 + (sd_p/sd_o - 1)^2 + (mean_p/mean_o - 1)^2); Gupta et al. 2009."""
    o, p = _pairs(observed, predicted)
    if o.size < 2 or o.std() == 0 or o.mean() == 0:
        return float("nan")
    r = float(np.corrcoef(o, p)[0, 1]) if p.std() > 0 else 0.0
    return 1.0 - float(np.sqrt((r - 1) ** 2 + (p.std() / o.std() - 1) ** 2 + (p.mean() / o.mean() - 1) ** 2))


def persistence_index(observed: Floats, predicted: Floats, persistence: Floats) -> float:
    """PI = 1 - SSE / SSE of persistence; Kitanidis & Bras 1980, Water Resour. Res. 16(6)."""
    o, p, last = _pairs(observed, predicted, persistence)
    base = float(((o - last) ** 2).sum())
    return 1.0 - float(((o - p) ** 2).sum()) / base if base > 0 else float("nan")


@dataclass(frozen=True, slots=True)
class PeakScore:
    """Relative error of peak height (1 = 100 %) and absolute timing error in steps, means over the peaks."""

    count: int
    height: float
    timing_steps: float


def peak_score(observed: Floats, predicted: Floats, *, count: int, window: int) -> PeakScore:
    """The ``count`` highest independent observed peaks (at least ``window`` steps apart, as flood statistics
    demand; Lang, Ouarda & Bobee 1999, J. Hydrol. 225) against the highest prediction within the window."""
    o = np.where(np.isfinite(observed) & np.isfinite(predicted), observed, -np.inf)
    heights, delays = [], []
    for _ in range(count):
        top = int(np.argmax(o)) if o.size else 0
        if not o.size or not np.isfinite(o[top]):
            break
        low, high = max(0, top - window), min(len(o), top + window + 1)
        near = np.where(np.isfinite(predicted[low:high]), predicted[low:high], -np.inf)
        best = int(np.argmax(near))
        heights.append(abs(near[best] - o[top]) / o[top] if o[top] > 0 else np.nan)
        delays.append(abs(low + best - top))
        o[low:high] = -np.inf
    if not heights:
        return PeakScore(0, float("nan"), float("nan"))
    return PeakScore(len(heights), float(np.nanmean(heights)), float(np.mean(delays)))


def pinball(observed: Floats, quantiles: Floats, levels: tuple[float, ...]) -> float:
    """Mean over levels of max(a (o - q), (a - 1)(o - q)); Koenker & Bassett 1978, Econometrica 46."""
    keep = np.isfinite(observed) & np.isfinite(quantiles).all(axis=-1)
    if not keep.any():
        return float("nan")
    miss = observed[keep, None] - quantiles[keep]
    a = np.asarray(levels)
    return float(np.maximum(a * miss, (a - 1) * miss).mean())


def crps(observed: Floats, quantiles: Floats, levels: tuple[float, ...]) -> float:
    """CRPS = 2 * integral of the pinball loss over the level (Gneiting & Raftery 2007, JASA 102, eq. 21 and
    Laio & Tamea 2007, HESS 11), integrated by the trapezoid rule with the end levels held constant."""
    keep = np.isfinite(observed) & np.isfinite(quantiles).all(axis=-1)
    if not keep.any():
        return float("nan")
    a = np.asarray(levels)
    miss = observed[keep, None] - quantiles[keep]
    loss = np.maximum(a * miss, (a - 1) * miss)
    edges = np.concatenate([[0.0], (a[1:] + a[:-1]) / 2, [1.0]])
    return float(2.0 * (loss * np.diff(edges)).sum(axis=1).mean())


def coverage(observed: Floats, lower: Floats, upper: Floats) -> float:
    """Share of observations within [lower, upper]; Christoffersen 1998, Int. Econ. Rev. 39."""
    o, low, high = _pairs(observed, lower, upper)
    return float(((o >= low) & (o <= high)).mean()) if o.size else float("nan")


def pit(observed: Floats, quantiles: Floats, levels: tuple[float, ...]) -> Floats:
    """Probability integral transform F(o) by linear interpolation of the quantiles; uniform when calibrated
    (Dawid 1984, J. R. Stat. Soc. A 147). Outside the outer levels the value is half the outer level."""
    keep = np.isfinite(observed) & np.isfinite(quantiles).all(axis=-1)
    a = np.asarray(levels)
    outer_low, outer_high = a[0] / 2, (1 + a[-1]) / 2
    return np.array(
        [
            np.interp(o, q, a, left=outer_low, right=outer_high)
            for o, q in zip(observed[keep], quantiles[keep], strict=True)
        ]
    )


def brier(happened: Booleans, probability: Floats) -> float:
    """mean (p - y)^2; Brier 1950, Mon. Weather Rev. 78."""
    y, p = _pairs(np.asarray(happened, dtype=np.float64), probability)
    return float(((p - y) ** 2).mean()) if y.size else float("nan")


def brier_skill(happened: Booleans, probability: Floats, reference: Floats) -> float:
    """1 - Brier / Brier of the reference; Murphy 1973, J. Appl. Meteorol. 12."""
    base = brier(happened, reference)
    return 1.0 - brier(happened, probability) / base if base > 0 else float("nan")


def area_under_curve(happened: Booleans, score: Floats) -> float:
    """Probability that an event scores above a non-event; Hanley & McNeil 1982, Radiology 143."""
    y, s = _pairs(np.asarray(happened, dtype=np.float64), score)
    positive = y > 0
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return float("nan")
    _, inverse, counts = np.unique(s, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * m))


@dataclass(frozen=True, slots=True)
class WarningScore:
    """Contingency of threshold warnings (Wilks 2011, Statistical Methods, ch. 8)."""

    hits: int
    misses: int
    false_alarms: int

    @property
    def detection(self) -> float:
        """POD = hits / (hits + misses)."""
        total = self.hits + self.misses
        return self.hits / total if total else float("nan")

    @property
    def false_alarm_ratio(self) -> float:
        """FAR = false alarms / all warnings."""
        total = self.hits + self.false_alarms
        return self.false_alarms / total if total else float("nan")


def warning_score(happened: Booleans, warned: Booleans) -> WarningScore:
    """Count per pair."""
    y, w = np.asarray(happened, dtype=bool), np.asarray(warned, dtype=bool)
    return WarningScore(int((y & w).sum()), int((y & ~w).sum()), int((~y & w).sum()))
