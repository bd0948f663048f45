"""Say what a building should use at each hour, from clock, calendar and weather, without looking at the hour.

Cross-fitted: the expectation of each reference fortnight comes from a model that has not seen it, because
in-sample residuals are too small and would raise false alarms for ever (Chernozhukov et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import holidays
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from models.consumption.warmth import warmth_of
from models.series import DAY, Booleans, Floats, Series, Times
from models.threads import one_thread

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
        years = set((days.astype("datetime64[Y]").astype(int) + 1970).tolist())
        return np.isin(days, _public_holidays(self.country, self.part, tuple(sorted(years))))

    def school_free(self, times: Times) -> Booleans:
        """True within the school holidays, (n,)."""
        days = times.astype("datetime64[D]")
        free = np.zeros(len(times), dtype=bool)
        for first, last in self.school_holidays:
            free |= (days >= np.datetime64(first)) & (days <= np.datetime64(last))
        return free


@lru_cache(maxsize=64)
def _public_holidays(country: str, part: str | None, years: tuple[int, ...]) -> Times:
    """Worked out once: 200 meters ask for the same years in every round, 5 ms each time."""
    known = holidays.country_holidays(country, subdiv=part, years=years)
    return np.array(sorted(known.keys()), dtype="datetime64[D]")


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
        self._ceiling = max(0.0, float(np.quantile(load.values[solid], 0.998)) * 1.2)
        y = np.sqrt(np.clip(load.values, 0.0, self._ceiling))
        fold = ((load.times - load.times[0]) // BLOCK).astype(np.int64) % FOLDS
        crossed = np.full(len(load), np.nan)
        with one_thread():
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
        if not len(times):
            return np.zeros(0)
        with one_thread():
            made = self._model.predict(features(times, warmth, self.calendar))
        return np.asarray(np.maximum(made, 0.0) ** 2)

    def _regressor(self) -> HistGradientBoostingRegressor:
        return HistGradientBoostingRegressor(
            max_iter=90, learning_rate=0.09, max_leaf_nodes=15, min_samples_leaf=30, l2_regularization=3.0,
            max_bins=128, random_state=self.seed,
        )  # fmt: skip
