"""What servers answer, brought to the port's promises: order, revisions, `as_of`, portions."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Any

import numpy as np

from edge.wire.instants import instant
from udp.errors import StoreUnavailable
from udp.store.acceptance import moment_known
from udp.store.columns import Function, Ints, Observations, Period
from udp.store.currency import current, doubted
from udp.store.statistics import DAY_US

# Servers limit the length of a query; a thousand ids stay far below.
_IDS_PER_QUERY = 1_000

_NEEDS = {
    Function.COUNT: {"count"}, Function.SUM: {"total"}, Function.MEAN: {"count", "total"},
    Function.MINIMUM: {"minimum"}, Function.MAXIMUM: {"maximum"},
    Function.FIRST: {"first"}, Function.LAST: {"last"},
}  # fmt: skip


def visible(candidates: Observations, as_of: datetime | None) -> Observations:
    """Highest revision per identity known at `as_of`, ascending by datastream, time, lead."""
    if as_of is not None:
        candidates = candidates.take(candidates.result_time <= moment_known(as_of))
    keys = (candidates.revision, candidates.lead, candidates.phenomenon_time, candidates.datastream)
    ordered = candidates.take(np.lexsort(keys))
    last = np.ones(len(ordered), bool)
    last[:-1] = (
        (ordered.datastream[1:] != ordered.datastream[:-1])
        | (ordered.phenomenon_time[1:] != ordered.phenomenon_time[:-1])
        | (ordered.lead[1:] != ordered.lead[:-1])
    )
    return ordered.take(last)


def current_of(
    candidates: Observations, read: Callable[[Collection[int], Period], Observations]
) -> Observations:
    """What `latest` answers, out of the last value of every series of each Datastream.

    Each revision is a series, and so is what a wrong clock has stamped: a value may therefore seem
    current that a revision of its own has put in doubt. Where that can be, `read` decides.
    """
    chosen = current(candidates)
    doubts = candidates.take(doubted(candidates))
    unsure = ~doubted(chosen) & np.isin(chosen.datastream, doubts.datastream[doubts.revision > 0])
    parts = [chosen.take(~unsure), doubts]
    for number in np.flatnonzero(unsure).tolist():
        one = chosen.take(slice(number, number + 1))
        by = doubts.take(doubts.datastream == one.datastream[0])
        may_be = (by.phenomenon_time >= one.phenomenon_time[0]) & (by.revision > one.revision[0])
        parts.append(_read_back(one, read) if may_be.any() else one)
    return current(Observations.concatenate(parts))


def _read_back(one: Observations, read: Callable[[Collection[int], Period], Observations]) -> Observations:
    """The current value not after `one`, which may have been put in doubt."""
    datastream, time = int(one.datastream[0]), int(one.phenomenon_time[0].astype(np.int64))
    found = one
    for look_back_us in (0, 3 * DAY_US, 40 * DAY_US, time):
        rows = read([datastream], period(max(0, time - look_back_us), time + 1))
        found = current(rows.take(rows.lead == 0))
        if len(found) and not doubted(found)[0]:
            break
    return found


def needed(functions: Collection[Function]) -> set[str]:
    """Which summaries a server must compute for `functions`; each one costs it a pass over the values."""
    return {name for function in functions for name in _NEEDS[function]}


def ascending_ids(datastreams: Collection[int]) -> Ints:
    """Each id once, ascending."""
    return np.unique(np.fromiter(datastreams, np.int64, len(datastreams)))


def period(start: int, end: int) -> Period:
    """Of microseconds since the epoch."""
    return Period(instant(start), instant(end))


def portions(ids: Ints) -> Iterator[Ints]:
    """At most a thousand ids at a time."""
    for begin in range(0, len(ids), _IDS_PER_QUERY):
        yield ids[begin : begin + _IDS_PER_QUERY]


def decoded(name: str, line: bytes) -> dict[str, Any]:
    """A JSON object; StoreUnavailable when the server's answer is none."""
    try:
        answer = json.loads(line)
    except ValueError as error:
        raise StoreUnavailable(f"{name} answered no JSON: {line[:100]!r}; is the url right?") from error
    if not isinstance(answer, dict):
        raise StoreUnavailable(f"{name} answered no object: {line[:100]!r}; is the url right?")
    if "error" in answer:
        raise StoreUnavailable(f"{name} could not answer: {answer['error']}")
    return answer
