"""Rain ahead as it was expected at any moment: radar for two hours, then scenarios of the point forecast.

What was not yet known at an origin does not exist for it, and what is too old is not used: then rain ahead is
"none", and the forecast says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from models.jobs.inputs import Inputs, fingerprint, moment
from models.jobs.issued_runs import newest_known
from models.jobs.warmth import WarmthRuns
from models.rainfall_runoff.ensemble import SCENARIOS, scenarios
from models.rainfall_runoff.rain_ahead import GOLDEN, mark
from models.report.wording import full
from models.series import HOUR, Floats, Instant, Integers, Step, Times, instant, step_of
from udp.weather.archive import HOURS, Archive, Runs, rain_gauges
from udp.weather.mosmix import EXCEEDANCES

_FIVE_MINUTES = step_of(timedelta(minutes=5))
# Nothing arrives later than this after its issue; older runs are read once.
_LATEST = timedelta(days=1)
# As long as intervals remember their own errors (models.rainfall_runoff.issue), and longer.
_KEPT = timedelta(days=60)
# An exam of load forecasts covers two months.
_WARMTH_KEPT = timedelta(days=80)
_ENOUGH_DAYS = 14.0


@dataclass(frozen=True, slots=True)
class RainSettings:
    """``use``: false forecasts without rain and temperature ahead. ``provider`` is named beside every
    forecast. A run older than its limit is not used."""

    use: bool = True
    provider: str = "DWD"
    nowcast_within: timedelta = timedelta(minutes=45)
    forecast_within: timedelta = timedelta(hours=13)

    def __post_init__(self) -> None:
        if not timedelta(minutes=5) <= self.nowcast_within <= timedelta(hours=2):
            raise ValueError("nowcast_within must be 300 to 7200 seconds")
        if not timedelta(hours=1) <= self.forecast_within <= timedelta(hours=48):
            raise ValueError("forecast_within must be 1 to 48 hours, in seconds")


@dataclass(frozen=True, slots=True)
class RainRuns:
    """Runs by issue time: ``values`` (runs, members, intervals) mm per ``every`` from the issue on."""

    issued: Times
    known_at: Times
    values: Floats
    every: Step
    limit: Step

    def newest(self, origins: Times) -> Integers:
        """Row of the newest run known at each origin and not too old; -1 without one."""
        return newest_known(self.issued, self.known_at, origins, self.limit)

    def table(self, origins: Times, step: Step, steps: int) -> Floats:
        """mm per step (members, origins, steps), NaN beyond what a run says. Within an interval rain falls
        evenly."""
        rows = self.newest(origins)
        members, count = self.values.shape[1:]
        out = np.full((members, len(origins), steps), np.nan)
        told = np.flatnonzero(rows >= 0)
        if not told.size:
            return out
        used, of = np.unique(rows[told], return_inverse=True)
        reach = self._reach(step, steps)
        total = np.zeros((len(used), reach + 1, members))
        total[:, 1:] = np.cumsum(self.values[:, :, :reach][used], axis=2).transpose(0, 2, 1)
        ends = origins[told][:, None] + np.arange(steps + 1) * step
        place = (ends - self.issued[rows[told]][:, None]) / self.every
        low = np.clip(np.floor(place).astype(np.int64), 0, reach - 1)
        below, above = total[of[:, None], low], total[of[:, None], low + 1]
        fallen = below + (place - low)[:, :, None] * (above - below)
        fallen[place > count] = np.nan
        out[:, told] = np.diff(fallen, axis=1).transpose(2, 0, 1)
        return out

    def basis(self, origins: Times, step: Step, steps: int) -> Integers:
        """The run that is used of each origin and what it says as far as it is asked; 0 without one."""
        rows = self.newest(origins)
        told = np.flatnonzero(rows >= 0)
        found = np.zeros(len(origins), dtype=np.int64)
        if told.size:
            used, of = np.unique(rows[told], return_inverse=True)
            said = mark(self.values[:, :, : self._reach(step, steps)][used])
            found[told] = (said ^ self.issued[used].astype(np.int64))[of]
        return found

    def _reach(self, step: Step, steps: int) -> int:
        """Intervals of a run that can be asked for while it is not too old."""
        return min(int(self.values.shape[2]), int(np.ceil((self.limit + steps * step) / self.every)) + 1)


@dataclass(frozen=True, slots=True)
class ExpectedRain:
    """One place's rain ahead (models.rainfall_runoff.rain_ahead.RainAhead)."""

    nowcast: RainRuns
    forecast: RainRuns

    def table(self, origins: Times, step: Step, steps: int) -> Floats:
        """The radar where it reaches, else each scenario."""
        near = self.nowcast.table(origins, step, steps)
        return np.asarray(np.where(np.isfinite(near), near, self.forecast.table(origins, step, steps)))

    def basis(self, origins: Times, step: Step, steps: int) -> Integers:
        """Of both; not their sum, because they may change together."""
        near, far = (one.basis(origins, step, steps) for one in (self.nowcast, self.forecast))
        return np.asarray(near * np.int64(GOLDEN - 2**64) + far)

    def mark(self, now: Instant) -> str:
        """Changes with every run that can be used, and when one grows too old."""
        runs = (self.nowcast, self.forecast)
        newest = [int(one.newest(np.array([now]))[0]) for one in runs]
        chosen = [one.values[row].tobytes() for one, row in zip(runs, newest, strict=True) if row >= 0]
        stamps = [str(one.issued[row]) for one, row in zip(runs, newest, strict=True) if row >= 0]
        return fingerprint([], *stamps, *(content.hex() for content in chosen))


@dataclass(frozen=True, slots=True)
class CityOutlook:
    """Over the city as known at one moment: mm and degrees Celsius of whole days from now on, by scenario."""

    rain_by_day: Floats
    air_by_day: Floats
    rain_by_hour: Floats
    issued: datetime


@dataclass(slots=True)
class _Held:
    """What was read: all of the past once, then only what is new."""

    as_of: datetime
    gauges: tuple[int, ...]
    nowcasts: Runs
    points: Runs


@dataclass(frozen=True, slots=True)
class RainDesk:
    """Reads the archive of weather forecasts for all products of a round."""

    archive: Archive
    settings: RainSettings = field(default_factory=RainSettings)
    kept: timedelta = _KEPT
    _held: list[_Held] = field(default_factory=list)
    _scenarios: dict[Instant, Floats] = field(default_factory=dict)
    _warmth: dict[datetime, WarmthRuns] = field(default_factory=dict)

    @property
    def lately(self) -> RainDesk:
        """For those who look ahead once and judge nothing of the past; it disturbs nobody's memory."""
        return RainDesk(self.archive, self.settings, self.settings.forecast_within)

    def expected(self, inputs: Inputs, weights: Mapping[int, float]) -> ExpectedRain:
        """At a place: gauges weigh as they do for the rain that fell."""
        held = self._runs(inputs)
        share = np.array([weights.get(of, 0.0) for of in held.gauges])
        table = held.nowcasts.values
        share = np.where(np.isfinite(table), share[None, :, None], 0.0)
        total = share.sum(axis=1)
        rain = np.where(
            total > 0, (np.nan_to_num(table) * share).sum(axis=1) / np.maximum(total, 1e-12), np.nan
        )
        near = RainRuns(
            held.nowcasts.issued, held.nowcasts.known_at, rain[:, None, :], _FIVE_MINUTES,
            step_of(self.settings.nowcast_within),
        )  # fmt: skip
        return ExpectedRain(near, self._scenario_runs(held.points))

    def city(self, inputs: Inputs) -> CityOutlook | None:
        """The newest point forecast that is not too old; None without one."""
        points = self._runs(inputs).points
        runs = self._scenario_runs(points)
        row = int(runs.newest(np.array([inputs.now]))[0])
        if row < 0:
            return None
        hours = int((points.issued[row] + HOURS * HOUR - inputs.now) // HOUR)
        rain = runs.table(np.array([inputs.now]), HOUR, hours)[:, 0]
        skip = HOURS - hours
        days = hours // 24
        air = points.values[row, 1, skip : skip + 24 * days].reshape(days, 24)
        return CityOutlook(
            rain[:, : 24 * days].reshape(len(rain), days, 24).sum(axis=2), _daily_mean(air), rain,
            moment(points.issued[row]),
        )  # fmt: skip

    def warmth(self, as_of: datetime) -> WarmthRuns:
        """Temperature ahead as it was known at ``as_of``, and in all of the past that is kept."""
        if as_of not in self._warmth:
            self._warmth.clear()
            found = self.archive.air_forecasts(as_of - _WARMTH_KEPT, as_of)
            limit = step_of(self.settings.forecast_within)
            self._warmth[as_of] = WarmthRuns.of(found, limit, self.settings.provider)
        return self._warmth[as_of]

    def forget_warmth(self) -> None:
        """What came since for a moment of before is read with the next question."""
        self._warmth.clear()

    def told(self, expected: ExpectedRain, now: Instant) -> tuple[str, ...]:
        """Which rain ahead is used and how old it is, in German."""
        found = []
        for runs, name in ((expected.nowcast, "Regenradar"), (expected.forecast, "Punktvorhersage")):
            row = int(runs.newest(np.array([now]))[0])
            if row >= 0:
                found.append(f"{name} von {full(runs.issued[row])}")
        if not found:
            return (_none(expected, now),)
        return (f"Regen voraus ({self.settings.provider}): {', dann '.join(found)}", *_young(expected, now))

    def _scenario_runs(self, points: Runs) -> RainRuns:
        for row, issued in enumerate(points.issued):
            if issued not in self._scenarios:
                rain, _, *over = points.values[row]
                self._scenarios[issued] = scenarios(
                    rain,
                    np.array(over),
                    list(EXCEEDANCES.values()),
                    seed=int(issued.astype(np.int64)) % 2**32,
                )
        for old in [one for one in self._scenarios if not len(points) or one < points.issued[0]]:
            del self._scenarios[old]
        made = np.array([self._scenarios[one] for one in points.issued])
        return RainRuns(
            points.issued, points.known_at, made.reshape(len(points), SCENARIOS, HOURS), HOUR,
            step_of(self.settings.forecast_within),
        )  # fmt: skip

    def _runs(self, inputs: Inputs) -> _Held:
        gauges = tuple(one.id for _, one in rain_gauges(inputs.inventory))
        as_of, since = inputs.issued_at, inputs.issued_at - self.kept
        held = self._held[0] if self._held else None
        if held is not None and held.as_of == as_of and held.gauges == gauges:
            return held
        known = held if held is not None and held.gauges == gauges and held.as_of < as_of else None
        start = since if known is None else max(since, known.as_of - _LATEST)
        nowcasts = self.archive.nowcasts(gauges, start, as_of)
        points = self.archive.point_forecasts(start, as_of)
        if known is not None:
            nowcasts = _joined(known.nowcasts, nowcasts, since, start)
            points = _joined(known.points, points, since, start)
        fresh = _Held(as_of, gauges, nowcasts, points)
        self._held[:] = [fresh]
        return fresh


def _joined(old: Runs, new: Runs, since: datetime, start: datetime) -> Runs:
    keep = (old.issued >= instant(since)) & (old.issued < instant(start))
    return Runs(
        np.concatenate([old.issued[keep], new.issued]),
        np.concatenate([old.known_at[keep], new.known_at]),
        np.concatenate([old.values[keep], new.values]),
        new.step,
    )


def _none(expected: ExpectedRain, now: Instant) -> str:
    issued = [one.issued[one.known_at <= now] for one in (expected.nowcast, expected.forecast)]
    last = [one[-1] for one in issued if len(one)]
    if not last:
        return "Ohne Regenvorhersage gerechnet: es liegt keine vor"
    return f"Ohne Regenvorhersage gerechnet: die letzte ist von {full(max(last))} und zu alt"


def _young(expected: ExpectedRain, now: Instant) -> tuple[str, ...]:
    """Intervals that know the errors of the model, but hardly those of the rain forecast, say so."""
    first = min(runs.issued[0] for runs in (expected.nowcast, expected.forecast) if len(runs.issued))
    if float((now - first) / (24 * HOUR)) >= _ENOUGH_DAYS:
        return ()
    return (f"Regenvorhersagen werden erst seit {full(first)} gesammelt; ihre Fehler kennt die Spanne kaum",)


def _daily_mean(air: Floats) -> Floats:
    solid = np.isfinite(air)
    total = np.where(solid, air, 0.0).sum(axis=1)
    return np.asarray(np.where(solid.any(axis=1), total / np.maximum(solid.sum(axis=1), 1), np.nan))
