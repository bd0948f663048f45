"""One device or one place as the register knows it, for who stands before it; keys are named, never shown."""

from __future__ import annotations

from collections.abc import Iterator

from edge.wire.identifiers import DevEUI
from udp.devices.columns import COLUMNS
from udp.devices.held import Held
from udp.devices.moments import on_the_wall
from udp.devices.register import DeviceRegister
from udp.devices.vault import DeviceKeys
from udp.errors import NotFound

_NEWEST = 5


def shown(register: DeviceRegister, name: str) -> Iterator[str]:
    """Lines about the device of a DevEUI, or about all at a Thing. NotFound if there is neither.

    ConfigurationError if keys are kept and do not open.
    """
    held = register.held()
    thing, devices = _meant(held, name)
    if thing in held.things:
        yield from _cells(held.things[thing].cells())
    for dev_eui in devices:
        device = held.devices[dev_eui]
        source = "Geräteverzeichnis" if device.registered else "Stadtdatei"
        yield ""
        yield f"Gerät {dev_eui} ({source}{'' if device.in_force else ', nicht mehr im Bestand'})"
        yield from _cells({key: value for key, value in device.cells().items() if key != "objekt"})
        yield f"{'schlüssel':<15} {_kept(register.keys(held, dev_eui))}"
    entries = register.log(thing)
    if entries:
        yield ""
        yield f"Wartungsbuch, die letzten {_NEWEST} Einträge"
    for entry in entries[-_NEWEST:]:
        yield f"{on_the_wall(entry.at):<16}  {entry.kind:<10}  {entry.text}"


def _meant(held: Held, name: str) -> tuple[str, list[DevEUI]]:
    """The Thing and its devices, those in force first."""
    try:
        dev_eui = DevEUI.parse(name)
    except ValueError:
        dev_eui = None
    if dev_eui is not None and dev_eui in held.devices:
        return held.devices[dev_eui].thing, [dev_eui]
    if name in held.things:
        here = [dev_eui for dev_eui, device in held.devices.items() if device.thing == name]
        return name, sorted(here, key=lambda one: (not held.devices[one].in_force, one))
    raise NotFound(
        f"{name!r} ist weder die DevEUI eines Geräts noch der Kurzname eines Objekts im Verzeichnis; "
        "alle nennt: udp devices export"
    )


def _cells(cells: dict[str, str]) -> Iterator[str]:
    for column in COLUMNS:
        if column in cells:
            yield f"{column:<15} {cells[column]}"


def _kept(keys: DeviceKeys) -> str:
    if keys.personalised:
        return "ABP: Sitzung für immer"
    root = "OTAA (LoRaWAN 1.1)" if keys.nwk_key else "OTAA" if keys.app_key else "keine im Verzeichnis"
    return f"{root}, beigetreten" if keys.has_session else root
