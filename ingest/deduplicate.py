"""Recognise uplinks we have already handled, whichever gateway, way or replay brings them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime

from udp.ledger.port import Ledger, Page, SeenUplink


class Deduplicator:
    """The ledger's memory, with the latest identities kept at hand.

    Nothing is remembered before `remember` is called, when the ledger has it: a crash in between
    repeats the work and never skips it.
    """

    def __init__(self, ledger: Ledger, *, shared: bool = False, capacity: int = 100_000) -> None:
        """`shared`: several pipelines write this ledger. `capacity`: identities kept in memory."""
        self._ledger = ledger
        self._shared = shared
        self._capacity = capacity
        self._recent: OrderedDict[bytes, None] = OrderedDict()

    def firsts(self, seen: Sequence[SeenUplink]) -> list[bool]:
        """For each delivery, in order, whether it is the one that counts for its uplink."""
        done = {one.identity for one in seen if one.identity in self._recent}
        unsure = [one for one in seen if one.identity not in done]
        known = self._ledger.first_received([one.identity for one in unsure])
        if self._shared:
            known = self._claimed(unsure, known)
        found: list[bool] = []
        for one in seen:
            # Shared: known under this very time means claimed by us, perhaps before a crash.
            first = one.identity not in done and (
                known[one.identity] == one.received_at if self._shared else one.identity not in known
            )
            if first:
                done.add(one.identity)
            found.append(first)
        return found

    def remember(self, seen: Sequence[SeenUplink]) -> None:
        """The ledger has these now."""
        recent = self._recent
        recent.update((one.identity, None) for one in seen)
        while len(recent) > self._capacity:
            recent.popitem(last=False)

    def _claimed(
        self, seen: Sequence[SeenUplink], known: Mapping[bytes, datetime]
    ) -> Mapping[bytes, datetime]:
        """Enter what nobody knows before it is stored: the ledger lets one of several workers be first."""
        claims = [one for one in seen if one.identity not in known]
        if not claims:
            return known
        self._ledger.write(Page(uplinks=claims))
        return {**known, **self._ledger.first_received([one.identity for one in claims])}
