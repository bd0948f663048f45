"""Ask many small questions of a meter, each good at one kind of fault, all causal.

Every statistic is an array over the meter's grid: larger = stranger, NaN = cannot be asked now. Levels are
compared with the expectation *and* with the meter's own last weeks, so that a change of use becomes normal
after a while and does not alarm for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit

from models.consumption.off_hours import weekend_excess
from models.consumption.trailing import trailing_median
from models.series import HOUR, Booleans, Floats, Times

HABIT_DAYS = 56
GAP_DAYS = 10
NIGHT = (0.0, 5.0)
KINDS: Mapping[str, str] = {
    "spike": "Einzelner Ausreißer: weit über allem Üblichen",
    "stuck": "Zähler steht: derselbe Wert wieder und wieder",
    "missing": "Kein Verbrauch, wo sonst immer einer ist",
    "high day": "Ein Tag weit über dem Erwarteten",
    "low day": "Ein Tag weit unter dem Erwarteten: Phase oder Zähler ausgefallen?",
    "high week": "Eine Woche über dem Erwarteten",
    "low week": "Eine Woche unter dem Erwarteten",
    "night": "Nachts mehr als sonst: läuft etwas durch?",
    "weekend": "Am Wochenende mehr als sonst: Betrieb ohne Nutzung?",
    "nights": "Seit einer Woche nachts mehr als sonst: läuft etwas durch?",
    "weekends": "Zwei Wochenenden hintereinander mehr als sonst: Betrieb ohne Nutzung?",
    "weekend sum": "Wochenenden werden Arbeitstagen ähnlich: Betrieb ohne Nutzung?",
    "base load": "Die Grundlast ist gestiegen",
    "creep": "Der Verbrauch steigt seit Wochen langsam",
    "never zero": "Wasser fließt ohne Pause: Leck?",
}


@dataclass(frozen=True, slots=True)
class Load:
    """A meter on a regular grid: measured (NaN = gap) and expected, per step; ``level`` is the mean load of
    its reference, so that nothing later than the reference decides what counts as small."""

    times: Times
    measured: Floats
    expected: Floats
    step_hours: float
    level: float

    @property
    def per_day(self) -> int:
        """Steps per day."""
        return max(1, round(24.0 / self.step_hours))


def statistics(load: Load, *, water: bool = False) -> dict[str, Floats]:
    """All statistics by name of kind."""
    floor = 0.03 * load.level + 1e-9
    ratio = np.log((np.maximum(load.measured, 0.0) + floor) / (load.expected + floor))
    day, week = load.per_day, 7 * load.per_day
    level_day = _log_ratio(load, day, np.ones(len(ratio), dtype=bool), floor)
    level_week = _log_ratio(load, week, np.ones(len(ratio), dtype=bool), floor)
    habit = _habit(_log_ratio(load, day, np.ones(len(ratio), dtype=bool), floor), day)
    result = {
        "spike": _spike(load, ratio),
        "stuck": _run_length(load.measured, load.measured > 0),
        "missing": _run_length(load.measured, ~(load.measured > 0.02 * load.expected), any_value=True),
        "high day": level_day - habit,
        "low day": habit - level_day,
        "high week": level_week - habit,
        "low week": habit - level_week,
        **_off_hours(load, floor, level_week),
        "weekend sum": _weekends_together(load),
        "creep": _creep(level_day - habit, day),
    }
    if water:
        result["never zero"] = _since_zero(load.measured)
    return result


def _log_ratio(load: Load, width: int, chosen: Booleans, floor: float) -> Floats:
    """log(sum measured / sum expected) over the last ``width`` steps, of chosen steps only; NaN when fewer
    than half of them were measured."""
    use = chosen & np.isfinite(load.measured)
    top = _window_sum(np.where(use, np.maximum(load.measured, 0.0), 0.0), width)
    bottom = _window_sum(np.where(use, load.expected, 0.0), width)
    seen, due = _window_sum(use.astype(np.float64), width), _window_sum(chosen.astype(np.float64), width)
    usable = (seen >= 0.5 * due) & (due > 0)
    return np.where(
        usable,
        np.log((np.maximum(top, 0) + floor * seen + 1e-9) / (np.maximum(bottom, 0) + floor * seen + 1e-9)),
        np.nan,
    )


def _window_sum(values: Floats, width: int) -> Floats:
    total = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(1, len(values) + 1)
    return np.asarray(total[end] - total[np.maximum(end - width, 0)])


def _habit(level: Floats, per_day: int) -> Floats:
    """Median of the meter's own daily levels of the last eight weeks without the last ten days; zero (the
    expectation itself) until four weeks are known."""
    usual = trailing_median(level[per_day - 1 :: per_day], HABIT_DAYS, GAP_DAYS, 28)
    start = np.minimum(per_day - 1, len(level))
    return np.concatenate([np.zeros(start), np.repeat(usual, per_day)])[: len(level)]


def _spike(load: Load, ratio: Floats) -> Floats:
    """How far a single step is above the larger of its expectation and the highest of the days before."""
    recent = _trailing_max(load.measured, 28 * load.per_day)
    scale = load.level + 1e-9
    above = np.log(
        (np.maximum(load.measured, 0) + 0.1 * scale) / (np.maximum(recent, load.expected) + 0.1 * scale)
    )
    return np.where(np.isfinite(ratio), above, np.nan)


@njit(cache=True)
def _trailing_max(values: Floats, width: int) -> Floats:
    """Highest of the ``width`` values before each, without the value itself and the three before it."""
    n = len(values)
    out = np.zeros(n)
    queue = np.empty(n, np.int64)
    head, tail = 0, 0
    for i in range(n):
        j = i - 4
        if j >= 0 and np.isfinite(values[j]):
            while tail > head and values[queue[tail - 1]] <= values[j]:
                tail -= 1
            queue[tail] = j
            tail += 1
        while tail > head and queue[head] < i - width:
            head += 1
        out[i] = values[queue[head]] if tail > head else 0.0
    return out


@njit(cache=True)
def _run_length(values: Floats, chosen: Booleans, any_value: bool = False) -> Floats:
    """Log of the number of equal (or, with ``any_value``, chosen) values in a row up to now."""
    out = np.zeros(len(values))
    run = 0
    for i in range(len(values)):
        if not chosen[i]:
            run = 0
        elif any_value or (i > 0 and values[i] == values[i - 1]):
            run += 1
        else:
            run = 1
        out[i] = np.log(1.0 + run)
    return out


@njit(cache=True)
def _since_zero(values: Floats) -> Floats:
    """Log of the steps since water last stood still."""
    out = np.zeros(len(values))
    run = 0
    for i in range(len(values)):
        if values[i] <= 0:
            run = 0
        elif np.isfinite(values[i]):
            run += 1
        out[i] = np.log(1.0 + run)
    return out


def _off_hours(load: Load, floor: float, level_week: Floats) -> dict[str, Floats]:
    """Night, weekend and lowest hours of the day, each against its own past and against the rest of the week,
    so that neither weather nor term time looks like waste."""
    clock = (load.times.astype("datetime64[m]").astype(np.int64) % 1440) / 60.0
    begins = load.times - np.timedelta64(round(load.step_hours * 3600e6), "us")
    weekday = (begins.astype("datetime64[D]").astype(np.int64) + 3) % 7
    night = (clock > NIGHT[0]) & (clock <= NIGHT[1])
    weekend = weekday >= 5
    day = load.per_day
    nights = [_beyond_day(load, width * day, night, floor) for width in (3, 7)]
    weekend_level = _log_ratio(load, 2 * day, weekend, floor)
    work_level = _log_ratio(load, 7 * day, ~weekend, floor)
    # Right after a whole weekend only; until then half of it would be compared.
    complete = _window_sum(weekend.astype(np.float64), 2 * day) >= 1.9 * day
    weekend_level = np.where(complete, weekend_level, np.nan)
    lowest = _lowest(load, floor)
    return {
        "night": nights[0],
        "nights": nights[1],
        "weekend": _against_weeks(weekend_level - np.clip(work_level, -0.3, 0.3), 1),
        "weekends": _against_weeks(weekend_level - np.clip(work_level, -0.3, 0.3), 2),
        "base load": _against_past(lowest, day) - 0.5 * np.maximum(_against_past(level_week, day), 0.0),
    }


def _weekends_together(load: Load) -> Floats:
    rest = np.maximum(load.measured, 0.0) - load.expected
    return weekend_excess(load.times, rest, load.expected, load.level, load.per_day)


def _lowest(load: Load, floor: float) -> Floats:
    """Lowest tenth of the last two days, as a log ratio to the expected; updated every six hours."""
    return _lowest_tenth(load.measured, load.expected, 2 * load.per_day, max(1, load.per_day // 4), floor)


@njit(cache=True)
def _lowest_tenth(measured: Floats, expected: Floats, width: int, every: int, floor: float) -> Floats:
    out = np.full(len(measured), np.nan)
    for i in range(width, len(out), every):
        window = measured[i - width + 1 : i + 1]
        solid = np.isfinite(window)
        if solid.sum() < width // 2:
            continue
        low = np.quantile(window[solid], 0.1)
        due = np.quantile(expected[i - width + 1 : i + 1][solid], 0.1)
        out[i : i + every] = np.log((max(low, 0.0) + floor) / (due + floor))
    return out


def _against_past(level: Floats, per_day: int) -> Floats:
    return level - _habit(level, per_day)


def _beyond_day(load: Load, width: int, night: Booleans, floor: float) -> Floats:
    """Night level against its past, less what the day has risen too."""
    at_night = _against_past(_log_ratio(load, width, night, floor), load.per_day)
    by_day = _against_past(_log_ratio(load, width, ~night, floor), load.per_day)
    return at_night - np.maximum(by_day, 0.0)


def _against_weeks(level: Floats, count: int) -> Floats:
    """Lowest excess of the last ``count`` complete weekends over the median of the eight before them."""
    out = np.full(len(level), np.nan)
    past: list[float] = []
    i = 0
    known = np.isfinite(level)
    while i < len(level):
        if not known[i]:
            i += 1
            continue
        end = i
        while end < len(level) and known[end]:
            end += 1
        before = past[: len(past) - count]
        usual = float(np.median(before[-8:])) if len(before) >= 4 else 0.0
        lately = past[len(past) - count + 1 :] if count > 1 else []
        out[i:end] = np.minimum(level[i:end], min(lately, default=np.inf)) - usual
        past.append(float(level[i]))
        i = end
    return out


def _creep(level: Floats, per_day: int) -> Floats:
    """CUSUM of the daily level (Page 1954, Biometrika 41) with a slack of 4 %, decided once a day."""
    out = np.full(len(level), np.nan)
    total = 0.0
    for k in range(per_day - 1, len(level), per_day):
        if np.isfinite(level[k]):
            total = min(max(0.0, total + float(np.clip(level[k], -0.5, 0.5)) - 0.04), 6.0)
        out[k : k + per_day] = np.log1p(10.0 * total)
    return out


def hours_since(times: Times, moment: np.datetime64) -> Floats:
    """Hours from ``moment`` to each time."""
    return np.asarray((times - moment) / HOUR)
