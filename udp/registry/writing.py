"""Take what SensorThings writes into the register: rows that no city file touches, in one transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, select

from udp.registry import schema
from udp.registry.city_file import THEMES
from udp.registry.mounting import UNDECIDED
from udp.registry.written import Entity
from udp.sensorthings import Access

KIND, THEME, UNKNOWN = "sensorthings", "sonstiges", "unbekannt"
_DAY_S = 86_400.0
_TOLD_ELSEWHERE = frozenset(
    ("key", "kind", "theme", "simulated", "citizen", "notice", "bezirk", "bezirk_name", "hoehe_m")
)
_KEY = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Spot:
    """A place as the register keeps it; WGS 84."""

    latitude: float
    longitude: float
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Meant:
    """What the register's columns of a Datastream are made of."""

    content: Mapping[str, Any]
    sensor: str
    property_key: str
    observed: Mapping[str, Any]


def put_entity(connection: Connection, entity: Entity, *, gone: bool = False) -> None:
    """Write or overwrite."""
    table = schema.written_entity
    mine = (table.c.kind == entity.kind) & (table.c.id == entity.id)
    values = {
        "key": entity.key,
        "content": dict(entity.content),
        "links": {name: list(ids) for name, ids in entity.links.items()},
        "gone": gone,
    }
    _put(connection, table, mine, values, {"kind": entity.kind, "id": entity.id})


def bring_back(connection: Connection, kind: str, number: int) -> None:
    """What the register knows of itself is told again."""
    table = schema.written_entity
    connection.execute(table.delete().where((table.c.kind == kind) & (table.c.id == number)))


def add_thing(connection: Connection, key: str) -> None:
    """A Thing without a place yet: not in force until it has one."""
    values = {
        "key": key, "name": key, "kind": KIND, "theme": THEME, "latitude": 0.0, "longitude": 0.0,
        "district": UNKNOWN, "district_name": UNKNOWN, "simulated": False, "description": "",
        "properties": {}, "retired": True, "origin": schema.WRITTEN,
    }  # fmt: skip
    connection.execute(schema.thing.insert().values(**values))


def describe_thing(connection: Connection, key: str, content: Mapping[str, Any]) -> None:
    """Its name, description and properties as the other interfaces tell them."""
    said = content.get("properties") or {}
    kind = said.get("kind")
    values = {
        "name": content["name"],
        "description": content["description"],
        "kind": kind if isinstance(kind, str) and re.fullmatch(r"[a-z][a-z0-9_]{0,62}", kind) else KIND,
        "theme": said["theme"] if said.get("theme") in THEMES else THEME,
        "simulated": said.get("simulated") is True,
        "properties": {
            name: value
            for name, value in said.items()
            if isinstance(value, str | int | float | bool) and name not in _TOLD_ELSEWHERE
        },
    }
    table = schema.thing
    connection.execute(table.update().where(table.c.key == key).values(**values))
    _take_over(connection, table, table.c.key == key)


def settle_thing(connection: Connection, key: str, spot: Spot | None, *, gone: bool = False) -> None:
    """Put it in force where it is, or out of force; its written Datastreams follow."""
    table, streams = schema.thing, schema.datastream
    values: dict[str, Any] = {"retired": gone or spot is None}
    if spot is not None:
        where = spot.properties
        values |= {"latitude": spot.latitude, "longitude": spot.longitude}
        for column, name in (("district", "bezirk"), ("district_name", "bezirk_name")):
            if isinstance(where.get(name), str):
                values[column] = where[name]
        height = where.get("hoehe_m")
        values["elevation_m"] = float(height) if isinstance(height, int | float) else None
    connection.execute(table.update().where(table.c.key == key).values(**values))
    _take_over(connection, table, table.c.key == key)
    if gone or spot is None:
        mine = streams.c.thing == key
        connection.execute(streams.update().where(mine).values(retired=True, origin=schema.WRITTEN))
    else:
        dropped = select(schema.written_entity.c.id).where(
            schema.written_entity.c.kind == "Datastream", schema.written_entity.c.gone.is_(True)
        )
        mine = (streams.c.thing == key) & (streams.c.origin == schema.WRITTEN) & ~streams.c.id.in_(dropped)
        connection.execute(streams.update().where(mine).values(retired=False))


def add_place(
    connection: Connection, key: str, at: datetime, spot: Spot | None, locations: Iterable[int]
) -> int:
    """A line of history."""
    done = connection.execute(
        schema.thing_place.insert().values(
            thing=key, at=at.isoformat(), latitude=spot.latitude if spot else None,
            longitude=spot.longitude if spot else None, locations=list(locations), hidden=False,
        )
    )  # fmt: skip
    return _key_of(done.inserted_primary_key)


def change_place(connection: Connection, number: int, **values: Any) -> None:
    """Correct a line of history: at, locations, latitude, longitude, hidden, thing."""
    table = schema.thing_place
    connection.execute(table.update().where(table.c.id == number).values(**values))


def add_datastream(connection: Connection, thing: str, meant: Meant) -> int:
    """A Datastream of the Thing, closed unless its properties say otherwise; its id."""
    table = schema.datastream
    taken = set(connection.execute(select(table.c.key).where(table.c.thing == thing)).scalars())
    key = number = meant.property_key
    count = 1
    while number in taken:
        count += 1
        number = f"{key[:58]}-{count}"
    placed = select(schema.thing.c.retired).where(schema.thing.c.key == thing)
    values = {
        "thing": thing, "key": number, "retired": bool(connection.execute(placed).scalar_one()),
        "origin": schema.WRITTEN, **_stream_values(meant),
    }  # fmt: skip
    return _key_of(connection.execute(table.insert().values(**values)).inserted_primary_key)


def describe_datastream(connection: Connection, number: int, meant: Meant, *, released: bool) -> None:
    """Correct what the register's columns say; `released`: also who may see it and how often it speaks."""
    table, values = schema.datastream, _stream_values(meant)
    if not released:
        for name in ("access", "exemption", "licence", "expected_interval_s"):
            del values[name]
    connection.execute(table.update().where(table.c.id == number).values(**values))
    _take_over(connection, table, table.c.id == number)


def retire_datastreams(connection: Connection, numbers: Iterable[int]) -> None:
    """For good: no city file brings them back."""
    table = schema.datastream
    mine = table.c.id.in_(list(numbers))
    connection.execute(table.update().where(mine).values(retired=True, origin=schema.WRITTEN))


def put_series(connection: Connection, series: int, datastream: int, feature: int | None) -> None:
    """What a series of the store is about."""
    table = schema.written_series
    values = {"datastream": datastream, "feature": feature}
    _put(connection, table, table.c.series == series, values, {"series": series})


def put_note(
    connection: Connection, identity: tuple[int, int, int], content: Mapping[str, Any], *, withdrawn: bool
) -> None:
    """What an Observation says beyond what the store holds."""
    names = dict(zip(("series", "time", "lead"), identity, strict=True))
    values = {"content": dict(content), "withdrawn": withdrawn}
    _put(connection, schema.written_observation, _note_at(identity), values, names)


def drop_note(connection: Connection, identity: tuple[int, int, int]) -> None:
    """As if nothing had been said of it."""
    connection.execute(schema.written_observation.delete().where(_note_at(identity)))


def _note_at(identity: tuple[int, int, int]) -> ColumnElement[bool]:
    table = schema.written_observation
    return (table.c.series == identity[0]) & (table.c.time == identity[1]) & (table.c.lead == identity[2])


def slug(text: str) -> str:
    """A key from a name, e.g. `air-temperature`."""
    return _KEY.sub("-", text.lower().rsplit("/", 1)[-1].rsplit("#", 1)[-1]).strip("-")[:60] or "messgroesse"


def _stream_values(meant: Meant) -> dict[str, Any]:
    content = meant.content
    said, unit = content.get("properties") or {}, content["unitOfMeasurement"]
    asked, licence, interval = said.get("zugriff"), said.get("lizenz"), said.get("expected_interval_s")
    opened = asked == Access.OPEN and isinstance(licence, str) and bool(licence)
    access = Access.OPEN if opened else Access.RESTRICTED if asked == Access.RESTRICTED else Access.INTERNAL
    return {
        "name": content["name"],
        "sensor": meant.sensor,
        "property_key": meant.property_key,
        "property_name": meant.observed["name"],
        "property_definition": meant.observed["definition"],
        "unit_symbol": unit.get("symbol") or "",
        "unit_name": unit.get("name") or "",
        "access": access.value,
        "exemption": None if opened else UNDECIDED,
        "licence": licence if opened else "",
        "expected_interval_s": float(interval)
        if isinstance(interval, int | float) and interval > 0
        else _DAY_S,
    }


def _take_over(connection: Connection, table: Table, mine: Any) -> None:
    """From now on the city file no longer speaks for the row."""
    city = mine & (table.c.origin == schema.CITY)
    connection.execute(table.update().where(city).values(origin=schema.WRITTEN))


def _put(
    connection: Connection, table: Table, mine: Any, values: dict[str, Any], key: dict[str, Any]
) -> None:
    if not connection.execute(table.update().where(mine).values(**values)).rowcount:
        connection.execute(table.insert().values(**values, **key))


def _key_of(key: Any) -> int:
    assert key is not None  # noqa: S101 - both databases give a key to every row
    return int(key[0])
