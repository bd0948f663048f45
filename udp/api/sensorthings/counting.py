"""What the census says for one answer: which Datastreams hold something, from when to when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

import numpy as np

from edge.wire.instants import instant
from udp.api.problems import TooMuch
from udp.api.sensorthings.catalogue import Catalogue
from udp.api.sensorthings.evaluation import Judge
from udp.api.sensorthings.narrowing import narrowed
from udp.api.sensorthings.selection import Chosen, choose
from udp.api.sensorthings.syntax import Interval, Node
from udp.store import census
from udp.store.columns import Period
from udp.store.port import ObservationStore
from udp.store.sieve import sifting

# For engines without a census: two years of ten Datastreams may be read to count them.
_MOST_READ_DAYS = 7_500
_LIFETIME_DAYS = 730


class Extents:
    """Counted once, when first asked; an Interval is made for those Datastreams only that are asked about.

    An answer shows a hundred of thousands: objects for all of them, in every answer, kept Python's
    collector of cycles at work (175 ms at 5,000 Datastreams in one of fourteen lists).
    """

    def __init__(self, catalogue: Catalogue, store: ObservationStore) -> None:
        self._catalogue = catalogue
        self._store = store
        self._known: census.Census | None = None

    def of(self, stream: int) -> Interval | None:
        """phenomenonTime of one; None without Observations, and where an engine would read all to say it."""
        if (known := self._known) is None:
            known = self._known = self._taken()
        found = None
        for series in self._catalogue.series.get(("Datastream", stream), ()):
            at = int(np.searchsorted(known.datastream, series))
            if at < len(known) and known.datastream[at] == series:
                first, last = int(known.first[at]), int(known.last[at])
                found = (first, last) if found is None else (min(found[0], first), max(found[1], last))
        return None if found is None else Interval(instant(found[0]), instant(found[1]))

    def _taken(self) -> census.Census:
        if not census.is_known(self._store):
            return census.Census.empty()
        return census.take(self._store, self._catalogue.datastream_of.keys(), census.everything())


class Choosing:
    """Conditions on Observations of one answer, with the store's census and, where it sifts, its sieve."""

    def __init__(self, judge: Judge, store: ObservationStore) -> None:
        self._judge = judge
        self._store = store

    def choose(self, streams: Sequence[int], condition: Node | None) -> Chosen:
        """TooMuch where an engine would read too much to count."""
        return narrowed(choose(self._judge, streams, condition, self._count), sifting(self._store))

    def _count(self, ids: Iterable[int], period: Period) -> census.Census:
        wanted = list(ids)
        days = (period.end - period.start) / timedelta(days=1)
        if len(wanted) * min(days, _LIFETIME_DAYS) > _MOST_READ_DAYS and not census.is_known(self._store):
            raise TooMuch(
                "this engine counts only by reading; ask one Datastream or a shorter phenomenonTime"
            )
        return census.take(self._store, wanted, period)
