"""Tell whether a measure at a heat spot worked, and not the weather of the year in which it was built.

Before-After-Control-Impact: the change of the difference to control stations (Stewart-Oaten, Murdoch & Parker
1986, Ecology 67). Daily differences remember each other, so days count less than their number (Zwiers & von
Storch 1995, J. Climate 8); otherwise every third sham measure would look like a success.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from models.forecaster import NotCalibrated
from models.series import DAY, Booleans, Floats, Instant, Series, Times

LEAST_DAYS = 20


@dataclass(frozen=True, slots=True)
class Effect:
    """Change (unit of the series, e.g. K) with its 95 % interval and the days on either side."""

    change: float
    low: float
    high: float
    days_before: int
    days_after: int

    @property
    def proven(self) -> bool:
        """The interval excludes no effect."""
        return self.low > 0 or self.high < 0


def effect_of(
    spot: Series,
    controls: Sequence[Series],
    measure: Instant,
    *,
    settle_days: int = 7,
) -> Effect | NotCalibrated:
    """Daily means of spot minus the mean of all controls known that day, before and after ``measure``
    without ``settle_days`` of building. What the spot feels more or less of the weather than the controls do
    is removed (a heat spot is hotter still in summer), and a yearly wave of its own when both sides together
    cover more than twenty months; where the measure fell together with the season, the interval says so."""
    days, difference, level = _differences(spot, controls)
    solid = np.isfinite(difference)
    before = solid & (days < measure - DAY)
    after = solid & (days > measure + settle_days * DAY)
    if before.sum() < LEAST_DAYS or after.sum() < LEAST_DAYS:
        return NotCalibrated(
            f"Wirkung: {before.sum()} Tage vorher, {after.sum()} nachher; je {LEAST_DAYS} nötig"
        )
    use = before | after
    flat, inflation = _without_weather(days[use], difference[use], level[use], after[use])
    early, late = flat[~after[use]], flat[after[use]]
    change = float(late.mean() - early.mean())
    worth = np.array([_worth(early), _worth(late)])
    variance = np.array([early.var(ddof=1), late.var(ddof=1)]) / worth * inflation
    if not variance.sum() > 0:
        return NotCalibrated("Wirkung: die Messreihen unterscheiden sich nie; Sensoren prüfen")
    # Welch's degrees of freedom for two samples of unlike spread.
    freedom = float(variance.sum() ** 2 / (variance**2 / np.maximum(worth - 1, 1)).sum())
    wide = float(student.ppf(0.975, max(freedom, 2.0)) * np.sqrt(variance.sum()))
    return Effect(change, change - wide, change + wide, int(before.sum()), int(after.sum()))


def _differences(spot: Series, controls: Sequence[Series]) -> tuple[Times, Floats, Floats]:
    """Days, spot minus controls and level of the controls, NaN where unknown."""
    if not len(spot) or not controls:
        return np.array([], dtype="datetime64[us]"), np.array([]), np.array([])
    first = spot.times[0].astype("datetime64[D]").astype("datetime64[us]")
    days = np.arange(first, spot.times[-1], DAY)
    others = np.stack([_daily(one, days) for one in controls])
    known = np.isfinite(others)
    mean = np.where(known.any(axis=0), np.nansum(others, axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)
    # A control that drops out would shift the mean by its own level: each counts as departure from its usual.
    usual = np.array([np.nanmedian(o - mean) if np.isfinite(o - mean).any() else 0.0 for o in others])
    level = np.nansum(np.where(known, others - usual[:, None], 0.0), axis=0) / np.maximum(
        known.sum(axis=0), 1
    )
    level = np.where(known.any(axis=0), level, np.nan)
    return days, _daily(spot, days) - level, level


def _daily(series: Series, days: Times) -> Floats:
    """Daily means of at least three values, NaN otherwise."""
    solid = np.isfinite(series.values)
    place = ((series.times[solid] - days[0]) // DAY).astype(np.int64)
    inside = (place >= 0) & (place < len(days))
    total, count = np.zeros(len(days)), np.zeros(len(days))
    np.add.at(total, place[inside], series.values[solid][inside])
    np.add.at(count, place[inside], 1.0)
    return np.where(count >= 3, total / np.maximum(count, 1.0), np.nan)


def _without_weather(days: Times, difference: Floats, level: Floats, after: Booleans) -> tuple[Floats, float]:
    """The difference without what weather and season explain, and by how much its change is less certain
    because they changed too (covariates in BACI; Stewart-Oaten & Bence 2001, Ecol. Monogr. 71)."""
    columns = [np.ones(len(days)), level - level.mean()]
    if float((days[-1] - days[0]) / DAY) >= 600:
        phase = 2 * np.pi * days.astype("datetime64[D]").astype(np.int64) / 365.25
        columns += [np.cos(phase), np.sin(phase)]
    weather, later = np.stack(columns, axis=1), after.astype(np.float64)
    found = np.linalg.lstsq(np.column_stack([weather, later]), difference, rcond=None)[0]
    alone = later - weather @ np.linalg.lstsq(weather, later, rcond=None)[0]
    share = float(alone.var() / later.var())
    return np.asarray(difference - weather[:, 1:] @ found[1:-1]), 1.0 / max(share, 1e-3)


def _worth(values: Floats) -> float:
    """Number of independent days: n (1 - r) / (1 + r) with the lag-one correlation r, corrected for bias in
    short records (Kendall 1954, Biometrika 41)."""
    n = len(values)
    rest = values - values.mean()
    r = float(rest[1:] @ rest[:-1]) / max(float(rest @ rest), 1e-300)
    r = float(np.clip(r + (1 + 4 * r) / n, 0.0, 0.95))
    return max(n * (1 - r) / (1 + r), 2.0)
