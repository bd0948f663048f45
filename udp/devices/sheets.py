"""What the register says of each device, for those who look after it: never keys, nothing for the public."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from edge.wire.identifiers import DevEUI
from udp.devices.columns import COLUMNS, PRIVATE_THING_COLUMNS
from udp.devices.held import read_held
from udp.registry import schema
from udp.registry.database import Database

_DEVICE = ("seriennummer", "eingebaut_am", "ausgebaut_am", "bemerkung", "join_eui")


@dataclass(frozen=True, slots=True)
class Upkeep:
    """One line of a Thing's maintenance log; `person` may be empty."""

    at: str
    kind: str
    text: str
    person: str


@dataclass(frozen=True, slots=True)
class DeviceSheet:
    """A device in force: where it hangs, what clerks wrote down (by the columns' English words), its log."""

    dev_eui: DevEUI
    thing: str
    thing_name: str
    profile: str
    citizen: bool
    record: Mapping[str, str]
    log: tuple[Upkeep, ...]


class DeviceSheets:
    """Read from the registry's database. RegistryUnavailable when it cannot answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> Sequence[DeviceSheet]:
        """Every device in force, by DevEUI."""
        table = schema.maintenance
        with self._database.reading() as connection:
            held = read_held(connection)
            logs: dict[str, list[Upkeep]] = {}
            for row in connection.execute(select(table).order_by(table.c.at, table.c.id)):
                logs.setdefault(row.thing, []).append(Upkeep(row.at, row.kind, row.text, row.person))
        sheets = []
        for dev_eui, device in sorted(held.devices.items()):
            if not device.in_force or device.thing not in held.things:
                continue
            place = held.things[device.thing]
            known = {key: place.record.get(key, "") for key in PRIVATE_THING_COLUMNS}
            known |= {key: device.record.get(key, "") for key in _DEVICE}
            sheets.append(
                DeviceSheet(
                    dev_eui=dev_eui,
                    thing=device.thing,
                    thing_name=place.thing.name,
                    profile=str(device.row["profile"]),
                    citizen=bool(device.row["citizen"]),
                    record={COLUMNS[key].alias: value for key, value in known.items() if value},
                    log=tuple(logs.get(device.thing, ())),
                )
            )
        return sheets


class NoSheets:
    """Of a platform whose register is not at hand."""

    def all(self) -> Sequence[DeviceSheet]:
        """None."""
        return ()
