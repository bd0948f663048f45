"""Conditions on `result` are tried by the store, so that what cannot be meant is neither read nor counted.

`result gt 34` over millions of Observations means a few hundred: an engine that sifts says of which
Datastreams, and how many. Without such an engine everything stays as it was chosen.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from udp.api.sensorthings.selection import Chosen
from udp.api.sensorthings.syntax import Literal, Node, Path, compared, conjuncts
from udp.store.census import Census
from udp.store.columns import Floats, Ints
from udp.store.sieve import Sifted, Sifts

_RESULT = Path(("result",))
# Below this reading is as quick as sifting.
_FEW = 20_000


def narrowed(chosen: Chosen, engine: Sifts | None) -> Chosen:
    """Without the Datastreams that hold nothing within the limits; `counts` where those are all there is."""
    limits = [limits_of(one.rest) for one in chosen.bounds]
    if engine is None or chosen.census.total < _FEW or not any(one is not None for one in limits):
        return chosen
    kept, counts = np.ones(len(chosen.census), bool), chosen.census.count.copy()
    known = np.array([exact(one.rest) for one in chosen.bounds], bool)
    for number, found in enumerate(limits):
        at = np.flatnonzero(chosen.group == number)
        if found is None or not len(at):
            continue
        ids = chosen.census.datastream[at]
        sifted = engine.sift(ids.tolist(), chosen.bounds[number].period, *found)
        kept[at] = np.isin(ids, sifted.datastream, assume_unique=True)
        if only_limits(chosen.bounds[number].rest) and not chosen.bounds[number].wordy:
            counts[at[kept[at]]] = sifted.count
            known[number] = True
    census = chosen.census
    return replace(
        chosen,
        census=Census(
            *(column[kept] for column in (census.datastream, census.count, census.first, census.last))
        ),
        group=chosen.group[kept],
        counts=counts[kept] if bool(known[np.unique(chosen.group)].all()) else None,
    )


def extremes(chosen: Chosen, engine: Sifts, *, descending: bool) -> Floats:
    """For each Datastream the greatest (or least) result there may be among what is meant."""
    bounds = np.full(len(chosen.census), np.inf if descending else -np.inf)
    for number, one in enumerate(chosen.bounds):
        at = np.flatnonzero(chosen.group == number)
        if not len(at):
            continue
        ids = chosen.census.datastream[at]
        low, high = limits_of(one.rest) or (-math.inf, math.inf)
        sifted: Sifted = engine.sift(ids.tolist(), one.period, low, high)
        place = np.searchsorted(sifted.datastream, ids)
        there = np.isin(ids, sifted.datastream, assume_unique=True)
        column = sifted.greatest if descending else sifted.least
        bounds[at[~there]] = -np.inf if descending else np.inf
        bounds[at[there]] = column[place[there]]
    return bounds


def there(chosen: Chosen, engine: Sifts, at: Ints, start: int, end: int) -> Ints:
    """Those of the positions `at` with something meant within [start, end), as far as limits say it."""
    kept = np.ones(len(at), bool)
    for number in np.unique(chosen.group[at]).tolist():
        bounds = chosen.bounds[number]
        mine = np.flatnonzero(chosen.group[at] == number)
        if (limits := limits_of(bounds.rest)) is None:
            continue
        ids = chosen.census.datastream[at[mine]]
        part = replace(bounds, start=max(start, bounds.start), end=min(end, bounds.end))
        kept[mine] = np.isin(ids, engine.sift(ids.tolist(), part.period, *limits).datastream)
    found: Ints = at[kept]
    return found


def exact(rest: Node) -> bool:
    """Whether nothing remains to be asked of the rows."""
    return isinstance(rest, Literal) and rest.value is True


def limits_of(rest: Node) -> tuple[float, float] | None:
    """The results that can be meant, both limits included; None where the condition says nothing of it."""
    found = [one for one in map(_limits, conjuncts(rest)) if one is not None]
    if not found:
        return None
    return max(low for low, _ in found), min(high for _, high in found)


def only_limits(rest: Node) -> bool:
    """Whether the condition is made of limits of the result and nothing else."""
    return all(_limits(one) is not None for one in conjuncts(rest))


def _limits(node: Node) -> tuple[float, float] | None:
    if (comparison := compared(node, _RESULT)) is None:
        return None
    name, value = comparison
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    number = float(value)
    return {
        "gt": (math.nextafter(number, math.inf), math.inf),
        "ge": (number, math.inf),
        "lt": (-math.inf, math.nextafter(number, -math.inf)),
        "le": (-math.inf, number),
        "eq": (number, number),
    }[name]
