"""Judge each value by what its channel may say: range, step, stuck, clock - a whole batch at once.

A value is compared with the newest one before it *in order of arrival*; what is older than the newest
is judged for itself only. The verdict therefore depends on the journal's order, never on how the
journal was cut into batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.normalise import Channels
from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Flags, Floats, Ints, Observations

Positions = NDArray[np.int64]


class LastValue(NamedTuple):
    """The newest value of a Datastream, and since when it has been the same; times in microseconds."""

    time: int
    value: float
    since: int


@dataclass(frozen=True, slots=True)
class QualitySettings:
    """How far a clock may be off before we doubt it."""

    clock_ahead: timedelta = timedelta(minutes=5)
    clock_behind: timedelta = timedelta(days=400)  # devices that lost their time say 1970 or 2000


class QualityMemory:
    """What `judge` knows of the past, per Datastream; lost at a restart and then asked for once."""

    def __init__(self, recall: Callable[[Sequence[int]], dict[int, LastValue]]) -> None:
        """`recall` finds the last values of Datastreams that are not known yet, in the store."""
        self._recall = recall
        self._last: dict[int, LastValue | None] = {}

    def of(self, datastreams: Sequence[int]) -> tuple[NDArray[np.bool_], Ints, Floats, Ints]:
        """(known, time, value, since) per Datastream; time is 0 where nothing is known."""
        unknown = [one for one in datastreams if one not in self._last]
        if unknown:
            found = self._recall(unknown)
            self._last.update((one, found.get(one)) for one in unknown)
        rows = [self._last[one] for one in datastreams]
        known = np.array([row is not None for row in rows], np.bool_)
        filled = [row or LastValue(0, 0.0, 0) for row in rows]
        return (
            known,
            np.array([row.time for row in filled], np.int64),
            np.array([row.value for row in filled], np.float64),
            np.array([row.since for row in filled], np.int64),
        )

    def keep(self, datastreams: Sequence[int], last: Sequence[LastValue]) -> None:
        """These are the newest now."""
        self._last.update(zip(datastreams, last, strict=True))


@dataclass(frozen=True, slots=True)
class Judged:
    """One element per value, and what to remember if the values are kept."""

    quality: Flags
    rule: Flags
    datastreams: Sequence[int]
    last: Sequence[LastValue]


class Verdict(NamedTuple):
    """Observations ready for the store; `source`: message number of each."""

    observations: Observations
    source: NDArray[np.int64]
    judged: Judged


def judge(
    channels: Channels,
    position: Positions,
    result: Floats,
    time: Ints,
    *,
    clock_wrong: NDArray[np.bool_],
    memory: QualityMemory,
) -> Judged:
    """Flag n values in order of arrival. `position`: into `channels`; `time`: int64 microseconds."""
    limited = channels.checked[position]
    quality = np.where(limited, Quality.GOOD, Quality.UNCHECKED).astype(np.uint8)
    rule = np.where(limited, QualityRule.PASSED, QualityRule.NONE).astype(np.uint8)
    outside = (result < channels.minimum[position]) | (result > channels.maximum[position])
    chain = _Chain(channels, position, result, time, usable=~(clock_wrong | outside), memory=memory)
    _mark(quality, rule, chain.stuck, Quality.SUSPECT, QualityRule.STUCK)
    _mark(quality, rule, chain.step, Quality.SUSPECT, QualityRule.STEP)
    citizen = channels.citizen[position] & (quality <= Quality.GOOD)
    rule[citizen] = QualityRule.CITIZEN
    _mark(quality, rule, np.flatnonzero(outside), Quality.BAD, QualityRule.RANGE)
    # An impossible value stays bad, and that its time is wrong too is what every exit must know:
    # the store takes nothing flagged so for the current value.
    quality[clock_wrong] = np.maximum(quality[clock_wrong], Quality.SUSPECT)
    rule[clock_wrong] = QualityRule.CLOCK
    return Judged(quality, rule, chain.datastreams, chain.last)


def _mark(quality: Flags, rule: Flags, where: Positions, flag: Quality, by: QualityRule) -> None:
    quality[where] = flag
    rule[where] = by


class _Chain:
    """Per Datastream the values that follow one another in time; `step`, `stuck` index the batch."""

    def __init__(
        self,
        channels: Channels,
        position: Positions,
        result: Floats,
        time: Ints,
        *,
        usable: NDArray[np.bool_],
        memory: QualityMemory,
    ) -> None:
        self.step: Positions = np.empty(0, np.int64)
        self.stuck: Positions = np.empty(0, np.int64)
        self.datastreams: Sequence[int] = ()
        self.last: Sequence[LastValue] = ()
        index = np.flatnonzero(usable)
        if not len(index):
            return
        streams, group = np.unique(channels.datastream[position[index]], return_inverse=True)
        known, last_time, last_value, since = memory.of(streams.tolist())
        newer = (time[index] > last_time[group]) | ~known[group]
        index, group = index[newer], group[newer]
        order = np.argsort(group, kind="stable")  # by Datastream, order of arrival kept
        index, group = index[order], group[order]
        ahead = _ascending(group, time[index])
        index, group = index[ahead], group[ahead]
        if not len(index):
            return
        values, times, where = result[index], time[index], position[index]
        begins = np.r_[True, group[1:] != group[:-1]]
        before = np.where(begins, last_value[group], np.r_[0.0, values[:-1]])
        follows = known[group] | ~begins
        self.step = index[follows & (np.abs(values - before) > channels.max_step[where])]
        same_since = _same_since(begins, times, since[group], follows & (values == before))
        self.stuck = index[follows & (times - same_since >= channels.stuck_after_us[where])]
        ends = np.r_[begins[1:], True]
        self.datastreams = streams[group[ends]].tolist()
        self.last = [
            LastValue(*row)
            for row in zip(
                times[ends].tolist(), values[ends].tolist(), same_since[ends].tolist(), strict=True
            )
        ]


def _ascending(group: Positions, time: Ints) -> NDArray[np.bool_]:
    """Mask of the elements later than everything before them in their group (groups are contiguous)."""
    if not len(group):
        return np.empty(0, np.bool_)
    # Ranks keep the sum below 2^63, where microseconds times groups would not.
    rank = np.unique(time, return_inverse=True)[1]
    key = group * (len(group) + 1) + rank
    highest = np.maximum.accumulate(key)
    return np.r_[True, key[1:] > highest[:-1]]  # type: ignore[no-any-return]


def _same_since(begins: NDArray[np.bool_], times: Ints, since: Ints, unchanged: NDArray[np.bool_]) -> Ints:
    """For each element the time since which its group's value has been the same."""
    start = np.where(unchanged & begins, since, times)
    anchor = np.where(~unchanged | begins, np.arange(len(times)), 0)
    return start[np.maximum.accumulate(anchor)]
