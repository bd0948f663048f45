"""The columns of a device table: what a clerk may fill in, in German, with the English words as well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `part` says whom it describes: thing, device or secret."""

    name: str
    part: str
    alias: str
    meaning: str


_OF_THING = (
    ("objekt", "thing", "Kurzname des Objekts, für immer gleich: a-z, 0-9 und -"),
    ("name", "name", "Name für Menschen"),
    ("art", "kind", "Art des Objekts, z. B. waste_bin"),
    ("thema", "theme", "Thema der Seite, z. B. papier-und-abfall"),
    ("ortsteil", "district", "Kurzname des Ortsteils"),
    ("ortsteil_name", "district_name", "Name des Ortsteils"),
    ("breite", "latitude", "geografische Breite in Grad (WGS 84)"),
    ("laenge", "longitude", "geografische Länge in Grad (WGS 84)"),
    ("ostwert", "easting", "statt Breite und Länge: UTM 32N (EPSG:25832) in Metern"),
    ("nordwert", "northing", "statt Breite und Länge: UTM 32N (EPSG:25832) in Metern"),
    ("gelaende_m", "elevation_m", "Höhe des Geländes über NHN in Metern"),
    ("beschreibung", "description", "öffentliche Beschreibung"),
    ("simuliert", "simulated", "ja, wenn es das Objekt nicht gibt"),
    ("zugang", "access", "open, internal oder restricted; leer: internal"),
    ("ausnahme", "exemption", "Grund, nicht zu veröffentlichen"),
    ("lizenz", "licence", "Lizenz offener Daten, z. B. dl-de/zero-2-0"),
    ("eigentuemer", "owner", "wem das Objekt gehört (nicht öffentlich)"),
    ("foto", "photo", "Adresse oder Dateiname eines Fotos (nicht öffentlich)"),
    ("standort", "place", "wo genau es hängt, für den, der hinfährt (nicht öffentlich)"),
    ("hoehe_m", "height_m", "Höhe der Montage über dem Boden in Metern (nicht öffentlich)"),
)
_OF_DEVICE = (
    ("dev_eui", "deveui", "Kennung des Geräts, 16 Hexadezimalziffern"),
    ("qr", "qr_code", "Text des QR-Codes auf dem Gerät (LoRa Alliance TR005)"),
    ("join_eui", "app_eui", "Kennung des Join-Servers, 16 Hexadezimalziffern"),
    ("profil", "profile", "Gerätetyp, siehe udp profiles list"),
    (
        "intervall_s",
        "expected_interval_s",
        "erwarteter Abstand der Meldungen in Sekunden; leer: der des Profils",
    ),
    ("buergersensor", "citizen", "ja, wenn das Gerät Bürgern oder Schulen gehört"),
    (
        "zaehlerneustart",
        "counter_reset",
        "ja, wenn der Rahmenzähler (FCnt) ohne neue Sitzung wieder bei 0 beginnt: ABP nach Batteriewechsel, "
        "oder 16-Bit-Zähler nach 65535",
    ),
    ("leer_mm", "empty_mm", "Abstand vom Sensor zum Boden des leeren Behälters"),
    ("voll_mm", "full_mm", "Abstand vom Sensor zur Oberfläche, wenn der Behälter voll ist"),
    ("nullpunkt_mm", "zero_mm", "Abstand vom Sensor zum Nullpunkt des Pegels"),
    ("seriennummer", "serial", "Seriennummer"),
    ("eingebaut_am", "installed_on", "Datum, z. B. 24.12.2026 oder 2026-12-24"),
    ("ausgebaut_am", "removed_on", "Datum; das Gerät zählt danach nicht mehr zum Bestand"),
    ("ersetzt", "replaces", "bei Gerätetausch: DevEUI des alten Geräts am selben Objekt"),
    ("bemerkung", "note", "Bemerkung (nicht öffentlich)"),
)
_SECRET = (
    ("app_key", "appkey", "OTAA: AppKey, 32 Hexadezimalziffern"),
    ("nwk_key", "nwkkey", "OTAA ab LoRaWAN 1.1: NwkKey"),
    ("dev_addr", "devaddr", "ABP: DevAddr, 8 Hexadezimalziffern"),
    ("nwk_s_key", "nwkskey", "ABP: NwkSKey"),
    ("app_s_key", "appskey", "ABP: AppSKey"),
)


def _columns() -> Mapping[str, Column]:
    parts = (("thing", _OF_THING), ("device", _OF_DEVICE), ("secret", _SECRET))
    return MappingProxyType(
        {
            name: Column(name, part, alias, meaning)
            for part, entries in parts
            for name, alias, meaning in entries
        }
    )


COLUMNS = _columns()
THING_COLUMNS = tuple(one.name for one in COLUMNS.values() if one.part == "thing")
DEVICE_COLUMNS = tuple(one.name for one in COLUMNS.values() if one.part == "device")
SECRET_COLUMNS = tuple(one.name for one in COLUMNS.values() if one.part == "secret")
# Identifiers that a spreadsheet likes to turn into numbers.
HEXADECIMAL = frozenset({"dev_eui", "join_eui", "ersetzt", *SECRET_COLUMNS})
# Of a Thing, what only the register knows: nothing of it leaves through the public doors.
PRIVATE_THING_COLUMNS = ("eigentuemer", "foto", "standort", "hoehe_m")
RELEASE_COLUMNS = ("zugang", "ausnahme", "lizenz")

_FOLDED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", " ": "", "-": "", "_": ""})


def column_named(heading: str) -> str | None:
    """The column a heading means, None if it means none; case, blanks, dashes and umlauts do not matter."""
    return _BY_HEADING.get(_folded(heading))


def _folded(heading: str) -> str:
    return heading.strip().lower().translate(_FOLDED)


_BY_HEADING = {_folded(one.alias): one.name for one in COLUMNS.values()} | {
    _folded(name): name for name in COLUMNS
}
