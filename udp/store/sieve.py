"""How many Observations have a result within limits, by an engine that need not read them to say so.

Like the census not part of the port that every engine must keep: whoever asks reads where it is not offered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np

from udp.store.census import StandsFor
from udp.store.columns import Floats, Ints, Period
from udp.store.port import ObservationStore


@dataclass(frozen=True, slots=True)
class Sifted:
    """One element per Datastream that has Observations within the limits, ascending.

    count: how many, of any lead and quality. least, greatest: no result of them lies beyond; without
    limits they are the least and the greatest.
    """

    datastream: Ints
    count: Ints
    least: Floats
    greatest: Floats

    @classmethod
    def empty(cls) -> Self:
        """Nothing anywhere."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))

    @classmethod
    def merge(cls, parts: Iterable[Self]) -> Self:
        """Parts that share no Observation."""
        filled = [one for one in parts if len(one.datastream)]
        if not filled:
            return cls.empty()
        ids, count, least, greatest = (
            np.concatenate([getattr(one, name) for one in filled])
            for name in ("datastream", "count", "least", "greatest")
        )
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))
        return cls(
            ids[starts],
            np.add.reduceat(count[order], starts),
            np.minimum.reduceat(least[order], starts),
            np.maximum.reduceat(greatest[order], starts),
        )

    @classmethod
    def of(cls, datastream: Ints, result: Floats, low: float, high: float) -> Self:
        """Of single results in any order."""
        keep = (result >= low) & (result <= high)
        chosen = result[keep]
        return cls.merge([cls(datastream[keep], np.ones(len(chosen), np.int64), chosen, chosen)])

    def within(self, low: float, high: float) -> Self:
        """Extremes cut to the limits."""
        least, greatest = np.maximum(self.least, low), np.minimum(self.greatest, high)
        return type(self)(self.datastream, self.count, least, greatest)


@runtime_checkable
class Sifts(Protocol):
    """An engine that knows where which results lie."""

    def sift(self, datastreams: Collection[int], period: Period, low: float, high: float) -> Sifted:
        """Of all Observations in `period` with low <= result <= high, newest revisions only.
        StoreUnavailable as for `read`."""


def sifting(store: ObservationStore) -> Sifts | None:
    """The engine behind `store`, if it can do it."""
    engine = store.engine if isinstance(store, StandsFor) else store
    return engine if isinstance(engine, Sifts) else None
