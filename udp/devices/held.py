"""What the register holds before an import, as far as rows of a table are judged by it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from edge.wire.identifiers import DevEUI
from udp.devices.columns import RELEASE_COLUMNS
from udp.registry import rows, schema
from udp.registry.mounting import UNDECIDED, Release
from udp.registry.rows import Values
from udp.sensorthings import Access, Datastream, Thing

_STRICTNESS = (Access.OPEN, Access.INTERNAL, Access.RESTRICTED)


@dataclass(frozen=True, slots=True)
class HeldThing:
    """A Thing with what only the register knows of it (`record`, by column) and how it is released.

    `decided`: whether the register decided the release, not the city file.
    """

    thing: Thing
    retired: bool
    record: Mapping[str, str]
    release: Release
    decided: bool

    def cells(self) -> dict[str, str]:
        """Everything about it as a clerk would write it."""
        thing, place = self.thing, self.thing.location
        decided = self.release.exemption != UNDECIDED
        known = {
            "objekt": thing.key,
            "name": thing.name,
            "art": thing.kind,
            "thema": thing.theme,
            "ortsteil": place.district,
            "ortsteil_name": place.district_name,
            "breite": repr(place.latitude),
            "laenge": repr(place.longitude),
            "gelaende_m": "" if place.elevation_m is None else repr(place.elevation_m),
            "beschreibung": thing.description,
            "simuliert": "ja" if thing.simulated else "nein",
            "zugang": self.release.access.value if decided else "",
            "ausnahme": (self.release.exemption or "") if decided else "",
            "lizenz": self.release.licence,
            **self.record,
        }
        return {column: value for column, value in known.items() if value}


@dataclass(frozen=True, slots=True)
class HeldDevice:
    """A device row as it stands, with what the register knows of the device (`record`, by column)."""

    row: Values
    record: Mapping[str, str]

    def cells(self) -> dict[str, str]:
        """Everything about it but its keys, as a clerk would write it."""
        known = {
            "dev_eui": self.row["dev_eui"].hex().upper(),
            "objekt": self.thing,
            "profil": str(self.row["profile"]),
            "buergersensor": "ja" if self.row["citizen"] else "",
            "zaehlerneustart": "ja" if self.row["counter_reset"] else "",
        }
        return {**{column: value for column, value in known.items() if value}, **self.record}

    @property
    def thing(self) -> str:
        """The Thing it hangs on, or hung on."""
        return str(self.row["thing"])

    @property
    def in_force(self) -> bool:
        """Whether its values count."""
        return not self.row["retired"]

    @property
    def registered(self) -> bool:
        """Whether the register speaks for it, not the city file."""
        return bool(self.row["origin"] == schema.DEVICES)


@dataclass(frozen=True, slots=True)
class Held:
    """The register at one moment. `measured`: thing -> Datastream key -> DevEUI or name of a wired sensor."""

    things: dict[str, HeldThing] = field(default_factory=dict)
    devices: dict[DevEUI, HeldDevice] = field(default_factory=dict)
    measured: dict[str, dict[str, str]] = field(default_factory=dict)
    sealed: dict[DevEUI, bytes] = field(default_factory=dict)


def read_held(connection: Connection) -> Held:
    """Everything, retired or not."""
    streams = {row.id: rows.datastream_of(row) for row in connection.execute(select(schema.datastream))}
    held = Held(things=_things(connection, streams.values()))
    records = _records(connection, schema.device_record)
    for row in connection.execute(select(schema.device)).mappings():
        values, dev_eui = dict(row), DevEUI(row["dev_eui"])
        held.devices[dev_eui] = HeldDevice(values, records.get(bytes(dev_eui), {}))
        if not values["retired"]:
            _note(held, streams, values, str(dev_eui))
    for row in connection.execute(select(schema.wired).where(schema.wired.c.retired.is_(False))).mappings():
        _note(held, streams, dict(row), f"{row['agent']}/{row['sensor']}")
    for number, sealed in connection.execute(
        select(schema.device_secret.c.dev_eui, schema.device_secret.c.sealed)
    ):
        held.sealed[DevEUI(number)] = sealed
    return held


def _note(held: Held, streams: Mapping[int, Datastream], sensor: Values, label: str) -> None:
    measured = held.measured.setdefault(sensor["thing"], {})
    for channel in sensor["channels"]:
        if (stream := streams.get(channel["datastream"])) is not None:
            measured[stream.key] = label


def _things(connection: Connection, streams: Iterable[Datastream]) -> dict[str, HeldThing]:
    of_thing: dict[str, list[Datastream]] = {}
    for stream in streams:
        of_thing.setdefault(stream.thing, []).append(stream)
    records = _records(connection, schema.thing_record)
    found: dict[str, HeldThing] = {}
    for row in connection.execute(select(schema.thing)):
        record = dict(records.get(row.key, {}))
        own = {column: record.pop(column) for column in RELEASE_COLUMNS if column in record}
        release = _written(own) if own else _seen(of_thing.get(row.key, []))
        found[row.key] = HeldThing(rows.thing_of(row), row.retired, record, release, bool(own))
    return found


def _written(own: Mapping[str, str]) -> Release:
    return _release(Access(own.get("zugang", Access.INTERNAL)), own.get("ausnahme"), own.get("lizenz", ""))


def _release(access: Access, exemption: str | None, licence: str) -> Release:
    """Registers of earlier days left the exemption of closed data empty."""
    if access is Access.OPEN:
        return Release(access, None, licence)
    return Release(access, exemption or UNDECIDED, "")


def _seen(streams: list[Datastream]) -> Release:
    """What the city file decided for a Thing: channels are only ever stricter than their Thing."""
    if not streams:
        return Release(Access.INTERNAL, UNDECIDED, "")
    loosest = min(streams, key=lambda one: _STRICTNESS.index(one.access))
    return _release(loosest.access, loosest.exemption, loosest.licence)


def _records(connection: Connection, table: Any) -> dict[Any, dict[str, str]]:
    key = next(iter(table.primary_key.columns))
    return {row[0]: row[1] for row in connection.execute(select(key, table.c.content))}
