"""Look through a store beforehand, where its first count and first sieve would have to.

Like both not part of the port that every engine must keep: others have nothing to prepare.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol, runtime_checkable

from udp.store.census import StandsFor
from udp.store.port import ObservationStore


@runtime_checkable
class Warms(Protocol):
    """An engine that remembers what it has looked through."""

    def warm(self, datastreams: Collection[int], go_on: Callable[[], bool]) -> None:
        """Look through all of it, file by file, for as long as `go_on`; answers are given meanwhile.
        StoreUnavailable as for `read`."""


def warming(store: ObservationStore) -> Warms | None:
    """The engine behind `store`, if it has something to prepare. StoreUnavailable while it is not there."""
    engine = store.engine if isinstance(store, StandsFor) else store
    return engine if isinstance(engine, Warms) else None
