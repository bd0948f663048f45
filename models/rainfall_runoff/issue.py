"""Answer for a calibrated gauge at one or many issue times, each as if the later rows did not exist."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.forecaster import Leads, ascending
from models.rainfall_runoff.concept import Weather
from models.rainfall_runoff.features import Moments, moments
from models.rainfall_runoff.gauge import Gauge
from models.rainfall_runoff.members import Members, Memory, Raw
from models.rainfall_runoff.rain_ahead import RainAhead
from models.rainfall_runoff.trust import MOVE_CLASSES, TRUST_POWER
from models.series import DAY, Booleans, Floats, Integers, Series, Times, hours

SILENCE = hours(3)
# The errors of this span before the issue time stand beside those of the validation.
WINDOW = 30 * DAY
ROWS_PER_WINDOW = 700


def answer(
    gauge: Gauge, target: Series, weather: Weather, *, origins: Times, leads: Leads,
    levels: tuple[float, ...], rain_ahead: RainAhead, memory: Memory | None = None,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Points (origins, leads) and quantiles (origins, leads, levels); NaN where the gauge has been silent
    longer than three hours or the lead is unknown. ``target`` is regular on the gauge's step. ``memory`` of
    the last call makes this one faster and changes nothing."""
    known = moments(target.values, weather, gauge.concept, gauge.scale.origin)
    place = ((origins - target.times[0]) // gauge.step).astype(np.int64)
    point = np.full((len(origins), len(leads)), np.nan)
    bands = np.full((len(origins), len(leads), len(levels)), np.nan)
    for column, lead in enumerate(leads):
        steps = max(1, round(float(lead / gauge.step)))
        usable = (place >= 0) & (place < len(target))
        usable[usable] &= known.age[place[usable]] <= max(1, int(SILENCE // gauge.step))
        if not len(gauge.widths(steps)) or not usable.any():
            continue
        desk = _Desk(target, Members(gauge, target.times, known, steps, rain_ahead), memory)
        point[usable, column], bands[usable, column] = desk.answer(place[usable], levels)
    return point, bands


@dataclass(frozen=True, slots=True)
class _Desk:
    """One lead on one record."""

    target: Series
    members: Members
    memory: Memory | None

    @property
    def gauge(self) -> Gauge:
        return self.members.gauge

    @property
    def steps(self) -> int:
        return self.members.steps

    @property
    def known(self) -> Moments:
        return self.members.known

    def answer(self, rows: Integers, levels: tuple[float, ...]) -> tuple[Floats, Floats]:
        needed = np.unique(np.concatenate([rows, self._past(rows)]))
        raw = self.members.raw(needed) if self.memory is None else self.memory.raw(self.members, needed)
        made = self._trusted(raw)
        where = np.searchsorted(needed, rows)
        return np.nanmean(made.center[:, where], axis=0), self._bands(made, where, levels)

    def _window(self) -> tuple[int, int]:
        span = max(1, int(WINDOW // self.gauge.step))
        return span, max(1, span // ROWS_PER_WINDOW)

    def _past(self, rows: Integers) -> Integers:
        """Earlier origins whose errors calibrate, at fixed positions since calibration, so that every issue
        time sees the same ones. Two windows: what was believed then rested on the window before."""
        span, stride = self._window()
        learned = int((self.gauge.learned_until - self.target.times[0]) // self.gauge.step)
        begin = max(0, learned + 1, int(rows.min()) - 2 * (self.steps + span))
        past = np.arange(
            -(-begin // stride) * stride, int(rows.max()) - self.steps + 1, stride, dtype=np.int64
        )
        return past[self.known.age[past] == 0] if past.size else past

    def _outcome(self, at: Integers) -> Floats:
        """Value at the end of the lead, NaN while unknown."""
        then, last = at + self.steps, len(self.target) - 1
        return np.where(then <= last, self.target.values[np.minimum(then, last)], np.nan)

    def _matured(self, at: Integers, known: Booleans) -> tuple[Integers, Integers, Integers]:
        """Rows of past origins with an outcome, and for each row the half-open range of them that had matured
        at its own issue time, within one window."""
        span, stride = self._window()
        past = np.flatnonzero((at % stride == 0) & known)
        low = np.searchsorted(at[past], at - self.steps - span)
        return past, low, np.searchsorted(at[past], at - self.steps, side="right")

    def _trusted(self, raw: Raw) -> Raw:
        """Every predicted move shrunk to what moves of its size were worth lately."""
        scale = self.gauge.scale.with_power(TRUST_POWER)
        now = self.known.values[raw.at]
        move = scale.forward(np.nanmean(raw.center, axis=0)) - scale.forward(now)
        came = scale.forward(self._outcome(raw.at)) - scale.forward(now)
        past, low, high = self._matured(raw.at, np.isfinite(came) & np.isfinite(move))
        center = raw.center.copy()
        for width in np.unique(raw.width):
            trust = self.gauge.models[self.steps, int(width)].trust
            told = trust.told(move[past], came[past])
            total = np.concatenate([np.zeros((1, MOVE_CLASSES, 2)), np.cumsum(told, axis=0)])
            rows = np.flatnonzero((raw.width == width) & np.isfinite(move))
            factor = trust.factor(move[rows], total[high[rows]] - total[low[rows]])
            center[:, rows] = now[rows] + factor * (raw.center[:, rows] - now[rows])
        return replace(raw, center=center)

    def _bands(self, made: Raw, where: Integers, levels: tuple[float, ...]) -> Floats:
        out = np.empty((len(where), len(levels)))
        for width in np.unique(made.width[where]):
            own = np.flatnonzero(made.width[where] == width)
            out[own] = self._bands_of(int(width), made, where[own], levels)
        return ascending(out)

    def _bands_of(self, width: int, made: Raw, where: Integers, levels: tuple[float, ...]) -> Floats:
        """Matured errors of forecasts with the same rain ahead stand beside those of the validation."""
        model = self.gauge.models[self.steps, width]
        scale = self.gauge.scale.with_power(model.spread_power)
        error = scale.forward(self._outcome(made.at)) - scale.forward(np.nanmean(made.center, axis=0))
        units = error / made.spread
        past, low, high = self._matured(made.at, np.isfinite(units) & (made.width == width))
        a = np.asarray(levels)
        out = np.empty((len(where), len(a)))
        for row, index in enumerate(where):
            recent = units[past[low[index] : high[index]]]
            q = np.quantile(np.concatenate([model.pool, recent]), a)
            spoke = np.isfinite(made.center[:, index])
            z = scale.forward(made.center[:, index])[:, None] + made.spread[index] * q
            mixed = np.nanquantile(z, a) if spoke.sum() > 1 else z[np.argmax(spoke)]
            out[row] = scale.back(mixed, self.known.values[made.at[index]])
        return out
