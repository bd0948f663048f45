"""Turn checked rows into rows of the database; whatever they say twice is written once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, select

from udp.devices.checking import Mounting
from udp.devices.held import Held
from udp.devices.images import Image, write_rows
from udp.devices.vault import DeviceKeys, Vault, opened_vault
from udp.registry import rows, schema
from udp.registry.port import Device
from udp.registry.rows import Values

Entry = tuple[str, str, str, str]  # thing, moment, kind, text


def write(
    connection: Connection, mountings: Sequence[Mounting], held: Held, vault: Vault | None
) -> list[Image]:
    """Everything the rows want, in the order in which rows point at one another."""
    things = {one.placed.thing.key: one.placed for one in mountings}
    images = write_rows(
        connection,
        schema.thing,
        [
            rows.thing_row(placed.thing) | {"origin": schema.DEVICES}
            for key, placed in things.items()
            if (known := held.things.get(key)) is None or known.retired or known.thing != placed.thing
        ],
    )
    images += write_rows(
        connection,
        schema.thing_record,
        [
            {"thing": key, "content": dict(placed.record)}
            for key, placed in things.items()
            if placed.record or ((known := held.things.get(key)) and (known.record or known.decided))
        ],
    )
    streams = [
        rows.datastream_row(stream) | {"origin": schema.DEVICES}
        for one in mountings
        if not one.removed
        for stream in one.datastreams
    ]
    images += write_rows(connection, schema.datastream, streams)
    images += write_rows(connection, schema.device, _device_rows(connection, mountings))
    replaced = {one.replaces for one in mountings if one.replaces is not None}
    retired = [{"dev_eui": bytes(old), "retired": True, "origin": schema.DEVICES} for old in sorted(replaced)]
    images += write_rows(connection, schema.device, retired, whole=False)
    images += write_rows(
        connection,
        schema.device_record,
        [{"dev_eui": bytes(one.dev_eui), "content": dict(one.record)} for one in mountings],
    )
    return images + write_rows(connection, schema.device_secret, _sealed(mountings, held, vault))


def _device_rows(connection: Connection, mountings: Iterable[Mounting]) -> list[Values]:
    table = schema.datastream
    ids = {
        (thing, key): number
        for number, thing, key in connection.execute(select(table.c.id, table.c.thing, table.c.key))
    }
    found: list[Values] = []
    for one in mountings:
        thing = one.placed.thing.key
        # A device that was never in force here has no Datastreams to point at.
        known = {
            position: ids[thing, stream.key]
            for position, stream in enumerate(one.datastreams)
            if (thing, stream.key) in ids
        }
        device = Device(
            dev_eui=one.dev_eui,
            thing=thing,
            profile=one.profile.name,
            codec=one.profile.codec or "",
            channels=tuple(channel for channel in one.channels if channel.datastream in known),
            expected_interval_s=one.interval_s,
            citizen=one.citizen,
            counter_reset=one.counter_reset,
        )
        found.append(rows.device_row(device, known) | {"retired": one.removed, "origin": schema.DEVICES})
    return found


def _sealed(mountings: Iterable[Mounting], held: Held, vault: Vault | None) -> list[Values]:
    """Only keys that differ: the same keys sealed again look different."""
    found: list[Values] = []
    for one in mountings:
        if not one.keys:
            continue
        safe = opened_vault(None) if vault is None else vault
        sealed = held.sealed.get(one.dev_eui)
        before = DeviceKeys() if sealed is None else safe.open(one.dev_eui, sealed)
        after = merged(before, one.keys)
        if after != before:
            found.append({"dev_eui": bytes(one.dev_eui), "sealed": safe.seal(one.dev_eui, after)})
    return found


def merged(before: DeviceKeys, given: DeviceKeys) -> DeviceKeys:
    """New root keys end the session they did not make; a join's session leaves them, ABP ends them."""
    if given.personalised:
        return given
    if given.joined:
        return replace(given, app_key=before.app_key, nwk_key=before.nwk_key)
    app_key, nwk_key = given.app_key or before.app_key, given.nwk_key or before.nwk_key
    if (app_key, nwk_key) != (before.app_key, before.nwk_key):
        return DeviceKeys(app_key, nwk_key)
    return before


def events(mountings: Iterable[Mounting], held: Held, now: datetime) -> list[Entry]:
    """What belongs in the maintenance log by itself: put up, exchanged, taken down."""
    found: list[Entry] = []
    for one in mountings:
        before = held.devices.get(one.dev_eui)
        was = before is not None and before.in_force
        thing, label = one.placed.thing.key, f"{one.dev_eui} ({one.profile.name})"
        installed = one.record.get("eingebaut_am") or now.isoformat()
        if one.removed:
            if was:
                found.append((thing, one.record["ausgebaut_am"], "ausbau", f"Gerät {label} ausgebaut"))
        elif not was and one.replaces is not None:
            found.append((thing, installed, "tausch", f"Gerät {label} ersetzt {one.replaces}"))
        elif not was:
            found.append((thing, installed, "einbau", f"Gerät {label} eingebaut"))
    return found
