"""The embedded store behind the port; what each answer is made of stands in the files beside."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Self, TypeVar

import numpy as np
import pyarrow as pa

from edge.wire.instants import instant, microseconds
from udp.errors import StoreUnavailable
from udp.store import census, statistics
from udp.store.acceptance import require_storable, storable_span, whole_day
from udp.store.arrivals import Arrival
from udp.store.census import Census
from udp.store.changes import Part
from udp.store.columns import Aggregates, Function, Ints, Observations, Period
from udp.store.embedded import appending, arriving, forgotten, hot, manifest, parting, places
from udp.store.embedded.cold import ColdFolder
from udp.store.embedded.counting import Counter
from udp.store.embedded.database import Database
from udp.store.embedded.known import KnownRevisions
from udp.store.embedded.maintenance import Maintenance
from udp.store.embedded.places import Span
from udp.store.embedded.pruning import Pruner
from udp.store.embedded.reading import Reader
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.sifting import Sifter
from udp.store.port import Pruned
from udp.store.sieve import Sifted

T = TypeVar("T")

_MICROSECOND = timedelta(microseconds=1)
# Each repetition means that maintenance replaced a file between two steps of one query.
_ATTEMPTS = 10


class EmbeddedStore:
    """SQLite for open days, Parquet for closed ones; any number of processes may read and append."""

    def __init__(
        self, settings: EmbeddedSettings, now: Callable[[], datetime], *, read_only: bool = False
    ) -> None:
        """Creates the folder unless `read_only`; StoreUnavailable when it cannot be used."""
        observations = settings.folder / "observations"
        if not read_only:
            try:
                observations.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreUnavailable(f"{observations}: cannot be created: {error.strerror}") from error
        self._now = now
        self._database = Database(
            settings.folder / "hot.sqlite",
            read_only=read_only,
            busy_timeout_s=settings.busy_timeout.total_seconds(),
        )
        self._cold = ColdFolder(observations)
        self._known = KnownRevisions(self._cold)
        self._reader = Reader(self._cold)
        self._counter = Counter(self._cold, self._known)
        self._sifter = Sifter(self._cold, self._known, self._reader)
        self._maintenance = Maintenance(
            self._database,
            self._cold,
            keep_open_us=settings.keep_open // _MICROSECOND,
            settle_us=settings.settle // _MICROSECOND,
            fold_after_us=settings.fold_after // _MICROSECOND,
        )
        self._pruner = Pruner(self._database, self._cold, self._reader, self._maintenance)

    def append(self, batch: Observations) -> Ints:
        """See ObservationStore; waits for another writer at most `busy_timeout`."""
        require_storable(batch)
        now_us = microseconds(self._now())

        def once() -> Ints:
            with self._database.writing() as connection:
                if not len(batch):
                    return np.empty(0, np.int64)
                return appending.append(connection, batch, self._known, self._reader, now_us)

        return self._repeatedly(once)

    def read(
        self, datastreams: Collection[int], period: Period, as_of: datetime | None = None
    ) -> Observations:
        """See ObservationStore."""
        wanted, span = _wanted(datastreams), Span(*storable_span(period))

        def once() -> Observations:
            with self._database.reading() as connection:
                return self._reader.observations(connection, wanted, span, as_of)

        return self._repeatedly(once)

    def latest(self, datastreams: Collection[int] | None = None) -> Observations:
        """See ObservationStore."""
        with self._database.reading() as connection:
            return hot.read_latest(connection, None if datastreams is None else _wanted(datastreams))

    def aggregate(
        self,
        datastreams: Collection[int],
        period: Period,
        every: timedelta,
        functions: Collection[Function],
    ) -> Aggregates:
        """See ObservationStore; multiples of an hour read no raw rows of closed days."""
        wanted, span, every_us = (
            _wanted(datastreams),
            Span(*storable_span(period)),
            statistics.microseconds(every),
        )

        def once() -> list[statistics.Statistics]:
            with self._database.reading() as connection:
                return self._reader.statistics(connection, wanted, span, every_us)

        parts = statistics.Statistics.concatenate(self._repeatedly(once))
        return statistics.aggregates(parts, every, functions)

    def census(self, datastreams: Collection[int], period: Period) -> Census:
        """See TakesCensus."""
        wanted, span = _wanted(datastreams), Span(*storable_span(period))

        def once() -> Census:
            with self._database.reading() as connection:
                return self._counter.census(connection, wanted, span)

        return self._repeatedly(once)

    def parts(self, period: Period) -> Sequence[Part]:
        """See TellsChanges."""
        with self._database.reading() as connection:
            return parting.parts(connection, Span(*storable_span(period)))

    def listen(self, until: datetime) -> None:
        """See TellsArrivals."""
        with self._database.writing() as connection:
            arriving.listen(connection, microseconds(until))

    def position(self) -> int:
        """See TellsArrivals."""
        with self._database.reading() as connection:
            return arriving.position(connection)

    def arrivals(self, after: int, most_rows: int) -> Sequence[Arrival]:
        """See TellsArrivals."""
        with self._database.reading() as connection:
            return [Arrival(*one) for one in arriving.after(connection, after, most_rows)]

    def sift(self, datastreams: Collection[int], period: Period, low: float, high: float) -> Sifted:
        """See Sifts."""
        wanted, span = _wanted(datastreams), Span(*storable_span(period))

        def once() -> Sifted:
            with self._database.reading() as connection:
                return self._sifter.sift(connection, wanted, span, low, high)

        return self._repeatedly(once)

    def warm(self, datastreams: Collection[int], go_on: Callable[[], bool]) -> None:
        """See Warms."""
        with self._database.reading() as connection:
            spans = [*map(places.days_of, manifest.all_files(connection)), *hot.open_days(connection)]
        # Small pieces, so that it ends soon when told; at last what they come to together.
        for period in (*(Period(instant(one.start), instant(one.end)) for one in spans), census.everything()):
            if go_on():
                self.census(datastreams, period)
            if go_on():
                self.sift(datastreams, period, -math.inf, math.inf)

    def maintain(self, now: datetime) -> bool:
        """One step of closing days and merging files; True when another is due.

        Call it from a thread of its own every few seconds: a step may take a while (a month of
        27 million values: half a minute), but appends and reads go on beside it.
        Only one process at a time gets to work, the others return False at once.
        """
        return self._maintenance.step(microseconds(now))

    def prune(self, datastreams: Collection[int], before: datetime) -> Pruned:
        """See Prunable; the file is written anew at the end, appends wait half a second per 100 MB."""
        now = self._now()
        day = whole_day(before, now)
        wanted, limit = _wanted(datastreams), microseconds(day)
        if not len(wanted) or limit <= 0:
            return Pruned(day, 0, unreadable=True)
        return Pruned(day, self._pruner.prune(wanted, limit, microseconds(now)), unreadable=True)

    def pruned(self) -> Mapping[int, datetime]:
        """See Prunable."""
        with self._database.reading() as connection:
            marks = forgotten.all_marks(connection)
        return {
            one: instant(before)
            for one, before in zip(marks.datastream.tolist(), marks.before.tolist(), strict=True)
        }

    def adopt(self, datastreams: Collection[int], before: datetime, hours: Aggregates) -> None:
        """See Prunable; days one by one, so that appends wait for one of them at most."""
        kept = statistics.of_hours(hours, datastreams, before)
        wanted, limit = _wanted(datastreams), microseconds(before)
        self._repeatedly(lambda: self._pruner.adopt(wanted, limit, kept))

    def close(self) -> None:
        """See ObservationStore; a second call does nothing."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _repeatedly(self, once: Callable[[], T]) -> T:
        for _ in range(_ATTEMPTS):
            try:
                return once()
            except FileNotFoundError as error:
                missing = error
            except OSError as error:
                raise StoreUnavailable(f"{self._cold.folder}: {error}") from error
            except pa.ArrowException as error:
                raise StoreUnavailable(
                    f"{self._cold.folder}: a file is damaged; restore it from a backup, or replay the "
                    f"journal into a new folder ({error})"
                ) from error
        raise StoreUnavailable(
            f"{self._cold.folder}: a file the store knows is missing; restore it from a backup, or replay "
            f"the journal into a new folder ({missing})"
        )


def _wanted(datastreams: Collection[int]) -> Ints:
    ids = np.fromiter(datastreams, np.int64, len(datastreams))
    return ids if bool(np.all(ids[1:] > ids[:-1])) else np.unique(ids)
