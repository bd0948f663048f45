"""What a door can hear besides a full Uplink: things worth a note, and things nobody can use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from edge.wire.identifiers import DevAddr, DevEUI, f_cnt
from edge.wire.messages import Frame, GatewayStatus, Reading, Reception, Uplink


class Unusable(Exception):
    """A delivery, or one message of it, that goes to the quarantine: what is wrong and what helps."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Empty:
    """A frame without application payload (FPort 0 or none): its counter is heard, nothing is measured."""

    dev_eui: DevEUI
    session: bytes
    f_cnt: int
    received_at: datetime
    receptions: tuple[Reception, ...]

    def __post_init__(self) -> None:
        f_cnt(self.f_cnt)

    @property
    def identity(self) -> bytes:
        """As Uplink.identity."""
        return self.dev_eui + self.session + self.f_cnt.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class Joined:
    """A device has a new session; its keys come with the sessions file."""

    dev_eui: DevEUI
    dev_addr: DevAddr


@dataclass(frozen=True, slots=True)
class Noted:
    """An event that is counted and kept in the journal, e.g. `status`, `ack`, `log_error`."""

    kind: str


UPLINK = (Uplink, Empty)
"""What is heard of a device we know, for `isinstance`: there a union in the call is made anew each time."""
Heard = Uplink | Empty | Frame | Reading | GatewayStatus | Joined | Noted
EMPTY_PORTS = (0, 224)  # the MAC layer, and the test protocol
