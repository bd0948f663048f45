"""Entities as rows and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row

from edge.wire.identifiers import DevEUI
from udp.registry.port import Channel, Derivation, Device, WiredSensor
from udp.registry.schema import CITY
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Thing, Unit

Values = dict[str, Any]


def thing_row(thing: Thing) -> Values:
    """A Thing in force."""
    return {
        "key": thing.key,
        "name": thing.name,
        "kind": thing.kind,
        "theme": thing.theme,
        **asdict(thing.location),
        "simulated": thing.simulated,
        "description": thing.description,
        "properties": dict(thing.properties),
        "retired": False,
        "origin": CITY,
    }


def thing_of(row: Row[Any]) -> Thing:
    """The Thing a row holds."""
    place = Location(row.latitude, row.longitude, row.district, row.district_name, row.elevation_m)
    return Thing(
        key=row.key,
        name=row.name,
        kind=row.kind,
        theme=row.theme,
        location=place,
        simulated=row.simulated,
        description=row.description,
        properties=row.properties,
    )


def datastream_row(datastream: Datastream) -> Values:
    """A Datastream in force, without its id."""
    return {
        "thing": datastream.thing,
        "key": datastream.key,
        "name": datastream.name,
        "sensor": datastream.sensor,
        "property_key": datastream.observed_property.key,
        "property_name": datastream.observed_property.name,
        "property_definition": datastream.observed_property.definition,
        "unit_symbol": datastream.unit.symbol,
        "unit_name": datastream.unit.name,
        "access": datastream.access.value,
        "exemption": datastream.exemption,
        "licence": datastream.licence,
        "expected_interval_s": datastream.expected_interval_s,
        "retired": False,
        "origin": CITY,
    }


def datastream_of(row: Row[Any]) -> Datastream:
    """The Datastream a row holds."""
    return Datastream(
        id=row.id,
        key=row.key,
        name=row.name,
        thing=row.thing,
        sensor=row.sensor,
        observed_property=ObservedProperty(row.property_key, row.property_name, row.property_definition),
        unit=Unit(row.unit_symbol, row.unit_name),
        access=Access(row.access),
        exemption=row.exemption,
        licence=row.licence,
        expected_interval_s=row.expected_interval_s,
    )


def device_row(device: Device, ids: Mapping[int, int]) -> Values:
    """A device in force; `ids` turns the positions of the description into registry ids."""
    return {
        "dev_eui": bytes(device.dev_eui),
        "thing": device.thing,
        "profile": device.profile,
        "codec": device.codec,
        "channels": _channel_values(device.channels, ids),
        "expected_interval_s": device.expected_interval_s,
        "citizen": device.citizen,
        "counter_reset": device.counter_reset,
        "retired": False,
        "origin": CITY,
    }


def device_of(row: Row[Any]) -> Device:
    """The device a row holds."""
    return Device(
        dev_eui=DevEUI(row.dev_eui),
        thing=row.thing,
        profile=row.profile,
        codec=row.codec,
        channels=_channels_of(row.channels),
        expected_interval_s=row.expected_interval_s,
        citizen=row.citizen,
        counter_reset=row.counter_reset,
    )


def wired_row(wired: WiredSensor, ids: Mapping[int, int]) -> Values:
    """A wired sensor in force; `ids` as for `device_row`."""
    return {
        "agent": wired.agent,
        "sensor": wired.sensor,
        "thing": wired.thing,
        "channels": _channel_values(wired.channels, ids),
        "retired": False,
        "origin": CITY,
    }


def wired_of(row: Row[Any]) -> WiredSensor:
    """The wired sensor a row holds."""
    return WiredSensor(row.agent, row.sensor, row.thing, _channels_of(row.channels))


def derivation_of(row: Row[Any]) -> tuple[int, Derivation]:
    """How the Datastream of a row is computed."""
    return row.datastream, Derivation(row.formula, row.version, row.source, tuple(row.inputs))


def _channel_values(channels: tuple[Channel, ...], ids: Mapping[int, int]) -> list[Values]:
    return [asdict(channel) | {"datastream": ids[channel.datastream]} for channel in channels]


def _channels_of(values: list[Values]) -> tuple[Channel, ...]:
    return tuple(Channel(**one) for one in values)
