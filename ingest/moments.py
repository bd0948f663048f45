"""Keep every value of a moment: another one of the same microsecond stands a millisecond behind.

Network servers and devices with coarse clocks give several uplinks, and batched payloads several readings,
one moment; the store has one place for each moment of a Datastream. The values of a moment therefore stand
behind one another as they came, each value once. Where one stands is read from the store, so that whatever
is repeated (a crash, a spool, a replay) finds it there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import NamedTuple

import numpy as np

from edge.wire.instants import instant
from udp.store.columns import Ints, Mask, Observations
from udp.store.far_apart import day_by_day
from udp.store.port import APART_US, MOST_AT_ONCE, SPREAD_US, ObservationStore, resolution_us

Place = tuple[int, int]
"""(datastream, phenomenon_time in microseconds, as finely as the engine tells times apart)"""


class Stored(NamedTuple):
    """The newest revision the store holds of one Observation; `known`: its result_time in microseconds."""

    result: float
    rule: int
    revision: int
    known: int


class Behind(NamedTuple):
    """Of values whose moment had its value, each in one mask or in none: those in none are what stands there.

    moved: stands behind. repeated: a message before said the same of that moment. homeless: found no room.
    """

    moved: Mask
    repeated: Mask
    homeless: Mask


def put_behind(store: ObservationStore, ignored: Observations) -> Behind:
    """Give each value that an append ignored its place; durable on return. StoreUnavailable."""
    nothing = np.zeros(len(ignored), bool)
    result = Behind(nothing, nothing.copy(), nothing.copy())
    left = np.arange(len(ignored))
    while len(left):
        rows = ignored.take(left)
        steps, new = _steps(store, rows, result, left)
        if not len(new):
            break
        # Another worker may have been quicker: then what it has put there is seen now.
        left = left[new[store.append(moved(rows.take(new), steps[new]))]]
    return result


def moved(rows: Observations, steps: Ints) -> Observations:
    """The same, so many places behind their moments."""
    behind = rows.phenomenon_time.astype(np.int64) + steps * APART_US
    return Observations.build(
        rows.datastream, behind, rows.result, result_time=rows.result_time,
        lead=rows.lead, quality=rows.quality, rule=rows.rule, revision=rows.revision,
    ) if len(rows) else rows  # fmt: skip


def _steps(store: ObservationStore, rows: Observations, result: Behind, at: Ints) -> tuple[Ints, Ints]:
    """How far behind each stands or is to stand, and which do not stand yet; noted in `result`."""
    bases = places_of(store, rows)
    held = stored_at(store, bases)
    steps, new = np.zeros(len(rows), np.int64), []
    columns = zip(bases, rows.result.tolist(), rows.result_time.astype(np.int64).tolist(), strict=True)
    for number, (base, value, known) in enumerate(columns):
        for step, place in enumerate(chain(base)):
            there = held.get(place)
            if there is None:
                held[place] = Stored(value, 0, 0, known)
                new.append(number)
            elif not _holds(store, place, there, value):
                continue
            steps[number] = step
            twice = there is not None and there.revision == 0 and there.known != known
            result.repeated[at[number]] = twice
            result.moved[at[number]] = step > 0 and not twice
            break
        else:
            result.homeless[at[number]] = True
            result.moved[at[number]] = result.repeated[at[number]] = False
    return steps, np.array(new, np.int64)


def chain(base: Place) -> Iterable[Place]:
    """The places of a moment, its own first."""
    stream, time = base
    return ((stream, time + step * APART_US) for step in range(MOST_AT_ONCE))


def alike(one: float, other: float) -> bool:
    """Values kept before results were rounded may end in another binary digit: that is no other value."""
    return math.isclose(one, other, rel_tol=1e-11, abs_tol=1e-12)


def _holds(store: ObservationStore, place: Place, there: Stored, value: float) -> bool:
    """Whether this value stands there, or stood there before somebody corrected it."""
    while not alike(there.result, value):
        if there.revision == 0:
            return False
        before = stored_at(store, [place], instant(there.known - 1)).get(place)
        if before is None:  # a correction dated before what it corrects: what that was nobody can tell
            return True
        there = before
    return True


def places_of(store: ObservationStore, rows: Observations) -> list[Place]:
    """Each value's own place."""
    fine = resolution_us(store)
    times = rows.phenomenon_time.astype(np.int64) // fine * fine
    return list(zip(rows.datastream.tolist(), times.tolist(), strict=True))


def stored_at(
    store: ObservationStore, places: Iterable[Place], as_of: datetime | None = None
) -> dict[Place, Stored]:
    """What the store holds at `places` and, without a gap, behind them."""
    wanted = set(places)
    streams, times = np.array([*wanted], np.int64).reshape(-1, 2).T
    found: dict[Place, Stored] = {}
    for held in day_by_day(partial(store.read, as_of=as_of), streams, times, SPREAD_US):
        for stream, time, lead, *stored in zip(
            held.datastream.tolist(), held.phenomenon_time.astype(np.int64).tolist(), held.lead.tolist(),
            held.result.tolist(), held.rule.tolist(), held.revision.tolist(),
            held.result_time.astype(np.int64).tolist(), strict=True,
        ):  # fmt: skip
            if lead == 0 and ((stream, time) in wanted or (stream, time - APART_US) in found):
                found[stream, time] = Stored(*stored)
    return found


def origins(store: ObservationStore, corrected: Mapping[Place, Stored]) -> dict[Place, int]:
    """When each of these was known first, before it was corrected; absent where nobody can tell."""
    found: dict[Place, int] = {}
    left = dict(corrected)
    while left:
        # All that one replay has corrected bears one time: its places are looked at together.
        moment = min(one.known for one in left.values())
        before = stored_at(store, left, instant(moment - 1))
        for place, one in list(left.items()):
            earlier = before.get(place)
            if earlier is not None and earlier.revision > 0:
                left[place] = earlier
            elif earlier is not None or one.known == moment:
                del left[place]
                if earlier is not None:
                    found[place] = earlier.known
    return found
