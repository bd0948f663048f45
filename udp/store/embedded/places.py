"""Where a row lies: numbers for hours, days and months, and for late rows of closed days.

A row of an open day has the slot `hours since the epoch`. A row that comes when its day is closed
has a negative slot made of the day and the generation of the Parquet file that holds the day. To
fold such rows into a new file, maintenance first raises the generation: the slots so far are then
frozen, rows that come meanwhile lie elsewhere, and what was folded is deleted slowly afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from udp.store.columns import Ints, Times
from udp.store.statistics import DAY_US, HOUR_US

_DAY_BITS = 17  # 2^17 days end in 2328; the acceptance check stops in 2262
_MONTH_BITS = 12
_DAY_MASK = (1 << _DAY_BITS) - 1
HOURS = 24
EVERY_DAY = 1 << _DAY_BITS
EVERY_MONTH = 1 << _MONTH_BITS


class ColdFile(NamedTuple):
    """One Parquet file of whole closed days, first and last included; days since the epoch."""

    name: str
    generation: int
    first_day: int
    last_day: int
    rows: int
    written: int

    def holds(self, day: int) -> bool:
        """Whether this is the file of that day."""
        return self.first_day <= day <= self.last_day


@dataclass(frozen=True, slots=True)
class Span:
    """[start, end) in microseconds since the epoch."""

    start: int
    end: int

    @property
    def first_day(self) -> int:
        """Day of the first microsecond."""
        return self.start // DAY_US

    @property
    def last_day(self) -> int:
        """Day of the last microsecond."""
        return (self.end - 1) // DAY_US

    @property
    def first_hour(self) -> int:
        """Hour of the first microsecond."""
        return self.start // HOUR_US

    @property
    def last_hour(self) -> int:
        """Hour of the last microsecond."""
        return (self.end - 1) // HOUR_US


def days_of(file: ColdFile) -> Span:
    """From the beginning of its first day to the end of its last."""
    return Span(file.first_day * DAY_US, (file.last_day + 1) * DAY_US)


def file_of_day(files: Sequence[ColdFile], day: int) -> ColdFile:
    """The one among `files` that holds this closed day."""
    return next(file for file in files if file.holds(day))


def day_of_late_slot(slot: int) -> int:
    """The day such a slot belongs to."""
    return -slot & _DAY_MASK


def generation_of_late_slot(slot: int) -> int:
    """The generation its file had when the rows came."""
    return -slot >> _DAY_BITS


def slots_of(time: Ints, files: Sequence[ColdFile]) -> Ints:
    """Slot of every time (microseconds), given which days are closed."""
    slots = time // HOUR_US
    if not files:
        return slots
    days = time // DAY_US
    low, high = int(days.min()), int(days.max())
    for file in files:
        if file.first_day <= high and file.last_day >= low:
            inside = (days >= file.first_day) & (days <= file.last_day)
            slots[inside] = -(file.generation << _DAY_BITS | days[inside])
    return slots


def month_of(day: int) -> int:
    """Months since January 1970."""
    return int(np.datetime64(day, "D").astype("datetime64[M]").astype(np.int64))


def first_day_of(month: int) -> int:
    """Day number of the first of `month`."""
    return int(np.datetime64(month, "M").astype("datetime64[D]").astype(np.int64))


def first_days_of(months: Ints) -> Ints:
    """Day numbers of the first of each month."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def as_times(microseconds: Ints) -> Times:
    """Microseconds since the epoch as the port's times."""
    return microseconds.astype("datetime64[us]")
