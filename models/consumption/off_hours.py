"""See what runs at night or at weekends without use: small, steady, and hidden in any single day.

Both questions weigh the parts of a day as `day_shape` says and compare with the same meter's own weeks, so a
change of use becomes normal after a while.
"""

from __future__ import annotations

import numpy as np

from models.compiled import compiled
from models.consumption.day_shape import PARTS, DayParts, day_parts, held, weights_of
from models.consumption.trailing import trailing_median, trailing_spread
from models.series import Floats, Integers, Times

# Two weekends: the mean of their four days found more than a running sum (CUSUM) on faults put into the
# reference year of real meters, .45 against .25 at .05 false alarms per meter-month for this question alone.
WEEKEND_DAYS = 4
# One strange day proves little, so no single one counts more than this many usual spreads.
MOST_PER_DAY = 4.0
# Days of weekends: eight weekends tell what is usual without the last two days, half a year the spread.
USUAL, LEFT_OUT, SPREAD, LEAST_PAST = 16, 2, 52, 6
# Shares of the mean load below which no meter is that steady.
LEAST_SPREAD, LEAST_TEMPLATE = 0.01, 0.1
# Weekends whose parts tell how they vary together: a year; asked anew every month.
WEEKEND_MEMORY, WEEKEND_LEAST, WEEKEND_EVERY = 104, 12, 8
# The same for all days; what was usual is renewed weekly.
NIGHT_DAYS, MEMORY, LEAST_DAYS, EVERY = 4, 365, 28, 28
HABIT, HABIT_LEFT_OUT, HABIT_EVERY = 56, 10, 7
# Parts of two hours: 22 to 6 o'clock UTC.
_AT_NIGHT = np.array([1.0] * 3 + [0.0] * 8 + [1.0], dtype=np.float64)


def off_hours(times: Times, rest: Floats, expected: Floats, level: float) -> dict[str, Floats]:
    """Both questions by name of kind, each (n,); ``rest`` = measured - expected."""
    parts = day_parts(times, rest, expected, level)
    if parts is None:
        return {kind: np.full(len(times), np.nan) for kind in ("nights", "weekend")}
    return {"nights": _nights_excess(parts, len(times)), "weekend": _weekend_excess(parts, len(times))}


def _weekend_excess(parts: DayParts, length: int) -> Floats:
    """How far the last two weekends have gone from their own expectation towards a working day's, in usual
    spreads (length,); changes when a day of a weekend has ended."""
    share = _towards_working_day(parts.rest, parts.expected, parts.weekday)
    days = np.flatnonzero(parts.weekday >= 5)
    usual = trailing_median(share[days], USUAL, LEFT_OUT, LEAST_PAST)[: len(days)]
    spread = trailing_spread(share[days], SPREAD, LEFT_OUT, LEAST_PAST)
    z = np.clip((share[days] - usual) / np.maximum(spread, LEAST_SPREAD), -MOST_PER_DAY, MOST_PER_DAY)
    over = parts.part == PARTS - 1
    at, mean = parts.ends[over], np.full(len(parts.weekday), np.nan)
    mean[days] = _recent_mean(z, WEEKEND_DAYS)
    ended = parts.day[over]
    rest_day = parts.weekday[ended] >= 5
    return held(length, at[rest_day], mean[ended[rest_day]])


def _nights_excess(parts: DayParts, length: int) -> Floats:
    """By how many mean loads the nights of the last days were above what is usual, when the rest of the day
    does not tell the same (length,); changes every two hours."""
    unusual = parts.rest - _habit_by_part(parts.rest)
    night = _at_night(unusual, parts.day, parts.part)
    return held(length, parts.ends, _mean_of_days(night, parts, NIGHT_DAYS))


def _mean_of_days(values: Floats, parts: DayParts, width: int) -> Floats:
    """Mean of the values at the same part of the last ``width`` days, NaN when fewer than half are known."""
    table = np.full((len(parts.weekday), PARTS), np.nan)
    table[parts.day, parts.part] = values
    return np.asarray(_recent_mean(table, width)[parts.day, parts.part])


def _recent_mean(rows: Floats, width: int) -> Floats:
    """Mean of the last ``width`` rows (n, ...), NaN when fewer than half are known."""
    solid = np.isfinite(rows)
    before = np.zeros((width, *rows.shape[1:]))
    total, count = (
        np.cumsum(np.concatenate([before, one]), axis=0) for one in (np.where(solid, rows, 0.0), solid)
    )
    seen = count[width:] - count[:-width]
    return np.where(2 * seen >= width, (total[width:] - total[:-width]) / np.maximum(seen, 1.0), np.nan)


@compiled
def _towards_working_day(rest: Floats, expected: Floats, weekday: Integers) -> Floats:
    """Share of the way to a working day that each day of a weekend has gone, less what the last five working
    days were above their own expectation (d,); NaN on working days and gappy ones."""
    days, parts = rest.shape
    out = np.full(days, np.nan)
    past = np.empty((days, parts))
    profiles, shifts = np.full((5, parts), np.nan), np.full(5, np.nan)
    weights = np.eye(parts)
    seen, known = 0, 0
    for k in range(days):
        if weekday[k] < 5:
            if np.isfinite(expected[k]).all():
                profiles[seen % 5], shifts[seen % 5] = expected[k], np.mean(rest[k])
                seen += 1
            continue
        if seen < 5 or not np.isfinite(rest[k]).all():
            continue
        solid = shifts[np.isfinite(shifts)]
        shift = max(solid.mean(), 0.0) if len(solid) else 0.0
        if known - LEFT_OUT >= WEEKEND_LEAST and (known - LEFT_OUT - WEEKEND_LEAST) % WEEKEND_EVERY == 0:
            weights = weights_of(past[max(0, known - LEFT_OUT - WEEKEND_MEMORY) : known - LEFT_OUT])
        template = np.empty(parts)
        for j in range(parts):
            template[j] = max(profiles[:, j].mean() - expected[k, j], LEAST_TEMPLATE)
        past[known] = rest[k] - shift
        out[k] = _projected(past[known], template, weights)
        known += 1
    return out


@compiled
def _at_night(unusual: Floats, day: Integers, part: Integers) -> Floats:
    """Amplitude of a night's excess over the last 24 hours, in mean loads, at each end of a part (k,)."""
    days, parts = unusual.shape
    out = np.full(len(day), np.nan)
    weights = np.linalg.inv(0.02 * np.eye(parts) + 0.02).astype(np.float64)
    whole = np.empty((days, parts))
    count, done = 0, 0
    window, template = np.empty(parts), _AT_NIGHT.astype(np.float64)
    for i in range(len(day)):
        d, p = day[i], part[i]
        while done < d - HABIT_LEFT_OUT:
            if np.isfinite(unusual[done]).all():
                whole[count] = unusual[done]
                count += 1
            done += 1
            if done % EVERY == 0 and count >= LEAST_DAYS:
                weights = weights_of(whole[max(0, count - MEMORY) : count])
        if d == 0:
            continue
        for j in range(parts):
            window[j] = unusual[d, j] if j <= p else unusual[d - 1, j]
        if np.isfinite(window).all():
            # A day that is low is no night that is high.
            night = (window * template).sum() / template.sum()
            out[i] = min(_projected(window, template, weights), night)
    return out


@compiled
def _projected(row: Floats, template: Floats, weights: Floats) -> float:
    """How much of ``template`` is in ``row``, by generalised least squares."""
    along = template @ np.ascontiguousarray(weights)
    return float((along * row).sum() / (along * template).sum())


def _habit_by_part(rest: Floats) -> Floats:
    """Median of each part of the day over eight weeks without the last ten days; zero until known."""
    columns = np.ascontiguousarray(rest.T)
    usual = [trailing_median(one, HABIT, HABIT_LEFT_OUT, LEAST_DAYS, HABIT_EVERY) for one in columns]
    return np.stack(usual, axis=1)[: len(rest)]
