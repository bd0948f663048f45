"""Forecast bins that report one coarse level a day, where no echo can be cleaned and no hour is known.

Boosted trees on recent levels and the bin's own habits give the expected level if not emptied and the chance
of reaching its threshold; residuals of an inner hold-out give the interval (split conformal).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from models.series import Booleans, Floats, Integers

LAGS = 7
INNER_SHARE = 0.75
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, slots=True)
class DailyLevels:
    """One row per bin and day, sorted by bin then day: ``bin`` (n,), ``day`` since epoch (n,), level 0-10 and
    the threshold at which the bin counts as full."""

    bin: Integers
    day: Integers
    level: Floats
    threshold: Floats

    def ahead(self, days: int) -> tuple[Floats, Booleans]:
        """Level ``days`` later if the bin was not emptied in between (NaN otherwise), and whether the
        threshold was reached on the way. A fall of the level is an emptying."""
        n = len(self.level)
        later = np.full(n, np.nan)
        index = np.arange(n - days) if n > days else np.arange(0)
        same = (self.bin[index] == self.bin[index + days]) & (
            self.day[index + days] - self.day[index] == days
        )
        rising = np.ones(len(index), dtype=bool)
        for step in range(days):
            rising &= self.level[index + step + 1] >= self.level[index + step]
        later[index] = np.where(same & rising, self.level[index + days], np.nan)
        return later, later >= self.threshold


def features(data: DailyLevels) -> Floats:
    """(n, k), each row from its own and earlier days of its bin only."""
    n = len(data.level)
    columns: list[Floats] = [data.level, data.threshold, ((data.day + 3) % 7).astype(np.float64)]
    columns.append(np.cos(2 * np.pi * data.day / 365.25))
    rise = np.full(n, np.nan)
    for lag in range(1, LAGS + 1):
        past = np.full(n, np.nan)
        past[lag:] = np.where(data.bin[lag:] == data.bin[:-lag], data.level[:-lag], np.nan)
        columns.append(past)
        if lag == 1:
            rise = np.where(data.level >= past, data.level - past, np.nan)
    columns += [*_habits(data, rise), _since_low(data)]
    return np.stack(columns, axis=1)


def _habits(data: DailyLevels, rise: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean daily rise of the bin so far, the same lately, and for the coming weekday so far."""
    overall, lately, weekly = (np.full(len(rise), np.nan) for _ in range(3))
    current, mean, recent, count = -1, 1.5, 1.5, 5.0
    by_day, seen = np.full(7, 1.5), np.full(7, 2.0)
    for i in range(len(rise)):
        if data.bin[i] != current:
            current, mean, recent, count = int(data.bin[i]), 1.5, 1.5, 5.0
            by_day, seen = np.full(7, 1.5), np.full(7, 2.0)
        weekday = int((data.day[i] + 3) % 7)
        if np.isfinite(rise[i]):
            count += 1
            mean += (rise[i] - mean) / count
            recent += 0.08 * (rise[i] - recent)
            seen[weekday] += 1
            by_day[weekday] += (rise[i] - by_day[weekday]) / seen[weekday]
        overall[i], lately[i], weekly[i] = mean, recent, by_day[(weekday + 1) % 7]
    return overall, lately, weekly


def _since_low(data: DailyLevels) -> Floats:
    """Days since the level last fell."""
    fell = np.append(True, (data.level[1:] < data.level[:-1]) | (data.bin[1:] != data.bin[:-1]))
    start = np.maximum.accumulate(np.where(fell, np.arange(len(fell)), 0))
    return np.asarray(np.arange(len(fell)) - start, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class DailyAnswer:
    """Per row: median level, quantiles at LEVELS (n, 5) and probability of reaching the threshold."""

    median: Floats
    quantiles: Floats
    probability: Floats


class DailyFillModel:
    """For one lead in days."""

    def __init__(self, days: int, seed: int = 0) -> None:
        self.days, self.seed = days, seed
        self._median: HistGradientBoostingRegressor | None = None
        self._chance: HistGradientBoostingClassifier | None = None
        self._strays = np.zeros((0, len(LEVELS)))

    def fit(self, data: DailyLevels) -> bool:
        """False when there are too few days without emptying to learn from."""
        later, reached = data.ahead(self.days)
        x = features(data)
        keep = np.isfinite(later)
        if keep.sum() < 300 or reached[keep].all() or not reached[keep].any():
            return False
        cut = np.quantile(data.day[keep], INNER_SHARE)
        early, late = keep & (data.day < cut), keep & (data.day >= cut + self.days)
        trial = self._regressor().fit(x[early], later[early])
        guess, error = trial.predict(x[late]), later[late]
        kinds = _class(guess)
        stray = error - guess
        self._strays = np.stack(
            [np.quantile(stray[kinds == c] if (kinds == c).sum() > 50 else stray, LEVELS) for c in range(11)]
        )
        self._median = self._regressor().fit(x[keep], later[keep])
        self._chance = HistGradientBoostingClassifier(
            max_iter=120, learning_rate=0.05, max_leaf_nodes=12, min_samples_leaf=40, l2_regularization=5.0,
            random_state=self.seed,
        ).fit(x[keep], reached[keep])  # fmt: skip
        return True

    def predict(self, data: DailyLevels) -> DailyAnswer:
        """Raises RuntimeError before a successful fit."""
        if self._median is None or self._chance is None:
            raise RuntimeError("fit the daily fill model first")
        x = features(data)
        median = np.clip(self._median.predict(x), data.level, 10.0)
        bands = np.clip(median[:, None] + self._strays[_class(median)], data.level[:, None], 10.0)
        return DailyAnswer(median, np.sort(bands, axis=1), self._chance.predict_proba(x)[:, 1])

    def _regressor(self) -> HistGradientBoostingRegressor:
        return HistGradientBoostingRegressor(
            loss="absolute_error", max_iter=150, learning_rate=0.05, max_leaf_nodes=12, min_samples_leaf=40,
            l2_regularization=5.0, random_state=self.seed,
        )  # fmt: skip


def _class(level: Floats) -> Integers:
    return np.clip(np.round(level), 0, 10).astype(np.int64)
