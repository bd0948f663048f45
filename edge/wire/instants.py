"""Instants as integers: microseconds since the Unix epoch sort, fit in a column and mean UTC everywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Since the epoch, of an aware time; before it negative."""
    return (moment - EPOCH) // _MICROSECOND


def instant(micros: int) -> datetime:
    """The aware UTC time of these microseconds; OverflowError beyond the years 1 to 9999."""
    return EPOCH + timedelta(0, 0, micros)  # by position: half the time, and every uplink has four
