"""Weigh the parts of a day by how they vary together, so that a fault's shape shows through a day's noise.

A warm or busy day lifts many hours at once. An estimate that knows this (generalised least squares; Aitken
1936, Proc. R. Soc. Edinb. 55; in signals: the filter matched to coloured noise) is up to twice as sharp as
the plain mean, because it looks at what a day's chance cannot do: nights up while the day stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.compiled import compiled
from models.series import Floats, Integers, Times

PARTS = 12
PART_MINUTES = 1440 // PARTS
# Of the variances between parts, as much is taken as if they were independent: a year holds few days.
SHRINK = 0.25
FLAT, LEAST_VARIANCE = 0.02, 1e-4
CLIP = 3.0


@dataclass(frozen=True, slots=True)
class DayParts:
    """Days in order of their times (d,) with their weekday (0 = Monday); ``rest`` = measured - expected and
    ``expected`` by part of the day (d, PARTS), in mean loads, NaN where half of a part was not measured.
    ``ends`` (k,) are the rows of the grid where a part is over, ``day`` and ``part`` (k,) tell which one."""

    weekday: Integers
    rest: Floats
    expected: Floats
    ends: Integers
    day: Integers
    part: Integers


def day_parts(times: Times, rest: Floats, expected: Floats, level: float) -> DayParts | None:
    """None for a grid coarser than a part or shorter than a day. A time names the end of its step."""
    minute = times.astype("datetime64[m]").astype(np.int64)
    if len(times) < 3 or not 0 < (step := int(np.median(np.diff(minute)))) <= PART_MINUTES:
        return None
    date, part = np.divmod(minute - 1, 1440)
    part //= PART_MINUTES
    row = np.cumsum(np.concatenate([[0], np.diff(date) != 0]))
    cell, cells = row * PARTS + part, (int(row[-1]) + 1) * PARTS
    known = np.isfinite(rest)
    count, seen = np.bincount(cell, minlength=cells), np.bincount(cell[known], minlength=cells)
    sums = (
        np.bincount(cell[known], weights=rest[known], minlength=cells),
        np.bincount(cell, weights=expected, minlength=cells),
    )
    due = PART_MINUTES / step
    usable = (seen >= 0.5 * due) & (level > 0)
    mean = np.where(usable, sums[0] / np.maximum(seen, 1) / (level + 1e-9), np.nan)
    usual = np.where(count > 0, sums[1] / np.maximum(count, 1) / (level + 1e-9), np.nan)
    ends = np.flatnonzero((minute - 1) // PART_MINUTES != (minute - 1 + step) // PART_MINUTES)
    first = np.concatenate([[0], np.flatnonzero(np.diff(date)) + 1])
    weekday = (date[first] + 3) % 7
    shape = (-1, PARTS)
    return DayParts(weekday, mean.reshape(shape), usual.reshape(shape), ends, row[ends], part[ends])


@compiled
def weights_of(days: Floats) -> Floats:
    """Inverse of how the parts of healthy ``days`` (n, parts) vary together, outliers drawn in, shrunk."""
    n, parts = days.shape
    drawn = np.empty((n, parts))
    for j in range(parts):
        middle = np.median(days[:, j])
        spread = 1.4826 * np.median(np.abs(days[:, j] - middle)) + 0.005
        for i in range(n):
            drawn[i, j] = min(max(days[i, j] - middle, -CLIP * spread), CLIP * spread)
        drawn[:, j] -= drawn[:, j].mean()
    together = drawn.T @ drawn / max(n - 1, 1)
    own = np.diag(together).copy()
    together *= 1.0 - SHRINK
    for j in range(parts):
        together[j, j] = own[j] + LEAST_VARIANCE + FLAT * own.mean()
    return np.linalg.inv(together)


def held(length: int, at: Integers, values: Floats) -> Floats:
    """Each value from its row until the next one (length,); NaN before the first."""
    out = np.full(length, np.nan)
    if len(at):
        out[at[0] :] = np.repeat(values, np.diff(np.append(at, length)))
    return out
