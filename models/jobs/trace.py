"""Remember what was read by a sum per part of the store, so that only parts that changed are read again.

The sum of a Datastream is over all of it that was visible and not bad, whatever it was read in; so it is the
same whether the past was read anew or remembered, in this process or an earlier one, and for every engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.series import Integers
from udp.sensorthings import Quality
from udp.store.changes import Part
from udp.store.columns import Observations

Sums = NDArray[np.uint64]
_NEVER = np.iinfo(np.int64).max
# Steele, Lea and Flood 2014: Fast splittable pseudorandom number generators (SplitMix64).
_GAMMA, _FIRST, _SECOND = (
    np.uint64(one) for one in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One part as it was in ``state``: ``sums`` by Datastream (n,), right for whoever asks as of ``known``
    (when the newest visible row became known) or later, and before ``until`` (when the next one will)."""

    state: str
    known: int
    until: int
    sums: Sums


@dataclass(slots=True)
class Trace:
    """All parts of one window over ``datastreams`` (ascending)."""

    datastreams: tuple[int, ...] = ()
    seen: dict[tuple[int, int], Seen] = field(default_factory=dict)

    def stale(self, parts: Sequence[Part], datastreams: tuple[int, ...], as_of: int) -> list[list[Part]]:
        """What must be read (again), neighbours together. Forgets what is no part any more."""
        former = self.seen if datastreams == self.datastreams else {}
        self.datastreams = datastreams
        self.seen = {}
        runs: list[list[Part]] = []
        for part in parts:
            held = former.get((part.start, part.end))
            if held is not None and held.state == part.state and held.known <= as_of < held.until:
                self.seen[part.start, part.end] = held
            elif runs and runs[-1][-1].end == part.start:
                runs[-1].append(part)
            else:
                runs.append([part])
        return runs

    def note(self, parts: Sequence[Part], read: Iterable[tuple[Observations, Observations]]) -> None:
        """What neighbouring ``parts`` held: pieces of visible and of hidden rows. Bad values are not summed,
        but when they became known counts: before, something else may have stood in their place."""
        starts, ends = (np.array([one[k] for one in parts], np.int64) for k in (0, 1))
        numbers = np.array(self.datastreams, np.int64)
        sums = np.zeros((len(parts), len(numbers)), np.uint64)
        known, until = np.full(len(parts), -1, np.int64), np.full(len(parts), _NEVER)
        for visible, hidden in read:
            at, inside = _places(visible, starts, ends)
            rows = visible.take(inside)
            np.maximum.at(known, at, rows.result_time.astype(np.int64))
            solid = rows.quality != Quality.BAD
            at, rows = at[solid], rows.take(solid)
            np.add.at(sums, (at, np.searchsorted(numbers, rows.datastream)), row_sums(rows))
            at, inside = _places(hidden, starts, ends)
            late = hidden.take(inside)
            # Of a value corrected more than once the correction between is not seen here: ask again.
            next_known = np.where(late.revision > 0, 0, late.result_time.astype(np.int64))
            np.minimum.at(until, at, next_known)
        for k, part in enumerate(parts):
            self.seen[part.start, part.end] = Seen(part.state, int(known[k]), int(until[k]), sums[k])

    def settled(self) -> frozenset[tuple[int, int, str]]:
        """Which parts are known, but for the last, which grows with every round and is read soon."""
        return frozenset((*place, one.state) for place, one in sorted(self.seen.items())[:-1])

    def total(self) -> dict[int, int]:
        """One number per Datastream for everything of it in the window that is visible and not bad."""
        total = np.zeros(len(self.datastreams), np.uint64)
        for one in self.seen.values():
            total += one.sums
        return dict(zip(self.datastreams, total.tolist(), strict=True))


def row_sums(rows: Observations) -> Sums:
    """A number per row (n,) that differs where time, lead, value or the moment it became known differ."""
    found = np.zeros(len(rows), np.uint64)
    for column in (rows.phenomenon_time, rows.lead, rows.result, rows.result_time):
        found = _mixed(found ^ column.view(np.uint64))
    return found


def _mixed(number: Sums) -> Sums:
    number = number + _GAMMA
    number = (number ^ (number >> np.uint64(30))) * _FIRST
    number = (number ^ (number >> np.uint64(27))) * _SECOND
    return np.asarray(number ^ (number >> np.uint64(31)))


def _places(rows: Observations, starts: Integers, ends: Integers) -> tuple[Integers, Integers]:
    """In which part each row lies, and which rows lie in one."""
    time = rows.phenomenon_time.astype(np.int64)
    at = np.searchsorted(starts, time, side="right") - 1
    inside = np.flatnonzero((at >= 0) & (time < ends[np.maximum(at, 0)]))
    return at[inside], inside
