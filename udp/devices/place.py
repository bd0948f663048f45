"""The Thing a row speaks of: one the register knows, one the row describes, or a known one corrected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from udp.devices.cells import Cells
from udp.devices.columns import PRIVATE_THING_COLUMNS, RELEASE_COLUMNS, THING_COLUMNS
from udp.devices.held import HeldThing
from udp.devices.settings import DeviceSettings
from udp.registry.city_file import KEY, THEMES
from udp.registry.mounting import UNDECIDED, Release
from udp.registry.place import from_utm32
from udp.registry.profiles import EXEMPTIONS
from udp.sensorthings import Access, Location, Thing


@dataclass(frozen=True, slots=True)
class PlacedThing:
    """A Thing as the rows want it. `given`: what rows said; `cells`: everything known, by column.

    `record` is what only the register keeps.
    """

    line: int
    thing: Thing
    release: Release
    record: Mapping[str, str]
    given: Mapping[str, str]
    cells: Mapping[str, str]


class _Point(NamedTuple):
    latitude: float
    longitude: float


def read_placed_thing(
    cells: Cells,
    held: HeldThing | None,
    given: Mapping[str, str],
    earlier: PlacedThing | None,
    settings: DeviceSettings,
) -> PlacedThing | None:
    """The Thing, or None after a complaint."""
    key = cells.matching("objekt", KEY, "nur a-z, 0-9 und -, höchstens 63 Zeichen")
    name = cells.required("name", "das Objekt ist neu, es braucht einen Namen")
    kind = cells.matching("art", r"[a-z][a-z0-9_]{0,62}", "nur a-z, 0-9 und _, z. B. waste_bin")
    theme = cells.choice("thema", THEMES, required=True)
    district = cells.matching("ortsteil", KEY, "nur a-z, 0-9 und -")
    district_name = cells.required("ortsteil_name")
    point = _point(cells, settings)
    elevation = cells.number("gelaende_m", least=-100, most=3000, unit=" m")
    release = _release(cells)
    private = _private(cells)
    if point is None or not (key and name and kind and theme and district and district_name):
        return None
    known = held.thing if held is not None else None
    thing = Thing(
        key=key,
        name=name,
        kind=kind,
        theme=theme,
        location=Location(point.latitude, point.longitude, district, district_name, elevation),
        simulated=cells.flag("simuliert"),
        description=cells.text("beschreibung"),
        properties={} if known is None else known.properties,
    )
    said = {column: value for column, value in given.items() if column in THING_COLUMNS}
    return PlacedThing(
        line=cells.line if earlier is None else earlier.line,
        thing=thing,
        release=release,
        record=private | _release_record(release, held),
        given=said if earlier is None else {**said, **earlier.given},
        cells=HeldThing(thing, False, private, release, True).cells(),
    )


def _point(cells: Cells, settings: DeviceSettings) -> _Point | None:
    metres = cells.has("ostwert") or cells.has("nordwert")
    degrees = cells.has("breite") or cells.has("laenge")
    if metres and degrees:
        cells.complain("ostwert", "steht neben breite oder laenge; nur eine der beiden Angaben machen")
        return None
    if metres:
        return _from_metres(cells, settings)
    if not degrees:
        cells.complain("breite", "der Ort fehlt; breite und laenge, oder ostwert und nordwert eintragen")
        return None
    for column in ("breite", "laenge"):
        cells.required(column)
    latitude = cells.number("breite", least=-90, most=90, unit=" Grad")
    longitude = cells.number("laenge", least=-180, most=180, unit=" Grad")
    if latitude is None or longitude is None:
        return None
    return _inside(cells, "breite", _Point(latitude, longitude), settings)


def _from_metres(cells: Cells, settings: DeviceSettings) -> _Point | None:
    east = cells.number("ostwert")
    north = cells.number("nordwert")
    for column in ("ostwert", "nordwert"):
        cells.required(column)
    if east is None or north is None:
        return None
    try:
        latitude, longitude = from_utm32(east, north)
    except ValueError:
        cells.complain("ostwert", "kein Ort in UTM 32N; Ostwert (6 Stellen) und Nordwert (7 Stellen) prüfen")
        return None
    return _inside(cells, "ostwert", _Point(round(latitude, 7), round(longitude, 7)), settings)


def _inside(cells: Cells, column: str, point: _Point, settings: DeviceSettings) -> _Point | None:
    def inside(latitude: float, longitude: float) -> bool:
        return settings.south <= latitude <= settings.north and settings.west <= longitude <= settings.east

    if inside(*point):
        return point
    if inside(point.longitude, point.latitude):
        cells.complain(column, "Breite und Länge sind vertauscht; die Spalten tauschen")
    else:
        cells.complain(
            column,
            f"{point.latitude:.4f}, {point.longitude:.4f} liegt weit außerhalb der Stadt; Koordinaten prüfen",
        )
    return None


def _release(cells: Cells) -> Release:
    """As in the city file: nothing is open by default."""
    access = cells.choice("zugang", tuple(Access))
    exemption = cells.choice("ausnahme", EXEMPTIONS)
    licence = cells.text("lizenz")
    if access == Access.OPEN and not licence:
        cells.complain("lizenz", "fehlt; offene Daten brauchen eine Lizenz, z. B. dl-de/zero-2-0")
    if access == Access.OPEN and exemption:
        cells.complain("ausnahme", "widerspricht dem Zugang open; eines von beiden leeren (-)")
    if access in (Access.INTERNAL, Access.RESTRICTED) and not exemption:
        cells.complain("ausnahme", f"fehlt; wer nicht veröffentlicht, nennt {', '.join(EXEMPTIONS)}")
    if access == Access.OPEN:
        return Release(Access.OPEN, None, licence)
    return Release(Access(access) if access else Access.INTERNAL, exemption or UNDECIDED, "")


def _release_record(release: Release, held: HeldThing | None) -> dict[str, str]:
    """Kept beside the Thing only where it differs from what its Datastreams already say."""
    if held is not None and not held.decided and held.release == release:
        return {}
    values = (release.access.value, release.exemption or "", release.licence)
    return {column: value for column, value in zip(RELEASE_COLUMNS, values, strict=True) if value}


def _private(cells: Cells) -> dict[str, str]:
    record = {column: cells.text(column) for column in PRIVATE_THING_COLUMNS}
    height = cells.number("hoehe_m", least=-50, most=300, unit=" m")
    record["hoehe_m"] = "" if height is None else f"{height:g}"
    photo = record["foto"]
    if photo and (".." in photo or "\\" in photo or photo.startswith("/") or " " in photo):
        cells.complain(
            "foto", "keine brauchbare Angabe; Adresse (https://...) oder Dateiname ohne Leerzeichen"
        )
    elif ":" in photo and not photo.startswith(("https://", "http://")):
        cells.complain("foto", "nur Adressen mit https:// oder http://, oder ein Dateiname")
    return {column: value for column, value in record.items() if value}
