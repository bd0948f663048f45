"""What exists and how a device's values become a Datastream's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edge.wire.identifiers import DevEUI
from udp.sensorthings import Datastream, Thing


@dataclass(frozen=True, slots=True)
class Channel:
    """How one field of a codec becomes a Datastream: result = scale * value + offset, then judged.

    Limits are in the Datastream's unit; None switches a check off. `stuck_after_s`: suspect when
    the value has not moved at all for this long.
    """

    datastream: int
    field: str
    scale: float = 1.0
    offset: float = 0.0
    minimum: float | None = None
    maximum: float | None = None
    max_step: float | None = None
    stuck_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """A LoRaWAN end device: where its payload is decoded and where its values go.

    `counter_reset`: its FCnt may begin at 0 again within a session (ABP after a new battery, or a
    counter of 16 bits after 65,535).
    """

    dev_eui: DevEUI
    thing: str
    profile: str
    codec: str
    channels: tuple[Channel, ...]
    expected_interval_s: float
    citizen: bool = False
    counter_reset: bool = False


@dataclass(frozen=True, slots=True)
class WiredSensor:
    """A sensor of an agent (pole module, the agent's health, the gateway's statistics)."""

    agent: str
    sensor: str
    thing: str
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class Derivation:
    """How a Datastream is computed from others: which formula in which version, after whom.

    `inputs` are Datastream ids; who may know the derived one may know them all.
    """

    formula: str
    version: str
    source: str
    inputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything at one version; immutable, so a pipeline keeps it until the version moves on.

    `derived`: of the Datastreams those that are computed (udp.derived), with what from.
    """

    version: int
    things: Mapping[str, Thing]
    datastreams: Mapping[int, Datastream]
    devices: Mapping[DevEUI, Device]
    wired: Mapping[tuple[str, str], WiredSensor]
    derived: Mapping[int, Derivation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """What an import did, counted by Thing, Datastream and device."""

    added: int
    changed: int
    unchanged: int
    retired: int


class Registry(Protocol):
    """The register of the city; SQLite or PostgreSQL behind it."""

    def version(self) -> int:
        """Grows with every change; cheap enough to ask every second. RegistryUnavailable if it is away."""

    def inventory(self) -> Inventory:
        """Everything, at one version."""

    def import_city(self, city: CityDescription) -> Changes:
        """Make the register hold `city`; repeating changes nothing. Datastream ids never move;
        what is no longer described is retired, not deleted: its Observations stay. What the device
        register speaks for (udp.devices) stays as it is, and so does a Thing its devices hang on.
        ConfigurationError if `city` measures again what a device of the register measures."""

    def close(self) -> None:
        """Release connections."""


@dataclass(frozen=True, slots=True)
class CityDescription:
    """What a city file says, already checked (udp.registry.city_file reads it).

    Datastream ids do not exist yet: `Datastream.id` and `Channel.datastream` hold the position in
    `datastreams`; the registry replaces them by ids it gives by (thing key, datastream key).
    """

    name: str
    simulated: bool
    things: tuple[Thing, ...]
    datastreams: tuple[Datastream, ...]
    devices: tuple[Device, ...]
    wired: tuple[WiredSensor, ...]
