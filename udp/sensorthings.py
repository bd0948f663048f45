"""The entities of OGC SensorThings 1.1 (OGC 18-088), as the platform holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class Quality(IntEnum):
    """How far an Observation may be trusted; kept in the store as this number."""

    UNCHECKED = 0
    GOOD = 1
    SUSPECT = 2
    BAD = 3


class QualityRule(IntEnum):
    """What set the quality; kept in the store as this number."""

    NONE = 0
    PASSED = 1
    RANGE = 2
    STEP = 3
    STUCK = 4
    SILENCE = 5
    CLOCK = 6
    NEIGHBOUR = 7
    DRY_PROBE = 8
    PERSON = 9
    CITIZEN = 10
    WITHDRAWN = 11
    """The value came from a decoder since corrected, which makes none of the same message."""
    NO_NUMBER = 12
    """What was written is a text or an object; the store keeps its place, SensorThings tells it."""


CITIZEN_NOTICE = "Bürgersensor, ungeprüft"
"""Stands with every value of a citizen's sensor wherever it leaves the platform."""

LISTED = "listed_under_licence"
"""The property of a Thing without sensors whose place the city file opens: under which licence."""


class Access(StrEnum):
    """Who may see a Datastream."""

    OPEN = "open"
    INTERNAL = "internal"
    RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True)
class Unit:
    """Unit of measurement: `symbol` is the UCUM code, `name` is German for people."""

    symbol: str
    name: str


@dataclass(frozen=True, slots=True)
class ObservedProperty:
    """What is measured, e.g. `air_temperature`; `name` is German."""

    key: str
    name: str
    definition: str


@dataclass(frozen=True, slots=True)
class Location:
    """A WGS 84 point (EPSG:4326) with the district it lies in."""

    latitude: float
    longitude: float
    district: str
    district_name: str
    elevation_m: float | None = None

    def __post_init__(self) -> None:
        if not (-90 <= self.latitude <= 90 and -180 <= self.longitude <= 180):
            raise ValueError(f"latitude {self.latitude}, longitude {self.longitude} is no place on Earth")


@dataclass(frozen=True, slots=True)
class Thing:
    """A bin, a pole, a stream gauge: what people point at. `key` is stable for ever."""

    key: str
    name: str
    kind: str
    theme: str
    location: Location
    simulated: bool
    description: str = ""
    properties: Mapping[str, str | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Datastream:
    """One ObservedProperty of one Thing by one Sensor; `id` is what the store knows it by."""

    id: int
    key: str
    name: str
    thing: str
    sensor: str
    observed_property: ObservedProperty
    unit: Unit
    access: Access
    exemption: str | None
    licence: str
    expected_interval_s: float
