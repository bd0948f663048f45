"""The GeoJSON and JSON of the interface for apps, made from what is known now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from udp.api import columns_json
from udp.api.mobile.reading import Present, Reading
from udp.api.mobile.spot import Spot, navigation
from udp.api.mobile.words import Kind, Text
from udp.sensorthings import CITIZEN_NOTICE, LISTED, Location, Thing

VERSION = "1"
Feature = dict[str, Any]


def feature(
    thing: Thing,
    kind: Kind,
    told: Present,
    readings: Sequence[Reading],
    *,
    said: dict[str, Any],
    text: Text,
    members: Sequence[Thing] = (),
) -> Feature:
    """One place, made of `members` where it is a site. `stand`: the oldest of what its words rest on;
    `gueltig_bis`: when one of it turns unknown."""
    return {
        "type": "Feature",
        "id": thing.key,
        "geometry": point(thing.location),
        "properties": {
            "id": thing.key,
            "name": thing.name,
            "art": kind,
            "ortsteil": thing.location.district_name,
            **said,
            "text": text._asdict(),
            "stand": moment(min((one.stand for one in readings), default=None)),
            "gueltig_bis": moment(min((one.until for one in readings), default=None)),
            "entfernung_m": None,
            "navigation": navigation(thing.location, thing.name),
            "simuliert": thing.simulated,
            "hinweis": _notice(told, thing, readings),
            "lizenz": licence(told, members or (thing,)),
        },
    }


def ordered(features: Iterable[Feature], at: Spot | None, limit: int | None) -> list[Feature]:
    """By distance from `at` and told so, else as they come; at most `limit`."""
    found = list(features)
    if at is not None:
        for one in found:
            longitude, latitude = one["geometry"]["coordinates"][:2]
            far = at.distance_m(Location(latitude, longitude, "", ""))
            one["properties"]["entfernung_m"] = round(far)
        found.sort(key=lambda one: (one["properties"]["entfernung_m"], one["id"]))
    return found[:limit]


def collection(features: Sequence[Feature], **more: Any) -> dict[str, Any]:
    """A FeatureCollection (RFC 7946) with the newest `stand` and the first `gueltig_bis` of its features."""
    told = [one["properties"] for one in features]
    return {
        "type": "FeatureCollection",
        "version": VERSION,
        "stand": max((one["stand"] for one in told if one["stand"]), default=None),
        "gueltig_bis": min((one["gueltig_bis"] for one in told if one["gueltig_bis"]), default=None),
        "simuliert": any(one["simuliert"] for one in told),
        "anzahl": len(features),
        **more,
        "features": list(features),
    }


def point(place: Location) -> dict[str, Any]:
    """Longitude first (RFC 7946)."""
    return {"type": "Point", "coordinates": [place.longitude, place.latitude]}


def moment(time: datetime | None) -> str | None:
    """ISO 8601 in UTC, whole seconds; all of one width, so that they compare as text."""
    return None if time is None else columns_json.time(time.replace(microsecond=0))


def licence(told: Present, things: Iterable[Thing]) -> str:
    """Under which the places and what is told of them may be used; empty for what is not open."""
    found = set()
    for thing in things:
        streams = told.view.of_thing.get(thing.key, ())
        found |= {one.licence for one in streams} | {str(thing.properties.get(LISTED, ""))}
    return ", ".join(sorted(found - {""}))


def _notice(told: Present, thing: Thing, readings: Sequence[Reading]) -> str:
    citizen = any(one.stream.id in told.view.citizens for one in readings)
    parts = [CITIZEN_NOTICE] if citizen else []
    if thing.simulated:
        parts.append("Simuliert, kein echter Messwert")
    return "; ".join(parts)
