"""Read the city as people describe it: one TOML file of Things, places, devices and access.

The format is public (version 1); a file with any mistake is refused whole, with all mistakes listed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from udp.registry.mounting import UNDECIDED, Mount, Mounted, Release, read_device, read_wired
from udp.registry.place import from_utm32
from udp.registry.port import CityDescription
from udp.registry.profiles import EXEMPTIONS, Profile
from udp.registry.toml_tables import Complaints, Table, open_toml
from udp.sensorthings import LISTED, Access, Location, Thing

FORMAT = 1
KEY = r"[a-z0-9][a-z0-9-]{0,62}"
THEMES = (
    "wetter", "luft", "regen-und-baeche", "baeume-und-boden", "teiche", "parken-und-laden",
    "papier-und-abfall", "energie", "schulen", "netz",
)  # fmt: skip


def read_city(path: Path, profiles: Mapping[str, Profile]) -> CityDescription:
    """The checked description in `path`. ConfigurationError lists every mistake, one per line."""
    complaints = Complaints(path)
    root = Table(open_toml(path), "", complaints)
    if root.number("format", FORMAT) != FORMAT or not root.has("format"):
        root.complain("format", f"this program reads version {FORMAT}; write format = {FORMAT}")
        complaints.raise_any()
    city = Table(root.mapping("city"), "city", complaints)
    name, simulated = city.text("name"), city.flag("simulated")
    things: dict[str, Thing] = {}
    mounted = Mounted()
    for table in root.tables("thing", "thing", "key"):
        thing = _read_thing(table, simulated, profiles, mounted)
        if thing.key in things:
            table.complain("key", "stands twice in this file; keys are unique and stable for ever")
        things[thing.key] = thing
    city.finish()
    root.finish()
    complaints.raise_any()
    return CityDescription(
        name=name,
        simulated=simulated,
        things=tuple(things.values()),
        datastreams=tuple(mounted.datastreams),
        devices=tuple(mounted.devices.values()),
        wired=tuple(mounted.wired.values()),
    )


def _read_thing(table: Table, simulated: bool, profiles: Mapping[str, Profile], mounted: Mounted) -> Thing:
    key = table.text("key", pattern=KEY)
    release = _release(table)
    thing = Thing(
        key=key,
        name=table.text("name"),
        kind=table.text("kind", pattern=r"[a-z][a-z0-9_]{0,62}"),
        theme=table.text("theme", choices=THEMES),
        location=_location(table),
        simulated=simulated,
        description=table.text("description", ""),
        properties=_properties(table),
    )
    mount = Mount(key, release, profiles, mounted)
    for one in table.tables("device", "device", "dev_eui"):
        read_device(one, mount)
    for one in table.tables("wired", "wired sensor", "sensor"):
        read_wired(one, mount)
    table.finish()
    if release.access is Access.OPEN and not (table.has("device") or table.has("wired")):
        # Nothing is measured here, so no Datastream keeps what the file says of access.
        return replace(thing, properties={**thing.properties, LISTED: release.licence})
    return thing


def _location(table: Table) -> Location:
    district, district_name = table.text("district", pattern=KEY), table.text("district_name")
    elevation = table.number("elevation_m", None)
    try:
        latitude, longitude = _point(table)
        if not math.isnan(latitude + longitude):
            return Location(latitude, longitude, district, district_name, elevation)
    except ValueError as error:
        table.complain("utm32" if table.has("utm32") else "latitude", str(error))
    return Location(0.0, 0.0, district, district_name)


def _point(table: Table) -> tuple[float, float]:
    """Latitude and longitude; not a number after a complaint."""
    utm32 = table.numbers("utm32", 2)
    degrees = table.number("latitude", math.nan), table.number("longitude", math.nan)
    given = [table.has(key) for key in ("latitude", "longitude")]
    if table.has("utm32") and any(given):
        raise ValueError("stands beside latitude or longitude; keep one of the two")
    if not table.has("utm32") and not all(given):
        raise ValueError("the place is missing; give latitude and longitude, or utm32 = [easting, northing]")
    return from_utm32(*utm32) if utm32 else degrees


def _release(table: Table) -> Release:
    """Nothing is open by default: without an entry a Thing stays internal, its exemption undecided."""
    access = table.text("access", "", choices=tuple(Access))
    exemption = table.text("exemption", "", choices=EXEMPTIONS)
    licence = table.text("licence", "")
    if access == Access.OPEN and not table.has("licence"):
        table.complain("licence", 'is missing; open data need one, e.g. licence = "dl-de/zero-2-0"')
    if access == Access.OPEN and table.has("exemption"):
        table.complain("exemption", 'contradicts access = "open"; remove one of the two')
    if access in (Access.INTERNAL, Access.RESTRICTED) and not table.has("exemption"):
        table.complain("exemption", f"is missing; what is not open needs one of {', '.join(EXEMPTIONS)}")
    if access == Access.OPEN:
        return Release(Access.OPEN, None, licence)
    # A licence says what others may do with it; what nobody gets needs none.
    return Release(Access(access) if access else Access.INTERNAL, exemption or UNDECIDED, "")


def _properties(table: Table) -> dict[str, str | float | bool]:
    found: dict[str, str | float | bool] = {}
    for key, value in table.mapping("properties").items():
        if isinstance(value, str | bool | int | float):
            found[key] = float(value) if type(value) is int else value
        else:
            table.complain(
                "properties", f"{key} = {value!r} is not possible; use text, a number, true or false"
            )
    return found
