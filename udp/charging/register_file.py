"""Read the Ladesäulenregister of the Bundesnetzagentur: the CSV as published, one municipality of it.

Some lines of notice, then a header that begins with `Ladeeinrichtungs-ID` (until 2024 with `Betreiber`);
semicolons, quoted fields with semicolons inside, decimal commas, UTF-8 with a mark or Windows-1252. The
register is published monthly under CC BY 4.0, "Bundesnetzagentur.de".
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from udp.errors import ConfigurationError

LICENCE = "cc-by/4.0"
SOURCE = "Bundesnetzagentur, Ladesäulenregister"
_FIRST = ("Ladeeinrichtungs-ID", "Betreiber")
_NEEDED = ("Betreiber", "Status", "Postleitzahl", "Ort", "Breitengrad", "Längengrad")
_DATE = re.compile(r"\b(\d{1,2})\.(\d{1,2})\.(20\d\d)\b", re.ASCII)
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Point:
    """One charging device. WGS 84; `power_kw` and `points` None where the register is silent."""

    key: str
    operator: str
    name: str
    address: str
    latitude: float
    longitude: float
    status: str
    kind: str
    points: int | None
    power_kw: float | None
    plugs: str
    opened: date | None


@dataclass(frozen=True, slots=True)
class RegisterFile:
    """`as_of`: the date in its notice; `skipped`: lines without a usable place, by number and reason."""

    as_of: date | None
    points: tuple[Point, ...]
    skipped: tuple[str, ...]


def read_register(content: bytes, municipality: str) -> RegisterFile:
    """Devices in `municipality`. ConfigurationError for what is no such file, or knows no such place."""
    lines = _text(content).splitlines(keepends=True)
    begin = next((at for at, line in enumerate(lines[:60]) if line.lstrip('"').startswith(_FIRST)), None)
    if begin is None:
        raise ConfigurationError(
            "kein Ladesäulenregister: in den ersten 60 Zeilen beginnt keine mit Ladeeinrichtungs-ID; "
            "gemeint ist die CSV-Datei von bundesnetzagentur.de"
        )
    table = csv.DictReader(io.StringIO("".join(lines[begin:])), delimiter=";")
    if missing := [name for name in _NEEDED if name not in (table.fieldnames or ())]:
        raise ConfigurationError(f"Ladesäulenregister ohne Spalte {', '.join(missing)}; die Datei neu laden")
    found: dict[str, Point] = {}
    skipped: list[str] = []
    for number, row in _rows(table, begin):
        if _cell(row, "Ort").casefold() != municipality.casefold():
            continue
        try:
            one = _point(row)
            found[one.key] = one
        except ValueError as error:
            skipped.append(f"Zeile {number}: {error}")
    if not found:
        raise ConfigurationError(f"Ladesäulenregister: kein brauchbarer Eintrag mit Ort {municipality!r}")
    return RegisterFile(_as_of("".join(lines[:begin])), tuple(found.values()), tuple(skipped))


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _rows(table: csv.DictReader[str], begin: int) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        for row in table:
            yield begin + table.line_num, row
    except csv.Error as error:
        raise ConfigurationError(
            f"Ladesäulenregister: Zeile {begin + table.line_num}: {error}; die Datei neu laden"
        ) from error


def _point(row: Mapping[str, str]) -> Point:
    latitude, longitude = _degrees(row, "Breitengrad", 47.0, 56.0), _degrees(row, "Längengrad", 5.0, 16.0)
    operator = _cell(row, "Betreiber")
    street = " ".join(part for part in (_cell(row, "Straße"), _cell(row, "Hausnummer")) if part)
    return Point(
        key=_key(row, operator, latitude, longitude),
        operator=operator,
        name=_cell(row, "Anzeigename (Karte)") or operator or "Ladesäule",
        address=f"{street}, {_cell(row, 'Postleitzahl')} {_cell(row, 'Ort')}".lstrip(", "),
        latitude=latitude,
        longitude=longitude,
        status=_cell(row, "Status"),
        kind=_cell(row, "Art der Ladeeinrichtung") or _cell(row, "Art der Ladeeinrichung"),
        points=_whole(_cell(row, "Anzahl Ladepunkte")),
        power_kw=_number(_cell(row, "Nennleistung Ladeeinrichtung [kW]")),
        plugs=", ".join(_plugs(row)),
        opened=_date(_cell(row, "Inbetriebnahmedatum")),
    )


def _key(row: Mapping[str, str], operator: str, latitude: float, longitude: float) -> str:
    """The register's own number; files before 2025 have none, there place and operator stand for it."""
    said = _cell(row, "Ladeeinrichtungs-ID")
    if re.fullmatch(r"[0-9A-Za-z-]{1,40}", said):
        return f"ladesaeule-bnetza-{said.lower()}"
    about = f"{operator}|{latitude:.6f}|{longitude:.6f}|{_cell(row, 'Steckertypen1')}"
    return f"ladesaeule-bnetza-{hashlib.sha256(about.encode()).hexdigest()[:12]}"


def _plugs(row: Mapping[str, str]) -> Iterator[str]:
    """Every kind once, in the order of the points."""
    kinds = (part.strip() for at in range(1, 7) for part in _cell(row, f"Steckertypen{at}").split(";"))
    return iter(dict.fromkeys(one for one in kinds if one))


def _cell(row: Mapping[str, str], name: str) -> str:
    return " ".join((row.get(name) or "").replace("\xa0", " ").split())[:_LONGEST]


def _degrees(row: Mapping[str, str], name: str, least: float, most: float) -> float:
    value = _number(_cell(row, name))
    if value is None or not least <= value <= most:
        raise ValueError(f"{name} {_cell(row, name)!r} liegt nicht in Deutschland")
    return value


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", ".").rstrip("."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _whole(text: str) -> int | None:
    value = _number(text)
    return int(value) if value is not None and 0 < value < 1000 else None


def _date(text: str) -> date | None:
    match = _DATE.fullmatch(text)
    try:
        return date(int(match[3]), int(match[2]), int(match[1])) if match else None
    except ValueError:
        return None


def _as_of(notice: str) -> date | None:
    """The newest date of the notice; that is when the register was as it is told."""
    dates = [_date(match[0]) for match in _DATE.finditer(notice)]
    return max((one for one in dates if one is not None), default=None)
