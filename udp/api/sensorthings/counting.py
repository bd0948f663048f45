"""What the census says for one answer: which Datastreams hold something of what is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from udp.api.problems import TooMuch
from udp.api.sensorthings.evaluation import Judge
from udp.api.sensorthings.narrowing import narrowed
from udp.api.sensorthings.selection import Chosen, choose
from udp.api.sensorthings.syntax import Node
from udp.store import census
from udp.store.columns import Period
from udp.store.port import ObservationStore
from udp.store.sieve import sifting

# For engines without a census: two years of ten Datastreams may be read to count them.
_MOST_READ_DAYS = 7_500
_LIFETIME_DAYS = 730


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
