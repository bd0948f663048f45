"""Who speaks: the Thing of the register behind a gateway, an agent or a device that the ledger names."""

from __future__ import annotations

from typing import Any

from edge.wire.identifiers import DevEUI
from udp.registry.port import Device, Inventory


def place_of(thing: str | None, inventory: Inventory) -> dict[str, Any]:
    """What every entry says of the Thing behind it; all null where nobody knows it."""
    found = inventory.things.get(thing) if thing else None
    return {
        "thing": thing,
        "thing_name": found.name if found else None,
        "theme": found.theme if found else None,
        "district": found.location.district if found else None,
        "simulated": found.simulated if found else None,
    }


def thing_of_gateway(gateway: str, inventory: Inventory) -> str | None:
    """By the property `gateway_eui` of a Thing, else by an agent of that name."""
    eui = gateway.lower()
    named = (
        key
        for key, one in inventory.things.items()
        if str(one.properties.get("gateway_eui", "")).lower() == eui
    )
    return next(named, None) or thing_of_agent(gateway, inventory)


def thing_of_agent(agent: str, inventory: Inventory) -> str | None:
    """By what is wired to it."""
    return next((one.thing for (name, _), one in inventory.wired.items() if name == agent), None)


def device_of(dev_eui: str, inventory: Inventory) -> Device | None:
    """The register's device of a DevEUI as the ledger has it."""
    try:
        return inventory.devices.get(DevEUI.parse(dev_eui))
    except ValueError:
        return None


def canonical(dev_eui: str) -> str:
    """As a DevEUI is written; what is none stays as it is."""
    try:
        return str(DevEUI.parse(dev_eui))
    except ValueError:
        return dev_eui
