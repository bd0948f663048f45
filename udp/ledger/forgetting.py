"""Let the memory of uplinks end, and keep what is needed to tell a replayed frame from a new one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from edge.wire.instants import microseconds
from udp.ledger import tables

_STEP = 5_000
_BIND_LIMIT = 500
_DEV_EUI, _F_CNT = 8, 4  # octets at the ends of an identity


def forget_uplinks(writing: Callable[[], AbstractContextManager[Connection]], before: datetime) -> int:
    """Drop what was noted before `before`, step by step, each in its own transaction."""
    limit = microseconds(before)
    dropped = 0
    start: bytes | None = b""
    while start is not None:
        with writing() as connection:
            start, old = _step(connection, start, limit)
        dropped += old
    with writing() as connection:
        connection.execute(delete(tables.frames).where(tables.frames.c.noted_at < limit))
    return dropped


def _step(connection: Connection, start: bytes, limit: int) -> tuple[bytes | None, int]:
    """(where the next step begins, how many were dropped)."""
    uplinks, heard = tables.uplinks, tables.receptions
    query = select(uplinks.c.identity, uplinks.c.noted_at).where(uplinks.c.identity > start)
    rows = connection.execute(query.order_by(uplinks.c.identity).limit(_STEP)).all()
    old = [bytes(row.identity) for row in rows if row.noted_at < limit]
    _remember_counters(connection, old)
    for begin in range(0, len(old), _BIND_LIMIT):
        some = old[begin : begin + _BIND_LIMIT]
        connection.execute(delete(heard).where(heard.c.identity.in_(some)))
        connection.execute(delete(uplinks).where(uplinks.c.identity.in_(some)))
    return (bytes(rows[-1].identity) if len(rows) == _STEP else None), len(old)


def _remember_counters(connection: Connection, identities: list[bytes]) -> None:
    """The identity of a device that restarts its counter is longer and names no session: nothing to note."""
    table = tables.sessions
    highest: dict[tuple[str, bytes], int] = {}
    for one in identities:
        key = one[:_DEV_EUI].hex().upper(), one[_DEV_EUI:-_F_CNT]
        highest[key] = max(highest.get(key, -1), int.from_bytes(one[-_F_CNT:], "big"))
    for (dev_eui, session), f_cnt in highest.items():
        own = (table.c.dev_eui == dev_eui) & (table.c.session == session) & (table.c.forgotten < f_cnt)
        connection.execute(update(table).where(own).values(forgotten=f_cnt))
