"""Write virtual forecasts in the formats of the real weather service, so that its readers are tested too.

Radar: product RV as a tar of HDF5 files after ODIM_H5 2.3 on the grid DE1200. Points: MOSMIX_L as KMZ.
Both name a virtual service as their source.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from xml.sax.saxutils import escape

import h5py
import numpy as np
from pyproj import CRS, Transformer

from simulators.noise import Floats, Integers
from simulators.outlook import STEP_S, Outlook, PointOutlook
from simulators.weather import LATITUDE, LONGITUDE

ISSUER = "Virtueller Wetterdienst (Simulation)"
# Grid DE1200 on WGS 84 as the DWD describes it: 1100 x 1200 cells of 1 km, counted from the north-west.
_PROJECTION = (
    "+proj=stere +lat_ts=60 +lat_0=90 +lon_0=10 +x_0=543196.83521776402 +y_0=3622588.8619310022 "
    "+units=m +a=6378137 +b=6356752.3142451802 +no_defs"
)
_CORNERS = {
    "UL": (1.463301510256666, 55.862087108249824), "UR": (18.73161645466747, 55.845438563255755),
    "LR": (16.580869348598274, 45.68460578137082), "LL": (3.5669946350078914, 45.696425377390064),
}  # fmt: skip
_ROWS, _COLUMNS, _CELL_M = 1200, 1100, 1000.0
_NODATA, _GAIN = 4294967295, 0.001
# The virtual radar stands in the town and sees this far.
_SEES_KM = 20
# The elements of the point forecast: probability of more than so many mm in an hour.
OVER: Mapping[str, float] = {
    "R101": 0.1, "R102": 0.2, "R103": 0.3, "R105": 0.5, "R107": 0.7, "R110": 1.0, "R120": 2.0,
    "R130": 3.0, "R150": 5.0, "RR1o1": 10.0, "RR1w1": 15.0, "RR1u1": 25.0,
}  # fmt: skip
_KELVIN = 273.15


def radar_archive(outlook: Outlook, issued: float) -> bytes:
    """The tar that is offered at one moment: 25 files, the first of what has just fallen."""
    rows, columns, latitude, longitude = _window()
    before = outlook.nowcast(issued - STEP_S, latitude, longitude)[:1]
    fields = np.concatenate([before, outlook.nowcast(issued, latitude, longitude)])
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for step, field in enumerate(fields):
            content = _composite(issued, step, rows, columns, field)
            name = f"composite_rv_{_stamp(issued, '%Y%m%d_%H%M')}_{5 * step:03d}-hd5"
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), int(issued)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def _window() -> tuple[Integers, Integers, Floats, Floats]:
    """Cells the virtual radar sees: rows, columns, and latitude and longitude of their middles."""
    grid = CRS.from_proj4(_PROJECTION)
    project = Transformer.from_crs(CRS.from_epsg(4326), grid, always_xy=True)
    left, top = project.transform(*_CORNERS["UL"])
    x, y = project.transform(LONGITUDE, LATITUDE)
    near = np.arange(-_SEES_KM, _SEES_KM + 1)
    square = np.meshgrid(int((top - y) // _CELL_M) + near, int((x - left) // _CELL_M) + near)
    row, column = (one.ravel().astype(np.int64) for one in square)
    longitude, latitude = project.transform(
        left + (column + 0.5) * _CELL_M, top - (row + 0.5) * _CELL_M, direction="INVERSE"
    )
    return row, column, np.asarray(latitude), np.asarray(longitude)


def _composite(issued: float, step: int, rows: Integers, columns: Integers, field: Floats) -> bytes:
    data = np.full((_ROWS, _COLUMNS), _NODATA, dtype=np.uint32)
    raw = np.round(field / _GAIN).astype(np.uint32) + 1
    data[rows, columns] = np.where(raw > 1, raw, 0)
    ends = issued + step * STEP_S
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.attrs["Conventions"] = np.bytes_("ODIM_H5/V2_3")
        _attributes(
            file, "what", object="COMP", version="H5rad 2.3", date=_stamp(issued, "%Y%m%d"),
            time=_stamp(issued, "%H%M%S"), source=f"ORG:78,CMT:{ISSUER}",
        )  # fmt: skip
        where = file.create_group("where")
        for corner, (longitude, latitude) in _CORNERS.items():
            where.attrs[f"{corner}_lon"], where.attrs[f"{corner}_lat"] = longitude, latitude
        where.attrs["projdef"] = np.bytes_(_PROJECTION)
        where.attrs["xscale"] = where.attrs["yscale"] = _CELL_M
        where.attrs["xsize"], where.attrs["ysize"] = _COLUMNS, _ROWS
        _attributes(
            file, "dataset1/what", product="MAX", prodname="RV_top_view",
            startdate=_stamp(ends - STEP_S, "%Y%m%d"), starttime=_stamp(ends - STEP_S, "%H%M%S"),
            enddate=_stamp(ends, "%Y%m%d"), endtime=_stamp(ends, "%H%M%S"),
        )  # fmt: skip
        _attributes(file, "how", simulated="True")
        file.create_dataset("dataset1/data1/data", data=data, compression="gzip", compression_opts=1)
        scale = file.create_group("dataset1/data1/what")
        scale.attrs["quantity"] = np.bytes_("ACRR")
        scale.attrs["gain"], scale.attrs["offset"] = _GAIN, -_GAIN
        scale.attrs["nodata"], scale.attrs["undetect"] = float(_NODATA), 0.0
    return out.getvalue()


def _attributes(file: h5py.File, path: str, **texts: str) -> None:
    group = file.create_group(path)
    for name, text in texts.items():
        group.attrs[name] = np.bytes_(text)


def point_archive(outlook: Outlook, issued: float, station: str) -> bytes:
    """The KMZ of one station."""
    made = outlook.point(issued, list(OVER.values()))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"MOSMIX_L_{_stamp(issued, '%Y%m%d%H')}_{station}.kml", _kml(made, issued, station))
    return out.getvalue()


def _kml(made: PointOutlook, issued: float, station: str) -> str:
    rows = {"TTT": made.temperature_c + _KELVIN, "E_TTT": made.temperature_error, "RR1c": made.rain_mm}
    rows |= {name: 100 * made.over[place] for place, name in enumerate(OVER)}
    steps = "".join(f"<dwd:TimeStep>{_stamp(one, _ISO)}</dwd:TimeStep>" for one in made.times)
    values = "".join(
        f'<dwd:Forecast dwd:elementName="{name}"><dwd:value>{" ".join(f"{v:10.2f}" for v in row)}'
        "</dwd:value></dwd:Forecast>"
        for name, row in rows.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        '<kml:kml xmlns:dwd="https://opendata.dwd.de/weather/lib/pointforecast_dwd_extension_V1_0.xsd" '
        'xmlns:kml="http://www.opengis.net/kml/2.2"><kml:Document><kml:ExtendedData><dwd:ProductDefinition>'
        f"<dwd:Issuer>{escape(ISSUER)}</dwd:Issuer><dwd:ProductID>MOSMIX</dwd:ProductID>"
        f"<dwd:IssueTime>{_stamp(issued, _ISO)}</dwd:IssueTime>"
        f"<dwd:ForecastTimeSteps>{steps}</dwd:ForecastTimeSteps></dwd:ProductDefinition></kml:ExtendedData>"
        f"<kml:Placemark><kml:name>{escape(station)}</kml:name>"
        f"<kml:description>VIRTUELLE STATION</kml:description><kml:ExtendedData>{values}</kml:ExtendedData>"
        f"<kml:Point><kml:coordinates>{LONGITUDE},{LATITUDE},70.0</kml:coordinates></kml:Point>"
        "</kml:Placemark></kml:Document></kml:kml>"
    )


_ISO = "%Y-%m-%dT%H:%M:%S.000Z"


def _stamp(time: float, form: str) -> str:
    return datetime.fromtimestamp(time, UTC).strftime(form)
