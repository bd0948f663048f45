"""Which parts of a store hold what they held, without reading them: what was computed from them still stands.

Not part of the port that every engine must keep; an engine that cannot tell is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from udp.store.census import StandsFor
from udp.store.columns import Period
from udp.store.port import ObservationStore


class Part(NamedTuple):
    """[start, end) in microseconds since the epoch, and a word that stands for what is in there."""

    start: int
    end: int
    state: str


@runtime_checkable
class TellsChanges(Protocol):
    """An engine that knows what it has changed."""

    def parts(self, period: Period) -> Sequence[Part]:
        """`period` in parts, ascending; between them it is empty.

        As long as a part's `state` is the same, `read` finds in it what it found, with the same `as_of`.
        Another state need not mean another content. StoreUnavailable as for `read`.
        """


def parts(store: ObservationStore, period: Period) -> Sequence[Part] | None:
    """By the engine's own knowledge; None where it has none."""
    engine = store.engine if isinstance(store, StandsFor) else store
    return engine.parts(period) if isinstance(engine, TellsChanges) else None
