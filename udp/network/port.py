"""What the platform asks of a network server beside provisioning: to bring octets down to a device."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from edge.wire.identifiers import DevEUI, f_port
from udp.errors import PlatformError

_LONGEST = 222  # LoRaWAN RP002-1.0.4, EU868, DR4-DR7: the most any data rate carries


class NetworkUnavailable(PlatformError):
    """The network server did not answer; the same call may be repeated later."""


class NetworkUncertain(NetworkUnavailable):
    """The answer was lost: what was asked for may have been done. Look before repeating."""


class NetworkRefused(PlatformError):
    """The network server answered and will not do it; repeating is useless."""


@dataclass(frozen=True, slots=True)
class Downlink:
    """Octets for one device. `expires_at` (aware): worthless afterwards, dropped by the network server."""

    dev_eui: DevEUI
    f_port: int
    payload: bytes
    confirmed: bool = False
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        f_port(self.f_port)
        if not 1 <= len(self.payload) <= _LONGEST:
            raise ValueError(f"a downlink carries 1 to {_LONGEST} octets, not {len(self.payload)}")
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise ValueError(f"expires_at {self.expires_at} has no time zone; give an aware time")


@dataclass(frozen=True, slots=True)
class QueuedDownlink:
    """What waits for a device, whoever put it there.

    `pending`: it was sent under `f_cnt_down` and its acknowledgement is awaited.
    """

    id: str
    f_port: int
    payload: bytes
    confirmed: bool
    expires_at: datetime | None
    pending: bool
    f_cnt_down: int | None


class DownlinkQueue(Protocol):
    """The queue the network server keeps for each device; a class A device empties it after its uplinks.

    Every call may raise NetworkUnavailable (repeat later) and NetworkRefused (unknown device, no permission).
    """

    def enqueue(self, downlink: Downlink, *, replace: bool = False) -> str:
        """Put it last in its device's queue; the queue's name for it. `replace`: instead of all that wait
        and were not yet sent.

        Never repeated by itself: a valve must not be opened twice. NetworkUncertain if the answer was lost;
        `waiting` tells."""

    def flush(self, dev_eui: DevEUI) -> None:
        """Forget everything that waits for the device, sent or not; an empty queue is no error."""

    def waiting(self, dev_eui: DevEUI) -> tuple[QueuedDownlink, ...]:
        """What waits, oldest first."""
