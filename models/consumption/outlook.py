"""Say what a meter will probably use tomorrow, hour by hour, before anybody can look strange against it.

The expectation from clock, calendar and the temperature expected then is corrected by how the meter has
strayed lately. Quantiles are conformal on errors of forecasts as they could have been issued, on cross-fitted
expectations and the temperature forecasts of their time (Vovk, Gammerman & Shafer 2005), and on those that
have matured since.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field

import numpy as np

from models.consumption.expected import Calendar, ExpectedLoad
from models.consumption.warmth import NoWarmthAhead, WarmthAhead, warmth_ahead
from models.forecaster import LEVELS, Forecast, Leads, NotCalibrated, ascending
from models.regression import Linear, ridge
from models.series import DAY, HOUR, Floats, Instant, Integers, Record, Series, Times

WEEK = 7 * DAY
# Errors repeat each other within a day: an issue every six hours is enough to learn from.
LEARN_EVERY = 6 * HOUR
POOL = 300
# Matured forecasts of four weeks, once a day, say whether the building has become harder to foresee.
RECENT_DAYS = 28
PRIOR_DAYS = 14.0
LONGEST = 2 * DAY
LEAST_ROWS = 200
# Cells of the typical error seen less often lean on the mean of all.
CELL_ROWS = 50.0


@dataclass
class LoadForecaster:
    """Leads up to two days on the meter's own regular step; driver ``temperature`` is optional, ``warmth`` is
    what is expected of it. Not tied to a fault-free record: what was never usual is only rare in it."""

    leads: Leads
    calendar: Calendar
    seed: int = 0
    warmth: WarmthAhead = field(default_factory=NoWarmthAhead)
    name: str = "expected load"
    reason: str = "Lastprognose nicht kalibriert"
    expected: ExpectedLoad = field(init=False)
    _line: Linear | None = None
    _typical: Floats = field(default_factory=lambda: np.zeros((2, 24)))
    _pool: Floats = field(default_factory=lambda: np.array([]))
    _unit: str = ""

    def __post_init__(self) -> None:
        if (self.leads > LONGEST).any() or (self.leads <= np.timedelta64(0, "us")).any():
            raise ValueError("leads of a load forecast lie between one step and two days")
        self.expected = ExpectedLoad(self.calendar, self.seed)

    @property
    def calibrated(self) -> bool:
        """Whether there was enough to learn from; else `reason` says what was missing."""
        return self._line is not None

    def listening(self, warmth: WarmthAhead) -> LoadForecaster:
        """What it learned, with another source of the temperature to come."""
        other = copy(self)
        other.warmth = warmth
        return other

    def fit(self, record: Record) -> None:
        """On fewer than 60 days `reason` says so and `predict` repeats it."""
        self._line, self._unit = None, record.target.unit
        if record.target.step is None:
            self.reason = "Lastprognose nicht kalibriert: zu wenige Messwerte"
            return
        load = record.target.regular(record.target.step)
        crossed = self.expected.fit(load, record.driver("temperature"))
        if crossed is None or not (np.nan_to_num(load.values) > 0).any():
            self.reason = "Lastprognose nicht kalibriert: weniger als 60 Tage Verbrauch"
            return
        origins = np.arange(load.times[0] + WEEK, load.times[-1] - self.leads[-1], LEARN_EVERY)
        self._learn(record, load, crossed, np.asarray(origins, dtype="datetime64[us]"))

    def update(self, record: Record) -> None:
        """The recent past is read from the record at each forecast."""

    def predict(
        self, record: Record, issued_at: Instant, leads: Leads, levels: tuple[float, ...] = LEVELS
    ) -> Forecast | NotCalibrated:
        """Consumption per step that ends at each valid time."""
        made = self.hindcast(record.as_of(issued_at), np.array([issued_at]), leads, levels)
        if made is None:
            return NotCalibrated(self.reason)
        if not np.isfinite(made[0]).all():
            return NotCalibrated("Der Zähler hat in der letzten Woche zu wenig gemeldet")
        return Forecast(issued_at, leads, made[0][0], levels, made[1][0], self._unit)

    def hindcast(
        self, record: Record, origins: Times, leads: Leads, levels: tuple[float, ...] = LEVELS
    ) -> tuple[Floats, Floats] | None:
        """Points (origins, leads) and quantiles (origins, leads, levels), each as if later rows did not
        exist; None before a usable fit."""
        if self._line is None or record.target.step is None:
            return None
        return self._answers(self._line, record, origins, leads=leads, levels=levels)

    def _answers(
        self, line: Linear, record: Record, origins: Times, *, leads: Leads, levels: tuple[float, ...]
    ) -> tuple[Floats, Floats]:
        load = record.target.regular(record.target.step)
        due = self.expected.predict(load.times, record.driver("temperature"))
        back = np.arange(RECENT_DAYS + LONGEST // DAY, -1, -1) * DAY
        asked = np.unique((origins[:, None] - back[None, :]).ravel())
        temperature = record.driver("temperature")
        view = _View(self, load, due, temperature=temperature, origins=asked, leads=leads)
        root, scale = view.middle(line), view.typical(self._typical)
        came = np.sqrt(np.maximum(load.on_grid(view.valid.ravel()), 0.0)).reshape(root.shape)
        strange = np.abs(came - root) / scale
        usual = float(np.median(np.abs(self._pool)))
        point = np.empty((len(origins), len(leads)))
        bands = np.empty((*point.shape, len(levels)))
        q = np.quantile(self._pool, levels)
        for row, origin in enumerate(origins):
            # Its own past issues only: what else is asked in the same call must change nothing.
            own = np.searchsorted(asked, origin - back)
            here, valid = int(own[-1]), view.valid[own]
            matured = (valid <= origin) & (valid > origin - RECENT_DAYS * DAY)
            wide = _width(strange[own][matured], usual, len(leads))
            z = root[here][:, None] + scale[here][:, None] * wide * q
            bands[row] = np.maximum(z, 0.0) ** 2
            # The mean of a square is the square of the mean plus the variance.
            noise = (scale[here] * wide * float(self._pool.std())) ** 2
            point[row] = np.maximum(root[here], 0.0) ** 2 + np.where(root[here] > 0, noise, 0.0)
        return point, ascending(bands)

    def _learn(self, record: Record, load: Series, crossed: Floats, origins: Times) -> None:
        temperature = record.driver("temperature")
        view = _View(self, load, crossed, temperature=temperature, origins=origins, leads=self.leads)
        # The cross-fitted expectation knew the weather that came; what the weather expected then makes of it
        # is told by the difference of two answers of the whole model.
        knew = self.expected.predict(load.times, record.driver("temperature"))
        place = ((view.valid - load.times[0]) // (load.times[1] - load.times[0])).astype(np.int64)
        honest = np.sqrt(crossed[place]) + view.root - np.sqrt(knew[place])
        came = np.sqrt(np.maximum(load.values[place], 0.0))
        rest = came - np.maximum(honest, 0.0)
        keep = np.isfinite(rest) & np.isfinite(view.strays).all(axis=2)
        if keep.sum() < LEAST_ROWS:
            self.reason = "Lastprognose nicht kalibriert: zu viele Lücken"
            return
        self._line = ridge(view.strays[keep], rest[keep], strengths=(1e-2,))[0]
        error = rest[keep] - self._line(view.strays[keep])
        kind, hour = view.cells()
        amount, count = np.zeros((2, 24)), np.zeros((2, 24))
        np.add.at(amount, (kind[keep], hour[keep]), np.abs(error))
        np.add.at(count, (kind[keep], hour[keep]), 1.0)
        overall = float(np.abs(error).mean())
        self._typical = (amount + CELL_ROWS * overall) / (count + CELL_ROWS) + 1e-9
        units = error / self._typical[kind[keep], hour[keep]]
        self._pool = np.quantile(units, (np.arange(POOL) + 0.5) / POOL)


class _View:
    """What is known at each origin (origins,) of each lead: expectation and recent strays, on root scale."""

    def __init__(
        self,
        model: LoadForecaster,
        load: Series,
        due: Floats,
        *,
        temperature: Series | None,
        origins: Times,
        leads: Leads,
    ) -> None:
        self.calendar = model.calendar
        self.valid: Times = origins[:, None] + leads[None, :]
        warmth = warmth_ahead(temperature, origins, leads, model.warmth)
        flat = self.valid.ravel()
        made = model.expected.predict_with(flat, None if warmth is None else warmth.reshape(-1, 3))
        self.root = np.sqrt(made).reshape(self.valid.shape)
        stray = np.sqrt(np.maximum(load.values, 0.0)) - np.sqrt(due)
        lately = [_mean_before(load.times, stray, origins, span) for span in (DAY, WEEK)]
        known = Series(load.times, stray, "")
        weekly = known.on_grid(flat - WEEK).reshape(self.valid.shape)
        week = np.repeat(lately[1][:, None], len(leads), axis=1)
        day = np.where(np.isfinite(lately[0]), lately[0], lately[1])
        weekly = np.where(np.isfinite(weekly), weekly, week)
        self.strays = np.stack([np.repeat(day[:, None], len(leads), axis=1), week, weekly], axis=2)

    def middle(self, line: Linear) -> Floats:
        """Corrected expectation (origins, leads)."""
        return np.asarray(self.root + line(self.strays.reshape(-1, 3)).reshape(self.root.shape))

    def cells(self) -> tuple[Integers, Integers]:
        """Working or free day and hour of each valid time."""
        flat = self.valid.ravel()
        weekday = (flat.astype("datetime64[D]").astype(np.int64) + 3) % 7
        free = (weekday >= 5) | self.calendar.off_days(flat)
        hour = flat.astype("datetime64[h]").astype(np.int64) % 24
        return free.astype(np.int64).reshape(self.valid.shape), hour.reshape(self.valid.shape)

    def typical(self, table: Floats) -> Floats:
        """Typical error (origins, leads)."""
        kind, hour = self.cells()
        return np.asarray(table[kind, hour])


def _mean_before(times: Times, values: Floats, origins: Times, span: np.timedelta64) -> Floats:
    """Mean of the finite values in (origin - span, origin]; NaN where fewer than a quarter were measured."""
    solid = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(solid, values, 0.0))])
    count = np.concatenate([[0.0], np.cumsum(solid)])
    end = np.searchsorted(times, origins, side="right")
    start = np.searchsorted(times, origins - span, side="right")
    seen, step = count[end] - count[start], times[1] - times[0]
    mean = (total[end] - total[start]) / np.maximum(seen, 1)
    return np.where(seen >= 0.25 * float(span / step), mean, np.nan)


def _width(strange: Floats, usual: float, per_issue: int) -> float:
    """How much wider or narrower than learned, as far as the matured days can say."""
    known = strange[np.isfinite(strange)]
    if not len(known):
        return 1.0
    days = len(known) / per_issue
    ratio = float(np.clip(np.median(known) / usual, 0.5, 3.0))
    return float(np.exp(np.log(ratio) * days / (days + PRIOR_DAYS)))
