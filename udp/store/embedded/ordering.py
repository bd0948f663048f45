"""One Observation per identity, in the port's order, out of parts that overlap."""

from __future__ import annotations

import numpy as np

from udp.store.columns import Observations


def newest(candidates: Observations) -> tuple[Observations, Observations]:
    """Highest revision per identity, ascending by datastream, time, lead; and the lower ones."""
    ordered = ascending(candidates)
    same = np.zeros(len(ordered), bool)
    same[1:] = (
        (ordered.datastream[1:] == ordered.datastream[:-1])
        & (ordered.phenomenon_time[1:] == ordered.phenomenon_time[:-1])
        & (ordered.lead[1:] == ordered.lead[:-1])
    )
    if not same.any():
        return ordered, Observations.empty()
    last = np.append(~same[1:], True)
    lower = np.zeros(len(ordered), bool)
    lower[:-1] = same[1:] & (ordered.revision[1:] > ordered.revision[:-1])
    return ordered.take(last), ordered.take(lower)


def ascending(observations: Observations) -> Observations:
    """By datastream, phenomenon_time, lead, revision; untouched when already so."""
    datastream, time = observations.datastream, observations.phenomenon_time
    step = np.diff(datastream)
    if bool(np.all((step > 0) | ((step == 0) & (time[1:] > time[:-1])))):
        return observations
    keys = (observations.revision, observations.lead, time, datastream)
    return observations.take(np.lexsort(keys))
