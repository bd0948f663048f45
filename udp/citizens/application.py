"""What somebody writes who applies, checked; every mistake is told in German beside its field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge.wire.identifiers import DevEUI
from udp.citizens import consent
from udp.citizens.offer import FORMATTER, Offer
from udp.citizens.place import rounded
from udp.devices.settings import DeviceSettings
from udp.errors import PlatformError

FIELDS_AT_MOST = 8
_MAIL = re.compile(r"[^@\s<>,;:\"]{1,64}@[^@\s<>,;:\"]+\.[^@\s<>,;:\".]{2,}")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_ .\-]{0,62}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069<>]")


class ApplicationRefused(PlatformError):
    """The application cannot be taken; `problems`: field to what is wrong and what helps, in German."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in problems.items()))
        self.problems = dict(problems)


@dataclass(frozen=True, slots=True)
class Written:
    """An application as it was written. `devices`: one line each, DevEUI and a name if there is one.
    `fields`: field of the decoded payload to key of the observed property. `class_code`: who brings one
    does not wait."""

    title: str = ""
    name: str = ""
    mail: str = ""
    latitude: str = ""
    longitude: str = ""
    exact: bool = False
    district: str = ""
    kind: str = ""
    devices: Sequence[str] = ()
    fields: Sequence[tuple[str, str]] = ()
    interval_minutes: str = "15"
    licence: str = ""
    consent: str = ""
    class_code: str = ""


@dataclass(frozen=True, slots=True)
class NamedDevice:
    """One device of a project; `label` is what tells it from the others, maybe nothing."""

    dev_eui: DevEUI
    label: str


@dataclass(frozen=True, slots=True)
class Application:
    """An application that can be meant; the place is already as coarse as it will be kept."""

    title: str
    name: str
    mail: str
    latitude: float
    longitude: float
    exact: bool
    district: str
    district_name: str
    kind: str
    devices: tuple[NamedDevice, ...]
    fields: Mapping[str, str]
    interval_s: float
    licence: str
    consent: str


@dataclass(slots=True)
class _Problems:
    found: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, text: str) -> None:
        self.found.setdefault(name, text)


def check(written: Written, known: Offer, area: DeviceSettings, *, most_devices: int) -> Application:
    """The application, or ApplicationRefused with everything that is wrong."""
    problems = _Problems()
    title = _text(problems, "titel", written.title, 3, 60)
    name = _text(problems, "name", written.name, 2, 80)
    mail = written.mail.strip()
    if len(mail) > 254 or not _MAIL.fullmatch(mail):
        problems.add("mail", "Das ist keine E-Mail-Adresse. Beispiel: name@beispiel.de")
    place = _place(problems, written, area)
    if written.district not in known.districts:
        problems.add("ortsteil", "Bitte einen Ortsteil aus der Liste wählen.")
    if written.kind != FORMATTER and written.kind not in known.kinds:
        problems.add("geraet", "Bitte ein Gerät aus der Liste wählen, oder „Eigener Payload-Formatter“.")
    devices = _devices(problems, written.devices, most_devices)
    fields = _fields(problems, written, known)
    interval = _number(written.interval_minutes)
    if interval is None or not 1 <= interval <= 1440:
        problems.add("abstand", "Bitte eine Zahl von 1 bis 1440 Minuten eintragen.")
    if written.licence not in consent.LICENCES:
        problems.add("lizenz", "Bitte eine Lizenz aus der Liste wählen.")
    if written.consent != consent.VERSION:
        problems.add(
            "einwilligung",
            "Ohne Einwilligung können wir den Sensor nicht anmelden."
            if not written.consent
            else "Der Text der Einwilligung hat sich geändert. Bitte noch einmal lesen und ankreuzen.",
        )
    if problems.found or place is None or interval is None:
        raise ApplicationRefused(problems.found)
    return Application(
        title=title,
        name=name,
        mail=mail,
        latitude=place[0],
        longitude=place[1],
        exact=written.exact,
        district=written.district,
        district_name=known.districts[written.district],
        kind=written.kind,
        devices=devices,
        fields=fields,
        interval_s=interval * 60,
        licence=written.licence,
        consent=written.consent,
    )


def _text(problems: _Problems, key: str, value: str, least: int, most: int) -> str:
    text = " ".join(value.split())
    if not least <= len(text) <= most:
        problems.add(key, f"Bitte {least} bis {most} Zeichen eintragen.")
    if _CONTROL.search(text):
        problems.add(key, "Bitte ohne Steuerzeichen und ohne spitze Klammern schreiben.")
    return text


def _place(problems: _Problems, written: Written, area: DeviceSettings) -> tuple[float, float] | None:
    latitude, longitude = _number(written.latitude), _number(written.longitude)
    if latitude is None or not area.south <= latitude <= area.north:
        problems.add("breite", _between(area.south, area.north))
    if longitude is None or not area.west <= longitude <= area.east:
        problems.add("laenge", _between(area.west, area.east))
    if latitude is None or longitude is None or {"breite", "laenge"} & problems.found.keys():
        return None
    if not written.exact:
        return rounded(latitude, longitude)
    return round(latitude, 6), round(longitude, 6)


def _devices(problems: _Problems, lines: Sequence[str], most: int) -> tuple[NamedDevice, ...]:
    found: dict[DevEUI, NamedDevice] = {}
    for line in (one.strip() for one in lines):
        if not line:
            continue
        digits, _, label = line.partition(" ")
        try:
            dev_eui = DevEUI.parse(digits)
        except ValueError:
            problems.add(
                "dev_eui",
                f"{digits[:40]!r} ist keine DevEUI: 16 Ziffern und Buchstaben von A bis F, wie in der "
                "TTN-Konsole.",
            )
            continue
        if dev_eui in found:
            problems.add("dev_eui", f"Die DevEUI {dev_eui} steht zweimal da.")
        clean = " ".join(label.split())
        if len(clean) > 40 or _CONTROL.search(clean):
            problems.add("dev_eui", "Der Name hinter der DevEUI darf höchstens 40 gewöhnliche Zeichen haben.")
        found[dev_eui] = NamedDevice(dev_eui, clean)
    if not found:
        problems.add("dev_eui", "Bitte die DevEUI aus der TTN-Konsole eintragen.")
    if len(found) > most:
        problems.add("dev_eui", f"Höchstens {most} Geräte je Anmeldung.")
    return tuple(found.values())


def _fields(problems: _Problems, written: Written, known: Offer) -> dict[str, str]:
    given = [(name.strip(), key) for name, key in written.fields if name.strip() or key]
    if written.kind != FORMATTER:
        return {}
    if not given:
        problems.add("felder", "Bitte mindestens ein Feld mit seiner Messgröße eintragen.")
    if len(given) > FIELDS_AT_MOST:
        problems.add("felder", f"Höchstens {FIELDS_AT_MOST} Felder.")
    found: dict[str, str] = {}
    for name, key in given:
        if not _FIELD.fullmatch(name):
            problems.add("felder", f"{name[:40]!r} ist kein Feldname, wie ein Payload-Formatter ihn ausgibt.")
        elif key not in known.choices:
            problems.add("felder", f"Bitte für das Feld {name!r} eine Messgröße wählen.")
        elif name in found or key in found.values():
            problems.add("felder", f"Feld {name!r} oder seine Messgröße steht zweimal da.")
        else:
            found[name] = key
    return found


def _number(text: str) -> float | None:
    """As Germans and computers write it; no infinity, no words."""
    clean = text.strip().replace(",", ".").removesuffix("°").strip()
    return float(clean) if re.fullmatch(r"[+-]?\d{1,4}(\.\d{1,15})?", clean) else None


def _between(least: float, most: float) -> str:
    span = f"{least:g} bis {most:g}".replace(".", ",")
    return f"Bitte eine Zahl von {span} eintragen."
