"""Which value of a Datastream is the current one: the same answer from every engine."""

from __future__ import annotations

import numpy as np

from udp.sensorthings import QualityRule
from udp.store.columns import Mask, Observations


def doubted(observations: Observations) -> Mask:
    """Whose time a wrong clock may have stamped: no such value is current beside any other."""
    found: Mask = observations.rule == QualityRule.CLOCK
    return found


def current(candidates: Observations) -> Observations:
    """Per datastream, ascending: not doubted before doubted, greatest time, highest revision, first."""
    position = -np.arange(len(candidates))
    keys = (position, candidates.revision, candidates.phenomenon_time, ~doubted(candidates))
    ordered = candidates.take(np.lexsort((*keys, candidates.datastream)))
    last = np.ones(len(ordered), bool)
    last[:-1] = ordered.datastream[1:] != ordered.datastream[:-1]
    return ordered.take(last)
