"""What the parts of the platform tell one another: one frozen class per kind of message.

All times are aware and UTC. `received_at` is stamped once, by the first of our programs that
hears the message, and never again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from edge.wire.identifiers import DevEUI, GatewayEUI, f_cnt, f_port

FieldValue = bool | int | float | str
Fields = Mapping[str, FieldValue]

_NO_OFFSET = timedelta(0)


class Clock(IntEnum):
    """Whose clock stamped a time, best first; carried on the wire as this number."""

    GPS = 1
    NTP = 2
    SERVER = 3
    DEVICE = 4
    CORRECTED = 5
    UNKNOWN = 6


class CommandState(StrEnum):
    """Life of a command: it ends verified, expired or failed."""

    REQUESTED = "requested"
    APPROVED = "approved"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    VERIFIED = "verified"
    EXPIRED = "expired"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Reception:
    """One gateway hearing one frame; times differ by gateway, the uplink stays the same."""

    gateway: GatewayEUI | None
    gateway_name: str
    received_at: datetime
    rssi_dbm: float | None = None
    snr_db: float | None = None

    def __post_init__(self) -> None:
        utc(self.received_at)


@dataclass(frozen=True, slots=True)
class Record:
    """Named values of one moment; `at` is None for the moment of reception.

    Field names are the codec's; nested values are written with dots (`air.temperature`).
    """

    fields: Fields
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Uplink:
    """One application payload of a known device.

    Identity is (dev_eui, session, f_cnt); `session` is the DevAddr, or The Things Stack's
    session_key_id. `records` is what a codec made of the payload at the edge, None where nobody
    has decoded it yet: the raw payload always travels too.
    """

    dev_eui: DevEUI
    session: bytes
    f_cnt: int
    f_port: int
    payload: bytes
    received_at: datetime
    clock: Clock
    receptions: tuple[Reception, ...]
    data_rate: str | None = None
    frequency_hz: int | None = None
    records: tuple[Record, ...] | None = None
    codec: str | None = None

    def __post_init__(self) -> None:
        f_cnt(self.f_cnt)
        f_port(self.f_port)
        utc(self.received_at)

    @property
    def identity(self) -> bytes:
        """Sortable octets of (dev_eui, session, f_cnt), the key of deduplication."""
        return self.dev_eui + self.session + self.f_cnt.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class Frame:
    """A PHYPayload nobody at the edge holds a key for: it carries no DevEUI."""

    phy_payload: bytes
    received_at: datetime
    clock: Clock
    receptions: tuple[Reception, ...]
    data_rate: str | None = None
    frequency_hz: int | None = None

    def __post_init__(self) -> None:
        utc(self.received_at)


@dataclass(frozen=True, slots=True)
class Reading:
    """Values of a sensor wired to an agent, or of the agent itself; identity (agent, sensor, time)."""

    sensor: str
    phenomenon_time: datetime
    received_at: datetime
    clock: Clock
    fields: Fields

    def __post_init__(self) -> None:
        utc(self.phenomenon_time)
        utc(self.received_at)


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """The packet forwarder's own statistics (Semtech `stat` object), per its reporting interval."""

    gateway: GatewayEUI
    received_at: datetime
    clock: Clock
    packets_received: int
    packets_valid: int
    packets_forwarded: int
    acknowledged_percent: float
    downlinks_received: int
    packets_sent: int

    def __post_init__(self) -> None:
        utc(self.received_at)


@dataclass(frozen=True, slots=True)
class Command:
    """An order to an actuator behind an agent; not to be carried out after `expires_at`."""

    command_id: str
    target: str
    f_port: int
    payload: bytes
    expires_at: datetime

    def __post_init__(self) -> None:
        utc(self.expires_at)


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command, as far as the agent can know."""

    command_id: str
    state: CommandState
    at: datetime
    detail: str = ""

    def __post_init__(self) -> None:
        utc(self.at)


Message = Uplink | Frame | Reading | GatewayStatus | Command | CommandResult


@dataclass(frozen=True, slots=True)
class Envelope:
    """A run of messages as an agent sends it.

    `sequence` numbers the first message, the others follow without a gap. The numbers belong to
    one spool file (`spool`): a new file counts anew. Everything below `floor` has left the spool,
    confirmed or dropped: a gap down there will never close.
    """

    agent: str
    spool: bytes
    sequence: int
    floor: int
    sent_at: datetime
    messages: tuple[Message, ...]

    def __post_init__(self) -> None:
        utc(self.sent_at)
        if self.sequence < 1 or self.floor < 1:
            raise ValueError(f"agent {self.agent}: sequence numbers start at 1")


@dataclass(frozen=True, slots=True)
class Receipt:
    """The sequence ranges [first, last] of one spool that are durable with the receiver.

    Ranges, not a high-water mark: several ingest workers share a subscription and each vouches
    only for what it committed itself.
    """

    spool: bytes
    ranges: tuple[tuple[int, int], ...]


def utc(moment: datetime) -> datetime:
    """Return `moment` if it is aware and UTC, else raise ValueError."""
    if moment.utcoffset() != _NO_OFFSET:
        raise ValueError(f"{moment!r} must be timezone-aware UTC")
    return moment
