"""Set aside what cannot be used, with its bytes, the reason and what helps; nothing is thrown away."""

from __future__ import annotations

from edge.wire.instants import instant
from ingest.decode import Item, message_octets
from ingest.heard import Unusable
from ingest.journal import Entry
from udp.ledger.port import Quarantined


class StrangeAddresses:
    """Which unknown senders have been reported: a city's gateways hear every neighbour's devices, and
    one entry per address and day tells as much as ten thousand. The journal holds all the frames."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._reported: dict[tuple[bytes, int], None] = {}

    def is_news(self, address: bytes, received_at_us: int) -> bool:
        """Whether this address has not been reported on this day (UTC) yet."""
        key = (address, received_at_us // 86_400_000_000)
        if key in self._reported:
            return False
        self._reported[key] = None
        if len(self._reported) > self._capacity:
            self._reported.pop(next(iter(self._reported)))
        return True


def delivery(entry: Entry, problem: Unusable) -> Quarantined:
    """A whole delivery that nobody can read."""
    return part(entry, entry.octets, problem)


def message(item: Item, problem: Unusable) -> Quarantined:
    """One message of a delivery."""
    return part(item.entry, message_octets(item), problem)


def waiting(item: Item) -> Quarantined:
    """The entry a message has if it waits in the quarantine, to release it."""
    return part(item.entry, message_octets(item), Unusable("", ""))


def part(entry: Entry, octets: bytes, problem: Unusable) -> Quarantined:
    """Some bytes of a delivery."""
    return Quarantined(
        at=instant(entry.received_at),
        way=entry.way,
        origin=entry.origin,
        reason=problem.reason,
        remedy=problem.remedy,
        octets=octets,
    )
