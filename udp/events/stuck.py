"""Whether a value stands still for longer than its own past or its profile makes plausible."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from edge.wire.instants import instant
from udp.sensorthings import Quality
from udp.store.columns import Observations

# Without a word of the profile: only what moves all the time in nature, and never at its resting point 0.
MOVING = frozenset(
    (
        *("air_temperature", "relative_humidity", "air_pressure", "wind_direction", "co2", "pm10", "pm2_5"),
        *("no2", "sound_level", "water_temperature", "oxygen_concentration", "oxygen_saturation"),
        *("soil_temperature", "soil_tension", "electrical_conductivity", "turbidity"),
    )
)
_FEWEST_VALUES = 24
_FEWEST_RUNS = 20
_LONGER = 4.0
_LONGER_THAN_PROFILE = 2.0
_AT_LEAST = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Standstill:
    """The value has been the same since then; before, it never was for longer than `longest`."""

    value: float
    since: datetime
    longest: timedelta | None


def standstill(
    history: Observations, property_key: str, stuck_after: timedelta | None, now: datetime
) -> Standstill | None:
    """Of one Datastream's measurements, ascending: the standstill at their end, if it is a fault.

    `stuck_after`: the profile's word. It counts unless the past shows longer rests; without it, the
    past alone decides, for quantities that always move.
    """
    usable = history.take((history.lead == 0) & (history.quality != Quality.BAD))
    if len(usable) < _FEWEST_VALUES:
        return None
    times = usable.phenomenon_time.astype(np.int64)
    starts = np.flatnonzero(np.r_[True, usable.result[1:] != usable.result[:-1]])
    ends = np.r_[starts[1:], len(usable)] - 1
    lengths = (times[ends] - times[starts]) / 1e6
    value, run_s = float(usable.result[-1]), float(times[-1] - times[starts[-1]]) / 1e6
    completed = lengths[:-1]
    longest_s = float(completed.max()) if len(completed) >= _FEWEST_RUNS else None
    if stuck_after is not None:
        limit = max(stuck_after.total_seconds(), _LONGER_THAN_PROFILE * (longest_s or 0.0))
    elif longest_s is None or property_key not in MOVING or value == 0.0:
        return None
    else:
        limit = max(_LONGER * longest_s, _AT_LEAST.total_seconds())
    if run_s <= limit or len(usable) - starts[-1] < _FEWEST_VALUES / 2:
        return None
    since = instant(int(times[starts[-1]]))
    return Standstill(value, min(since, now), None if longest_s is None else timedelta(seconds=longest_s))
