"""Geometries in filters: WKT and GeoJSON to shapes, and what may be asked of two of them.

Distances and lengths are in degrees, as EPSG:4326 counts and as other SensorThings servers answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import shapely
from shapely.errors import ShapelyError
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from udp.api.problems import BadQuery
from udp.api.sensorthings.syntax import Geography

_MOST_POINTS = 5_000
_PATTERN_LENGTH = 9


class GeoJson(dict[str, Any]):
    """A GeoJSON geometry of an entity, which keeps its shape once it was asked for."""

    __slots__ = ("_shape",)

    @property
    def shape(self) -> BaseGeometry:
        """The same as a shape; made from the register's own numbers, so it is one."""
        try:
            return self._shape
        except AttributeError:
            geometry = self["geometry"] if self.get("type") == "Feature" else self
            self._shape: BaseGeometry = shape(geometry)
            return self._shape


def point(longitude: float, latitude: float) -> GeoJson:
    """A GeoJSON point."""
    return GeoJson(type="Point", coordinates=[longitude, latitude])


def envelope(geometries: Sequence[GeoJson]) -> GeoJson:
    """The box around them all; around one point, the point."""
    first = geometries[0]
    if first.get("type") == "Point" and all(one == first for one in geometries):
        return first
    box = shapely.envelope(shapely.union_all([one.shape for one in geometries]))
    return GeoJson(mapping(box))


@lru_cache(maxsize=256)
def of_wkt(wkt: str) -> BaseGeometry:
    """BadQuery for what is no geometry."""
    text = wkt.partition(";")[2] if wkt.upper().startswith("SRID=") else wkt
    try:
        found = shapely.from_wkt(text)
    except ShapelyError as error:
        raise BadQuery(f"geography'{wkt[:60]}' is no WKT: {str(error)[:80]}") from error
    if found is None or found.is_empty or not shapely.is_valid(found):
        raise BadQuery(f"geography'{wkt[:60]}' is empty or crosses itself")
    if shapely.get_num_coordinates(found) > _MOST_POINTS:
        raise BadQuery(f"geography has more than {_MOST_POINTS} points; simplify it")
    shapely.prepare(found)
    return found


def _shape_of(value: Any) -> BaseGeometry | None:
    if isinstance(value, Geography):
        return of_wkt(value.wkt)
    return value.shape if isinstance(value, GeoJson) else None


def _on_shapes(function: Callable[..., Any]) -> Callable[..., Any]:
    def applied(*values: Any) -> Any:
        shapes = [_shape_of(one) for one in values]
        return None if any(one is None for one in shapes) else function(*shapes)

    return applied


def _relate(left: Any, right: Any, pattern: Any) -> bool | None:
    shapes = (_shape_of(left), _shape_of(right))
    if None in shapes or not isinstance(pattern, str):
        return None
    if len(pattern) != _PATTERN_LENGTH or set(pattern.upper()) - set("TF*012"):
        raise BadQuery(f"st_relate: {pattern[:20]!r} is no DE-9IM pattern, e.g. T*F**F***")
    return bool(shapely.relate_pattern(*shapes, pattern.upper()))


def _length(one: BaseGeometry) -> float:
    """Of lines; a point has none, and the border of an area is no length of it."""
    return float(shapely.length(one)) if shapely.get_dimensions(one) == 1 else 0.0


TABLE: Mapping[str, tuple[int, Callable[..., Any]]] = {
    "geo.distance": (2, _on_shapes(lambda a, b: float(shapely.distance(a, b)))),
    "geo.length": (1, _on_shapes(_length)),
    "geo.intersects": (2, _on_shapes(lambda a, b: bool(shapely.intersects(a, b)))),
    "st_equals": (2, _on_shapes(lambda a, b: bool(shapely.equals(a, b)))),
    "st_disjoint": (2, _on_shapes(lambda a, b: bool(shapely.disjoint(a, b)))),
    "st_touches": (2, _on_shapes(lambda a, b: bool(shapely.touches(a, b)))),
    "st_within": (2, _on_shapes(lambda a, b: bool(shapely.within(a, b)))),
    "st_overlaps": (2, _on_shapes(lambda a, b: bool(shapely.overlaps(a, b)))),
    "st_crosses": (2, _on_shapes(lambda a, b: bool(shapely.crosses(a, b)))),
    "st_intersects": (2, _on_shapes(lambda a, b: bool(shapely.intersects(a, b)))),
    "st_contains": (2, _on_shapes(lambda a, b: bool(shapely.contains(a, b)))),
    "st_relate": (3, _relate),
}
