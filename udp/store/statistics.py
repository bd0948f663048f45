"""Buckets of time: what a bucket must remember so that larger buckets need no raw values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from udp.sensorthings import Quality
from udp.store.columns import Aggregates, Floats, Function, Ints, Observations

# In the order of Statistics.
_KEPT = (
    Function.COUNT, Function.SUM, Function.MINIMUM, Function.MAXIMUM, Function.FIRST, Function.LAST,
)  # fmt: skip
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


@dataclass(frozen=True, slots=True)
class Statistics:
    """n summaries: datastream int64, time int64 (start of the summarised span, microseconds UTC),
    and float64 count, total, minimum, maximum, first, last in the Datastream's unit."""

    datastream: Ints
    time: Ints
    count: Floats
    total: Floats
    minimum: Floats
    maximum: Floats
    first: Floats
    last: Floats

    def __len__(self) -> int:
        return len(self.datastream)

    def take(self, index: NDArray[Any] | slice) -> Self:
        """The summaries at `index` (positions, mask or slice), in that order."""
        return type(self)(*(getattr(self, field.name)[index] for field in fields(self)))

    @classmethod
    def concatenate(cls, parts: Collection[Self]) -> Self:
        """All parts one behind the other; nothing for no parts."""
        if not parts:
            return cls(np.empty(0, np.int64), np.empty(0, np.int64), *(np.empty(0) for _ in range(6)))
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))


def of_observations(observations: Observations) -> Statistics:
    """One summary per measurement that is not bad."""
    counted = (observations.lead == 0) & (observations.quality != Quality.BAD)
    result = observations.result[counted]
    return Statistics(
        observations.datastream[counted],
        observations.phenomenon_time[counted].astype(np.int64),
        np.ones(len(result)),
        *(result for _ in range(5)),
    )


def condense(statistics: Statistics, every_us: int) -> Statistics:
    """Summaries of `every_us` aligned to the epoch, ascending by datastream, then time.

    The spans summarised so far must not straddle the new ones.
    """
    if not len(statistics):
        return statistics
    ordered = _ascending(statistics)
    bucket = ordered.time // every_us * every_us
    begins = np.ones(len(ordered), bool)
    begins[1:] = (ordered.datastream[1:] != ordered.datastream[:-1]) | (bucket[1:] != bucket[:-1])
    starts = np.flatnonzero(begins)
    if len(starts) == len(ordered):
        return Statistics(ordered.datastream, bucket, *_values(ordered))
    ends = np.append(starts[1:], len(ordered)) - 1
    return Statistics(
        ordered.datastream[starts],
        bucket[starts],
        np.add.reduceat(ordered.count, starts),
        np.add.reduceat(ordered.total, starts),
        np.minimum.reduceat(ordered.minimum, starts),
        np.maximum.reduceat(ordered.maximum, starts),
        ordered.first[starts],
        ordered.last[ends],
    )


def aggregates(statistics: Statistics, every: timedelta, functions: Collection[Function]) -> Aggregates:
    """The answer of the port's `aggregate` out of any mixture of summaries."""
    done = condense(statistics, microseconds(every))
    of: Mapping[Function, Callable[[], Floats]] = {
        Function.COUNT: lambda: done.count,
        Function.SUM: lambda: done.total,
        Function.MEAN: lambda: done.total / done.count,
        Function.MINIMUM: lambda: done.minimum,
        Function.MAXIMUM: lambda: done.maximum,
        Function.FIRST: lambda: done.first,
        Function.LAST: lambda: done.last,
    }
    values = {function: of[function]() for function in functions}
    return Aggregates(done.datastream, done.time.astype("datetime64[us]"), values)


def of_hours(hours: Aggregates, datastreams: Collection[int], before: datetime) -> Statistics:
    """Hours that another engine has kept, as summaries. ValueError where they are none (see `adopt`)."""
    limit = np.datetime64(before.replace(tzinfo=None), "us").astype(np.int64)
    time = hours.bucket.astype("datetime64[us]").astype(np.int64)
    if before.utcoffset() != timedelta(0) or limit % DAY_US:
        raise ValueError(f"before {before!r} must be midnight in UTC")
    if missing := [one.name for one in _KEPT if one not in hours.values]:
        raise ValueError(f"hours without {', '.join(missing)} cannot be taken over")
    if len(time) and ((time % HOUR_US).any() or time.min() < 0 or time.max() >= limit):
        raise ValueError(f"hours must be whole ones before {before}")
    if foreign := set(hours.datastream.tolist()) - set(datastreams):
        raise ValueError(f"hours of Datastream {min(foreign)}, which is not among those named")
    return Statistics(hours.datastream, time, *(hours.values[one] for one in _KEPT))


def microseconds(every: timedelta) -> int:
    """Length of a bucket; ValueError unless positive."""
    length = every // timedelta(microseconds=1)
    if length <= 0:
        raise ValueError(f"a bucket of {every} has no length; give a positive duration")
    return length


def _ascending(statistics: Statistics) -> Statistics:
    datastream, time = statistics.datastream, statistics.time
    step = np.diff(datastream)
    if bool(np.all((step > 0) | ((step == 0) & (np.diff(time) >= 0)))):
        return statistics
    return statistics.take(np.lexsort((time, datastream)))


def _values(statistics: Statistics) -> tuple[Floats, ...]:
    return tuple(getattr(statistics, field.name) for field in fields(statistics)[2:])
