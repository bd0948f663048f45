"""All settings of the virtual city; `edge.wire.settings.load` reads them from one TOML file."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge.wire.identifiers import GatewayEUI
from edge.wire.settings import Secret
from simulators.faults import DEFAULT_AMOUNT, Fault, kind_named

ENCODINGS = ("json", "protobuf", "mixed")
LONGEST_HISTORY = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Where the packet forwarder of one gateway sends; `eui` only to replace the seeded one."""

    name: str
    port: int
    host: str = "127.0.0.1"
    eui: str = ""

    def __post_init__(self) -> None:
        if self.eui:
            GatewayEUI.parse(self.eui)


@dataclass(frozen=True, slots=True)
class PoleSettings:
    """Where one pole's Modbus TCP server listens."""

    name: str
    port: int
    host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class WeatherServiceSettings:
    """Where the virtual weather service offers its forecasts."""

    port: int
    host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """The MQTT broker that ChirpStack and The Things Stack publish to."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str = ""
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """Ingest's HTTP door: webhooks of The Things Stack, and of ChirpStack where there is no broker."""

    url: str = "http://127.0.0.1:8081"
    project: str = "castrop-rauxel-buerger"
    chirpstack_key: Secret | None = None
    things_stack_key: Secret | None = None


@dataclass(frozen=True, slots=True)
class FaultSettings:
    """A fault from the start: `since` and `until` are ISO 8601 with offset; empty: always, for ever."""

    kind: str
    target: str
    since: str = ""
    until: str = ""
    amount: float | None = None

    def __post_init__(self) -> None:
        self.fault()

    def fault(self) -> Fault:
        """As the fault board knows it."""
        kind = kind_named(self.kind)
        return Fault(
            kind=kind,
            target=self.target,
            since=moment(self.since).timestamp() if self.since else 0.0,
            until=moment(self.until).timestamp() if self.until else None,
            amount=DEFAULT_AMOUNT.get(kind, 0.0) if self.amount is None else self.amount,
        )


@dataclass(frozen=True, slots=True)
class CitySettings:
    """The whole process.

    `history` is how far back the city begins, and how much of a time it was off is made up for.
    `since` and `until` (ISO 8601) fix the period instead. `speed` is how fast it plays while it is
    behind the present: 0 as fast as it is acknowledged, 60 an hour in a minute.
    """

    data_dir: Path
    seed: int = 1
    history: timedelta = timedelta(days=14)
    since: str = ""
    until: str = ""
    speed: float = 0.0
    chirpstack_encoding: str = "mixed"
    gateway: tuple[GatewaySettings, ...] = ()
    pole: tuple[PoleSettings, ...] = ()
    broker: BrokerSettings | None = None
    door: DoorSettings | None = None
    weather_service: WeatherServiceSettings | None = None
    fault: tuple[FaultSettings, ...] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        if self.chirpstack_encoding not in ENCODINGS:
            raise ValueError(
                f"chirpstack_encoding {self.chirpstack_encoding!r} is not one of {', '.join(ENCODINGS)}"
            )
        if not timedelta(0) <= self.history <= LONGEST_HISTORY:
            raise ValueError(f"history must be 0 to {LONGEST_HISTORY.days} days, in seconds")
        if self.speed < 0:
            raise ValueError("speed must be 0 (as fast as possible) or a positive factor")
        for text in (self.since, self.until):
            if text:
                moment(text)
        if self.since and self.until and moment(self.since) >= moment(self.until):
            raise ValueError(f"since {self.since} is not before until {self.until}")

    @property
    def state_file(self) -> Path:
        """Begin, time and frame counters."""
        return self.data_dir / "state.json"

    @property
    def faults_file(self) -> Path:
        """The control file of `udp-city fault`."""
        return self.data_dir / "faults.toml"


def moment(text: str) -> datetime:
    """An ISO 8601 time with offset (or Z) as UTC. ValueError if it has no offset."""
    read = datetime.fromisoformat(text)
    if read.tzinfo is None:
        raise ValueError(f"time {text!r} has no offset; write for example 2026-11-01T00:00:00+01:00")
    return read.astimezone(UTC)
