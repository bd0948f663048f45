"""How many Observations there are and from when to when, without reading them: cheap counts and pages.

Not part of the port that every engine must keep: an engine that knows better than by reading says so
by having `census`, all others are read.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, Self, runtime_checkable

import numpy as np

from edge.wire.instants import EPOCH
from udp.store.acceptance import END
from udp.store.columns import Ints, Observations, Period
from udp.store.port import ObservationStore

_READ_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Census:
    """One element per Datastream that has Observations of any lead and quality, ascending.

    first, last: phenomenon time, int64 microseconds since the epoch, both included.
    """

    datastream: Ints
    count: Ints
    first: Ints
    last: Ints

    def __len__(self) -> int:
        return len(self.datastream)

    @property
    def total(self) -> int:
        """Observations of all."""
        return int(self.count.sum())

    @classmethod
    def empty(cls) -> Self:
        """Nothing anywhere."""
        return cls(*(np.empty(0, np.int64) for _ in range(4)))

    @classmethod
    def of(cls, rows: Observations) -> Self:
        """Of rows in any order."""
        time = rows.phenomenon_time.astype(np.int64)
        return cls.merge([cls(rows.datastream, np.ones(len(rows), np.int64), time, time)])

    @classmethod
    def merge(cls, parts: list[Self]) -> Self:
        """Parts that share no Observation."""
        if not (parts := [one for one in parts if len(one)]):
            return cls.empty()
        ids = np.concatenate([one.datastream for one in parts])
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))
        count, first, last = (
            np.concatenate([getattr(one, name) for one in parts])[order]
            for name in ("count", "first", "last")
        )
        return cls(
            ids[starts],
            np.add.reduceat(count, starts),
            np.minimum.reduceat(first, starts),
            np.maximum.reduceat(last, starts),
        )

    def only(self, wanted: Ints) -> Self:
        """Those of `wanted`, ascending ids."""
        keep = np.isin(self.datastream, wanted, assume_unique=True)
        return type(self)(self.datastream[keep], self.count[keep], self.first[keep], self.last[keep])


@runtime_checkable
class TakesCensus(Protocol):
    """An engine that knows its numbers."""

    def census(self, datastreams: Collection[int], period: Period) -> Census:
        """Of all Observations in `period`, newest revisions only. StoreUnavailable as for `read`."""


@runtime_checkable
class StandsFor(Protocol):
    """A store that passes every call on to another."""

    @property
    def engine(self) -> ObservationStore:
        """The other. StoreUnavailable while it is not there."""


def is_known(store: ObservationStore) -> bool:
    """Whether `take` is cheap here: otherwise it reads all that it counts."""
    return isinstance(store.engine if isinstance(store, StandsFor) else store, TakesCensus)


def everything() -> Period:
    """Every time that can be stored."""
    end = END.astype(datetime).replace(tzinfo=UTC)
    return Period(EPOCH, end)


def take(store: ObservationStore, datastreams: Collection[int], period: Period) -> Census:
    """By the engine's own knowledge, else by reading some Datastreams at a time."""
    engine = store.engine if isinstance(store, StandsFor) else store
    if isinstance(engine, TakesCensus):
        return engine.census(datastreams, period)
    ids = sorted(set(datastreams))
    return Census.merge(
        [
            Census.of(engine.read(ids[at : at + _READ_AT_ONCE], period))
            for at in range(0, len(ids), _READ_AT_ONCE)
        ]
    )
