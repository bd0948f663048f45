"""Ask many small questions of a meter, each good at one kind of fault, all causal.

Every statistic is an array over the meter's grid: larger = stranger, NaN = cannot be asked now. Levels are
compared with the expectation *and* with the meter's own last weeks, so that a change of use becomes normal
after a while and does not alarm for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from models.compiled import compiled
from models.consumption.off_hours import off_hours
from models.consumption.trailing import trailing_median
from models.consumption.unit_jump import tenfold
from models.series import Booleans, Floats, Times

HABIT_DAYS = 56
GAP_DAYS = 10
# What creeps for two months must not have become the habit it is held against.
CREEP_GAP_DAYS = 45
# Half a day of one value is no chance, and a quarter of a day without any is no switched fuse.
STUCK_HOURS, MISSING_HOURS = 12, 6
NIGHT = (0.0, 5.0)
# Times the highest of the last four weeks: more is the meter's doing, not the building's.
HIGHEST = 1.5
# What runs without use shows in one or more of these.
OF_WASTE = ("base load", "night", "nights", "creep", "weekend")
KINDS: Mapping[str, str] = {
    "scale": "Zähler zählt um eine Zehnerpotenz falsch: Einheit (m³ oder Liter) oder Faktor verstellt?",
    "spike": "Einzelner Ausreißer: weit über allem Üblichen",
    "stuck": "Zähler steht: derselbe Wert wieder und wieder",
    "missing": "Kein Verbrauch, wo sonst immer einer ist",
    "low day": "Ein Tag weit unter dem Erwarteten: Phase oder Zähler ausgefallen?",
    "low week": "Eine Woche unter dem Erwarteten",
    "night": "Nachts mehr als sonst: läuft etwas durch?",
    "nights": "Seit Tagen nachts mehr als sonst: läuft etwas durch?",
    "weekend": "Zwei Wochenenden lang ähnlich wie an Arbeitstagen: Betrieb ohne Nutzung?",
    "base load": "Die Grundlast ist gestiegen: zu jeder Tageszeit mehr als sonst",
    "creep": "Der Verbrauch steigt seit Wochen langsam",
    "high day": "Ein Tag weit über dem Erwarteten: Rohrbruch?",
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
    alike = _run_length(load.measured, load.measured > 0)
    # A gap is silence of the device, which others watch; it is not consumption that stopped.
    gone = _run_length(load.measured, load.measured <= 0.02 * load.expected, any_value=True)
    recent = _trailing_max(load.measured, 28 * load.per_day)
    scale = tenfold(load.measured, load.expected, recent, level=load.level, step_hours=load.step_hours)
    result = {
        "scale": scale,
        "spike": _spike(load, ratio, recent),
        "stuck": _from(alike, STUCK_HOURS / load.step_hours),
        "missing": _from(gone, MISSING_HOURS / load.step_hours),
    } | _of_the_building(_without_meter_faults(load, scale, recent), floor)
    # Where nothing has been used for a day, nothing is wasted, whatever a smaller expectation says of it.
    unused = gone >= np.log1p(24.0 / load.step_hours)
    result |= {kind: np.where(unused, np.nan, result[kind]) for kind in OF_WASTE}
    if water:
        result["never zero"] = _since_zero(load.measured)
        # A pipe that bursts empties itself within a day; of other media such days are only busy ones.
        level_day = _log_ratio(load, load.per_day, np.ones(len(ratio), dtype=bool), floor)
        result["high day"] = level_day - _habit(level_day, load.per_day)
    return result


def _of_the_building(load: Load, floor: float) -> dict[str, Floats]:
    """What is asked of the use itself, once the meter's own faults are out of the way."""
    day, always = load.per_day, np.ones(len(load.measured), dtype=bool)
    level_day, level_week, fortnight = (_log_ratio(load, n * day, always, floor) for n in (1, 7, 14))
    habit = _habit(level_day, day)
    rest = np.maximum(load.measured, 0.0) - load.expected
    return {
        "low day": habit - level_day,
        "low week": habit - level_week,
        "night": _at_night(load, day, floor),
        **off_hours(load.times, rest, load.expected, load.level),
        "base load": _against_past(_least_excess(load, 2 * day), day),
        "creep": fortnight - _habit(level_day, day, CREEP_GAP_DAYS),
    }


def _without_meter_faults(load: Load, scale: Floats, recent: Floats) -> Load:
    """A wrong factor is no consumption, and what is far above all of the last weeks says nothing of hours
    that follow. Causal: a step is left out once it is known to be wrong, not before."""
    most = HIGHEST * np.maximum(np.maximum(recent, load.expected), 0.2 * load.level)
    measured = np.minimum(load.measured, np.where(recent > 0, most, np.inf))
    return replace(load, measured=np.where(scale > 0, np.nan, measured))


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


def _habit(level: Floats, per_day: int, left_out: int = GAP_DAYS) -> Floats:
    """Median of the meter's own daily levels of eight weeks without the last ``left_out`` days; zero (the
    expectation itself) until four weeks are known."""
    usual = trailing_median(level[per_day - 1 :: per_day], HABIT_DAYS, left_out, 28)
    start = np.minimum(per_day - 1, len(level))
    return np.concatenate([np.zeros(start), np.repeat(usual, per_day)])[: len(level)]


def _spike(load: Load, ratio: Floats, recent: Floats) -> Floats:
    """How far a single step is above the larger of its expectation and the highest of the days before."""
    scale = load.level + 1e-9
    above = np.log(
        (np.maximum(load.measured, 0) + 0.1 * scale) / (np.maximum(recent, load.expected) + 0.1 * scale)
    )
    return np.where(np.isfinite(ratio), above, np.nan)


@compiled
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


@compiled
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


@compiled
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


def _from(run: Floats, least: float) -> Floats:
    """Runs shorter than ``least`` steps say nothing."""
    return np.where(run >= np.log1p(least) - 1e-9, run, 0.0)


def _at_night(load: Load, width: int, floor: float) -> Floats:
    """Night level of the last ``width`` steps against its past, less what the day has risen too: neither
    weather nor term time shall look like waste."""
    clock = _hour_of_day(load.times)
    night = (clock > NIGHT[0]) & (clock <= NIGHT[1])
    at_night, by_day = (
        _against_past(_log_ratio(load, width, chosen, floor), load.per_day) for chosen in (night, ~night)
    )
    return at_night - np.maximum(by_day, 0.0)


def _least_excess(load: Load, width: int) -> Floats:
    """Mean excess over the last ``width`` steps in that quarter of the day in which it was least, in units
    of the mean load: what runs without pause shows at every hour, a busy week at some."""
    quarter = (np.ceil(_hour_of_day(load.times) / 6.0).astype(np.int64) - 1) % 4
    known = np.isfinite(load.measured)
    above = np.where(known, load.measured - load.expected, 0.0)
    rows = []
    for number in range(4):
        chosen = quarter == number
        seen, due = (_window_sum(one.astype(np.float64), width) for one in (chosen & known, chosen))
        mean = _window_sum(np.where(chosen, above, 0.0), width) / np.maximum(seen, 1.0)
        rows.append(np.where((seen >= 0.5 * due) & (due > 0), mean, np.nan))
    return np.asarray(np.min(rows, axis=0) / (load.level + 1e-9))


def _hour_of_day(times: Times) -> Floats:
    return np.asarray((times.astype("datetime64[m]").astype(np.int64) % 1440) / 60.0)


def _against_past(level: Floats, per_day: int) -> Floats:
    return level - _habit(level, per_day)
