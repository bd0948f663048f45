"""Who did what, to what, when and from where: added to, never changed, and a gap or a change shows."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Row, select, text

from udp.access import tables
from udp.registry.database import Database

_LONGEST = 500
FORGOTTEN = "audit"
"""What proofs of deletion call lines of this log."""
_FIELDS = ("at", "who", "what", "subject", "origin", "detail")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `origin` is a shortened address, a command line, or empty; secrets stand in none."""

    number: int
    at: str
    who: str
    what: str
    subject: str
    origin: str
    detail: str


class AuditLog:
    """The log in the platform's database; each line carries a hash of itself and the line before."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now
        tables.make(database)

    def write(self, who: str, what: str, *, subject: str = "", origin: str = "", detail: str = "") -> None:
        """Add a line in a transaction of its own. RegistryUnavailable when it could not be kept."""
        with self._database.writing() as connection:
            self.add(connection, who, what, subject=subject, origin=origin, detail=detail)

    def add(
        self,
        connection: Connection,
        who: str,
        what: str,
        *,
        subject: str = "",
        origin: str = "",
        detail: str = "",
    ) -> None:
        """The same within the transaction of what is logged: both happen, or neither."""
        table = tables.audit
        if connection.dialect.name == "postgresql":
            # Two lines at once must not both follow the same one.
            connection.execute(text("SELECT pg_advisory_xact_lock(8412307)"))
        last = connection.execute(select(table.c.chain).order_by(table.c.id.desc()).limit(1)).scalar()
        last = forgotten_chain(connection) if last is None else last
        row = {
            "at": self._now().isoformat(),
            "who": _plain(who),
            "what": what,
            "subject": _plain(subject),
            "origin": _plain(origin),
            "detail": _plain(detail),
        }
        connection.execute(table.insert().values(**row, chain=_link(last, row)))

    def read(self, limit: int = 100) -> Sequence[Entry]:
        """The newest lines, newest first."""
        table = tables.audit
        with self._database.reading() as connection:
            rows = connection.execute(select(table).order_by(table.c.id.desc()).limit(limit)).all()
        return [Entry(row.id, *(getattr(row, name) for name in _FIELDS)) for row in rows]

    def broken(self) -> int | None:
        """The number of the first line that is not as it was written; None if all are."""
        with self._database.reading() as connection:
            before = forgotten_chain(connection)
            for row in _rows(connection):
                if bytes(row.chain) != _link(before, {name: getattr(row, name) for name in _FIELDS}):
                    return int(row.id)
                before = bytes(row.chain)
        return None


def forgotten_chain(connection: Connection) -> bytes | None:
    """The hash of the last line that retention has deleted, from its proof: there the log goes on."""
    table = tables.deletion
    mine = select(table.c.checksum).where(table.c.what == FORGOTTEN).order_by(table.c.id.desc()).limit(1)
    found = connection.execute(mine).scalar()
    return None if found is None else bytes.fromhex(found)


def _rows(connection: Connection) -> Iterator[Row[tuple[object, ...]]]:
    yield from connection.execute(select(tables.audit).order_by(tables.audit.c.id))


def _link(before: bytes | None, row: dict[str, str]) -> bytes:
    text = json.dumps(row, sort_keys=True, ensure_ascii=False).encode()
    return hashlib.sha256((before or b"") + text).digest()


def _plain(text: str) -> str:
    """One line, however a caller named himself."""
    return "".join(one if one.isprintable() else "?" for one in text)[:_LONGEST]


def shortened(address: str | None) -> str:
    """The network of an address (IPv4 /24, IPv6 /48): enough to see a pattern, too little for a person."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    if found.version == 6 and found.ipv4_mapped:
        found = found.ipv4_mapped
    return str(ipaddress.ip_network(f"{found}/{24 if found.version == 4 else 48}", strict=False))
