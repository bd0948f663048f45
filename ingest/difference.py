"""What a replay would change: each value beside what the store holds for it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from edge.wire.instants import instant
from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Observations, Period
from udp.store.port import ObservationStore

_DAY_US = 86_400_000_000
# Verdicts that depend on one value alone. Step and stuck look at neighbours, which a replay of a
# part of the journal does not see all: another verdict of theirs is no reason for a new revision.
_OWN_VERDICT = (QualityRule.RANGE, QualityRule.CLOCK, QualityRule.WITHDRAWN)

Place = tuple[int, int]
"""(datastream, phenomenon_time in microseconds)"""


class Stored(NamedTuple):
    """The newest revision the store holds of one Observation."""

    result: float
    rule: int
    revision: int


class Example(NamedTuple):
    """One place that differs; None where there is no value before, or after."""

    place: Place
    before: float | None
    after: float | None


class Difference(NamedTuple):
    """`write`: what to append, new ones first; `missing`: places that hold a value nobody makes any more.

    `examples`: every place that is added, changed or missing, by time within each kind.
    """

    write: Observations
    added: int
    changed: int
    unchanged: int
    missing: int
    corrected: int
    """Values a person has decided on: they stay, whatever the replay makes of them."""
    examples: tuple[Example, ...] = ()


def compare(
    store: ObservationStore,
    made: Observations,
    expected: Collection[Place],
    now: datetime,
    *,
    withdraw: bool = False,
) -> Difference:
    """`made` against the store. `expected`: places where the replayed messages could have had values.

    `withdraw`: what is missing gets a revision that calls it bad, instead of staying as it is.
    """
    places = list(zip(made.datastream.tolist(), made.phenomenon_time.astype(np.int64).tolist(), strict=True))
    stored = stored_at(store, {*places, *expected})
    # Within one batch the first value for a place counts, as it did when it came.
    first = dict(reversed([(place, number) for number, place in enumerate(places)]))
    numbers = sorted(first.values())
    added = [number for number in numbers if places[number] not in stored]
    differing = [
        number
        for number in numbers
        if places[number] in stored and _differs(made, number, stored[places[number]])
    ]
    changed = [number for number in differing if stored[places[number]].rule != QualityRule.PERSON]
    revised = made.take(np.array(changed, np.int64))
    revised = Observations.build(
        revised.datastream, revised.phenomenon_time, revised.result,
        result_time=np.datetime64(now.replace(tzinfo=None), "us"), lead=revised.lead,
        quality=revised.quality, rule=revised.rule,
        revision=np.array([stored[places[number]].revision + 1 for number in changed], np.int64),
    ) if changed else Observations.empty()  # fmt: skip
    gone = sorted(
        place
        for place in set(expected) - set(places)
        if place in stored and stored[place].rule not in (QualityRule.WITHDRAWN, QualityRule.PERSON)
    )
    withdrawn = _withdrawn(gone, stored, now) if withdraw else Observations.empty()
    result = made.result.tolist()
    return Difference(
        write=Observations.concatenate([made.take(np.array(added, np.int64)), revised, withdrawn]),
        added=len(added),
        changed=len(changed),
        unchanged=len(numbers) - len(added) - len(differing),
        missing=len(gone),
        corrected=len(differing) - len(changed),
        examples=(
            *(Example(places[number], None, result[number]) for number in added),
            *(Example(places[number], stored[places[number]].result, result[number]) for number in changed),
            *(Example(place, stored[place].result, None) for place in gone),
        ),
    )


def _withdrawn(places: Sequence[Place], stored: Mapping[Place, Stored], now: datetime) -> Observations:
    """The same values once more, known as bad from now on; what they were stays readable by `as_of`."""
    if not places:
        return Observations.empty()
    return Observations.build(
        np.array([stream for stream, _ in places], np.int64),
        np.array([time for _, time in places], np.int64).astype("datetime64[us]"),
        np.array([stored[place].result for place in places], np.float64),
        result_time=np.datetime64(now.replace(tzinfo=None), "us"),
        quality=Quality.BAD,
        rule=QualityRule.WITHDRAWN,
        revision=np.array([stored[place].revision + 1 for place in places], np.int64),
    )


def _differs(made: Observations, number: int, stored: Stored) -> bool:
    # Values kept before results were rounded may end in another binary digit: that is no other value.
    if not math.isclose(float(made.result[number]), stored.result, rel_tol=1e-11, abs_tol=1e-12):
        return True
    rule = int(made.rule[number])
    return rule != stored.rule and (rule in _OWN_VERDICT or stored.rule in _OWN_VERDICT)


def stored_at(store: ObservationStore, places: Iterable[Place]) -> dict[Place, Stored]:
    """What the store holds at `places`, asked day by day: one wrong clock must not read fifty years."""
    days: dict[int, set[Place]] = {}
    for place in places:
        days.setdefault(place[1] // _DAY_US, set()).add(place)
    found: dict[Place, Stored] = {}
    for wanted in days.values():
        times = [time for _stream, time in wanted]
        period = Period(instant(min(times)), instant(max(times) + 1))
        held = store.read({stream for stream, _time in wanted}, period)
        for stream, time, lead, result, rule, revision in zip(
            held.datastream.tolist(), held.phenomenon_time.astype(np.int64).tolist(), held.lead.tolist(),
            held.result.tolist(), held.rule.tolist(), held.revision.tolist(), strict=True,
        ):  # fmt: skip
            if lead == 0 and (stream, time) in wanted:
                found[stream, time] = Stored(result, rule, revision)
    return found
