"""What a replay would change: each value beside what the store holds for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from ingest.assigning import Claims, Found, assign, missing
from ingest.moments import Place, Stored, alike, moved
from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Mask, Observations
from udp.store.port import ObservationStore

# Verdicts that depend on one value alone. Step and stuck look at neighbours, which a replay of a
# part of the journal does not see all: another verdict of theirs is no reason for a new revision.
_OWN_VERDICT = (QualityRule.RANGE, QualityRule.CLOCK, QualityRule.WITHDRAWN)


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
    homeless: tuple[int, ...] = ()
    """Positions of values whose moment is full."""


def compare(
    store: ObservationStore,
    made: Observations,
    silent: Mapping[Place, int],
    now: datetime,
    *,
    claims: Claims,
    dated: Mask,
    withdraw: bool = False,
) -> Difference:
    """`made` against the store. `silent`: moments of which so many replayed messages say nothing, and could.

    `claims`: what this replay has found the places of before. `dated`: which values are known by their
    moment alone (readings), so that another value of it is the same one, read otherwise.
    `withdraw`: what is missing gets a revision that calls it bad, instead of staying as it is.
    """
    assigned = assign(store, made, dated=dated, claims=claims, besides=silent)
    made = moved(made, assigned.step)
    differing = [one for one in assigned.found if _differs(made, one.number, one.there)]
    changed = [one for one in differing if one.there.rule != QualityRule.PERSON]
    gone = [
        (place, there)
        for place, there in missing(store, silent, assigned.held, claims)
        if there.rule not in (QualityRule.WITHDRAWN, QualityRule.PERSON)
    ]
    withdrawn = _withdrawn(gone, now) if withdraw else Observations.empty()
    result = made.result.tolist()
    new = np.array([number for number, _ in assigned.added], np.int64)
    return Difference(
        write=Observations.concatenate([made.take(new), _revised(made, changed, now), withdrawn]),
        added=len(assigned.added),
        changed=len(changed),
        unchanged=len(assigned.found) - len(differing),
        missing=len(gone),
        corrected=len(differing) - len(changed),
        examples=(
            *(Example(place, None, result[number]) for number, place in assigned.added),
            *(Example(one.place, one.there.result, result[one.number]) for one in changed),
            *(Example(place, there.result, None) for place, there in gone),
        ),
        homeless=assigned.homeless,
    )


def _revised(made: Observations, changed: Sequence[Found], now: datetime) -> Observations:
    """What stands in the place of what was found there, known from now on."""
    if not changed:
        return Observations.empty()
    rows = made.take(np.array([one.number for one in changed], np.int64))
    return Observations.build(
        rows.datastream, rows.phenomenon_time, rows.result,
        result_time=np.datetime64(now.replace(tzinfo=None), "us"), lead=rows.lead,
        quality=rows.quality, rule=rows.rule,
        revision=np.array([one.there.revision + 1 for one in changed], np.int64),
    )  # fmt: skip


def _withdrawn(gone: Sequence[tuple[Place, Stored]], now: datetime) -> Observations:
    """The same values once more, known as bad from now on; what they were stays readable by `as_of`."""
    if not gone:
        return Observations.empty()
    return Observations.build(
        np.array([stream for (stream, _), _ in gone], np.int64),
        np.array([time for (_, time), _ in gone], np.int64).astype("datetime64[us]"),
        np.array([there.result for _, there in gone], np.float64),
        result_time=np.datetime64(now.replace(tzinfo=None), "us"),
        quality=Quality.BAD,
        rule=QualityRule.WITHDRAWN,
        revision=np.array([there.revision + 1 for _, there in gone], np.int64),
    )


def _differs(made: Observations, number: int, stored: Stored) -> bool:
    if not alike(float(made.result[number]), stored.result):
        return True
    rule = int(made.rule[number])
    return rule != stored.rule and (rule in _OWN_VERDICT or stored.rule in _OWN_VERDICT)
