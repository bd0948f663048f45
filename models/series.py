"""Hold what was measured together with when it became known, so that no model can look ahead by accident.

Times are UTC ``datetime64[us]``; a gap is a NaN value on a regular grid, never a missing row that someone
silently closes. ``known_at`` is SensorThings resultTime: `Series.as_of` hides everything that was not yet
known, and backtests read through it only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Times = NDArray[np.datetime64]
Instant = np.datetime64
Step = np.timedelta64

HOUR: Step = np.timedelta64(3_600_000_000, "us")
DAY: Step = np.timedelta64(86_400_000_000, "us")
# A regular series with losses still has most rows one step apart.
_REGULAR_SHARE, _ENOUGH_FOR_CLOCKS = 0.2, 10
_HOLE = 5 * 365 * DAY
_USUAL_MINUTES = (1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 360, 720, 1440)


class UnusableSeries(ValueError):
    """The data cannot be a series at all; the text names the first offending row."""


def instant(moment: datetime) -> Instant:
    """Aware datetime -> UTC microseconds. Raises `UnusableSeries` for a naive one: its zone is unknown."""
    if moment.tzinfo is None:
        raise UnusableSeries(f"{moment.isoformat()} has no time zone; give an aware datetime")
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")


def step_of(length: timedelta) -> Step:
    """A length of time as the 64-bit microseconds the arrays use."""
    return np.timedelta64(length, "us")


def hours(count: float) -> Step:
    """A number of hours as a step, rounded to the microsecond."""
    return np.timedelta64(round(count * 3_600_000_000), "us")


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one quantity over strictly ascending times; NaN marks a gap. Arrays are shape (n,)."""

    times: Times
    values: Floats
    unit: str
    known_at: Times | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", np.asarray(self.times, dtype="datetime64[us]"))
        object.__setattr__(self, "values", np.asarray(self.values, dtype=np.float64))
        if self.times.ndim != 1 or self.times.shape != self.values.shape:
            raise UnusableSeries(f"{self.times.shape} times for {self.values.shape} values; need one each")
        if np.isnat(self.times).any():
            raise UnusableSeries(f"row {int(np.argmax(np.isnat(self.times)))} has no time")
        late = np.flatnonzero(np.diff(self.times) <= np.timedelta64(0, "us"))
        if late.size:
            raise UnusableSeries(f"time does not ascend at row {late[0] + 1}; build it with Series.tidy")
        if self.known_at is not None and self.known_at.shape != self.times.shape:
            raise UnusableSeries("known_at must have one entry per value")

    def __len__(self) -> int:
        return len(self.times)

    @classmethod
    def tidy(
        cls,
        times: Times,
        values: Floats,
        unit: str,
        *,
        known_at: Times | None = None,
        now: Instant | None = None,
    ) -> Series:
        """Sort, keep the last report of each instant, turn infinities into gaps, drop undated and (with
        ``now``) future rows: a device clock that runs ahead must not become tomorrow's truth."""
        when = np.asarray(times, dtype="datetime64[us]")
        what = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
        keep = ~np.isnat(when)
        if now is not None:
            keep &= when <= now
        order = np.flatnonzero(keep)[np.argsort(when[keep], kind="stable")]
        last = np.append(when[order][1:] != when[order][:-1], True)[: len(order)]
        chosen = order[last]
        return cls(when[chosen], what[chosen], unit, None if known_at is None else known_at[chosen])

    def as_of(self, moment: Instant) -> Series:
        """Only what was known at ``moment``: measured until then and reported until then."""
        end = int(np.searchsorted(self.times, moment, side="right"))
        head = Series._trusted(
            self.times[:end],
            self.values[:end],
            self.unit,
            None if self.known_at is None else self.known_at[:end],
        )
        if head.known_at is None or not (head.known_at > moment).any():
            return head
        seen = head.known_at <= moment
        return Series._trusted(head.times[seen], head.values[seen], self.unit, head.known_at[seen])

    def between(self, start: Instant, end: Instant) -> Series:
        """The half-open period [start, end)."""
        a, b = np.searchsorted(self.times, np.array([start, end], dtype="datetime64[us]"))
        known = None if self.known_at is None else self.known_at[a:b]
        return Series._trusted(self.times[a:b], self.values[a:b], self.unit, known)

    def with_values(self, values: Floats, unit: str | None = None) -> Series:
        """Same times, other values."""
        return Series(self.times, values, self.unit if unit is None else unit, self.known_at)

    def on_grid(self, grid: Times, tolerance: Step | None = None) -> Floats:
        """Value at each grid time, NaN where nothing was measured within ``tolerance`` before it (exact
        match without one). Never interpolates: an interpolated value would know the future."""
        if not len(self):
            return np.full(len(grid), np.nan)
        place = np.searchsorted(self.times, grid, side="right") - 1
        age = grid - self.times[np.maximum(place, 0)]
        limit = np.timedelta64(0, "us") if tolerance is None else tolerance
        usable = (place >= 0) & (age <= limit)
        return np.where(usable, self.values[np.maximum(place, 0)], np.nan)

    @property
    def step(self) -> Step | None:
        """The most frequent distance of neighbouring times, None for fewer than two rows. Of a clock that
        wanders no distance is frequent: then the usual one, as devices are set (5 min, an hour ...)."""
        if len(self) < 2:
            return None
        between = np.diff(self.times).astype(np.int64)
        distances, counts = np.unique(between, return_counts=True)
        if counts.max() >= _REGULAR_SHARE * counts.sum() or len(self) < _ENOUGH_FOR_CLOCKS:
            return np.timedelta64(int(distances[np.argmax(counts)]), "us")
        usual = float(np.median(between)) / 60_000_000
        return np.timedelta64(60_000_000 * min(_USUAL_MINUTES, key=lambda m: abs(np.log(usual / m))), "us")

    def without_strays(self) -> Series:
        """Only the stretch with the most measurements, where holes of years separate several: a clock that
        stood at 1970 for a moment made a grid of half a century."""
        solid = np.flatnonzero(np.isfinite(self.values))
        holes = np.flatnonzero(np.diff(self.times[solid]) > _HOLE)
        if not holes.size:
            return self
        starts, ends = np.append(0, holes + 1), np.append(holes, len(solid) - 1)
        best = int(np.argmax(ends - starts))
        part = slice(int(solid[starts[best]]), int(solid[ends[best]]) + 1)
        known = None if self.known_at is None else self.known_at[part]
        return Series._trusted(self.times[part], self.values[part], self.unit, known)

    def regular(self, step: Step | None = None) -> Series:
        """On an unbroken grid from first to last time, gaps explicit as NaN."""
        chosen = step or self.step
        if chosen is None:
            return self
        grid = np.arange(self.times[0], self.times[-1] + chosen, chosen)
        return Series(grid, self.on_grid(grid, chosen - np.timedelta64(1, "us")), self.unit)

    @classmethod
    def _trusted(cls, times: Times, values: Floats, unit: str, known_at: Times | None) -> Series:
        """A part of a checked series needs no second check; backtests cut thousands of them."""
        part = object.__new__(cls)
        for name, content in (("times", times), ("values", values), ("unit", unit), ("known_at", known_at)):
            object.__setattr__(part, name, content)
        return part


@dataclass(frozen=True, slots=True)
class Record:
    """What a forecaster may know: the target and its drivers (rain, temperature ...), by name."""

    target: Series
    drivers: Mapping[str, Series] = field(default_factory=dict)

    def as_of(self, moment: Instant) -> Record:
        """Target and drivers as known at ``moment``."""
        return Record(
            self.target.as_of(moment), {name: one.as_of(moment) for name, one in self.drivers.items()}
        )

    def driver(self, name: str) -> Series | None:
        """A driver by name, None when this place does not measure it."""
        return self.drivers.get(name)
