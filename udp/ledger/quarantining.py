"""The quarantine's rows: equal bytes once, bounded in entries and octets, the oldest leave first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from sqlalchemy import Connection, delete, func, select

from edge.wire.instants import microseconds
from udp.ledger import tables
from udp.ledger.port import Quarantined
from udp.ledger.statements import Row, Statements

_BIND_LIMIT = 500
OCTETS = "quarantine_octets"
"""The counter that holds how many octets the entries have: adding them up anew would read them all."""


@dataclass(frozen=True, slots=True)
class QuarantineLimits:
    """How much is kept; what leaves is in the journal still."""

    entries: int = 100_000
    octets: int = 256_000_000


def digest(entry: Quarantined) -> bytes:
    """The same bytes by the same way from the same origin are one entry, whenever they come."""
    found = blake2b(digest_size=16)
    for part in (entry.way.encode(), entry.origin.encode(), entry.octets):
        found.update(len(part).to_bytes(4, "big"))
        found.update(part)
    return found.digest()


def add(
    connection: Connection, statements: Statements, entries: Sequence[Quarantined], limits: QuarantineLimits
) -> None:
    """Keep what is new of `entries`, then drop the oldest until the limits hold."""
    if not entries:
        return
    new = {digest(entry): entry for entry in reversed(entries)}
    for some in _chunks(list(new)):
        table = tables.quarantine
        for known in connection.scalars(select(table.c.digest).where(table.c.digest.in_(some))):
            del new[bytes(known)]
    rows: list[Row] = [
        (key, microseconds(e.at), e.way, e.origin, e.reason, e.remedy, e.octets)
        for key, e in reversed(new.items())
    ]
    statements.quarantine.execute(connection, rows)
    _grow(connection, statements, sum(len(entry.octets) for entry in new.values()))
    _trim(connection, statements, limits)


def release(connection: Connection, statements: Statements, entries: Sequence[Quarantined]) -> None:
    """These leave; those that are not there change nothing."""
    table = tables.quarantine
    freed = 0
    for some in _chunks([digest(entry) for entry in entries]):
        gone = delete(table).where(table.c.digest.in_(some)).returning(func.length(table.c.octets))
        freed += sum(connection.scalars(gone))
    _grow(connection, statements, -freed)


def between(connection: Connection, first: datetime, last: datetime) -> Collection[bytes]:
    """Digests of the entries of this time, both ends included."""
    table = tables.quarantine
    limits = (microseconds(first), microseconds(last))
    return {
        bytes(one) for one in connection.scalars(select(table.c.digest).where(table.c.at.between(*limits)))
    }


def count_octets(connection: Connection, statements: Statements) -> None:
    """Add them up once where an older version did not count them."""
    table = tables.counters
    if connection.scalar(select(table.c.value).where(table.c.name == OCTETS)) is None:
        total = connection.scalar(select(func.sum(func.length(tables.quarantine.c.octets))))
        _grow(connection, statements, int(total or 0))


def _grow(connection: Connection, statements: Statements, octets: int) -> None:
    if octets:
        statements.counters.execute(connection, [(OCTETS, octets)])


def _trim(connection: Connection, statements: Statements, limits: QuarantineLimits) -> None:
    table, counters = tables.quarantine, tables.counters
    newest = connection.scalar(select(func.max(table.c.id))) or 0
    held = connection.scalar(select(counters.c.value).where(counters.c.name == OCTETS)) or 0
    freed, last = 0, 0
    oldest = select(table.c.id, func.length(table.c.octets)).order_by(table.c.id)
    with connection.execute(oldest.execution_options(yield_per=_BIND_LIMIT)) as rows:
        for number, octets in rows:
            if number > newest - limits.entries and held - freed <= limits.octets:
                break
            freed, last = freed + octets, number
    if last:
        connection.execute(delete(table).where(table.c.id <= last))
        _grow(connection, statements, -freed)


def _chunks(digests: Iterable[bytes]) -> Iterator[list[bytes]]:
    wanted = list(digests)
    for start in range(0, len(wanted), _BIND_LIMIT):
        yield wanted[start : start + _BIND_LIMIT]
