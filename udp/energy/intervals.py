"""Readings of a counter as consumption per quarter of an hour or hour, each with the status it deserves.

A device seldom reads at the full quarter. Between two readings the counter is taken to run evenly; how far
they lie apart decides whether that is a measurement or a replacement. What cannot be known is missing,
never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

import numpy as np

from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Floats, Ints, Observations, Period

# Load-profile meters may begin a period this share of it too early or late: 27 s of a quarter of an hour.
_TOLERANCE = 0.03
BRIDGED = timedelta(hours=3)
"""Over how much silence a value may be made up: beyond, energy software has better means than a line."""
_US = 1_000_000


class Status(Enum):
    """Letter, and the qualifier of the segment QTY of MSCONS that says the same."""

    TRUE = ("W", "220")
    REPLACED = ("E", "67")
    PRELIMINARY = ("V", "Z18")
    UNUSABLE = ("U", "20")
    MISSING = ("F", "Z30")

    @property
    def letter(self) -> str:
        """As it stands in the column `status`."""
        return self.value[0]

    @property
    def mscons(self) -> str:
        """As it stands in the column `mscons`."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Intervals:
    """n periods, ascending: `start` int64 microseconds UTC, `reading` at the end and `used` in the period,
    float64 in the Datastream's unit, NaN where not known; one status each."""

    start: Ints
    step: timedelta
    reading: Floats
    used: Floats
    status: tuple[Status, ...]


def readings(rows: Observations) -> Observations:
    """Measurements of a counter that may be used."""
    usable = (rows.lead == 0) & (rows.quality != Quality.BAD) & (rows.rule != QualityRule.WITHDRAWN)
    return rows.take(usable)


def intervals(rows: Observations, asked: Period, step: timedelta) -> Intervals:
    """`rows` of one Datastream, ascending, reaching BRIDGED beyond `asked` on both sides; whole steps."""
    width = step // timedelta(microseconds=1)
    first, last = (round(moment.timestamp() * _US) for moment in (asked.start, asked.end))
    edges = np.arange(-(-first // width), last // width + 1, dtype=np.int64) * width
    used = readings(rows)
    value, sure, shaky = _at(edges, used, width)
    consumed = np.diff(value)
    status = [
        _status(bool(known), bool(backwards), bool(measured), bool(doubted))
        for known, backwards, measured, doubted in zip(
            ~np.isnan(consumed), consumed < 0, sure[:-1] & sure[1:], shaky[:-1] | shaky[1:], strict=True
        )
    ]
    # A counter that was exchanged or has run over: its steps say nothing of what was used.
    consumed = np.where(consumed < 0, np.nan, consumed)
    return Intervals(edges[:-1], step, value[1:], consumed, tuple(status))


def _status(known: bool, backwards: bool, measured: bool, doubted: bool) -> Status:
    if not known:
        return Status.MISSING
    if backwards:
        return Status.UNUSABLE
    if doubted:
        return Status.PRELIMINARY
    return Status.TRUE if measured else Status.REPLACED


def _at(edges: Ints, rows: Observations, width: int) -> tuple[Floats, Ints, Ints]:
    """The counter at each edge; whether a reading stands there; whether a suspect one is its neighbour."""
    nothing = np.zeros(len(edges), bool)
    if not len(rows):
        return np.full(len(edges), np.nan), nothing, nothing
    time, result = rows.phenomenon_time.astype(np.int64), rows.result
    after = np.minimum(np.searchsorted(time, edges), len(time) - 1)
    before = np.maximum(np.searchsorted(time, edges, "right") - 1, 0)
    gap = time[after] - time[before]
    inside = (time[before] <= edges) & (time[after] >= edges)
    near = np.minimum(np.abs(edges - time[before]), np.abs(time[after] - edges)) <= _TOLERANCE * width
    share = np.where(gap > 0, (edges - time[before]) / np.maximum(gap, 1), 0.0)
    value = result[before] + share * (result[after] - result[before])
    bridged = gap <= BRIDGED // timedelta(microseconds=1)
    known = inside & bridged & (result[after] >= result[before])
    suspect = rows.quality == Quality.SUSPECT
    return np.where(known, value, np.nan), known & near, known & (suspect[before] | suspect[after])
