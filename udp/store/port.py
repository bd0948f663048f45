"""The one port to time series: what every engine must keep."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Protocol

from udp.store.columns import Aggregates, Function, Observations, Period


class ObservationStore(Protocol):
    """Keeps Observations. Safe to use from several threads; readers in other processes work at any time.

    Every method raises StoreUnavailable when the engine cannot answer now.
    """

    def append(self, batch: Observations) -> None:
        """Store all or none, durable on return.

        Repeating a call changes nothing: identity is (datastream, phenomenon_time, lead). For a
        known identity an equal or lower revision is ignored; a higher one supersedes, and the
        superseded value stays readable through `as_of` earlier than the new result_time.
        Raises StoreRejected for what can never be stored.
        """

    def read(
        self, datastreams: Collection[int], period: Period, as_of: datetime | None = None
    ) -> Observations:
        """Newest revisions in `period` (start included, end excluded), ascending by datastream,
        phenomenon_time, lead. With `as_of`, hide everything whose result_time is later: what
        nobody could know yet. Unknown datastreams have no Observations."""

    def latest(self, datastreams: Collection[int] | None = None) -> Observations:
        """Per datastream the measurement (lead 0) with the greatest phenomenon_time; None means all.
        Ascending by datastream."""

    def aggregate(
        self,
        datastreams: Collection[int],
        period: Period,
        every: timedelta,
        functions: Collection[Function],
    ) -> Aggregates:
        """Measurements (lead 0) that are not bad, in buckets of `every` aligned to the UTC epoch.

        `period` is cut to [start, end) before bucketing; buckets without values are absent.
        FIRST and LAST are by phenomenon_time."""

    def close(self) -> None:
        """Release files and connections; later calls raise StoreUnavailable."""
