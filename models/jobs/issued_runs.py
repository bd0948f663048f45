"""Tell which run of a weather service was the newest anybody had at a moment, whatever it is about."""

from __future__ import annotations

import numpy as np

from models.series import Integers, Step, Times


def newest_known(issued: Times, known_at: Times, origins: Times, limit: Step) -> Integers:
    """Row of the newest run known at each origin and not older than ``limit``; -1 without one. Runs ascend by
    issue time."""
    if not len(issued):
        return np.full(len(origins), -1, dtype=np.int64)
    order = np.argsort(known_at, kind="stable")
    best = np.maximum.accumulate(order)
    place = np.searchsorted(known_at[order], origins, side="right") - 1
    row = np.where(place >= 0, best[np.maximum(place, 0)], -1)
    fresh = (row >= 0) & (origins - issued[np.maximum(row, 0)] <= limit)
    return np.where(fresh, row, -1)
