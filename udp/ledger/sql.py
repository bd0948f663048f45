"""The ledger in SQLite or PostgreSQL, by SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, delete, event, select, text
from sqlalchemy.exc import SQLAlchemyError

from edge.wire.identifiers import GatewayEUI
from edge.wire.messages import Reception
from udp.errors import StoreUnavailable
from udp.ledger import tables
from udp.ledger.hearing import Hearing, hearing
from udp.ledger.packets import forget_project, newest_packets
from udp.ledger.port import Packet, Page, Quarantined, Report
from udp.ledger.reporting import report
from udp.ledger.statements import Statements
from udp.ledger.writing import write_page

_T = TypeVar("_T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BIND_LIMIT = 500  # well below the variables any build of SQLite allows in one statement
_ADVISORY_LOCK = 0x5544504C  # "UDPL"


class SqlLedger:
    """`url`: sqlite:///path/ledger.sqlite or postgresql+psycopg://user@host/database.

    SQLite runs with WAL and synchronous FULL: readers never wait, a returned `write` survives a
    power cut. Writers take turns (BEGIN IMMEDIATE, an advisory lock in PostgreSQL), so that what
    is known and what is new is decided by one at a time. `quarantine_limit`: entries kept, oldest
    leave first (the journal holds their bytes still).
    """

    def __init__(self, url: str, *, quarantine_limit: int = 100_000) -> None:
        self._engine = open_engine(url)
        self._quarantine_limit = quarantine_limit
        self._statements = Statements(self._engine.dialect)
        with self._writing() as connection:
            tables.metadata.create_all(connection)

    def first_received(self, identities: Sequence[bytes]) -> Mapping[bytes, datetime]:
        """See Ledger."""
        known: dict[bytes, datetime] = {}
        table = tables.uplinks
        with self._reading() as connection:
            for some in _chunks(identities):
                rows = connection.execute(select(table).where(table.c.identity.in_(some)))
                known.update((bytes(identity), _moment(at)) for identity, at in rows)
        return known

    def write(self, page: Page) -> None:
        """See Ledger."""
        with self._writing() as connection:
            write_page(connection, self._statements, page, self._quarantine_limit)

    def cursor(self, journal: str) -> int:
        """See Ledger."""
        table = tables.cursors
        with self._reading() as connection:
            found = connection.scalar(select(table.c.row_id).where(table.c.journal == journal))
        return found or 0

    def report(self) -> Report:
        """See Ledger."""
        with self._reading() as connection:
            return report(connection)

    def receptions(self, identity: bytes) -> Sequence[tuple[str, Reception]]:
        """See Ledger."""
        table = tables.receptions
        query = (
            select(table)
            .where(table.c.identity == identity)
            .order_by(table.c.received_at, table.c.way, table.c.gateway)
        )
        with self._reading() as connection:
            return [
                (row.way, _reception(row)) for row in connection.execute(query)
            ]  # a handful of rows: one uplink

    def hearing(self) -> Mapping[str, Hearing]:
        """Which gateways hear each device and how well; by DevEUI."""
        with self._reading() as connection:
            return hearing(connection)

    def quarantined(self, limit: int) -> Sequence[Quarantined]:
        """See QuarantineReader."""
        table = tables.quarantine
        query = select(table).order_by(table.c.at.desc(), table.c.id.desc()).limit(limit)
        with self._reading() as connection:
            return [
                Quarantined(
                    at=_moment(row.at), way=row.way, origin=row.origin, reason=row.reason,
                    remedy=row.remedy, octets=bytes(row.octets),
                )
                for row in connection.execute(query)
            ]  # fmt: skip

    def forget(self, before: datetime) -> int:
        """Drop the memory of uplinks first received before `before`, with their receptions.

        Must stay behind the longest spool: what is forgotten would be taken for new. Returns how
        many uplinks were dropped. Works in short steps, so that writers are not held up.
        """
        uplinks, heard = tables.uplinks, tables.receptions
        limit = (before - _EPOCH) // timedelta(microseconds=1)
        dropped = 0
        start = b""
        while True:
            with self._writing() as connection:
                rows = connection.execute(
                    select(uplinks).where(uplinks.c.identity > start).order_by(uplinks.c.identity).limit(5000)
                ).all()
                old = [bytes(row.identity) for row in rows if row.received_at < limit]
                for some in _chunks(old):
                    connection.execute(delete(heard).where(heard.c.identity.in_(some)))
                    connection.execute(delete(uplinks).where(uplinks.c.identity.in_(some)))
            dropped += len(old)
            if not rows:
                return dropped
            start = bytes(rows[-1].identity)

    def packets(self, project: str, limit: int) -> Sequence[Packet]:
        """See PacketReader."""
        with self._reading() as connection:
            return newest_packets(connection, project, limit)

    def forget_project(self, project: str, origin: str, dev_euis: Sequence[str]) -> None:
        """Drop all that is known of a project and its devices; `origin`: where its deliveries came in."""
        with self._writing() as connection:
            forget_project(connection, project, origin, dev_euis)

    def close(self) -> None:
        """See Ledger."""
        self._engine.dispose()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._answering(), self._engine.connect() as connection:
            connection.execution_options(udp_writes=True)
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
                yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._answering(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or error
            where = self._engine.url.render_as_string(hide_password=True)
            raise StoreUnavailable(f"ledger {where} did not answer: {reason}") from error


def open_engine(url: str) -> Engine:
    """An engine whose SQLite connections are durable and whose writers queue instead of failing."""
    if not url.startswith("sqlite"):
        return create_engine(url, paramstyle="format", pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": 30.0})

    @event.listens_for(engine, "connect")
    def _durable(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where pysqlite guesses
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("udp_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _reception(row: Any) -> Reception:
    try:
        gateway = GatewayEUI.parse(row.gateway)
    except ValueError:
        gateway = None  # a gateway known by name only
    return Reception(gateway, row.name, _moment(row.received_at), row.rssi_dbm, row.snr_db)


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _chunks(items: Iterable[_T]) -> Iterator[list[_T]]:
    source = iter(items)
    while some := list(islice(source, _BIND_LIMIT)):
        yield some
