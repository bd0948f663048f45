"""Tell what was usual lately, leaving out the latest: a running fault must not become its own habit."""

from __future__ import annotations

import numpy as np

from models.compiled import compiled
from models.series import Floats


@compiled
def trailing_median(values: Floats, length: int, left_out: int, least: int, every: int = 1) -> Floats:
    """Median of the ``length`` values that end ``left_out`` before each position, zero where fewer than
    ``least`` of them are known; one more position than values. Renewed at each ``every``-th position."""
    out = np.zeros(len(values) + 1)
    for k in range(0, len(values) + 1, every):
        past = values[max(0, k - length - left_out) : max(0, k - left_out)]
        past = past[np.isfinite(past)]
        if len(past) >= least:
            out[k : k + every] = np.median(past)
    return out


@compiled
def trailing_spread(values: Floats, length: int, left_out: int, least: int) -> Floats:
    """Standard deviation by the median absolute deviation over the same kind of window; NaN where unknown."""
    out = np.full(len(values), np.nan)
    for k in range(len(values)):
        past = values[max(0, k - length - left_out) : max(0, k - left_out)]
        past = past[np.isfinite(past)]
        if len(past) >= least:
            out[k] = 1.4826 * np.median(np.abs(past - np.median(past)))
    return out
