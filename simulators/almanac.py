"""When people of the town do things: local hours, weekdays and school days from epoch seconds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from simulators.noise import Floats, Integers

DAY = 86_400
BERLIN = ZoneInfo("Europe/Berlin")

# Every counter of the city starts here, so that a value never depends on when the city was started.
ORIGIN = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp())

# School holidays in the manner of North Rhine-Westphalia, by (month, day), fixed for every year:
# good enough for a virtual school, never to be read as a calendar.
_HOLIDAYS = (
    ((1, 1), (1, 6)),
    ((3, 24), (4, 6)),
    ((7, 18), (8, 31)),
    ((10, 13), (10, 25)),
    ((12, 22), (12, 31)),
)


@lru_cache(maxsize=4096)
def offset_s(day: int) -> int:
    """Seconds that local time is ahead of UTC at noon of the UTC day number `day`."""
    noon = datetime.fromtimestamp(day * DAY + DAY // 2, tz=UTC).astimezone(BERLIN)
    offset = noon.utcoffset()
    assert offset is not None  # noqa: S101 - an aware datetime always has one
    return int(offset.total_seconds())


def local(times: Floats) -> Floats:
    """Seconds of a clock on the wall, counted like epoch seconds.

    On the two days a year when clocks change, the whole UTC day has the offset of its noon.
    """
    days = np.floor_divide(times, DAY).astype(np.int64)
    unique, inverse = np.unique(days, return_inverse=True)
    offsets = np.array([offset_s(int(day)) for day in unique], dtype=np.float64)
    return np.asarray(times + offsets[inverse].reshape(np.shape(times)))


def hour_of_day(times: Floats) -> Floats:
    """Local hour with fraction, 0 <= hour < 24."""
    return np.asarray(np.mod(local(times), DAY) / 3600.0)


def weekday(times: Floats) -> Integers:
    """Local weekday, Monday = 0."""
    return np.asarray((np.floor_divide(local(times), DAY).astype(np.int64) + 3) % 7)


def day_of_year(times: Floats) -> Floats:
    """Days since 1 January (UTC) with fraction, in years of 365.2425 days counted from 2025."""
    return np.asarray(np.mod((times - ORIGIN) / DAY, 365.2425))


def is_school_day(day: date) -> bool:
    """Monday to Friday outside the holidays."""
    if day.weekday() >= 5:
        return False
    return not any(start <= (day.month, day.day) <= end for start, end in _HOLIDAYS)


def local_date(time: float) -> date:
    """The date on a wall in the town."""
    return (datetime.fromtimestamp(time, tz=UTC) + timedelta(seconds=offset_s(int(time // DAY)))).date()
