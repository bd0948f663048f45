"""Official coordinates of North Rhine-Westphalia (ETRS89/UTM 32N, EPSG:25832) as WGS 84."""

from __future__ import annotations

from functools import cache

from pyproj import Transformer

# Where zone 32 is meant to be used, far beyond the state; outside, east and north were swapped.
EASTING = (100_000.0, 900_000.0)
NORTHING = (5_000_000.0, 6_500_000.0)


def from_utm32(easting: float, northing: float) -> tuple[float, float]:
    """Latitude and longitude (EPSG:4326) of a point in metres. ValueError if it is not in Germany's north."""
    if not (EASTING[0] <= easting <= EASTING[1] and NORTHING[0] <= northing <= NORTHING[1]):
        raise ValueError(
            f"[{easting:g}, {northing:g}] is no place in UTM zone 32; write [easting, northing] in metres"
        )
    longitude, latitude = _transformer().transform(easting, northing)
    return float(latitude), float(longitude)


@cache
def _transformer() -> Transformer:
    return Transformer.from_crs("EPSG:25832", "EPSG:4326", always_xy=True)
