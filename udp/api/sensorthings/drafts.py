"""From a body of JSON to a checked draft of entities: every property known, every mandatory one there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shapely import get_num_coordinates
from shapely.errors import ShapelyError
from shapely.geometry import shape

from udp.api import strict_json
from udp.api.problems import BadEntity, BodyTooLarge
from udp.api.sensorthings.model import TYPES

_GEOJSON = ("application/geo+json", "application/vnd.geo+json")
_IGNORED = {"Datastream": {"phenomenonTime", "resultTime"}}
_MOST_POINTS = 10_000
_LARGEST = 1e300


@dataclass(frozen=True, slots=True)
class Draft:
    """An entity as somebody wants it. `links`: what it is linked with, by id or as drafts of their own."""

    kind: str
    properties: Mapping[str, Any]
    links: Mapping[str, tuple[Draft | int | str, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class Room:
    """How many entities one body may still hold."""

    entities: int = 1_000
    observations: int = 50_000

    def take(self, kind: str) -> None:
        """BodyTooLarge when it is full."""
        if kind == "Observation":
            self.observations -= 1
        else:
            self.entities -= 1
        if min(self.entities, self.observations) < 0:
            raise BodyTooLarge("one request creates 1,000 entities and 50,000 Observations at most")


def load(body: bytes) -> Any:
    """The JSON in `body`. BadEntity for what is none."""
    try:
        return strict_json.loads(body)
    except ValueError as error:
        raise BadEntity(f"the body cannot be taken as JSON: {str(error)[:120]}") from error


def draft(
    kind: str, body: Any, room: Room, *, given: frozenset[str] = frozenset(), partial: bool = False
) -> Draft:
    """BadEntity names what is wrong. `given`: links that the address or the surrounding entity makes;
    `partial`: only what shall change, and no entities inside."""
    if not isinstance(body, dict):
        raise BadEntity(f"{kind}: an entity is a JSON object")
    room.take(kind)
    type_, rules = TYPES[kind], _RULES[kind]
    properties: dict[str, Any] = {}
    links: dict[str, tuple[Draft | int | str, ...]] = {}
    for name, value in body.items():
        if name in type_.links:
            links[name] = _linked(kind, name, value, room, partial=partial)
        elif name in rules:
            properties[name] = value
        elif "@iot." not in name and name not in {"id"} | _IGNORED.get(kind, set()):
            raise BadEntity(f"{kind}: {name[:60]!r} is no property; it has {', '.join(type_.properties)}")
    for name, (mandatory, check) in rules.items():
        if name in properties and (properties[name] is not None or mandatory):
            check(f"{kind}/{name}", properties[name])
        elif mandatory and not partial:
            raise BadEntity(f"{kind}: {name} is missing; it is mandatory (OGC 18-088, 8.2)")
    for name in _LINKS.get(kind, ()):
        if not partial and name not in links and name not in given:
            raise BadEntity(f"{kind}: {name} is missing; link one by @iot.id or describe it inline")
    _check_geometry(kind, properties, partial=partial)
    return Draft(kind, properties, links)


def _linked(kind: str, name: str, value: Any, room: Room, *, partial: bool) -> tuple[Draft | int | str, ...]:
    target, many = TYPES[kind].links[name]
    if many != isinstance(value, list):
        raise BadEntity(f"{kind}: {name} is {'a list' if many else 'one entity'}")
    back = frozenset({kind, TYPES[kind].set})
    made: list[Draft | int | str] = []
    for one in value if many else [value]:
        if isinstance(one, dict) and ("@iot.id" in one or set(one) == {"id"}):
            made.append(identity(one, f"{kind}/{name}"))
        elif partial:
            raise BadEntity(f"{kind}: {name} may only be linked by @iot.id here (OGC 18-088, 10.3)")
        else:
            made.append(draft(target, one, room, given=back))
    return tuple(made)


def identity(body: Any, where: str) -> int | str:
    """The id in `{"@iot.id": ...}`."""
    found = body.get("@iot.id", body.get("id")) if isinstance(body, dict) else None
    if isinstance(found, bool) or not isinstance(found, int | str):
        raise BadEntity(f"{where}: @iot.id is a number or text")
    return int(found) if isinstance(found, str) and found.isdecimal() and len(found) < 17 else found


def _text(where: str, value: Any) -> None:
    if not isinstance(value, str) or not value or "\0" in value:
        raise BadEntity(f"{where} is a text that is not empty")


def _object(where: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise BadEntity(f"{where} is a JSON object")


def _anything(where: str, value: Any) -> None:
    if value is None:
        raise BadEntity(f"{where} is missing")


def _unit(where: str, value: Any) -> None:
    _object(where, value)
    for name in ("name", "symbol", "definition"):
        if name not in value or not isinstance(value[name], str | None):
            raise BadEntity(f"{where}: {name} is missing; a unit has name, symbol and definition")


def _result(where: str, value: Any) -> None:
    """Any JSON (OGC 18-088, table 12: depends on observationType)."""
    if isinstance(value, int | float) and not abs(value) < _LARGEST:
        raise BadEntity(f"{where} is larger than any measurement")
    if "\0" in str(value):
        raise BadEntity(f"{where}: no database keeps the character 0 in a text")


def _moment(where: str, value: Any) -> None:
    times(where, value)


def times(where: str, value: Any) -> tuple[datetime, datetime | None]:
    """Begin and end of a time or interval in ISO 8601; no end for a moment."""
    try:
        start, _, end = str(value).partition("/")
        found = _aware(start), _aware(end) if end else None
    except (ValueError, OverflowError) as error:
        raise BadEntity(f"{where}: {str(value)[:40]!r} is no time in ISO 8601 with its zone") from error
    if not isinstance(value, str) or (found[1] is not None and found[1] < found[0]):
        raise BadEntity(f"{where}: {str(value)[:60]!r} is no time, or ends before it begins")
    return found


def _aware(written: str) -> datetime:
    found = datetime.fromisoformat(written)
    if found.utcoffset() is None:
        raise ValueError("without a zone")
    return found.astimezone(UTC)


def _one_moment(where: str, value: Any) -> None:
    if times(where, value)[1] is not None:
        raise BadEntity(f"{where} is a moment, not an interval")


def _check_geometry(kind: str, properties: Mapping[str, Any], *, partial: bool) -> None:
    name = {"Location": "location", "FeatureOfInterest": "feature"}.get(kind)
    if name is None or name not in properties:
        return
    encoding = properties.get("encodingType", _GEOJSON[0] if partial else "")
    if encoding in _GEOJSON:
        geometry(f"{kind}/{name}", properties[name])


def geometry(where: str, value: Any) -> Any:
    """The shape of a GeoJSON geometry or Feature, longitude first. BadEntity for what is none."""
    found = value.get("geometry") if isinstance(value, dict) and value.get("type") == "Feature" else value
    try:
        made = shape(found)
    except (ShapelyError, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        raise BadEntity(f"{where} is no GeoJSON geometry: {str(error)[:80]}") from error
    if made.is_empty or not made.is_valid or get_num_coordinates(made) > _MOST_POINTS:
        raise BadEntity(f"{where} is empty, crosses itself or has more than {_MOST_POINTS} points")
    west, south, east, north = made.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise BadEntity(f"{where}: longitude (first) and latitude in degrees, WGS 84")
    return made


Check = Callable[[str, Any], None]
_NAMED: dict[str, tuple[bool, Check]] = {
    "name": (True, _text), "description": (True, _text), "properties": (False, _object),
}  # fmt: skip
_RULES: Mapping[str, Mapping[str, tuple[bool, Check]]] = {
    "Thing": _NAMED,
    "Location": {**_NAMED, "encodingType": (True, _text), "location": (True, _anything)},
    "HistoricalLocation": {"time": (True, _one_moment)},
    "Datastream": {
        **_NAMED, "observationType": (True, _text), "unitOfMeasurement": (True, _unit),
        "observedArea": (False, geometry),
    },
    "Sensor": {**_NAMED, "encodingType": (True, _text), "metadata": (True, _anything)},
    "ObservedProperty": {**_NAMED, "definition": (True, _text)},
    "Observation": {
        "result": (True, _result), "phenomenonTime": (False, _moment), "resultTime": (False, _one_moment),
        "resultQuality": (False, _anything), "validTime": (False, _moment), "parameters": (False, _object),
    },
    "FeatureOfInterest": {**_NAMED, "encodingType": (True, _text), "feature": (True, _anything)},
}  # fmt: skip
_LINKS: Mapping[str, tuple[str, ...]] = {
    "Datastream": ("Thing", "Sensor", "ObservedProperty"),
    "HistoricalLocation": ("Thing", "Locations"),
    "Observation": ("Datastream",),
}
