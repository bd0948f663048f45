"""Where each Thing was and when: one line whenever it is elsewhere, whoever moved it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, literal, not_, or_, select

from udp.registry.schema import device, thing, thing_place


def note_moves(connection: Connection, at: datetime) -> None:
    """Add a line for every Thing in force whose place is not that of its newest line.

    Never for a citizen's sensor: where somebody lived is nobody's history.
    """
    later = thing_place.alias()
    newest = not_(
        select(later.c.id)
        .where(
            later.c.thing == thing_place.c.thing,
            or_(
                later.c.at > thing_place.c.at,
                and_(later.c.at == thing_place.c.at, later.c.id > thing_place.c.id),
            ),
        )
        .exists()
    )
    known = select(thing_place).where(newest).subquery()
    citizens = select(device.c.thing).where(device.c.citizen.is_(True))
    moved = (
        select(
            thing.c.key, literal(at.isoformat()), thing.c.latitude, thing.c.longitude, thing.c.elevation_m,
            literal(value=False),
        )
        .outerjoin(known, thing.c.key == known.c.thing)
        .where(
            thing.c.retired.is_(False),
            not_(thing.c.key.in_(citizens)),
            or_(
                known.c.thing.is_(None),
                thing.c.latitude.is_distinct_from(known.c.latitude),
                thing.c.longitude.is_distinct_from(known.c.longitude),
            ),
        )
    )  # fmt: skip
    columns = ["thing", "at", "latitude", "longitude", "elevation_m", "hidden"]
    connection.execute(thing_place.insert().from_select(columns, moved))
