"""What is known about deliveries, beside the values themselves: the memory of deduplication, every
reception, freshness per device and gateway, sequence gaps, quarantine and counters.

Ingest writes it, the API and the operator page read it, in other processes at any time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from edge.wire.messages import Reception


class SeenUplink(NamedTuple):
    """One delivery of an uplink; `way` is edge, chirpstack, things_stack or replay.

    `identity` = Uplink.identity. `received_at` is the stamp of this delivery. `payload`: a digest of
    what was sent, b"" if nobody knows. `also`: identities under which the ledger may know this very
    transmission already; then it is noted under that one.
    """

    identity: bytes
    dev_eui: str
    session: bytes
    f_cnt: int
    received_at: datetime
    way: str
    receptions: tuple[Reception, ...]
    payload: bytes = b""
    also: tuple[bytes, ...] = ()


class Remembered(NamedTuple):
    """The first delivery of an uplink: its stamp and the digest of its payload (b"": unknown)."""

    received_at: datetime
    payload: bytes


class SessionCounter(NamedTuple):
    """How far a session's FCnt has come; `forgotten` is the highest one whose memory was dropped, or -1.

    An uplink that is not remembered and lies above `forgotten` was never noted before.
    """

    highest: int
    forgotten: int


SessionKey = tuple[str, bytes]
"""(DevEUI as text, session)"""


class WaitingFrames(NamedTuple):
    """Rows [first, last] of a journal hold frames by `dev_addr` that no session vouched for."""

    dev_addr: bytes
    journal: str
    first: int
    last: int


class SequenceRun(NamedTuple):
    """Messages [first, last] of one agent's spool have reached the journal; `floor` as in Envelope."""

    agent: str
    spool: bytes
    first: int
    last: int
    floor: int
    sent_at: datetime
    journalled_at: datetime


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A delivery, or one message of it, that could not be used: its bytes and the reason."""

    at: datetime
    way: str
    origin: str
    reason: str
    remedy: str
    octets: bytes


class PacketOutcome(StrEnum):
    """What became of one delivery to the door of a project."""

    STORED = "stored"
    NOTHING = "nothing"
    """Understood, and nothing in it that the project measures."""
    DUPLICATE = "duplicate"
    SET_ASIDE = "set_aside"
    WRONG_KEY = "wrong_key"
    TOO_LARGE = "too_large"
    NOT_READABLE = "not_readable"
    TOO_OFTEN = "too_often"
    NOT_APPROVED = "not_approved"
    CONNECTION = "connection"
    """No packet: what the project's MQTT server said to us."""


class PacketValue(NamedTuple):
    """What the codec said, and what became of it: no Datastream, no Observation."""

    field: str
    said: str
    datastream: int | None = None
    result: float | None = None
    quality: int | None = None


@dataclass(frozen=True, slots=True)
class Packet:
    """One delivery to a project's door, kept for the people who try to find out why nothing arrives."""

    at: datetime
    project: str
    outcome: PacketOutcome
    detail: str = ""
    dev_eui: str = ""
    f_cnt: int | None = None
    f_port: int | None = None
    size: int = 0
    values: tuple[PacketValue, ...] = ()


@dataclass(frozen=True, slots=True)
class PacketCount:
    """How often one project's deliveries ended in one way, and when last."""

    project: str
    outcome: PacketOutcome
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Everything one pipeline step learned; written in one transaction.

    `cursor` names how far the journal has been handled (journal name, row id), so that a crash
    repeats a step and never skips one; a page whose cursor is already reached changes nothing.
    `counters` are added to. `gauges` and `conditions` (what is wrong now; an empty text ends it)
    replace what the same `worker` said before; Report adds up what all workers say. `released`
    entries leave the quarantine: they could be used after all. `frames` wait for a session;
    `wanted` addresses have one now, as far as this worker knows; `taken_up` frames need to wait no
    longer; `unopened` ones were looked at and wait on, until their address is wanted anew. `packets`:
    the newest of each project are kept, all are counted.
    """

    uplinks: Sequence[SeenUplink] = ()
    runs: Sequence[SequenceRun] = ()
    quarantined: Sequence[Quarantined] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    cursor: tuple[str, int] | None = None
    gauges: Mapping[str, int] = field(default_factory=dict)
    conditions: Mapping[str, str] = field(default_factory=dict)
    released: Sequence[Quarantined] = ()
    packets: Sequence[Packet] = ()
    worker: str = ""
    frames: Sequence[WaitingFrames] = ()
    wanted: Collection[bytes] = ()
    taken_up: Sequence[WaitingFrames] = ()
    unopened: Sequence[WaitingFrames] = ()


@dataclass(frozen=True, slots=True)
class DeviceFreshness:
    """A device as its uplinks show it; `lost` counts the FCnt never heard within its sessions.

    `duplicates` are further deliveries that told something new (another gateway, way or moment);
    a delivery repeated word for word counts in the counters only.
    """

    dev_eui: str
    last_received_at: datetime
    last_f_cnt: int
    uplinks: int
    duplicates: int
    lost: int


@dataclass(frozen=True, slots=True)
class GatewayFreshness:
    """A gateway as receptions show it."""

    gateway: str
    last_received_at: datetime
    receptions: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Sequence numbers [first, last] of an agent that have not come.

    `lost` is True when the agent no longer holds them: they will never come.
    """

    agent: str
    first: int
    last: int
    noticed_at: datetime
    lost: bool


@dataclass(frozen=True, slots=True)
class AgentProgress:
    """How far an agent's spool has come, and how its clock stood against ours when it last sent."""

    agent: str
    highest_sequence: int
    last_sent_at: datetime
    last_journalled_at: datetime


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One ingest worker: when it last said anything, and its own figures."""

    worker: str
    reported_at: datetime
    gauges: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole ledger in figures, for the operator page and /metrics.

    `conditions`: what is wrong now, in words that name the thing and the remedy, by subject
    (`store`, `journal`, `broker`, ...); empty when all is well. `counters` hold the gauges too:
    messages and bytes of all workers added up, of everything else the largest.
    """

    devices: Sequence[DeviceFreshness]
    gateways: Sequence[GatewayFreshness]
    agents: Sequence[AgentProgress]
    gaps: Sequence[Gap]
    quarantine: int
    counters: Mapping[str, int]
    conditions: Mapping[str, str] = field(default_factory=dict)
    packets: Sequence[PacketCount] = ()
    workers: Sequence[WorkerState] = ()


class Ledger(Protocol):
    """SQLite or PostgreSQL behind it; several ingest workers may share one.

    Every method raises StoreUnavailable when it cannot answer now. `write` raises StoreRejected for a page
    with something the database can never hold (PostgreSQL: a NUL in a text).
    """

    def remembered(self, identities: Sequence[bytes]) -> Mapping[bytes, Remembered]:
        """The delivery under which each known identity was first handled; unknown ones are absent."""

    def session_counters(self, sessions: Sequence[SessionKey]) -> Mapping[SessionKey, SessionCounter]:
        """How far the FCnt of these sessions have come; sessions never heard of are absent."""

    def write(self, page: Page) -> None:
        """All or none, durable on return. Repeating a page adds nothing twice except counters,
        and not even those when it carries a cursor."""

    def cursor(self, journal: str) -> int:
        """The last handled row id of this journal; 0 before the first."""

    def journals(self) -> Sequence[str]:
        """Every journal that ever had a cursor, of all workers."""

    def wanted_frames(self, journals: Sequence[str]) -> Sequence[WaitingFrames]:
        """Frames in these journals whose address has been wanted since they were noted."""

    def others(self, worker: str) -> Collection[str]:
        """The names of all other workers that have ever said anything here and are not retired."""

    def report(self) -> Report:
        """All figures at one moment."""

    def receptions(self, identity: bytes) -> Sequence[tuple[str, Reception]]:
        """Every reception of one uplink with its way, by time: which gateway heard it, how well."""

    def close(self) -> None:
        """Release connections."""


class QuarantineReader(Protocol):
    """The quarantine for people and for a replay."""

    def quarantined(self, limit: int) -> Sequence[Quarantined]:
        """At most `limit` entries, newest first."""

    def quarantined_between(self, first: datetime, last: datetime) -> Collection[bytes]:
        """The digests (udp.ledger.quarantining.digest) of the entries of this time, both ends included."""


class PacketReader(Protocol):
    """The doors of projects, for those whose projects they are."""

    def packets(self, project: str, limit: int) -> Sequence[Packet]:
        """The project's newest deliveries, newest first; no more than are kept (`PACKETS_KEPT`)."""


PACKETS_KEPT = 20
