"""Lines of the audit log that are older than the policy keeps them: deleted, proven, and the chain goes on.

They say who did what when, so they are data about people and have an end. The proof keeps the hash of the
last deleted line; the first that is left was chained to it, so a line that goes missing otherwise shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select, text

from udp.access import tables
from udp.access.audit import FORGOTTEN, AuditLog
from udp.registry.database import Database
from udp.retention.proof import Deletion, moment

DATASET = "zugriffsprotokoll"


def forget_audit(
    database: Database, kept: timedelta | None, policy: str, now: Callable[[], datetime]
) -> Deletion | None:
    """The oldest lines, up to the first that is young enough; None where nothing is due. `policy`: digest.
    One transaction: lines, proof, and a line that says so; RegistryUnavailable where it could not be."""
    tables.make(database)
    if kept is None:
        return None
    before = now() - kept
    with database.writing() as connection:
        if (last := _last_due(connection, before)) is None:
            return None
        proof = _delete(connection, last, before, policy, now())
        audit = AuditLog(database, now)
        audit.add(
            connection, "udp retention", "audit-forgotten", subject=DATASET,
            detail=f"{proof.count} lines before {proof.before}",
        )  # fmt: skip
    return proof


def _last_due(connection: Connection, before: datetime) -> int | None:
    """The log is a chain: only a beginning of it can go."""
    table = tables.audit
    young = connection.execute(select(func.min(table.c.id)).where(table.c.at >= before.isoformat())).scalar()
    due = select(func.max(table.c.id))
    found = connection.execute(due if young is None else due.where(table.c.id < young)).scalar()
    return None if found is None else int(found)


def _delete(connection: Connection, last: int, before: datetime, policy: str, at: datetime) -> Deletion:
    table = tables.audit
    old = table.c.id <= last
    count, first, newest = connection.execute(
        select(func.count(), func.min(table.c.at), func.max(table.c.at)).where(old)
    ).one()
    chain = bytes(connection.execute(select(table.c.chain).where(table.c.id == last)).scalar_one())
    rest = _count(connection, table.c.id > last)
    if connection.dialect.name == "sqlite":
        # What is deleted is overwritten, not only unlinked.
        connection.execute(text("PRAGMA secure_delete = ON"))
    with tables.unprotected(connection, table.name):
        deleted = connection.execute(table.delete().where(old)).rowcount
    proof = Deletion(
        at=moment(at), dataset=DATASET, what=FORGOTTEN, before=moment(before), first=first, last=newest,
        series=0, count=count, deleted=deleted, checksum=chain.hex(), left_over=_count(connection, old),
        summed_before=rest, summed_after=_count(connection, table.c.id > last), unreadable=False,
        policy=policy,
    )  # fmt: skip
    connection.execute(tables.deletion.insert().values(asdict(proof)))
    return proof


def _count(connection: Connection, condition: object) -> int:
    table = tables.audit
    return int(connection.execute(select(func.count()).select_from(table).where(condition)).scalar_one())  # type: ignore[arg-type]
