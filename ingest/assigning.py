"""Find for each value a replay makes the place where it was put when it came, among those of its moment.

A replay with another codec makes other values: then it is the time at which a value was first known that
tells which of the values of a moment came from the same uplink, and where that is the same too their order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from ingest.moments import Place, Stored, alike, chain, origins, places_of, stored_at
from udp.store.columns import Ints, Mask, Observations
from udp.store.port import APART_US, ObservationStore, resolution_us


class Claims:
    """Places found for values of this batch and of the two before: another value must stand elsewhere.

    What stands at one moment comes soon after another; what comes later is told by when it was known.
    """

    def __init__(self) -> None:
        self._kept: list[dict[Place, float]] = [{}, {}]
        self._own: dict[Place, float] = {}

    def begin(self) -> None:
        """A batch, or one that failed once more: what it had claimed counts no longer."""
        self._own = {}

    def end(self) -> None:
        """The batch is done."""
        self._kept = [self._kept[1], self._own]
        self._own = {}

    def take(self, place: Place, value: float) -> None:
        """It stands there."""
        self._own[place] = value

    def at(self, place: Place) -> float | None:
        """What was found to stand there."""
        return next((part[place] for part in (self._own, *self._kept) if place in part), None)


class Found(NamedTuple):
    """A value, by position, and what stands in its place."""

    number: int
    place: Place
    there: Stored


class Assigned(NamedTuple):
    """`added`: values (by position) that stand nowhere yet, and where they are to; `found`: those that do.

    In neither: said again, or `homeless` because their moment is full.

    step: how far behind its moment each stands. held: all that stands there.
    """

    added: list[tuple[int, Place]]
    found: list[Found]
    homeless: tuple[int, ...]
    step: Ints
    held: Mapping[Place, Stored]


def assign(
    store: ObservationStore, made: Observations, *, dated: Mask, claims: Claims, besides: Collection[Place]
) -> Assigned:
    """`dated`: values known by their moment alone; `besides`: moments that are looked at too."""
    claims.begin()
    bases, fine = places_of(store, made), resolution_us(store)
    held = stored_at(store, {*bases, *((stream, time // fine * fine) for stream, time in besides)})
    values, known = made.result.tolist(), made.result_time.astype(np.int64).tolist()
    others = {
        base: held[base]
        for base, value in zip(bases, values, strict=True)
        if base in held and held[base].revision > 0 and not alike(held[base].result, value)
    }
    first_known = origins(store, others) if others else {}
    result = Assigned([], [], (), np.zeros(len(made), np.int64), held)
    homeless: list[int] = []
    for number, (base, value) in enumerate(zip(bases, values, strict=True)):
        if _said(base, value, held, claims):
            continue
        when = None if dated[number] else known[number]
        place = _where(base, value, when, held=held, first_known=first_known, claims=claims)
        if place is None:
            homeless.append(number)
            continue
        claims.take(place, value)
        result.step[number] = (place[1] - base[1]) // APART_US
        if place in held:
            result.found.append(Found(number, place, held[place]))
        else:
            result.added.append((number, place))
    return result._replace(homeless=tuple(homeless))


def _said(base: Place, value: float, held: Mapping[Place, Stored], claims: Claims) -> bool:
    """Whether a message of this replay has said the same of the same moment."""
    for place in chain(base):
        claimed = claims.at(place)
        if claimed is not None and alike(claimed, value):
            return True
        if claimed is None and place not in held:
            return False
    return False


def _where(
    base: Place,
    value: float,
    known: int | None,
    *,
    held: Mapping[Place, Stored],
    first_known: Mapping[Place, int],
    claims: Claims,
) -> Place | None:
    """Where the value stands; else what its uplink has said before, known at `known` (None: at any time);
    else the first place that is free."""
    own: Place | None = None
    for place in chain(base):
        if claims.at(place) is not None:
            continue
        there = held.get(place)
        if there is None:
            return own or place
        if alike(there.result, value):
            return place
        first = there.known if there.revision == 0 else first_known.get(place)
        if own is None and (known is None or first is None or first == known):
            own = place
    return own


def missing(
    store: ObservationStore, silent: Mapping[Place, int], held: Mapping[Place, Stored], claims: Claims
) -> list[tuple[Place, Stored]]:
    """What stands there and nobody says any more. `silent`: moments of which so many uplinks say nothing now.

    Where more stand than are silent, some are of uplinks beyond this batch: nobody can tell which are gone.
    """
    fine = resolution_us(store)
    found: list[tuple[Place, Stored]] = []
    for (stream, time), count in silent.items():
        own: list[tuple[Place, Stored]] = []
        for step, place in enumerate(chain((stream, time // fine * fine))):
            there = held.get(place)
            if there is None:
                break
            theirs = step == 0 or (there.revision == 0 and there.known == time)
            if theirs and claims.at(place) is None:
                own.append((place, there))
        found += own if len(own) <= count else []
    return sorted(found)
