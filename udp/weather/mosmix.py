"""Read the DWD's point forecast MOSMIX_L: rain with its probabilities and temperature, ten days by the hour.

KMZ (zip) of one KML file with the DWD's extension "pointforecast"; units by the DWD's table
"MOSMIX-Elemente": RR1c kg/m2 in the last hour, R101 ... RR1u1 per cent, TTT and
its expected absolute error E_TTT kelvin. "-" is no value.
"""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from udp.weather.download import SourceUnusable

_DWD = "{https://opendata.dwd.de/weather/lib/pointforecast_dwd_extension_V1_0.xsd}"
_KML = "{http://www.opengis.net/kml/2.2}"
_MOST_OCTETS = 20_000_000
_MOST_STEPS = 400
RAIN, TEMPERATURE, TEMPERATURE_ERROR = "RR1c", "TTT", "E_TTT"
# Probability (per cent) of more than so many mm in the hour before.
EXCEEDANCES: Mapping[str, float] = {
    "R101": 0.1, "R102": 0.2, "R103": 0.3, "R105": 0.5, "R107": 0.7, "R110": 1.0, "R120": 2.0,
    "R130": 3.0, "R150": 5.0, "RR1o1": 10.0, "RR1w1": 15.0, "RR1u1": 25.0,
}  # fmt: skip
_KELVIN = 273.15
Floats = NDArray[np.float64]
# What a damaged or foreign archive ends with: zipfile adds to its own the errors of every compression.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, NotImplementedError, RuntimeError,
    struct.error, ElementTree.ParseError, ValueError, OverflowError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PointForecast:
    """All (hours,): `rain` mm in the hour that ends at `valid`, `over` the probability (0 to 1) of more than
    so many mm in it, `temperature` degrees Celsius at `valid`, `temperature_error` how far off it is expected
    to be (kelvin, absolute; None where the file says nothing of it). NaN is not said."""

    issued_at: datetime
    issuer: str
    station: str
    valid: NDArray[np.datetime64]
    rain: Floats
    over: Mapping[float, Floats]
    temperature: Floats
    temperature_error: Floats | None = None


def path_of(station: str, issued_at: datetime | None = None) -> str:
    """Where a forecast of a station lies; the newest without `issued_at`."""
    folder = "/weather/local_forecasts/mos/MOSMIX_L/single_stations"
    which = "LATEST" if issued_at is None else f"{issued_at.astimezone(UTC):%Y%m%d%H}"
    return f"{folder}/{station}/kml/MOSMIX_L_{which}_{station}.kmz"


def issues(since: datetime, until: datetime) -> list[datetime]:
    """When MOSMIX_L is issued between two moments: at 3, 9, 15 and 21 UTC."""
    first = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hours = range(int((until - first) / timedelta(hours=1)) + 1)
    found = [first + timedelta(hours=one) for one in hours]
    return [one for one in found if one.hour % 6 == 3 and since <= one <= until]


def read_forecast(archive: bytes, station: str) -> PointForecast:
    """SourceUnusable for anything that is no forecast of this station, or lies in other units."""
    try:
        root = ElementTree.fromstring(_document(archive))  # noqa: S314 - without DOCTYPE, see there
        return _forecast(root, station)
    except _BROKEN as error:
        raise SourceUnusable(f"MOSMIX forecast of {station} cannot be read: {error}") from error


def _document(archive: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as held:
        names = [one for one in held.infolist() if one.filename.endswith(".kml")]
        if len(names) != 1 or names[0].file_size > _MOST_OCTETS:
            raise ValueError("expected one KML file of less than 20 MB")
        text = held.read(names[0])
    if b"<!DOCTYPE" in text[:4096] or b"<!ENTITY" in text:
        raise ValueError("a KML file declares no entities")
    return text


def _forecast(root: ElementTree.Element, station: str) -> PointForecast:
    issued = _moment(_required(root, f".//{_DWD}IssueTime"))
    steps = [_moment(one.text or "") for one in root.iterfind(f".//{_DWD}TimeStep")]
    place = next(
        (one for one in root.iter(f"{_KML}Placemark") if one.findtext(f"{_KML}name") == station), None
    )
    if place is None:
        raise ValueError("the station is not in the file")
    if not 1 <= len(steps) <= _MOST_STEPS or np.any(np.diff(steps) != timedelta(hours=1)):  # type: ignore[arg-type]
        raise ValueError("its steps are not hours")
    rows = {
        one.get(f"{_DWD}elementName", ""): _numbers(one.findtext(f"{_DWD}value") or "", len(steps))
        for one in place.iter(f"{_DWD}Forecast")
        if one.get(f"{_DWD}elementName") in {RAIN, TEMPERATURE, TEMPERATURE_ERROR, *EXCEEDANCES}
    }
    nothing = np.full(len(steps), np.nan)
    over = {mm: _within(name, rows[name], 0, 100) / 100 for name, mm in EXCEEDANCES.items() if name in rows}
    return PointForecast(
        issued, _required(root, f".//{_DWD}Issuer"), place.findtext(f"{_KML}description") or station,
        np.array([one.replace(tzinfo=None) for one in steps], dtype="datetime64[us]"),
        _within(RAIN, rows.get(RAIN, nothing), 0, 200), over,
        _within(TEMPERATURE, rows.get(TEMPERATURE, nothing), 200, 340) - _KELVIN,
        _within(TEMPERATURE_ERROR, rows[TEMPERATURE_ERROR], 0, 40) if TEMPERATURE_ERROR in rows else None,
    )  # fmt: skip


def _required(root: ElementTree.Element, path: str) -> str:
    text = (root.findtext(path) or "").strip()
    if not text:
        raise ValueError(f"{path.rpartition('}')[2]} is missing")
    return text


def _numbers(text: str, count: int) -> Floats:
    words = text.split()
    if len(words) != count:
        raise ValueError(f"{len(words)} values for {count} hours")
    return np.array([np.nan if word == "-" else float(word) for word in words])


def _within(name: str, values: Floats, low: float, high: float) -> Floats:
    """Another unit is found by numbers that cannot be."""
    if ((values < low) | (values > high)).any():
        raise ValueError(f"{name} lies outside {low} to {high}: another unit")
    return values


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text.strip())
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return found.astimezone(UTC)
