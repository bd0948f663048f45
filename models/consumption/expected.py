"""Say what a building should use at each hour, from clock, calendar and weather, without looking at the hour.

Cross-fitted: the expectation of each reference fortnight comes from a model that has not seen it, because
in-sample residuals are too small and would raise false alarms for ever (Chernozhukov et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import holidays
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from models.forecaster import Leads
from models.series import DAY, HOUR, Booleans, Floats, Series, Times

# On busy cores the threads of the trees wait for each other longer than they work.
_THREADS = 1
FOLDS = 5
BLOCK = 14 * DAY


@dataclass(frozen=True, slots=True)
class Calendar:
    """Public holidays of a country and part of it, and school holidays as day ranges."""

    country: str = "DE"
    part: str | None = "NW"
    school_holidays: tuple[tuple[date, date], ...] = ()

    def off_days(self, times: Times) -> Booleans:
        """True on public holidays, (n,)."""
        days = times.astype("datetime64[D]")
        years = sorted(set((days.astype("datetime64[Y]").astype(int) + 1970).tolist()))
        known = holidays.country_holidays(self.country, subdiv=self.part, years=years)
        return np.isin(days, np.array(sorted(known.keys()), dtype="datetime64[D]"))

    def school_free(self, times: Times) -> Booleans:
        """True within the school holidays, (n,)."""
        days = times.astype("datetime64[D]")
        free = np.zeros(len(times), dtype=bool)
        for first, last in self.school_holidays:
            free |= (days >= np.datetime64(first)) & (days <= np.datetime64(last))
        return free


def features(times: Times, warmth: Floats | None, calendar: Calendar) -> Floats:
    """(n, 9): hour, weekday, day kind, season, ``warmth`` (n, 3) as of `warmth_of`, school holidays."""
    hour = (times.astype("datetime64[m]").astype(np.int64) % 1440) / 60.0
    weekday = ((times.astype("datetime64[D]").astype(np.int64) + 3) % 7).astype(np.float64)
    off = calendar.off_days(times)
    kind = np.where(off, 2.0, np.where(weekday >= 5, weekday - 4.0, 0.0))
    season = 2 * np.pi * times.astype("datetime64[D]").astype(np.int64) / 365.25
    # Without a thermometer every hour is equally warm: the trees find nothing to split there.
    warm = np.zeros((len(times), 3)) if warmth is None else warmth
    school = calendar.school_free(times).astype(np.float64)
    return np.column_stack([hour, weekday, kind, np.cos(season), np.sin(season), warm, school])


def warmth_of(times: Times, temperature: Series | None) -> Floats | None:
    """Temperature now and its means over one and three days (n, 3), None without a thermometer."""
    if temperature is None or not len(temperature):
        return None
    now = temperature.on_grid(times, 6 * HOUR)
    step = float((times[1] - times[0]) / HOUR) if len(times) > 1 else 1.0
    return np.stack([now, _trailing(now, round(24 / step)), _trailing(now, round(72 / step))], axis=1)


def warmth_ahead(temperature: Series | None, origins: Times, leads: Leads) -> Floats | None:
    """The same (origins, leads, 3) for times to come, if the weather of the last day before each origin goes
    on day after day."""
    if temperature is None or not len(temperature):
        return None
    grid = np.arange(origins.min() - 4 * DAY, origins.max() + HOUR, HOUR)
    warm = temperature.on_grid(np.asarray(grid, dtype="datetime64[us]"), 6 * HOUR)
    solid = np.isfinite(warm)
    total = np.concatenate([[0.0], np.cumsum(np.where(solid, warm, 0.0))])
    count = np.concatenate([[0.0], np.cumsum(solid)])

    def mean(start: Times, end: Times) -> Floats:
        """Of the hours after ``start`` up to ``end``."""
        a, b = (np.searchsorted(grid, at, side="right") for at in (start, end))
        seen = count[b] - count[a]
        return np.where(seen > 0, (total[b] - total[a]) / np.maximum(seen, 1.0), np.nan)

    since = origins[:, None]
    days = -(-leads // DAY)
    repeated = temperature.on_grid((since + (leads - days * DAY)[None, :]).ravel(), 6 * HOUR)
    last = np.repeat(mean(origins - DAY, origins)[:, None], len(leads), axis=1)
    share = np.clip(np.asarray(leads / (3 * DAY), dtype=np.float64), 0.0, 1.0)[None, :]
    older = mean(since + (leads - 3 * DAY)[None, :], np.repeat(since, len(leads), axis=1))
    older = np.where(np.isfinite(older), older, last)
    table = [repeated.reshape(last.shape), last, share * last + (1.0 - share) * older]
    return np.stack(table, axis=2)


def _trailing(values: Floats, width: int) -> Floats:
    """Mean of the last ``width`` values known, causal."""
    solid = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(solid, values, 0.0))])
    count = np.concatenate([[0.0], np.cumsum(solid)])
    end = np.arange(1, len(values) + 1)
    start = np.maximum(end - width, 0)
    amount = count[end] - count[start]
    return np.where(amount > 0, (total[end] - total[start]) / np.maximum(amount, 1.0), np.nan)


class ExpectedLoad:
    """Boosted trees on the root of the load: a compromise between percent and kilowatt-hours."""

    def __init__(self, calendar: Calendar, seed: int = 0) -> None:
        self.calendar, self.seed = calendar, seed
        self._model: HistGradientBoostingRegressor | None = None
        self._ceiling = 0.0

    def fit(self, load: Series, temperature: Series | None) -> Floats | None:
        """Cross-fitted expectation of the reference (n,), None for fewer than 60 days of load."""
        solid = np.isfinite(load.values)
        if not solid.any() or float((load.times[solid][-1] - load.times[solid][0]) / DAY) < 60:
            return None
        x = features(load.times, warmth_of(load.times, temperature), self.calendar)
        self._ceiling = float(np.quantile(load.values[solid], 0.998)) * 1.2
        y = np.sqrt(np.clip(load.values, 0.0, self._ceiling))
        fold = ((load.times - load.times[0]) // BLOCK).astype(np.int64) % FOLDS
        crossed = np.full(len(load), np.nan)
        with threadpool_limits(limits=_THREADS):
            for number in range(FOLDS):
                train = solid & (fold != number)
                model = self._regressor().fit(x[train], y[train])
                crossed[fold == number] = model.predict(x[fold == number])
            self._model = self._regressor().fit(x[solid], y[solid])
        return np.asarray(np.maximum(crossed, 0.0) ** 2)

    def predict(self, times: Times, temperature: Series | None) -> Floats:
        """Expected load at other times, (n,). Raises RuntimeError before a successful `fit`."""
        return self.predict_with(times, warmth_of(times, temperature))

    def predict_with(self, times: Times, warmth: Floats | None) -> Floats:
        """The same for any weather (n, 3), in any order of times."""
        if self._model is None:
            raise RuntimeError("fit the expected load first")
        with threadpool_limits(limits=_THREADS):
            made = self._model.predict(features(times, warmth, self.calendar))
        return np.asarray(np.maximum(made, 0.0) ** 2)

    def _regressor(self) -> HistGradientBoostingRegressor:
        return HistGradientBoostingRegressor(
            max_iter=90, learning_rate=0.09, max_leaf_nodes=15, min_samples_leaf=30, l2_regularization=3.0,
            max_bins=128, random_state=self.seed,
        )  # fmt: skip
