"""Where entities must lie: `georel`, `geometry` and `coordinates` of NGSI-LD (ETSI GS CIM 009, 4.10)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from udp.api.mobile.spot import Spot
from udp.api.problems import BadQuery
from udp.sensorthings import Location

NAMES = frozenset({"georel", "geometry", "coordinates", "geoproperty"})
_NEAR = re.compile(r"near;(maxDistance|minDistance)==(\d{1,9}(?:\.\d{1,6})?)")
_MOST_POINTS = 5_000
_KINDS = ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon")
# As seen from the entity: `within` means that it lies within what was sent.
_RELATIONS: Mapping[str, Callable[[BaseGeometry, BaseGeometry], object]] = {
    "within": shapely.within,
    "contains": shapely.contains,
    "intersects": shapely.intersects,
    "equals": shapely.equals,
    "disjoint": shapely.disjoint,
    "overlaps": shapely.overlaps,
}


def place(asked: Mapping[str, str]) -> Callable[[Location], bool]:
    """Whether an entity lies as asked; everywhere without `georel`. BadQuery for what cannot be meant."""
    if not asked.keys() & NAMES:
        return lambda _place: True
    if asked.get("geoproperty", "location") != "location":
        raise BadQuery("geoproperty: entities have their location only")
    missing = {"georel", "geometry", "coordinates"} - asked.keys()
    if missing:
        raise BadQuery(
            f"{', '.join(sorted(missing))} is missing: georel, geometry and coordinates go together"
        )
    there = _geometry(asked["geometry"], asked["coordinates"])
    relation = asked["georel"]
    if (near := _NEAR.fullmatch(relation)) is not None:
        return _near(there, float(near[2]), nearer=near[1] == "maxDistance")
    if relation not in _RELATIONS:
        known = ", ".join(["near;maxDistance==METRES", "near;minDistance==METRES", *_RELATIONS])
        raise BadQuery(f"georel: {relation[:40]!r} is not known; known are {known}")
    relates = _RELATIONS[relation]
    shapely.prepare(there)
    return lambda one: bool(relates(shapely.Point(one.longitude, one.latitude), there))


def _near(there: BaseGeometry, metres: float, *, nearer: bool) -> Callable[[Location], bool]:
    if there.geom_type != "Point":
        raise BadQuery("georel: near is asked of a Point")
    spot = Spot(there.y, there.x)
    return lambda one: (spot.distance_m(one) <= metres) is nearer


def _geometry(kind: str, written: str) -> BaseGeometry:
    if kind not in _KINDS:
        raise BadQuery(f"geometry: {kind[:20]!r} is not known; known are {', '.join(_KINDS)}")
    try:
        found = shape({"type": kind, "coordinates": json.loads(written)})
    except (ShapelyError, ValueError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise BadQuery(f"coordinates are no {kind}, longitude first, e.g. [7.31,51.55]") from error
    if found.is_empty or not found.is_valid or shapely.get_num_coordinates(found) > _MOST_POINTS:
        raise BadQuery(
            f"coordinates: the {kind} is empty, crosses itself or has more than {_MOST_POINTS} points"
        )
    west, south, east, north = found.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise BadQuery("coordinates: longitude (first) and latitude in degrees, WGS 84")
    return found
