"""Tell a meter that counts in another unit from a building that uses more: tenfold is no way to use energy.

Litres for cubic metres, watt-hours for kilowatt-hours, a transformer's factor forgotten after a change of
meter: the course of the day stays, its size is off by a power of ten.
"""

from __future__ import annotations

import numpy as np

from models.compiled import compiled
from models.series import Booleans, Floats, Instant, Series

# A day of heating or of work may be three times the expected, never ten times hour after hour.
NEAR = 0.3
WINDOW_HOURS, LEAST_SHARE = 8.0, 0.75
# Where nearly nothing is expected, as of gas in summer, ten times of it is no sign.
LEAST_EXPECTED = 0.15
FACTORS = (1.0, 2.0, 3.0)
# Ten times of a day is above all that was measured in the weeks before and ever expected; a boiler that
# starts early is not.
ABOVE_HIGHEST = 2.0
# A tenth keeps the course of the day; a boiler that is off has none.
STEADY, LEAST_VALUES = 0.12, 3
# Between one fortnight and the next no building changes so much; the unit does, by a thousand.
JUMP_DAYS, JUMP = 14, 300.0


def tenfold(
    measured: Floats, expected: Floats, highest: Floats, *, level: float, step_hours: float
) -> Floats:
    """Log of the steps in a row whose last eight hours were too high by the same power of ten (n,); 0 where
    they were not. ``highest`` is the highest of the weeks before each step (n,)."""
    width = _width(step_hours)
    ever = np.fmax(highest, np.fmax.accumulate(np.where(np.isfinite(expected), expected, 0.0)))
    return np.asarray(_too_high(np.stack([_exponent(measured, expected, level), measured, ever]), width))


def tenth(measured: Floats, expected: Floats, *, level: float, step_hours: float) -> Booleans:
    """Where the last eight hours kept the course of the day at a tenth, a hundredth or a thousandth (n,). It
    names what was found otherwise: alone it would call a heating that is off a fault."""
    width = _width(step_hours)
    return np.asarray(_too_low(np.stack([_exponent(measured, expected, level), measured]), width))


def unit_jump_at(load: Series) -> Instant | None:
    """Day from which a record counts in another unit than the fortnight before, None where it never does."""
    day = load.times.astype("datetime64[D]")
    used = load.values > 0
    days, place = np.unique(day[used], return_inverse=True)
    if len(days) < 2 * JUMP_DAYS:
        return None
    size = np.log10(np.bincount(place, weights=load.values[used]))
    middle = np.median(np.lib.stride_tricks.sliding_window_view(size, JUMP_DAYS), axis=1)
    apart = np.abs(middle[JUMP_DAYS:] - middle[:-JUMP_DAYS])
    return days[int(np.argmax(apart)) + JUMP_DAYS] if apart.max() > np.log10(JUMP) else None


def _width(step_hours: float) -> int:
    return max(3, round(WINDOW_HOURS / step_hours))


def _exponent(measured: Floats, expected: Floats, level: float) -> Floats:
    asked = np.isfinite(measured) & (measured > 0) & (expected > LEAST_EXPECTED * level)
    exponent = np.full(len(measured), np.nan)
    exponent[asked] = np.log10(measured[asked] / expected[asked])
    return exponent


def factor_of(measured: Floats, expected: Floats) -> float:
    """Power of ten by which a sum is off: 10, 100, 0.1 ..., 1 where it is not."""
    top, bottom = (
        float(np.nansum(np.maximum(measured, 0.0))),
        float(np.nansum(expected[np.isfinite(measured)])),
    )
    if top <= 0 or bottom <= 0:
        return 1.0
    return float(10.0 ** round(float(np.log10(top / bottom))))


@compiled
def _too_high(rows: Floats, width: int) -> Floats:
    n, day = rows.shape[1], 3 * width
    out = np.zeros(n)
    for factor in FACTORS:
        near = np.abs(rows[0] - factor) <= NEAR
        run, last, before = 0, -day - 1, 0.0
        for i in range(day, n):
            # Held while it lasts: a wrong factor must not become the highest of the weeks before.
            if i - last > day:
                before = rows[2, i - day]
            off = before > 0 and near[i - width + 1 : i + 1].sum() >= LEAST_SHARE * width
            if off:
                off = np.nanmax(rows[1, i - day + 1 : i + 1]) > ABOVE_HIGHEST * before
            run, last = (run + 1, i) if off else (0, last)
            out[i] = max(out[i], np.log(1.0 + run))
    return out


@compiled
def _too_low(rows: Floats, width: int) -> Booleans:
    n = rows.shape[1]
    out = np.zeros(n, np.bool_)
    for factor in FACTORS:
        near = np.abs(rows[0] + factor) <= NEAR
        for i in range(width, n):
            inside = near[i - width + 1 : i + 1]
            if inside.sum() >= LEAST_SHARE * width:
                steady = rows[0, i - width + 1 : i + 1][inside].std() <= STEADY
                course = len(np.unique(rows[1, i - width + 1 : i + 1][inside])) >= LEAST_VALUES
                out[i] = out[i] or (steady and course)
    return out
