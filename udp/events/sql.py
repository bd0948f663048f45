"""Events in the registry's database: they survive every restart, and two writers open none twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    or_,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from edge.wire.instants import instant, microseconds
from udp.events.port import Event, EventKind, Trouble
from udp.registry.database import Database

_metadata = MetaData()
_OPEN = text("closed_at IS NULL")

_event = Table(
    "event",
    _metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("reason", String, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("opened_at", BigInteger, nullable=False, index=True),
    Column("closed_at", BigInteger, index=True),
    Column("thing", String(64)),
    Column("datastream", BigInteger),
    Column("detail", JSON, nullable=False),
    sqlite_autoincrement=True,
)
# The database itself keeps the promise of one open event per kind and subject.
Index("event_open", _event.c.kind, _event.c.subject, unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)


class SqlEvents:
    """`EventLog` beside the registry."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(8412306)"))
            connection.execute(CreateTable(_event, if_not_exists=True))
            for index in _event.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))

    def open_events(self) -> Sequence[Event]:
        """See the port."""
        query = select(_event).where(_event.c.closed_at.is_(None)).order_by(_event.c.id)
        with self._database.reading() as connection:
            return [_read(row) for row in connection.execute(query)]

    def recent(self, limit: int, since: datetime | None = None) -> Sequence[Event]:
        """See the port."""
        query = select(_event).order_by(_event.c.id.desc()).limit(limit)
        if since is not None:
            moment = microseconds(since)
            query = query.where(or_(_event.c.opened_at >= moment, _event.c.closed_at >= moment))
        with self._database.reading() as connection:
            return [_read(row) for row in connection.execute(query)]

    def begin(self, troubles: Sequence[Trouble], at: datetime) -> int:
        """See the port."""
        begun = 0
        with self._database.writing() as connection:
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            for one in troubles:
                row = {
                    "kind": one.kind.value, "subject": one.subject, "reason": one.reason,
                    "since": microseconds(one.since), "opened_at": microseconds(at), "thing": one.thing,
                    "datastream": one.datastream, "detail": dict(one.detail),
                }  # fmt: skip
                insert = dialect.insert(_event).values(row)
                unique = insert.on_conflict_do_nothing(index_elements=["kind", "subject"], index_where=_OPEN)
                begun += connection.execute(unique).rowcount
        return begun

    def end(self, numbers: Sequence[int], at: datetime) -> int:
        """See the port."""
        ended = 0
        with self._database.writing() as connection:
            for number in numbers:
                still = _event.c.id == number, _event.c.closed_at.is_(None)
                change = _event.update().where(*still).values(closed_at=microseconds(at))
                ended += connection.execute(change).rowcount
        return ended


def _read(row: Any) -> Event:
    return Event(
        id=row.id,
        kind=EventKind(row.kind),
        subject=row.subject,
        reason=row.reason,
        since=instant(row.since),
        opened_at=instant(row.opened_at),
        closed_at=None if row.closed_at is None else instant(row.closed_at),
        thing=row.thing,
        datastream=row.datastream,
        detail=row.detail,
    )
