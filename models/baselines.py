"""Keep every model honest: what the simplest possible forecasters reach on the same data.

Each dresses its point forecast with the errors it made on its own fitting period, binned by the state at
issue (Krzysztofowicz 1999, Water Resour. Res. 35: the hydrologic uncertainty depends on the state).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from models.forecaster import LEVELS, Forecast, Leads, NotCalibrated, ascending
from models.regression import Linear, ridge
from models.series import DAY, Floats, Instant, Integers, Record, Series, Step, Times

PointRule = Callable[[Record, Times, Step], Floats]
STATE_BINS = 4
_PERCENT = np.linspace(0.0, 1.0, 101)
SMALLEST_BIN = 30


def last_known(record: Record, origins: Times, patience: Step) -> Floats:
    """The newest value not older than ``patience`` at each origin; NaN otherwise."""
    known = record.target
    solid = np.isfinite(known.values)
    return Series(known.times[solid], known.values[solid], known.unit).on_grid(origins, patience)


@dataclass
class _Dressed:
    """A rule for the point forecast plus its own past errors by lead and state."""

    name: str
    rule: PointRule
    leads: Leads
    patience: Step = field(default_factory=lambda: np.timedelta64(2, "h"))
    _edges: Floats = field(default_factory=lambda: np.array([]))
    _errors: dict[tuple[int, int], Floats] = field(default_factory=dict)
    _unit: str = ""

    @property
    def calibrated(self) -> bool:
        """Whether there was enough to learn errors from."""
        return bool(self._errors)

    def fit(self, record: Record) -> None:
        target = record.target
        self._unit, self._errors = target.unit, {}
        solid = np.isfinite(target.values)
        if solid.sum() < 2 * SMALLEST_BIN:
            return
        self._learn(record)
        self._edges = np.quantile(target.values[solid], np.linspace(0, 1, STATE_BINS + 1)[1:-1])
        state = np.searchsorted(self._edges, last_known(record, target.times, self.patience))
        for lead in self.leads:
            error = target.on_grid(target.times + lead) - self.rule(record, target.times, lead)
            for b in range(STATE_BINS):
                chosen = error[(state == b) & np.isfinite(error)]
                if len(chosen) < SMALLEST_BIN:
                    chosen = error[np.isfinite(error)]
                # Percentiles are all that is asked of them, and a year of errors per lead fills disks.
                self._errors[_micro(lead), b] = np.quantile(chosen, _PERCENT) if len(chosen) else chosen

    def _learn(self, record: Record) -> None:
        """Most baselines have nothing to estimate."""

    def update(self, record: Record) -> None:
        """Nothing is kept between forecasts."""

    def predict(
        self, record: Record, issued_at: Instant, leads: Leads, levels: tuple[float, ...] = LEVELS
    ) -> Forecast | NotCalibrated:
        origins = np.array([issued_at], dtype="datetime64[us]")
        table = self.hindcast(record, origins, leads, levels)
        if table is None:
            return NotCalibrated(f"{self.name}: fewer than {2 * SMALLEST_BIN} measured values to learn from")
        point, quantiles = table
        if not np.isfinite(point[0]).all():
            return NotCalibrated(f"{self.name}: no measurement within {self.patience} before the issue time")
        return Forecast(issued_at, leads, point[0], levels, quantiles[0], self._unit)

    def hindcast(
        self, record: Record, origins: Times, leads: Leads, levels: tuple[float, ...] = LEVELS
    ) -> tuple[Floats, Floats] | None:
        """Points (origins, leads) and quantiles (origins, leads, levels); None before a usable fit."""
        if not self._errors:
            return None
        state = np.searchsorted(self._edges, last_known(record, origins, self.patience))
        point = np.stack([self.rule(record, origins, lead) for lead in leads], axis=1)
        dressing = np.zeros((len(leads), STATE_BINS, len(levels)))
        for i, lead in enumerate(leads):
            for b in range(STATE_BINS):
                errors = self._errors.get((_micro(lead), b), np.array([]))
                dressing[i, b] = np.quantile(errors, levels) if errors.size else np.nan
        bins = np.minimum(state, STATE_BINS - 1)
        return point, ascending(point[:, :, None] + dressing[:, bins].transpose(1, 0, 2))


def _micro(lead: Step) -> int:
    return int(lead.astype("timedelta64[us]").astype(np.int64))


class Persistence(_Dressed):
    """Tomorrow as now."""

    def __init__(self, leads: Leads, patience: Step | None = None) -> None:
        super().__init__("persistence", self._point, leads, patience or np.timedelta64(2, "h"))

    def _point(self, record: Record, origins: Times, _lead: Step) -> Floats:
        return last_known(record, origins, self.patience)


class SeasonalNaive(_Dressed):
    """As one season (a day, a week) before the valid time."""

    def __init__(self, leads: Leads, season: Step = DAY) -> None:
        self.season = season
        super().__init__(f"seasonal naive ({season.astype('timedelta64[h]')})", self._point, leads)

    def _point(self, record: Record, origins: Times, lead: Step) -> Floats:
        seasons = -(-_micro(lead) // _micro(self.season))
        return record.target.on_grid(origins + lead - seasons * self.season)


class Climatology(_Dressed):
    """The mean of the fitting period by month and hour of the valid time, knowing nothing of today."""

    def __init__(self, leads: Leads) -> None:
        self._table = np.full((12, 24), np.nan)
        super().__init__("climatology", self._point, leads)

    def _learn(self, record: Record) -> None:
        month, hour = _month_hour(record.target.times)
        values = record.target.values
        solid = np.isfinite(values)
        overall = float(values[solid].mean())
        total, count = np.zeros((12, 24)), np.zeros((12, 24))
        np.add.at(total, (month[solid], hour[solid]), values[solid])
        np.add.at(count, (month[solid], hour[solid]), 1.0)
        # A cell seen less than some thirty times leans on the overall mean.
        self._table = (total + SMALLEST_BIN * overall) / (count + SMALLEST_BIN)

    def _point(self, _record: Record, origins: Times, lead: Step) -> Floats:
        month, hour = _month_hour(origins + lead)
        return np.asarray(self._table[month, hour], dtype=np.float64)


def _month_hour(times: Times) -> tuple[Integers, Integers]:
    month = times.astype("datetime64[M]").astype(np.int64) % 12
    hour = times.astype("datetime64[h]").astype(np.int64) % 24
    return month, hour


class LinearArx(_Dressed):
    """Ridge regression of the change on recent changes and rain (ARX; Box & Jenkins 1970), no rain ahead."""

    def __init__(self, leads: Leads, rain: str = "precipitation", ridge: float = 1e-3) -> None:
        self.rain, self.ridge = rain, ridge
        self._lines: dict[int, Linear | None] = {}
        super().__init__("ARX without rain ahead", self._point, leads)

    def _features(self, record: Record, origins: Times) -> Floats:
        step = record.target.step or np.timedelta64(1, "h")
        now = last_known(record, origins, self.patience)
        columns = [np.ones(len(origins)), now]
        columns += [now - last_known(record, origins - k * step, 2 * step) for k in (1, 2, 4, 8)]
        rain = record.driver(self.rain)
        if rain is not None:
            total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(np.maximum(rain.values, 0)))])
            end = np.searchsorted(rain.times, origins, side="right")
            for back in (1, 3, 6, 12, 24, 72):
                start = np.searchsorted(rain.times, origins - back * step, side="right")
                columns.append(total[end] - total[start])
        return np.stack(columns, axis=1)

    def _learn(self, record: Record) -> None:
        x = self._features(record, record.target.times)
        for lead in self.leads:
            y = record.target.on_grid(record.target.times + lead) - x[:, 1]
            keep = np.isfinite(x).all(axis=1) & np.isfinite(y)
            line = ridge(x[keep], y[keep], strengths=(self.ridge,))[0] if keep.any() else None
            self._lines[_micro(lead)] = line

    def _point(self, record: Record, origins: Times, lead: Step) -> Floats:
        x = self._features(record, origins)
        line = self._lines.get(_micro(lead))
        return x[:, 1] + (line(x) if line is not None else 0.0)
