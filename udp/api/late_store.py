"""A store that may not exist yet: the API starts first, says what is missing, and finds it when it comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from udp.errors import StoreUnavailable
from udp.store.columns import Aggregates, Function, Ints, Observations, Period
from udp.store.port import ObservationStore


class LateStore:
    """`ObservationStore` that calls `opening` at first use, and again until it succeeds."""

    def __init__(self, opening: Callable[[], ObservationStore]) -> None:
        self._opening = opening
        self._lock = threading.Lock()
        self._store: ObservationStore | None = None
        self._closed = False

    def append(self, batch: Observations) -> Ints:
        """See the port."""
        return self._opened().append(batch)

    def read(
        self, datastreams: Collection[int], period: Period, as_of: datetime | None = None
    ) -> Observations:
        """See the port."""
        return self._opened().read(datastreams, period, as_of)

    def latest(self, datastreams: Collection[int] | None = None) -> Observations:
        """See the port."""
        return self._opened().latest(datastreams)

    def aggregate(
        self,
        datastreams: Collection[int],
        period: Period,
        every: timedelta,
        functions: Collection[Function],
    ) -> Aggregates:
        """See the port."""
        return self._opened().aggregate(datastreams, period, every, functions)

    @property
    def engine(self) -> ObservationStore:
        """See udp.store.census.StandsFor."""
        return self._opened()

    def close(self) -> None:
        """See the port."""
        with self._lock:
            self._closed = True
            if self._store is not None:
                self._store.close()

    def _opened(self) -> ObservationStore:
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the store is closed; this process is stopping")
            if self._store is None:
                self._store = self._opening()
            return self._store
