"""Small files in the formats of the DWD, written independently of the virtual weather service."""

import io
import tarfile
import zipfile
from datetime import timedelta

import h5py
import numpy as np
from pyproj import CRS, Transformer

# "Radarkomposit-Beschreibung" of the DWD: grid DE1200 on WGS 84 and its outer corners (longitude, latitude).
PROJECTION = (
    "+proj=stere +lat_ts=60 +lat_0=90 +lon_0=10 +x_0=543196.83521776402 +y_0=3622588.8619310022 "
    "+units=m +a=6378137 +b=6356752.3142451802 +no_defs"
)
CORNERS = {
    "UL": (1.463301510256666, 55.862087108249824),
    "UR": (18.73161645466747, 55.845438563255755),
    "LR": (16.580869348598274, 45.68460578137082),
    "LL": (3.5669946350078914, 45.696425377390064),
}
NODATA = 4294967295
NORTH_WEST = (7.0, 51.8)  # of the small grid around the town
SIDE = 60


def cell(latitude, longitude, corner=NORTH_WEST):
    """Row and column of a place on a grid with this north-west corner."""
    project = Transformer.from_crs(CRS.from_epsg(4326), CRS.from_proj4(PROJECTION), always_xy=True)
    (left, top), (x, y) = project.transform(*corner), project.transform(longitude, latitude)
    return int((top - y) // 1000), int((x - left) // 1000)


def composite(issued, step, raw, *, quantity="ACRR", product="RV_top_view", minutes=5, gain=0.001):
    ends = issued + timedelta(minutes=minutes * step)
    starts = ends - timedelta(minutes=minutes)
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        what = file.create_group("what").attrs
        what["object"], what["date"], what["time"] = b"COMP", *parts(issued)
        where = file.create_group("where").attrs
        where["UL_lon"], where["UL_lat"] = NORTH_WEST
        where["projdef"], where["xscale"], where["yscale"] = PROJECTION.encode(), 1000.0, 1000.0
        made = file.create_group("dataset1/what").attrs
        made["prodname"] = product.encode()
        made["startdate"], made["starttime"] = parts(starts)
        made["enddate"], made["endtime"] = parts(ends)
        scale = file.create_group("dataset1/data1/what").attrs
        scale["quantity"], scale["gain"], scale["offset"] = quantity.encode(), gain, -gain
        scale["nodata"], scale["undetect"] = float(NODATA), 0.0
        file.create_dataset("dataset1/data1/data", data=np.asarray(raw, np.uint32), compression="gzip")
    return out.getvalue()


def parts(moment):
    return moment.strftime("%Y%m%d").encode(), moment.strftime("%H%M%S").encode()


def radar(issued, fields, **more):
    """`fields`: step -> raw grid."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for step, raw in fields.items():
            content = composite(issued, step, raw, **more)
            member = tarfile.TarInfo(f"composite_rv_{issued:%Y%m%d_%H%M}_{5 * step:03d}-hd5")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def even(mm, steps=25, *, side=SIDE):
    """The same rain everywhere in each step."""
    raw = 0 if mm == 0 else round(mm / 0.001) + 1
    return {step: np.full((side, side), raw) for step in range(steps)}


def mosmix(issued, rows, *, station="10416", hours=247, extra=""):
    """`rows`: element -> numbers or '-' by hour."""
    steps = "".join(
        f"<dwd:TimeStep>{issued + timedelta(hours=h):%Y-%m-%dT%H:%M:%S.000Z}</dwd:TimeStep>"
        for h in range(1, hours + 1)
    )
    values = "".join(
        f'<dwd:Forecast dwd:elementName="{name}"><dwd:value>   {"  ".join(map(str, row))}</dwd:value>'
        "</dwd:Forecast>"
        for name, row in rows.items()
    )
    text = f"""<?xml version="1.0" encoding="ISO-8859-1" standalone="yes"?>{extra}
<kml:kml xmlns:dwd="https://opendata.dwd.de/weather/lib/pointforecast_dwd_extension_V1_0.xsd"
 xmlns:kml="http://www.opengis.net/kml/2.2"><kml:Document><kml:ExtendedData><dwd:ProductDefinition>
<dwd:Issuer>Deutscher Wetterdienst</dwd:Issuer><dwd:IssueTime>{issued:%Y-%m-%dT%H:%M:%S.000Z}</dwd:IssueTime>
<dwd:ForecastTimeSteps>{steps}</dwd:ForecastTimeSteps></dwd:ProductDefinition></kml:ExtendedData>
<kml:Placemark><kml:name>{station}</kml:name><kml:description>DORTMUND</kml:description>
<kml:ExtendedData>{values}</kml:ExtendedData></kml:Placemark></kml:Document></kml:kml>"""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"MOSMIX_L_{issued:%Y%m%d%H}_{station}.kml", text.encode("latin-1"))
    return out.getvalue()


def wet(mm, hours=247):
    """Rain of `mm` each hour, quite certain, at 10 degrees Celsius."""
    over = {"R101": 0.1, "R110": 1.0, "R150": 5.0}
    rows = {name: [90 if mm > limit else 5] * hours for name, limit in over.items()}
    return {"RR1c": [mm] * hours, "TTT": [283.15] * hours, **rows}
