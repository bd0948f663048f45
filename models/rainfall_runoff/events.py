"""Tell what a rain or a flood was: how rare by duration, when it peaked, and what warnings were worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.metrics import WarningScore
from models.series import HOUR, Booleans, Instant, Series, Step, Times


@dataclass(frozen=True, slots=True)
class DesignRain:
    """Rain depth (mm) by duration (minutes) and return period (years); ``edition`` is shown beside every
    result because KOSTRA-DWD-2010R was replaced by KOSTRA-DWD-2020 on 2023-01-01."""

    edition: str
    return_periods: tuple[float, ...]
    depths: Mapping[int, tuple[float, ...]]

    def __post_init__(self) -> None:
        for minutes, row in self.depths.items():
            if len(row) != len(self.return_periods) or any(np.diff(row) <= 0):
                raise ValueError(
                    f"design rain of {minutes} min must rise over {len(self.return_periods)} periods"
                )

    def return_period(self, minutes: int, depth: float) -> float:
        """Years, log-linear between the table's periods; 0 below the smallest, infinity above the largest:
        the table says nothing there. Raises KeyError for a duration that is not tabulated."""
        row = self.depths[minutes]
        if depth < row[0]:
            return 0.0
        if depth > row[-1]:
            return float("inf")
        return float(np.exp(np.interp(depth, row, np.log(self.return_periods))))


@dataclass(frozen=True, slots=True)
class RainRarity:
    """The rarest duration of an event."""

    minutes: int
    depth: float
    return_period: float
    ends_at: Instant


def rarest_duration(rain: Series, table: DesignRain) -> RainRarity | None:
    """Largest return period over all tabulated durations that are multiples of the series' step; None without
    rain. A window with gaps counts what was measured, so the answer is a lower bound there."""
    regular = rain.regular()
    step = regular.step
    if step is None or not (np.nan_to_num(regular.values) > 0).any():
        return None
    total = np.concatenate([[0.0], np.cumsum(np.maximum(np.nan_to_num(regular.values), 0.0))])
    best: RainRarity | None = None
    for minutes in sorted(table.depths):
        width = round(minutes / (float(step / HOUR) * 60))
        if width < 1 or width >= len(total) or abs(width * float(step / HOUR) * 60 - minutes) > 1e-6:
            continue
        sums = total[width:] - total[:-width]
        top = int(np.argmax(sums))
        found = RainRarity(
            minutes,
            float(sums[top]),
            table.return_period(minutes, float(sums[top])),
            regular.times[top + width - 1],
        )
        if best is None or found.return_period > best.return_period:
            best = found
    return best


@dataclass(frozen=True, slots=True)
class FloodEvent:
    """One exceedance of a threshold, from first to last value above, and its peak."""

    start: Instant
    end: Instant
    peak_at: Instant
    peak: float


def flood_events(level: Series, threshold: float, *, apart: Step) -> list[FloodEvent]:
    """Exceedances; those less than ``apart`` from each other are one event. Gaps do not end an event."""
    above = np.flatnonzero(np.nan_to_num(level.values, nan=-np.inf) > threshold)
    if not above.size:
        return []
    cuts = np.flatnonzero(np.diff(level.times[above]) > apart) + 1
    events = []
    for group in np.split(above, cuts):
        top = group[int(np.argmax(level.values[group]))]
        events.append(
            FloodEvent(
                level.times[group[0]], level.times[group[-1]], level.times[top], float(level.values[top])
            )
        )
    return events


@dataclass(frozen=True, slots=True)
class WarningReport:
    """Contingency over events, and the hours of notice of each event that was warned of."""

    score: WarningScore
    notice_hours: tuple[float, ...]


def judge_warnings(
    events: Sequence[FloodEvent], *, issued: Times, warned: Booleans, horizon: Step
) -> WarningReport:
    """``warned`` at each ``issued`` time (datetime64): an event is hit when a warning was standing within
    ``horizon`` before its start. A run of warnings that no event follows
    within ``horizon`` is one false alarm."""
    times = np.asarray(issued, dtype="datetime64[us]")
    notice, hits = [], 0
    for event in events:
        inside = warned & (times < event.start) & (times >= event.start - horizon)
        if inside.any():
            hits += 1
            notice.append(float((event.start - times[int(np.argmax(inside))]) / HOUR))
    false = 0
    standing = np.flatnonzero(warned)
    for run in np.split(standing, np.flatnonzero(np.diff(standing) > 1) + 1) if standing.size else []:
        first, last = times[run[0]], times[run[-1]]
        false += not any(event.start <= last + horizon and event.end >= first for event in events)
    return WarningReport(WarningScore(hits, len(events) - hits, false), tuple(notice))
