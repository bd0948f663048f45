"""Where a citizen's sensor stands, as coarse as a home address must be: the middle of a cell of 100 m."""

from __future__ import annotations

from functools import cache

from pyproj import Transformer

CELL_M = 100.0
_DIGITS = 5  # about a metre: the rest would only pretend


def rounded(latitude: float, longitude: float) -> tuple[float, float]:
    """The middle of the 100 m cell of the official grid (EPSG:25832) around a WGS 84 point, in degrees.

    Every point of a cell gives the same answer, so nothing can be reckoned back from it.
    """
    there, back = _transformers()
    east, north = there.transform(longitude, latitude)
    middle = (east // CELL_M + 0.5) * CELL_M, (north // CELL_M + 0.5) * CELL_M
    longitude, latitude = back.transform(*middle)
    return round(float(latitude), _DIGITS), round(float(longitude), _DIGITS)


@cache
def _transformers() -> tuple[Transformer, Transformer]:
    return (
        Transformer.from_crs("EPSG:4326", "EPSG:25832", always_xy=True),
        Transformer.from_crs("EPSG:25832", "EPSG:4326", always_xy=True),
    )
