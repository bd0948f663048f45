"""Read the DWD's radar nowcast: rain of the next two hours in steps of five minutes, at given places.

Product RV (RADVOR), composite DE1200, as a tar of HDF5 files after ODIM_H5 2.3, one per five minutes:
"Formatbeschreibung RV" and "Radarkomposit-Beschreibung" of the DWD. Projection, corner and scale are read
from each file, so that another grid of the same product is placed as rightly.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from udp.weather.download import SourceUnusable

PATH = "/weather/radar/composite/rv/composite_rv_LATEST.tar"
STEP = timedelta(minutes=5)
_PRODUCT, _QUANTITY = "RV_top_view", "ACRR"
_MOST_FILES = 64
_MOST_OCTETS = 8_000_000
_MOST_CELLS = 4_000_000
# More than ever fell in Germany in five minutes (Füssen 1920: 126 mm in eight): another unit.
_MOST_MM = 80.0
# A gauge sees what drifts in the wind below the beam: the mean of 3 x 3 km, as in the DWD's own adjustment.
_AROUND = 1
# What a damaged or foreign file ends with in tarfile, HDF5 and PROJ.
_BROKEN = (
    tarfile.TarError, OSError, EOFError, KeyError, IndexError, RuntimeError, ValueError, TypeError,
    OverflowError, ProjError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Nowcast:
    """`rain` (steps, places): mm in the five minutes before `valid` (steps,); NaN where no radar sees."""

    issued_at: datetime
    valid: NDArray[np.datetime64]
    rain: NDArray[np.float64]


def read_nowcast(archive: bytes, places: Sequence[tuple[float, float]]) -> Nowcast:
    """`places`: (latitude, longitude) in degrees, WGS 84. Missing steps are left out. SourceUnusable for
    what is no such product, or lies in another unit."""
    rows: dict[datetime, NDArray[np.float64]] = {}
    issued: set[datetime] = set()
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for number, member in enumerate(tar):
                if number >= _MOST_FILES or member.size > _MOST_OCTETS:
                    raise SourceUnusable("radar nowcast: more or larger files than the product has")
                if (held := tar.extractfile(member)) is None:
                    continue
                with h5py.File(io.BytesIO(held.read())) as file:
                    issued.add(_moment(file["what"].attrs, "date", "time"))
                    ends, rain = _step(file, places)
                    rows[ends] = rain
    except _BROKEN as error:
        raise SourceUnusable(f"radar nowcast cannot be read: {error}") from error
    if len(issued) != 1:
        raise SourceUnusable(f"radar nowcast: {len(issued)} issue times in one archive, expected 1")
    (issue,) = issued
    ahead = sorted(ends for ends in rows if ends > issue)
    if not ahead:
        raise SourceUnusable("radar nowcast: nothing lies ahead of its issue time")
    valid = np.array([one.replace(tzinfo=None) for one in ahead], dtype="datetime64[us]")
    return Nowcast(issue, valid, np.stack([rows[one] for one in ahead]))


def _step(file: Any, places: Sequence[tuple[float, float]]) -> tuple[datetime, NDArray[np.float64]]:
    what, scale = file["dataset1/what"].attrs, file["dataset1/data1/what"].attrs
    product, quantity = _text(what["prodname"]), _text(scale["quantity"])
    if product != _PRODUCT or quantity != _QUANTITY:
        raise SourceUnusable(
            f"radar nowcast: {product} holds {quantity}; expected {_PRODUCT} with {_QUANTITY}, mm in 5 min"
        )
    starts, ends = _moment(what, "startdate", "starttime"), _moment(what, "enddate", "endtime")
    if ends - starts != STEP:
        raise SourceUnusable(f"radar nowcast: a step of {ends - starts}, expected {STEP}")
    data = file["dataset1/data1/data"]
    if data.ndim != 2 or data.size > _MOST_CELLS:
        raise SourceUnusable(f"radar nowcast: a grid of {data.shape}")
    raw = data[:]
    cells = np.array([_around(raw, *at) for at in _cells(file["where"].attrs, raw.shape, places)])
    nodata, nothing = float(scale["nodata"]), float(scale["undetect"])
    rain = np.where(cells == nothing, 0.0, cells * float(scale["gain"]) + float(scale["offset"]))
    rain[cells == nodata] = np.nan
    if (np.nan_to_num(rain) > _MOST_MM).any() or (np.nan_to_num(rain) < -0.01).any():
        raise SourceUnusable(f"radar nowcast: {np.nanmax(rain):.0f} mm in five minutes is another unit")
    solid = np.isfinite(rain)
    seen = np.where(solid, np.maximum(rain, 0.0), 0.0).sum(axis=1) / np.maximum(solid.sum(axis=1), 1)
    return ends, np.where(solid.any(axis=1), seen, np.nan)


def _cells(
    where: Any, shape: tuple[int, int], places: Sequence[tuple[float, float]]
) -> list[tuple[int, int]]:
    """(row, column) of each place; row 0 is the northernmost."""
    grid = CRS.from_proj4(_text(where["projdef"]))
    project = Transformer.from_crs(CRS.from_epsg(4326), grid, always_xy=True).transform
    left, top = project(float(where["UL_lon"]), float(where["UL_lat"]))
    found = []
    for latitude, longitude in places:
        x, y = project(longitude, latitude)
        column = int((x - left) // float(where["xscale"]))
        row = int((top - y) // float(where["yscale"]))
        if not (_AROUND <= row < shape[0] - _AROUND and _AROUND <= column < shape[1] - _AROUND):
            raise SourceUnusable(f"radar nowcast: {latitude:.4f}, {longitude:.4f} lies outside its grid")
        found.append((row, column))
    return found


def _around(raw: NDArray[Any], row: int, column: int) -> NDArray[np.float64]:
    part = raw[row - _AROUND : row + _AROUND + 1, column - _AROUND : column + _AROUND + 1]
    return part.astype(np.float64).ravel()


def _moment(attributes: Any, day: str, clock: str) -> datetime:
    text = _text(attributes[day]) + _text(attributes[clock])
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _text(value: Any) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else str(value)
