"""The one port to time series: what every engine must keep."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from udp.store.columns import Aggregates, Function, Ints, Observations, Period

APART_US = 1_000
"""How far behind each other several values of one moment are put: what the coarsest engine tells apart."""
MOST_AT_ONCE = 1_000
"""So many places a moment has."""
SPREAD_US = MOST_AT_ONCE * APART_US
"""No value of a moment stands so far behind it."""


class ObservationStore(Protocol):
    """Keeps Observations. Safe to use from several threads; readers in other processes work at any time.

    Every method raises StoreUnavailable when the engine cannot answer now.
    """

    def append(self, batch: Observations) -> Ints:
        """Store all or none, durable on return.

        Repeating a call changes nothing: identity is (datastream, phenomenon_time, lead). For a
        known identity an equal or lower revision is ignored; a higher one supersedes, and the
        superseded value stays readable through `as_of` earlier than the new result_time.
        Returns the positions of the ignored, ascending, whether their value is the one that stands there
        or another: who brings values of different origin must not let another one vanish.
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
        A value flagged by rule CLOCK is current only where a Datastream has no other: a stamp from
        the future must not stand there until the future comes. Ascending by datastream."""

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


@runtime_checkable
class RoundsTimes(Protocol):
    """An engine to which times nearer than `resolution_us` are one; it cuts the rest off."""

    @property
    def resolution_us(self) -> int:
        """In microseconds."""


def resolution_us(store: ObservationStore) -> int:
    """How finely the engine tells times apart, in microseconds."""
    return store.resolution_us if isinstance(store, RoundsTimes) else 1


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a prune did, for whoever must prove it.

    before: aware UTC midnight; nothing earlier is left. values: raw values deleted by this call,
    every revision and lead counted; 0 when an earlier call had deleted them. unreadable: the engine
    has looked through its own files afterwards and the values are in none of them (where False, they
    leave the disk when the engine next compacts its files).
    """

    before: datetime
    values: int
    unreadable: bool


@runtime_checkable
class Prunable(Protocol):
    """An engine that forgets raw values for good and keeps what they came to by the hour and day.

    Ask with `isinstance(store, Prunable)`; an engine that cannot do it says in its module why.
    """

    def prune(self, datastreams: Collection[int], before: datetime) -> Pruned:
        """Delete every value of `datastreams` with a phenomenon_time before the UTC day of `before`.

        All revisions, all leads, also the current value if it is that old. On return:
        `read` (with any `as_of`) and `latest` find none of them; `aggregate` answers for those days as
        before wherever buckets and limits are whole UTC hours, and finds nothing where they are not;
        `append` ignores values before that day, so neither late data nor a replay brings one back.
        A later call may move the limit forward, never back.

        What is kept says no more than hours do: of a Datastream with one value an hour it is that
        value. Killed half-way, or StoreUnavailable: call again, it goes on where it stopped.
        May take minutes on a long history; reads go on meanwhile, appends wait for seconds at most.
        """

    def pruned(self) -> Mapping[int, datetime]:
        """Per Datastream ever pruned the UTC midnight before which its raw values are gone or going."""

    def adopt(self, datastreams: Collection[int], before: datetime, hours: Aggregates) -> None:
        """What another engine has kept of values it pruned before that UTC midnight: whole hours with
        COUNT, SUM, MINIMUM, MAXIMUM, FIRST and LAST, none later, of `datastreams` only.

        On return it is as if they had been pruned here; repeating changes nothing. Raw values of
        `datastreams` before that day are ignored from then on. ValueError for hours that do not fit;
        StoreRejected where such values are here already: two pasts cannot be one.
        """
