"""The entities of one caller's view with their ids and relations; made once per version of the register.

Ids. A Datastream keeps its number in the register. Things, Locations, Sensors, ObservedProperties and
FeaturesOfInterest have none there, but keys that are stable for ever: their id is a hash of kind and
key, 52 bits, so that it is the same after export and import, tells nothing of how many there are, and
passes through JavaScript unharmed (whole numbers are exact to 2^53). Two keys with one hash are kept
apart in the order of the keys of the whole register, so that every caller sees the same id.
An Observation is (datastream, phenomenon time, lead): together more than 53 bits, hence a text.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from udp.api.representations import derived
from udp.api.sensorthings.geometry import point
from udp.api.sensorthings.model import TYPES
from udp.api.view import View
from udp.registry.port import Inventory
from udp.sensorthings import CITIZEN_NOTICE, Datastream, ObservedProperty, Thing, Unit

_GEOJSON = "application/geo+json"
_MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
_ID_BITS = 52


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One entity but for Observations: its JSON properties and the ids it is linked with."""

    kind: str
    id: int
    properties: Mapping[str, Any]
    links: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """`records`: entity type -> id -> entity, ascending by id.

    `streams`: FeatureOfInterest -> Datastreams; `feature_of`: the way back. `citizens`: Datastreams that
    citizens measure.
    """

    records: Mapping[str, Mapping[int, Record]]
    streams: Mapping[int, tuple[int, ...]]
    feature_of: Mapping[int, int]
    citizens: frozenset[int] = frozenset()

    def follow(self, record: Record, link: str) -> list[Record]:
        """What `link` leads to, ascending by id."""
        target = self.records[TYPES[record.kind].links[link][0]]
        return [target[number] for number in record.links.get(link, ())]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Ids of everything that has a key in the register: (entity type, key) -> id."""

    of: Mapping[tuple[str, str], int]


def numbers(inventory: Inventory) -> Numbers:
    """Given from the whole register, whoever asks."""
    streams = inventory.datastreams.values()
    keys = {
        *((kind, key) for key in inventory.things for kind in ("Thing", "Location", "FeatureOfInterest")),
        *(("Sensor", one.sensor) for one in streams),
        *(("ObservedProperty", one.observed_property.key) for one in streams),
    }
    given: dict[tuple[str, str], int] = {}
    taken: set[tuple[str, int]] = set()
    for kind, key in sorted(keys):
        number = int.from_bytes(blake2b(f"{kind}\0{key}".encode(), digest_size=8).digest()) >> (64 - _ID_BITS)
        while (kind, number) in taken:
            number = (number + 1) % (1 << _ID_BITS)
        taken.add((kind, number))
        given[kind, key] = number
    return Numbers(MappingProxyType(given))


def build(view: View, ids: Numbers) -> Catalogue:
    """All entities of what the caller may know as it was measured.

    A Datastream that may leave in coarse steps only is left out: this interface gives single values at
    their own times, and a filter on them would tell what rounding hides. /api/v1 gives its steps.
    """
    view = _as_measured(view)
    records: dict[str, dict[int, Record]] = {name: {} for name in TYPES if name != "Observation"}
    for thing in view.things.values():
        for record in _of_thing(thing, view.of_thing[thing.key], ids, view.citizens):
            records[record.kind][record.id] = record
    by_sensor: dict[str, list[int]] = {}
    by_property: dict[str, tuple[ObservedProperty, list[int]]] = {}
    for stream in view.datastreams.values():
        records["Datastream"][stream.id] = _datastream(
            stream,
            view.things[stream.thing],
            ids,
            citizen=stream.id in view.citizens,
            how=derived(stream.id, view.derived),
        )
        by_sensor.setdefault(stream.sensor, []).append(stream.id)
        key = stream.observed_property.key
        by_property.setdefault(key, (stream.observed_property, []))[1].append(stream.id)
    for name, streams in by_sensor.items():
        number = ids.of["Sensor", name]
        records["Sensor"][number] = _sensor(number, name, streams)
    for key, (observed, streams) in by_property.items():
        number = ids.of["ObservedProperty", key]
        records["ObservedProperty"][number] = _observed_property(number, observed, streams)
    return Catalogue(
        {kind: dict(sorted(of_kind.items())) for kind, of_kind in records.items()},
        {
            ids.of["FeatureOfInterest", key]: tuple(sorted(one.id for one in streams))
            for key, streams in view.of_thing.items()
        },
        {one.id: ids.of["FeatureOfInterest", one.thing] for one in view.datastreams.values()},
        view.citizens,
    )


def _as_measured(view: View) -> View:
    if not view.finest:
        return view
    kept = {number: one for number, one in view.datastreams.items() if number not in view.finest}
    groups = {
        key: tuple(one for one in group if one.id in kept)
        for key, group in view.of_thing.items()
        if any(one.id in kept for one in group)
    }
    things = {key: view.things[key] for key in groups}
    return replace(view, things=things, datastreams=kept, of_thing=groups, finest={})


def _of_thing(
    thing: Thing, streams: Collection[Datastream], ids: Numbers, citizens: frozenset[int]
) -> list[Record]:
    number, place = ids.of["Thing", thing.key], ids.of["Location", thing.key]
    feature = ids.of["FeatureOfInterest", thing.key]
    location = thing.location
    where = {"bezirk": location.district, "bezirk_name": location.district_name}
    if location.elevation_m is not None:
        where = {**where, "hoehe_m": location.elevation_m}  # type: ignore[dict-item]
    about = {"name": thing.name, "description": f"Standort von {thing.name}", "encodingType": _GEOJSON}
    at = point(location.longitude, location.latitude)
    return [
        Record(
            "Thing",
            number,
            {
                "name": thing.name,
                "description": thing.description or thing.name,
                "properties": {
                    **thing.properties,
                    "key": thing.key,
                    "kind": thing.kind,
                    "theme": thing.theme,
                    "simulated": thing.simulated,
                    **_notice(citizen=any(one.id in citizens for one in streams)),
                    **where,
                },
            },
            {
                "Locations": (place,),
                "HistoricalLocations": (),
                "Datastreams": tuple(sorted(one.id for one in streams)),
            },
        ),
        Record(
            "Location",
            place,
            {**about, "location": at, "properties": where},
            {"Things": (number,), "HistoricalLocations": ()},
        ),
        Record("FeatureOfInterest", feature, {**about, "feature": at, "properties": where}, {}),
    ]


def _notice(*, citizen: bool) -> dict[str, Any]:
    return {"citizen": True, "notice": CITIZEN_NOTICE} if citizen else {"citizen": False}


def _datastream(
    stream: Datastream, thing: Thing, ids: Numbers, *, citizen: bool, how: dict[str, Any] | None
) -> Record:
    return Record(
        "Datastream",
        stream.id,
        {
            "name": f"{stream.name}, {thing.name}",
            "description": f"{stream.observed_property.name} an {thing.name}",
            "observationType": _MEASUREMENT,
            "unitOfMeasurement": _unit(stream.unit),
            "properties": {
                "key": stream.key,
                "type": stream.name,
                "zugriff": stream.access.value,
                "lizenz": stream.licence,
                "expected_interval_s": stream.expected_interval_s,
                "simulated": thing.simulated,
                **_notice(citizen=citizen),
                "theme": thing.theme,
                "bezirk": thing.location.district,
                **({"derived": how} if how else {}),
            },
        },
        {
            "Thing": (ids.of["Thing", stream.thing],),
            "Sensor": (ids.of["Sensor", stream.sensor],),
            "ObservedProperty": (ids.of["ObservedProperty", stream.observed_property.key],),
        },
    )


def _unit(unit: Unit) -> dict[str, str]:
    definition = f"https://ucum.org/ucum#{quote(unit.symbol, safe='')}"
    return {"name": unit.name, "symbol": unit.symbol, "definition": definition}


def _sensor(number: int, name: str, streams: list[int]) -> Record:
    properties = {"name": name, "description": name, "encodingType": "text/html", "metadata": name}
    return Record("Sensor", number, properties, {"Datastreams": tuple(sorted(streams))})


def _observed_property(number: int, observed: ObservedProperty, streams: list[int]) -> Record:
    properties = {
        "name": observed.name,
        "definition": observed.definition,
        "description": observed.name,
        "properties": {"key": observed.key},
    }
    return Record("ObservedProperty", number, properties, {"Datastreams": tuple(sorted(streams))})
