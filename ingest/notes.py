"""What a batch leaves for the ledger besides its values: who was heard, what was set aside, what waits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b

from edge.wire.messages import Uplink
from ingest.decode import Item
from ingest.heard import UPLINK, Empty, Unusable
from udp.ledger.port import Quarantined, SeenUplink, SequenceRun


@dataclass(slots=True)
class Notes:
    """What a batch leaves for the ledger besides its uplinks."""

    runs: list[SequenceRun] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)
    strangers: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    """Per address that no session vouches for, the first and the last row of the journal."""

    def set_aside(self, entry: Quarantined) -> None:
        """Into the quarantine."""
        self.quarantined.append(entry)
        self.counters["quarantined"] += 1

    def waits(self, address: bytes, row: int) -> None:
        """A frame at this row waits for its session."""
        self.strangers[address] = (self.strangers.get(address, (row,))[0], row)


def seen_uplink(item: Item) -> SeenUplink:
    """The delivery of one uplink, as the ledger keeps it."""
    heard = item.heard
    if not isinstance(heard, UPLINK):
        raise TypeError(f"{type(heard).__name__} is no uplink")
    return SeenUplink(
        identity=heard.identity,
        dev_eui=heard.dev_eui.hex().upper(),
        session=heard.session,
        f_cnt=heard.f_cnt,
        received_at=heard.received_at,
        way=item.way,
        receptions=heard.receptions,
        payload=_payload_digest(heard),
    )


def _payload_digest(heard: Uplink | Empty) -> bytes:
    content = heard.f_port.to_bytes(1, "big") + heard.payload if isinstance(heard, Uplink) else b""
    return blake2b(content, digest_size=8).digest()


def doubtful(seen: SeenUplink, why: str) -> Unusable:
    """A counter that went back, in words for those who know the device."""
    return Unusable(
        f"device {seen.dev_eui}: counter restarted or replayed: FCnt {seen.f_cnt} {why}",
        "if the device began to count anew (ABP after a new battery, or a counter of 16 bits after 65535), "
        "say so in the register (column zaehlerneustart, in a city file counter_reset = true) or in "
        "counter_resets of ingest's configuration, and replay from that day on; if it did not, somebody "
        "sends recorded frames",
    )
