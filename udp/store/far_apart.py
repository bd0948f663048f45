"""Read places that may lie far apart day by day: one wrong clock must not read fifty years."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import numpy as np

from edge.wire.instants import instant
from udp.store.columns import Ints, Observations, Period
from udp.store.statistics import DAY_US


def day_by_day(
    read: Callable[[Collection[int], Period], Observations], datastreams: Ints, times: Ints, behind_us: int
) -> Iterator[Observations]:
    """What `read` finds around the places (datastream, microseconds UTC): per day that has some, their
    Datastreams from the first to `behind_us` behind the last, which is excluded."""
    days = times // DAY_US
    for day in np.unique(days).tolist():
        of_day = days == day
        period = Period(instant(int(times[of_day].min())), instant(int(times[of_day].max()) + behind_us))
        yield read(np.unique(datastreams[of_day]).tolist(), period)
