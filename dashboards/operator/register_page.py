"""The register for those who drive out: where a device hangs, whose it is, what was done to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboards.interface import Interface
from dashboards.operator.tables import TableView
from dashboards.reading import Entry, each
from dashboards.wording import LocalTime, counted

PAGE = "geraete/index.html"
_NEWEST = 100
_SHOWN = ("place", "height_m", "owner", "serial", "installed_on", "photo", "note")


@dataclass(frozen=True, slots=True)
class Upkeep:
    """One line of a maintenance log; `at` as it was written."""

    at: str
    kind: str
    text: str
    person: str


@dataclass(frozen=True, slots=True)
class RegisteredDevice:
    """A device in the register's words."""

    dev_eui: str
    name: str
    profile: str
    record: Mapping[str, str]
    log: Sequence[Upkeep]


def fetch_register(interface: Interface) -> list[RegisteredDevice]:
    """Every device in force; InterfaceUnavailable or Unreadable when nobody can know."""
    whole = Entry(interface.get("/api/v1/devices", {}).content, "devices")
    return each(whole.entries("devices"), "devices", _device)


def register_tables(devices: Sequence[RegisteredDevice], time: LocalTime) -> list[TableView]:
    """The devices by name, and what was done of late."""
    return [_devices(devices), _log(devices, time)]


def _device(entry: Entry) -> RegisteredDevice:
    return RegisteredDevice(
        dev_eui=entry.text("dev_eui"),
        name=entry.text("thing_name"),
        profile=entry.text("profile"),
        record=entry.texts("record"),
        log=each(entry.entries("maintenance"), "maintenance", _upkeep),
    )


def _upkeep(entry: Entry) -> Upkeep:
    return Upkeep(entry.text("at"), entry.text("kind"), entry.text("text", ""), entry.text("person", ""))


def _devices(devices: Sequence[RegisteredDevice]) -> TableView:
    rows = [
        (one.name, one.profile, *(_cell(one, key) for key in _SHOWN), one.dev_eui)
        for one in sorted(devices, key=lambda one: (one.name, one.dev_eui))
    ]
    heads = (
        *("Gerät", "Typ", "genauer Standort", "Höhe", "Eigentum", "Seriennummer", "eingebaut", "Foto"),
        *("Bemerkung", "DevEUI"),
    )
    return TableView(
        "register", "Geräte im Register", counted(len(rows), "Gerät", "Geräte"), heads, rows,
        "Noch kein Gerät im Register.",
        "Nicht öffentlich. Zum Ändern: udp devices export, Tabelle bearbeiten, udp devices import.",
    )  # fmt: skip


def _cell(one: RegisteredDevice, key: str) -> str:
    value = one.record.get(key, "–")
    return f"{value.replace('.', ',')} m" if key == "height_m" and value != "–" else value


def _log(devices: Sequence[RegisteredDevice], time: LocalTime) -> TableView:
    # Two devices at one place share its log.
    entries = {(one.name, entry) for one in devices for entry in one.log}
    newest = sorted(entries, key=lambda pair: (pair[1].at, pair[0]), reverse=True)
    rows = [
        (_day(entry.at, time), name, entry.kind, entry.text, entry.person or "–")
        for name, entry in newest[:_NEWEST]
    ]
    shown = counted(len(newest), "Eintrag", "Einträge")
    heads = ("Wann", "Objekt", "Was", "Text", "Wer")
    return TableView(
        "wartung", "Wartungsbuch", f"Neueste zuerst, {len(rows)} von {shown}", heads, rows,
        "Noch nichts eingetragen.", "Eintragen: udp devices note OBJEKT TEXT.",
    )  # fmt: skip


def _day(text: str, time: LocalTime) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment:%d.%m.%Y}" if moment.tzinfo is None else f"{time.local(moment):%d.%m.%Y %H:%M}"
