"""What has just come into the store, whoever wrote it: for those who pass it on at once.

Not part of the port that every engine must keep. An engine that can remember its appends for a while has
these methods; of all others only the newest values are looked at, so what comes late, is
corrected or foretold there is not seen (`Following`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from edge.wire.instants import instant
from udp.store.census import StandsFor
from udp.store.columns import Observations, Period
from udp.store.port import ObservationStore


class Arrival(NamedTuple):
    """What one append changed: new Observations and new revisions. `number` grows by one each time."""

    number: int
    rows: Observations


@runtime_checkable
class TellsArrivals(Protocol):
    """An engine that remembers what was appended, by any process, while somebody wants to know."""

    def listen(self, until: datetime) -> None:
        """From now on, and at least to `until`, appends are remembered. Repeat before `until`.

        Needs a store open for writing. Raises StoreUnavailable.
        """

    def position(self) -> int:
        """The number of the last append that was remembered."""

    def arrivals(self, after: int, most_rows: int) -> Sequence[Arrival]:
        """Those behind number `after`, in order, until `most_rows` Observations are full (one append is
        never cut). A first number above `after + 1` means that some were forgotten before they were asked
        for: memory is bounded in time and bytes."""


class Following:
    """Follows one store from now on; any engine. Not for several threads at once."""

    def __init__(self, writing: ObservationStore | None, reading: ObservationStore) -> None:
        self._writing = writing
        self._reading = reading
        self._newest: Observations | None = None
        self._number = 0

    @property
    def complete(self) -> bool:
        """Whether everything that is appended is seen. StoreUnavailable while the store is not there."""
        return self._engine() is not None

    def listen(self, until: datetime) -> None:
        """See TellsArrivals."""
        engine = self._engine()
        if engine is not None:
            engine.listen(until)
        elif self._newest is None:
            self._newest = self._reading.latest()

    def position(self) -> int:
        """See TellsArrivals."""
        engine = self._engine()
        return engine.position() if engine is not None else self._number

    def arrivals(self, after: int, most_rows: int) -> Sequence[Arrival]:
        """See TellsArrivals."""
        engine = self._engine()
        if engine is not None:
            return engine.arrivals(after, most_rows)
        before, self._newest = self._newest, self._reading.latest()
        rows = self._since(before, self._newest) if before is not None else Observations.empty()
        if not len(rows):
            return []
        self._number += 1
        return [Arrival(self._number, rows)]

    def _engine(self) -> TellsArrivals | None:
        if self._writing is None:
            return None
        engine = self._writing.engine if isinstance(self._writing, StandsFor) else self._writing
        return engine if isinstance(engine, TellsArrivals) else None

    def _since(self, before: Observations, now: Observations) -> Observations:
        """Per Datastream with a newer value, all measurements between the two; else its corrected newest."""
        times = dict(
            zip(before.datastream.tolist(), before.phenomenon_time.astype(np.int64).tolist(), strict=True)
        )
        revisions = dict(zip(before.datastream.tolist(), before.revision.tolist(), strict=True))
        parts: list[Observations] = []
        for at, stream in enumerate(now.datastream.tolist()):
            last, first = int(now.phenomenon_time[at].astype(np.int64)), times.get(stream)
            if first is None or (first == last and int(now.revision[at]) > revisions[stream]):
                parts.append(now.take(slice(at, at + 1)))
            elif first < last:
                found = self._reading.read([stream], Period(instant(first + 1), instant(last + 1)))
                parts.append(found.take(found.lead == 0))
        return Observations.concatenate(parts)
