"""What the register knows of an entity in the words of the standard (OGC 18-088, 8.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from udp.api.sensorthings.geometry import GeoJson, point
from udp.registry.written import Entity, Place
from udp.sensorthings import CITIZEN_NOTICE, Datastream, ObservedProperty, Thing, Unit

_GEOJSON = "application/geo+json"
_MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"


def content_of(entity: Entity) -> dict[str, Any]:
    """Its properties, geometries ready to be asked for."""
    found = dict(entity.content)
    for name in ("location", "feature", "observedArea"):
        if isinstance(found.get(name), dict):
            found[name] = GeoJson(found[name])
    return found


def at_place(thing: Thing, place: Place) -> Thing:
    """The Thing where it was then."""
    here = thing.location
    if place.latitude is None or place.longitude is None:
        return thing
    if (place.latitude, place.longitude) == (here.latitude, here.longitude):
        return thing
    # Which district it was is not kept.
    where = replace(
        here, latitude=place.latitude, longitude=place.longitude, elevation_m=place.elevation_m,
        district="", district_name="",
    )  # fmt: skip
    return replace(thing, location=where)


def _where(thing: Thing) -> dict[str, Any]:
    location = thing.location
    where: dict[str, Any] = {}
    if location.district:
        where = {"bezirk": location.district, "bezirk_name": location.district_name}
    return where if location.elevation_m is None else {**where, "hoehe_m": location.elevation_m}


def about_thing(thing: Thing, *, citizen: bool) -> dict[str, Any]:
    """Properties of a Thing."""
    return {
        "name": thing.name,
        "description": thing.description or thing.name,
        "properties": {
            **thing.properties,
            "key": thing.key,
            "kind": thing.kind,
            "theme": thing.theme,
            "simulated": thing.simulated,
            **_notice(citizen=citizen),
            **_where(thing),
        },
    }


def place_of(thing: Thing, name: str) -> dict[str, Any]:
    """Of a Location (`location`) or FeatureOfInterest (`feature`)."""
    return {
        "name": thing.name,
        "description": f"Standort von {thing.name}",
        "encodingType": _GEOJSON,
        name: point(thing.location.longitude, thing.location.latitude),
        "properties": _where(thing),
    }


def _notice(*, citizen: bool) -> dict[str, Any]:
    return {"citizen": True, "notice": CITIZEN_NOTICE} if citizen else {"citizen": False}


def about_datastream(
    stream: Datastream, thing: Thing, *, citizen: bool, how: dict[str, Any] | None
) -> dict[str, Any]:
    """Properties of a Datastream; `how` it is computed, where it is."""
    return {
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
    }


def _unit(unit: Unit) -> dict[str, str]:
    definition = f"https://ucum.org/ucum#{quote(unit.symbol, safe='')}"
    return {"name": unit.name, "symbol": unit.symbol, "definition": definition}


def about_sensor(name: str) -> dict[str, Any]:
    """Properties of a Sensor."""
    return {"name": name, "description": name, "encodingType": "text/html", "metadata": name}


def about_property(observed: ObservedProperty) -> dict[str, Any]:
    """Properties of an ObservedProperty."""
    return {
        "name": observed.name,
        "definition": observed.definition,
        "description": observed.name,
        "properties": {"key": observed.key},
    }
