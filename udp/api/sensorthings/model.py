"""The entity types of the standard (OGC 18-088, 8.2): their properties and how they hang together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from udp.api.problems import BadQuery, NotOffered
from udp.api.sensorthings.syntax import Path


@dataclass(frozen=True, slots=True)
class EntityType:
    """`links`: navigation property -> (entity type, whether to many)."""

    name: str
    set: str
    properties: tuple[str, ...]
    links: Mapping[str, tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class Reference:
    """A path taken apart: links to follow, the property there, and keys within its JSON."""

    links: tuple[str, ...]
    name: str
    keys: tuple[str, ...]


def _type(name: str, set_: str, properties: str, **links: str) -> EntityType:
    ways = {link: (target.rstrip("*"), target.endswith("*")) for link, target in links.items()}
    return EntityType(name, set_, tuple(properties.split()), ways)


TYPES: Mapping[str, EntityType] = {
    one.name: one
    for one in (
        _type(
            "Thing", "Things", "name description properties",
            Locations="Location*", HistoricalLocations="HistoricalLocation*", Datastreams="Datastream*",
        ),
        _type(
            "Location", "Locations", "name description encodingType location properties",
            Things="Thing*", HistoricalLocations="HistoricalLocation*",
        ),
        _type("HistoricalLocation", "HistoricalLocations", "time", Thing="Thing", Locations="Location*"),
        _type(
            "Datastream", "Datastreams",
            "name description observationType unitOfMeasurement observedArea phenomenonTime resultTime "
            "properties",
            Thing="Thing", Sensor="Sensor", ObservedProperty="ObservedProperty", Observations="Observation*",
        ),
        _type(
            "Sensor", "Sensors", "name description encodingType metadata properties",
            Datastreams="Datastream*",
        ),
        _type(
            "ObservedProperty", "ObservedProperties", "name definition description properties",
            Datastreams="Datastream*",
        ),
        _type(
            "Observation", "Observations",
            "phenomenonTime resultTime result resultQuality validTime parameters",
            Datastream="Datastream", FeatureOfInterest="FeatureOfInterest",
        ),
        _type(
            "FeatureOfInterest", "FeaturesOfInterest", "name description encodingType feature properties",
            Observations="Observation*",
        ),
    )
}  # fmt: skip
SETS: Mapping[str, EntityType] = {one.set: one for one in TYPES.values()}
IDENTIFIERS = frozenset({"id", "@iot.id"})
_JSON = frozenset(
    {"properties", "location", "feature", "unitOfMeasurement", "resultQuality", "parameters", "result",
     "metadata", "observedArea"}
)  # fmt: skip


def refer(type_name: str, path: Path, *, observations: bool = False) -> Reference:
    """What `path` means from an entity of this type. BadQuery for what the standard does not know.

    `observations`: whether it may end at the Observations of other entities."""
    kind, links = TYPES[type_name], list[str]()
    rest = list(path.segments)
    if len(rest) > 1 and rest[0] in (kind.name, kind.set) and rest[0] not in kind.links:
        # Masterportal also writes the name of the set that is asked before its own properties.
        rest.pop(0)
    while rest and rest[0] in kind.links:
        links.append(rest.pop(0))
        kind = TYPES[kind.links[links[-1]][0]]
        if kind.name == "Observation":
            if observations and rest and rest[0] not in kind.links:
                break
            raise NotOffered(
                f"{path}: only conditions may ask for Observations of other entities, and only for their own "
                "properties; ask /Observations instead"
            )
    name = rest.pop(0) if rest else ""
    if name == "@iot.selfLink" or (name not in kind.properties and name not in IDENTIFIERS):
        raise BadQuery(
            f"{path}: {kind.name} has no property {name!r}; it has id, {', '.join(kind.properties)}"
        )
    if rest and name not in _JSON:
        raise BadQuery(f"{path}: {name} has no parts")
    return Reference(tuple(links), "id" if name in IDENTIFIERS else name, tuple(rest))
