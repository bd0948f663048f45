"""What no engine may ever be given: one check, the same for all, before anything is written."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from edge.wire.instants import EPOCH
from udp.errors import StoreRejected
from udp.store.columns import Mask, Observations, Period, Times

LARGEST_DATASTREAM = 100_000_000
LARGEST_LEAD_S = 20 * 366 * 86_400
LARGEST_REVISION = 1 << 40
# The common ground of the engines: InfluxDB counts nanoseconds in 64 bits and ends in 2262.
EARLIEST = np.datetime64("1970-01-01", "us")
END = np.datetime64("2262-01-01", "us")


def require_storable(batch: Observations) -> None:
    """StoreRejected names the first column and value that can never be stored; the batch is refused whole."""
    for name, wrong, remedy in (
        ("result", ~np.isfinite(batch.result), "a missing value is no Observation, leave it out"),
        ("datastream", (batch.datastream < 0) | (batch.datastream > LARGEST_DATASTREAM), "use registry ids"),
        ("phenomenon_time", _outside(batch.phenomenon_time), "use a time from 1970 to 2261"),
        ("result_time", _outside(batch.result_time), "use a time from 1970 to 2261"),
        ("lead", (batch.lead < 0) | (batch.lead > LARGEST_LEAD_S), "use seconds, 0 for measurements"),
        ("revision", (batch.revision < 0) | (batch.revision >= LARGEST_REVISION), "count from 0"),
    ):
        if wrong.any():
            at = int(np.argmax(wrong))
            raise StoreRejected(
                f"row {at} of {len(batch)}: {name} is {getattr(batch, name)[at]} "
                f"(datastream {batch.datastream[at]}, {batch.phenomenon_time[at]}): {remedy}"
            )


def moment_known(as_of: datetime) -> np.datetime64:
    """`as_of` as the columns' type; ValueError unless aware UTC."""
    if as_of.utcoffset() != timedelta(0):
        raise ValueError(f"as_of {as_of!r} must be timezone-aware UTC")
    return np.datetime64(as_of.replace(tzinfo=None), "us")


def storable_span(period: Period) -> tuple[int, int]:
    """Start and end in microseconds since the epoch, cut to times that can be stored at all."""
    earliest, end = (int(limit.astype(np.int64)) for limit in (EARLIEST, END))
    step = timedelta(microseconds=1)
    limits = ((moment - EPOCH) // step for moment in (period.start, period.end))
    first, last = (min(max(limit, earliest), end) for limit in limits)
    return first, last


def whole_day(before: datetime, now: datetime) -> datetime:
    """The UTC midnight a prune reaches to; ValueError unless aware UTC and not in the future."""
    if before.utcoffset() != timedelta(0):
        raise ValueError(f"before {before!r} must be timezone-aware UTC")
    if before > now:
        raise ValueError(f"before {before} lies ahead of {now}: only what is past can be pruned")
    return before.replace(hour=0, minute=0, second=0, microsecond=0)


def _outside(times: Times) -> Mask:
    outside: Mask = np.isnat(times) | (times < EARLIEST) | (times >= END)
    return outside
