"""Where somebody stands, and how far it is from there."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from udp.api.problems import InvalidRequest
from udp.sensorthings import Location

MOST = 500
_EARTH_M = 6_371_008.8
# People look at an app from the next town too.
_MARGIN_DEGREES = 0.1
_EXAMPLE = "near=51.5649,7.3120"


@dataclass(frozen=True, slots=True)
class Spot:
    """A point in WGS 84."""

    latitude: float
    longitude: float

    def distance_m(self, place: Location) -> float:
        """Along the great circle (haversine), as the crow flies."""
        north, south = math.radians(self.latitude), math.radians(place.latitude)
        east = math.radians(place.longitude - self.longitude)
        half = (
            math.sin((south - north) / 2) ** 2 + math.cos(north) * math.cos(south) * math.sin(east / 2) ** 2
        )
        return 2 * _EARTH_M * math.asin(math.sqrt(half))


def spot(near: str | None, places: Iterable[Location]) -> Spot | None:
    """The point `near` names; InvalidRequest where it is none, is swapped, or is far from all `places`."""
    if near is None:
        return None
    parts = near.split(",")
    try:
        latitude, longitude = (float(part) for part in parts)
    except ValueError as error:
        raise InvalidRequest(
            f"near: {near!r} is no place; write latitude,longitude in degrees with points: {_EXAMPLE}"
        ) from error
    known = list(places)
    if (
        not (math.isfinite(latitude) and math.isfinite(longitude))
        or abs(latitude) > 90
        or abs(longitude) > 180
    ):
        raise InvalidRequest(f"near: {near!r} is no place on Earth; write latitude,longitude: {_EXAMPLE}")
    if known and not _inside(latitude, longitude, known):
        if _inside(longitude, latitude, known):
            raise InvalidRequest(
                f"near: {near!r} has longitude first; write latitude,longitude: "
                f"near={parts[1].strip()},{parts[0].strip()}"
            )
        south, north, west, east = _bounds(known)
        raise InvalidRequest(
            f"near: {near!r} is outside the city; ask with a latitude from {south:.2f} to {north:.2f} and a "
            f"longitude from {west:.2f} to {east:.2f}, e.g. {_EXAMPLE}"
        )
    return Spot(latitude, longitude)


def checked_limit(limit: int | None, default: int | None) -> int | None:
    """InvalidRequest below 1 and above `MOST`."""
    if limit is None:
        return default
    if limit < 1:
        raise InvalidRequest(f"limit: {limit} is too small; ask for 1 to {MOST}")
    if limit > MOST:
        raise InvalidRequest(f"limit: {limit} is too high; ask for at most {MOST}, or leave it out")
    return limit


def navigation(place: Location, name: str) -> dict[str, Any]:
    """Links that open a map on the phone: `geo` (RFC 5870) on Android, `apple` on iOS, `osm` anywhere."""
    at = f"{place.latitude:.6f},{place.longitude:.6f}"
    return {
        "geo": f"geo:{at}?q={at}({quote(name, safe='')})",
        "apple": f"https://maps.apple.com/?daddr={at}&dirflg=w",
        "osm": f"https://www.openstreetmap.org/?mlat={place.latitude:.6f}&mlon={place.longitude:.6f}#map=18/"
        f"{place.latitude:.6f}/{place.longitude:.6f}",
    }


def _bounds(places: list[Location]) -> tuple[float, float, float, float]:
    latitudes, longitudes = [one.latitude for one in places], [one.longitude for one in places]
    return (
        min(latitudes) - _MARGIN_DEGREES,
        max(latitudes) + _MARGIN_DEGREES,
        min(longitudes) - _MARGIN_DEGREES,
        max(longitudes) + _MARGIN_DEGREES,
    )


def _inside(latitude: float, longitude: float, places: list[Location]) -> bool:
    south, north, west, east = _bounds(places)
    return south <= latitude <= north and west <= longitude <= east
