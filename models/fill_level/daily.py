"""Forecast bins that report one coarse level a day, where no echo can be cleaned and no hour is known.

Boosted trees on recent levels and the bin's own habits give the expected level if not emptied, two forests
the chance of reaching its threshold; errors of forecasts made within the record, with what was known before
them, give the interval (rolling conformal prediction).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingRegressor, RandomForestClassifier

from models.series import Floats, Integers

LAGS = 7
WEEKS = 4
LONG_DAYS = 60
MUCH = (2.0, 4.0, 6.0)
INNER_SHARES = (0.5, 0.75, 1.0)
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, slots=True)
class DailyLevels:
    """One row per bin and day, sorted by bin then day: ``bin`` (n,), ``day`` since epoch (n,), level 0-10 and
    the threshold at which the bin counts as full."""

    bin: Integers
    day: Integers
    level: Floats
    threshold: Floats

    def ahead(self, days: int) -> tuple[Floats, Floats]:
        """Level ``days`` later if the bin was not emptied in between (NaN otherwise), and whether the
        threshold was reached until then: 1 also where it was emptied afterwards, NaN where it was emptied
        before. A fall of the level is an emptying."""
        n = len(self.level)
        later, reached = np.full(n, np.nan), np.full(n, np.nan)
        index = np.arange(n - days) if n > days else np.arange(0)
        same = (self.bin[index] == self.bin[index + days]) & (
            self.day[index + days] - self.day[index] == days
        )
        rising, hit = np.ones(len(index), dtype=bool), np.zeros(len(index), dtype=bool)
        for step in range(days):
            rising &= self.level[index + step + 1] >= self.level[index + step]
            hit |= rising & (self.level[index + step + 1] >= self.threshold[index])
        later[index] = np.where(same & rising, self.level[index + days], np.nan)
        reached[index] = np.where(same & (rising | hit), hit, np.nan)
        return later, reached


def features(data: DailyLevels) -> Floats:
    """(n, k), each row from its own and earlier days of its bin only."""
    columns: list[Floats] = [data.level, data.threshold, ((data.day + 3) % 7).astype(np.float64)]
    columns.append(np.cos(2 * np.pi * data.day / 365.25))
    columns += [*_earlier(data.bin, data.level, LAGS + 1)[1:]]
    rise = _rises(data)
    columns += [*_habits(data, rise), _since_low(data), *_weeks(data), data.threshold - data.level]
    columns += [_of_the_day(data.day, data.level), _of_the_day(data.day, rise)]
    return np.stack(columns, axis=1)


def _earlier(bins: Integers, values: Floats, count: int) -> Floats:
    """The values of today, of the day before ... in the same bin (count, n); NaN where there is none."""
    n = len(values)
    past = np.full((count, n), np.nan)
    for lag in range(min(count, n)):
        past[lag, lag:] = np.where(bins[lag:] == bins[: n - lag], values[: n - lag], np.nan)
    return past


def _rises(data: DailyLevels) -> Floats:
    """By how much the level is above the day before; NaN where it fell or the bin begins."""
    before = _earlier(data.bin, data.level, 2)[1]
    return np.where(data.level >= before, data.level - before, np.nan)


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


def _weeks(data: DailyLevels) -> list[Floats]:
    """Of the last week and the last four: mean level and mean rise; how often empty, how often it rose, and
    the level on the same weekday."""
    days = 7 * WEEKS
    past = _earlier(data.bin, data.level, days + 1)
    rise = np.where(past[:-1] >= past[1:], past[:-1] - past[1:], np.nan)
    rows = (past[:7], past[:days], rise[:7], rise, past[7::7])
    made = [_mean(one) for one in rows]
    empty = np.where(np.isfinite(past[:days]), past[:days] == 0, np.nan)
    return [*made, _mean(empty), _mean(np.where(np.isfinite(rise), rise > 0, np.nan))]


def _with_rises(x: Floats, data: DailyLevels) -> Floats:
    """For forests (they know no gaps): with the mean rise of the last two months, and how often a day brought
    so much. The expected level is no better for knowing that."""
    past = _earlier(data.bin, _rises(data), LONG_DAYS)
    known = np.isfinite(past)
    shares = (_mean(np.where(known, past >= much, np.nan)) for much in MUCH)
    wide = np.column_stack([x, _mean(past), *shares])
    # No feature is below -1 by itself but the seasons'.
    return np.where(np.isfinite(wide), wide, -2.0)


def _mean(rows: Floats) -> Floats:
    """Over what is known of each column; NaN where nothing is."""
    known = np.isfinite(rows)
    count = known.sum(axis=0)
    return np.asarray(np.where(count, np.where(known, rows, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan))


def _of_the_day(day: Integers, values: Floats) -> Floats:
    """Mean of all bins on the same day: a good day is good for all."""
    _, place = np.unique(day, return_inverse=True)
    known = np.isfinite(values)
    count = np.bincount(place, weights=known)
    total = np.bincount(place, weights=np.where(known, values, 0.0))
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1.0), np.nan)[place])


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
        self._chance: list[RandomForestClassifier | ExtraTreesClassifier] = []
        self._strays = np.zeros((0, len(LEVELS)))

    def fit(self, data: DailyLevels) -> bool:
        """False when there are too few days without emptying to learn from."""
        later, reached = data.ahead(self.days)
        x = features(data)
        keep, known = np.isfinite(later), np.isfinite(reached)
        if keep.sum() < 300 or len(np.unique(reached[known])) < 2:
            return False
        self._strays = self._rolling_strays(data.day, x, later)
        self._median = self._regressor().fit(x[keep], later[keep])
        forests = (
            RandomForestClassifier(
                100, min_samples_leaf=20, max_features=0.3, random_state=self.seed, n_jobs=1
            ),
            ExtraTreesClassifier(
                150, min_samples_leaf=12, max_features=0.5, random_state=self.seed, n_jobs=1
            ),
        )
        x, happened = _with_rises(x, data)[known], reached[known] > 0
        self._chance = [one.fit(x, happened) for one in forests]
        return True

    def _rolling_strays(self, day: Integers, x: Floats, later: Floats) -> Floats:
        """Quantiles of the errors of forecasts made with what was known before, by class of the forecast."""
        keep = np.isfinite(later)
        cuts = np.quantile(day[keep], INNER_SHARES)
        guesses, errors = [], []
        for begin, end in pairwise(cuts):
            early, late = keep & (day < begin), keep & (day >= begin + self.days) & (day <= end)
            guess = self._regressor().fit(x[early], later[early]).predict(x[late])
            guesses.append(guess)
            errors.append(later[late] - guess)
        kinds, stray = _class(np.concatenate(guesses)), np.concatenate(errors)
        return np.stack(
            [np.quantile(stray[kinds == c] if (kinds == c).sum() > 50 else stray, LEVELS) for c in range(11)]
        )

    def predict(self, data: DailyLevels) -> DailyAnswer:
        """Raises RuntimeError before a successful fit."""
        if self._median is None or not self._chance:
            raise RuntimeError("fit the daily fill model first")
        x = features(data)
        median = np.clip(self._median.predict(x), data.level, 10.0)
        bands = np.clip(median[:, None] + self._strays[_class(median)], data.level[:, None], 10.0)
        x = _with_rises(x, data)
        chance = np.mean([one.predict_proba(x)[:, 1] for one in self._chance], axis=0)
        return DailyAnswer(median, np.sort(bands, axis=1), chance)

    def _regressor(self) -> HistGradientBoostingRegressor:
        return HistGradientBoostingRegressor(
            loss="absolute_error", max_iter=150, learning_rate=0.05, max_leaf_nodes=12, min_samples_leaf=40,
            l2_regularization=5.0, random_state=self.seed,
        )  # fmt: skip


def _class(level: Floats) -> Integers:
    return np.clip(np.round(level), 0, 10).astype(np.int64)
