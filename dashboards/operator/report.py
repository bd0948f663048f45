"""What the platform says about itself: /api/v1/operations as typed words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class HeardBy:
    """A gateway that hears a device: how many of its last uplinks, and the newest signal."""

    gateway: str
    uplinks: int
    rssi_dbm: float | None
    snr_db: float | None


@dataclass(frozen=True, slots=True)
class DeviceState:
    """A LoRaWAN device; `last_received_at` is None while it has never been heard.

    `known` is False for one the radio hears and the register does not hold. `silent_after`: what
    the watch over rhythms and losses says, None before its first round. `recent_missing` of the
    last `recent_sent` frame counters nobody heard; `heard_by`: who heard most of them first.
    """

    dev_eui: str
    name: str
    known: bool
    expected_interval: timedelta
    last_received_at: datetime | None
    last_f_cnt: int
    uplinks: int
    duplicates: int
    lost: int
    silent_after: timedelta | None = None
    recent_sent: int = 0
    recent_missing: int = 0
    heard_by: Sequence[HeardBy] = ()


@dataclass(frozen=True, slots=True)
class GatewayState:
    """A gateway as receptions and its forwarder's statistics show it.

    `stat_interval` is None where no statistics are expected; `agent` is empty where it is not known.
    """

    gateway: str
    name: str
    last_received_at: datetime | None
    receptions: int
    agent: str = ""
    last_stat_at: datetime | None = None
    stat_interval: timedelta | None = None

    @property
    def last_sign(self) -> datetime | None:
        """The newest of both."""
        return max((one for one in (self.last_received_at, self.last_stat_at) if one), default=None)


@dataclass(frozen=True, slots=True)
class ModuleStream:
    """One Datastream of a wired sensor."""

    name: str
    interval: timedelta
    last_measured_at: datetime | None


@dataclass(frozen=True, slots=True)
class ModuleState:
    """A wired sensor of an agent: a pole's module."""

    agent: str
    sensor: str
    name: str
    streams: Sequence[ModuleStream]

    @property
    def last_sign(self) -> datetime | None:
        """The newest measurement of any of its Datastreams."""
        return max((one.last_measured_at for one in self.streams if one.last_measured_at), default=None)


@dataclass(frozen=True, slots=True)
class AgentState:
    """An edge agent: how far its messages have come, and when; None while it has never sent.

    `health` is what it last said of itself, by observed property (profile agent-health).
    """

    agent: str
    name: str
    highest_sequence: int | None
    last_sent_at: datetime | None
    last_journalled_at: datetime | None
    health: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SequenceGap:
    """Messages of an agent that have not come; `lost` when they never will."""

    agent: str
    first: int
    last: int
    noticed_at: datetime
    lost: bool

    @property
    def count(self) -> int:
        """How many are missing."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """A delivery nobody could use."""

    at: datetime
    way: str
    origin: str
    reason: str
    remedy: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class EventEntry:
    """Something that went wrong by itself being noticed; over once `closed_at` is known."""

    kind: str
    subject: str
    reason: str
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class WebhookCount:
    """How often the deliveries of one project ended in one way, and when last."""

    project: str
    outcome: str
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class MqttRefusal:
    """What a client of SensorThings by MQTT wanted and did not get."""

    at: datetime
    who: str
    origin: str
    wanted: str
    topic: str
    why: str


@dataclass(frozen=True, slots=True)
class MqttState:
    """SensorThings by MQTT since the API began; `trouble` is empty while subscribers are told."""

    trouble: str
    figures: Mapping[str, int]
    refusals: Sequence[MqttRefusal]


@dataclass(frozen=True, slots=True)
class Operations:
    """Everything at the moment `at`; `catching_up` names (kind, name) of those whose past is arriving."""

    at: datetime
    devices: Sequence[DeviceState]
    gateways: Sequence[GatewayState]
    agents: Sequence[AgentState]
    gaps: Sequence[SequenceGap]
    quarantine: int
    quarantined: Sequence[QuarantineEntry]
    counters: Mapping[str, int]
    conditions: Mapping[str, str]
    modules: Sequence[ModuleState] = ()
    catching_up: frozenset[tuple[str, str]] = frozenset()
    webhooks: Sequence[WebhookCount] = ()
    events: Sequence[EventEntry] = ()
    mqtt: MqttState | None = None
