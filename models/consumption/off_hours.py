"""Add up small excesses of weekends until they are no longer chance.

A ventilation left on at weekends is a few percent of a week and hides in any single one. What is found is its
persistence: each Saturday and Sunday is compared with the same meter's own past ones and with the working
days around it, counted in its own usual spread, and accumulated (CUSUM; Page 1954, Biometrika 41).
"""

from __future__ import annotations

import numpy as np

from models.compiled import compiled
from models.consumption.trailing import trailing_median, trailing_spread
from models.series import Floats, Integers, Times

# A shift of one and a half usual spreads is worth finding; half of it is let pass (the optimal slack of a
# CUSUM).
SLACK = 0.7
# One strange day proves nothing, so no single one may count more than this many spreads.
MOST_PER_DAY = 2.0
CAP = 30.0
# Days of weekends: eight weekends tell what is usual without the last two, half a year tells the spread.
USUAL, LEFT_OUT, SPREAD, LEAST_PAST = 16, 4, 52, 6
# Shares of the mean load below which no meter is that steady.
LEAST_SPREAD = 0.01
LEAST_TEMPLATE = 0.1


def weekend_excess(times: Times, residual: Floats, expected: Floats, level: float, per_day: int) -> Floats:
    """Accumulated evidence (n,) that weekends look like working days: the residual (measured - expected) of
    each Saturday and Sunday projected on the gap between the working days' expected profile and its own
    (matched filter; Turin 1960, IRE Trans. IT-6). Changes when a day of a weekend has ended."""
    minute = times.astype("datetime64[m]").astype(np.int64) % 1440
    ends = np.flatnonzero(minute == 0) if per_day > 1 else np.arange(0)
    ends = ends[ends >= per_day - 1]
    weekday = (times[ends].astype("datetime64[D]").astype(np.int64) + 2) % 7
    excess = _projected(np.stack([residual, expected]), ends, weekday, per_day, LEAST_TEMPLATE * level)
    days = np.flatnonzero(weekday >= 5)
    usual = trailing_median(excess[days], USUAL, LEFT_OUT, LEAST_PAST)[: len(days)]
    spread = trailing_spread(excess[days], SPREAD, LEFT_OUT, LEAST_PAST)
    z = (excess[days] - usual) / np.maximum(spread, LEAST_SPREAD)
    return np.asarray(_held(len(times), ends[days], _cusum(z)))


@compiled
def _projected(rows: Floats, ends: Integers, weekday: Integers, per_day: int, least: float) -> Floats:
    """Share of the way from a weekend to a working day that each day of a weekend has gone, less what the
    last five working days were above their own expectation; NaN on working days and gappy ones. ``rows`` =
    residual and expected (2, n)."""
    residual, expected = rows[0], rows[1]
    out = np.full(len(ends), np.nan)
    profiles, shifts = np.full((5, per_day), np.nan), np.full(5, np.nan)
    seen = 0
    for k in range(len(ends)):
        rest = residual[ends[k] - per_day + 1 : ends[k] + 1]
        due = expected[ends[k] - per_day + 1 : ends[k] + 1]
        solid = np.isfinite(rest)
        if weekday[k] < 5:
            profiles[seen % 5], seen = due, seen + 1
            shifts[(seen - 1) % 5] = rest[solid].mean() if 2 * solid.sum() >= per_day else np.nan
            continue
        if seen < 5 or solid.sum() < 0.75 * per_day:
            continue
        known = shifts[np.isfinite(shifts)]
        shift = max(known.mean(), 0.0) if len(known) else 0.0
        top, bottom = 0.0, 0.0
        for h in range(per_day):
            if solid[h]:
                template = max(profiles[:, h].mean() - due[h], least)
                top += (rest[h] - shift) * template
                bottom += template * template
        out[k] = top / bottom if bottom > 0 else np.nan
    return out


@compiled
def _held(length: int, at: Integers, values: Floats) -> Floats:
    """Each value from its position until the next one."""
    out = np.full(length, np.nan)
    for k in range(len(at)):
        out[at[k] : at[k + 1] if k + 1 < len(at) else length] = values[k]
    return out


@compiled
def _cusum(z: Floats) -> Floats:
    out = np.full(len(z), np.nan)
    total = 0.0
    for k in range(len(z)):
        if np.isfinite(z[k]):
            total = min(max(0.0, total + min(max(z[k], -MOST_PER_DAY), MOST_PER_DAY) - SLACK), CAP)
            out[k] = np.log1p(total)
    return out
