"""Take the charging points of a register file into the city's register, and retire those it no longer has."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import select

from udp.charging.register_file import LICENCE, SOURCE, Point
from udp.errors import ConfigurationError
from udp.registry import rows, schema
from udp.registry.database import Database
from udp.registry.port import Changes
from udp.registry.sql import grow, lock, update_rows
from udp.sensorthings import LISTED, Location, Thing

ORIGIN = "charging"
KIND, THEME = "charging_station", "parken-und-laden"


def take(database: Database, points: Iterable[Point], as_of: date, now: datetime) -> Changes:
    """In one transaction; repeating changes nothing. ConfigurationError where a newer file is taken."""
    table = schema.thing
    with database.writing() as connection:
        lock(connection)
        held = {
            row["key"]: dict(row)
            for row in connection.execute(select(table).where(table.c.origin == ORIGIN)).mappings()
        }
        _require_newer(held.values(), as_of)
        near = [
            (row.latitude, row.longitude, row.district, row.district_name)
            for row in connection.execute(select(table).where(table.c.origin == schema.CITY))
        ]
        wanted = [rows.thing_row(_thing(one, as_of, near)) | {"origin": ORIGIN} for one in points]
        new = [row for row in wanted if row["key"] not in held]
        changed = [row for row in wanted if row["key"] in held and held[row["key"]] != row]
        kept = {row["key"] for row in wanted}
        gone = [
            row | {"retired": True} for key, row in held.items() if key not in kept and not row["retired"]
        ]
        if new:
            connection.execute(table.insert(), new)
        update_rows(connection, table, ("key",), changed + gone)
        if new or changed or gone:
            grow(connection, now)
    return Changes(len(new), len(changed), len(wanted) - len(new) - len(changed), len(gone))


def _require_newer(held: Iterable[dict[str, object]], as_of: date) -> None:
    known = [row["properties"] for row in held]
    newest = max((str(one["register_stand"]) for one in known if isinstance(one, dict)), default="")
    if newest > as_of.isoformat():
        raise ConfigurationError(
            f"Das Ladesäulenregister ist schon mit Stand {newest} eingelesen; diese Datei ist von {as_of}"
        )


def _thing(one: Point, as_of: date, near: list[tuple[float, float, str, str]]) -> Thing:
    _, _, district, name = min(
        near,
        key=lambda place: (place[0] - one.latitude) ** 2 + (0.62 * (place[1] - one.longitude)) ** 2,
        default=(0.0, 0.0, "unbekannt", "unbekannt"),
    )
    said: dict[str, str | float | bool | None] = {
        LISTED: LICENCE, "operator": one.operator, "power_kw": one.power_kw, "status": one.status,
        "charging_points": None if one.points is None else float(one.points), "plugs": one.plugs,
        "charging_kind": one.kind, "address": one.address, "source": SOURCE,
        "in_operation_since": one.opened.isoformat() if one.opened else None,
        "register_stand": as_of.isoformat(),
    }  # fmt: skip
    return Thing(
        key=one.key, name=one.name, kind=KIND, theme=THEME,
        location=Location(one.latitude, one.longitude, district, name), simulated=False,
        description=f"{one.kind or 'Ladeeinrichtung'}, {one.address}. Quelle: {SOURCE}.",
        properties={name: value for name, value in said.items() if value not in (None, "")},
    )  # fmt: skip
