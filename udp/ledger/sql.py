"""The ledger in SQLite or PostgreSQL, by SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.exc import DataError, SQLAlchemyError

from edge.wire.identifiers import GatewayEUI
from edge.wire.instants import instant, microseconds
from edge.wire.messages import Reception
from udp.errors import StoreRejected, StoreUnavailable
from udp.ledger import quarantining, tables
from udp.ledger.engine import open_engine, reading, writing
from udp.ledger.forgetting import forget_uplinks
from udp.ledger.hearing import Hearing, hearing
from udp.ledger.migration import prepare
from udp.ledger.packets import forget_project, newest_packets
from udp.ledger.port import (
    Packet,
    Page,
    Quarantined,
    Remembered,
    Report,
    SessionCounter,
    SessionKey,
    WaitingFrames,
)
from udp.ledger.quarantining import QuarantineLimits
from udp.ledger.reporting import report
from udp.ledger.statements import Statements
from udp.ledger.writing import write_page

_ADVISORY_LOCK = 0x5544504C  # "UDPL"


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


class SqlLedger:
    """`url`: sqlite:///path/ledger.sqlite or postgresql+psycopg://user@host/database.

    SQLite runs with WAL and synchronous FULL: readers never wait, a returned `write` survives a
    power cut. Writers take turns (BEGIN IMMEDIATE, an advisory lock in PostgreSQL), so that what
    is known and what is new is decided by one at a time. `now`: by which uplinks are remembered.
    """

    def __init__(
        self,
        url: str,
        *,
        quarantine: QuarantineLimits = QuarantineLimits(),  # noqa: B008  # frozen
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._engine = open_engine(url)
        self._quarantine = quarantine
        self._now = now
        self._statements = Statements(self._engine.dialect)
        with self._writing() as connection:
            prepare(connection, self._now_us())
            quarantining.count_octets(connection, self._statements)

    def remembered(self, identities: Sequence[bytes]) -> Mapping[bytes, Remembered]:
        """See Ledger."""
        with self._reading() as connection:
            return {
                bytes(identity): Remembered(instant(at), bytes(payload or b""))
                for identity, at, payload in self._statements.remembered.rows(connection, identities)
            }

    def session_counters(self, sessions: Sequence[SessionKey]) -> Mapping[SessionKey, SessionCounter]:
        """See Ledger."""
        found: dict[SessionKey, SessionCounter] = {}
        wanted = set(sessions)
        devices = {dev_eui for dev_eui, _session in wanted}
        with self._reading() as connection:
            for row in self._statements.counted.rows(connection, devices):
                key = (row.dev_eui, bytes(row.session))
                if key in wanted:
                    found[key] = SessionCounter(row.highest, row.forgotten)
        return found

    def wanted_frames(self, journals: Sequence[str]) -> Sequence[WaitingFrames]:
        """See Ledger."""
        table = tables.frames
        query = select(table).where(table.c.wanted == 1).order_by(table.c.journal, table.c.first)
        with self._reading() as connection:
            rows = [row for row in connection.execute(query) if row.journal in set(journals)]
        return [WaitingFrames(bytes(row.dev_addr), row.journal, row.first, row.last) for row in rows]

    def write(self, page: Page) -> None:
        """See Ledger."""
        with self._writing() as connection:
            write_page(connection, self._statements, page, self._quarantine, self._now_us())

    def cursor(self, journal: str) -> int:
        """See Ledger."""
        table = tables.cursors
        with self._reading() as connection:
            found = connection.scalar(select(table.c.row_id).where(table.c.journal == journal))
        return found or 0

    def others(self, worker: str) -> Collection[str]:
        """See Ledger."""
        names = tables.workers.c.worker
        with self._reading() as connection:
            return list(connection.scalars(select(names).where(names.not_in(["", worker])).order_by(names)))

    def journals(self) -> Sequence[str]:
        """See Ledger."""
        with self._reading() as connection:
            return list(connection.scalars(select(tables.cursors.c.journal)))

    def report(self) -> Report:
        """See Ledger."""
        with self._reading() as connection:
            return report(connection, self._now())

    def latest_by_others(self) -> datetime | None:
        """The latest time any agent or gateway has told by its own clock; None if none ever spoke."""
        agents, gateways = tables.agents.c.last_sent_at, tables.gateways.c.last_received_at
        with self._reading() as connection:
            told = [connection.scalar(select(func.max(column))) for column in (agents, gateways)]
        known = [one for one in told if one is not None]
        return instant(max(known)) if known else None

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
                    at=instant(row.at), way=row.way, origin=row.origin, reason=row.reason,
                    remedy=row.remedy, octets=bytes(row.octets),
                )
                for row in connection.execute(query)
            ]  # fmt: skip

    def quarantined_between(self, first: datetime, last: datetime) -> Collection[bytes]:
        """See QuarantineReader."""
        with self._reading() as connection:
            return quarantining.between(connection, first, last)

    def forget(self, before: datetime) -> int:
        """Drop the memory of uplinks noted before `before` (by our clock), with their receptions.

        Must stay behind the longest spool. Returns how many uplinks were dropped. Works in short
        steps, so that writers are not held up.
        """
        return forget_uplinks(self._writing, before)

    def forget_worker(self, worker: str) -> None:
        """Nothing `worker` says of itself is shown any more, until it says something again."""
        with self._writing() as connection:
            for table in (tables.workers, tables.gauges, tables.conditions):
                connection.execute(delete(table).where(table.c.worker == worker))

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

    def _now_us(self) -> int:
        return microseconds(self._now())

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._answering(), writing(self._engine, _ADVISORY_LOCK) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._answering(), reading(self._engine) as connection:
            yield connection

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except DataError as error:  # told as an outage, one such message would hold up all others for ever
            raise StoreRejected(f"the ledger can never hold this: {error.orig}") from error
        except SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or error
            where = self._engine.url.render_as_string(hide_password=True)
            raise StoreUnavailable(f"ledger {where} did not answer: {reason}") from error


def _reception(row: Any) -> Reception:
    try:
        gateway = GatewayEUI.parse(row.gateway)
    except ValueError:
        gateway = None  # a gateway known by name only
    return Reception(gateway, row.name, instant(row.received_at), row.rssi_dbm, row.snr_db)
