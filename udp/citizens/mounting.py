"""An approved project as rows of the inventory: a Thing per device, its Datastreams, its device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from edge.wire.identifiers import DevEUI
from udp.citizens.offer import FORMATTER, Offer, formatter_profile, theme_of
from udp.citizens.place import CELL_M
from udp.errors import ConfigurationError
from udp.registry import rows, schema
from udp.registry.geometry import Linear, linear
from udp.registry.mounting import Release, channel_at, datastream_at
from udp.registry.port import Device
from udp.registry.profiles import Profile
from udp.sensorthings import Access, Location, Thing

ORIGIN = "citizens"
"""Who speaks for these rows: no city file and no device table touches them."""
KIND = "citizen_sensor"
PROJECT = "project"
"""The property of a Thing that names its project: only that project's door may speak for it."""


def mount(connection: Connection, project: Row[Any], devices: Sequence[Row[Any]], known: Offer) -> None:
    """Write the rows; ConfigurationError if the device type has gone from the offer since."""
    profile = _profile(project, known)
    for one in devices:
        thing = _thing(project, one, len(devices), profile)
        release = Release(Access.OPEN, None, project.licence)
        streams = [
            datastream_at(
                position, profile, channel, thing=thing.key, release=release, interval=project.interval_s
            )
            for position, channel in enumerate(profile.channels)
        ]
        connection.execute(schema.thing.insert(), [rows.thing_row(thing) | {"origin": ORIGIN}])
        values = [rows.datastream_row(stream) | {"origin": ORIGIN} for stream in streams]
        connection.execute(schema.datastream.insert(), values)
        ids = _ids(connection, thing.key)
        device = Device(
            dev_eui=DevEUI(one.dev_eui),
            thing=thing.key,
            profile=profile.name,
            codec=profile.codec or "",
            channels=tuple(
                channel_at(
                    position,
                    channel,
                    linear(None, {}, Linear(channel.scale, channel.offset), channel.input_scale),
                )
                for position, channel in enumerate(profile.channels)
            ),
            expected_interval_s=project.interval_s,
            citizen=True,
        )
        numbers = {position: ids[stream.key] for position, stream in enumerate(streams)}
        row = rows.device_row(device, numbers) | {"origin": ORIGIN}
        connection.execute(schema.device.insert(), [row])


def unmount(connection: Connection, slug: str) -> tuple[list[int], list[str]]:
    """Take the project's rows out of force and its devices away; (Datastream ids, Thing keys) to delete."""
    things = _things(connection, slug)
    streams = list(
        connection.scalars(select(schema.datastream.c.id).where(schema.datastream.c.thing.in_(things)))
    )
    connection.execute(schema.device.delete().where(schema.device.c.thing.in_(things)))
    for table, column in ((schema.datastream, "thing"), (schema.thing, "key")):
        own = table.c[column].in_(things)
        connection.execute(table.update().where(own).values(retired=True))
    connection.execute(
        schema.thing.update()
        .where(schema.thing.c.key.in_(things))
        .values(name="gelöscht", description="", latitude=0.0, longitude=0.0, properties={})
    )
    return streams, things


def remove(connection: Connection, streams: Sequence[int], things: Sequence[str]) -> None:
    """The last of it, once nothing in the store points here any more."""
    connection.execute(schema.datastream.delete().where(schema.datastream.c.id.in_(streams)))
    connection.execute(schema.thing.delete().where(schema.thing.c.key.in_(things)))


def project_of_thing(thing: Thing | None) -> str:
    """The project a Thing belongs to; empty for everything that is no citizen's."""
    return "" if thing is None else str(thing.properties.get(PROJECT, ""))


def taken(connection: Connection, dev_euis: Sequence[DevEUI]) -> list[DevEUI]:
    """Those that the register holds already, whoever brought them."""
    table = schema.device
    found = connection.scalars(select(table.c.dev_eui).where(table.c.dev_eui.in_(map(bytes, dev_euis))))
    return [DevEUI(one) for one in found]


def _profile(project: Row[Any], known: Offer) -> Profile:
    if project.kind == FORMATTER:
        fields: Mapping[str, str] = project.fields
        return formatter_profile(fields, known.choices, project.interval_s)
    profile = known.kinds.get(project.kind)
    if profile is None:
        raise ConfigurationError(
            f"Projekt {project.slug}: das Profil {project.kind!r} gibt es nicht mehr; das Profil wieder "
            "anlegen, oder das Projekt ablehnen und neu anmelden lassen"
        )
    return profile


def _thing(project: Row[Any], device: Row[Any], count: int, profile: Profile) -> Thing:
    name = project.title if count == 1 and not device.label else f"{project.title}, {_label(device)}"
    where = "Standort wie angegeben" if project.exact else "Standort auf 100 m gerundet"
    return Thing(
        key=f"{project.slug}-{device.position}",
        name=name,
        kind=KIND,
        theme=theme_of(profile),
        location=Location(project.latitude, project.longitude, project.district, project.district_name),
        simulated=False,
        description=f"Bürgersensor, ungeprüft: privat betrieben, {where}.",
        properties={
            PROJECT: project.slug,
            "place_as_agreed": True,
            "place_rounded_m": 0.0 if project.exact else CELL_M,
        },
    )


def _label(device: Row[Any]) -> str:
    return str(device.label) or f"Gerät {device.position}"


def _things(connection: Connection, slug: str) -> list[str]:
    own = schema.thing.c.origin == ORIGIN
    found = connection.execute(select(schema.thing.c.key, schema.thing.c.properties).where(own))
    return [key for key, properties in found if properties.get(PROJECT) == slug]


def _ids(connection: Connection, thing: str) -> dict[str, int]:
    table = schema.datastream
    found = connection.execute(select(table.c.key, table.c.id).where(table.c.thing == thing))
    return {row.key: row.id for row in found}
