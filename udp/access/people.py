"""Staff who have signed in at least once: who they were last, and who is kept out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from udp.access import tables
from udp.access.audit import AuditLog
from udp.errors import NotFound
from udp.registry.database import Database
from udp.roles import Role


@dataclass(frozen=True, slots=True)
class Person:
    """As the sign-in provider named them last."""

    subject: str
    name: str
    roles: Sequence[str]
    last_sign_in: str
    blocked: bool


class People:
    """The sign-in provider says who somebody is; whether they may come in is also ours to say."""

    def __init__(self, database: Database, audit: AuditLog, now: Callable[[], datetime]) -> None:
        self._database = database
        self._audit = audit
        self._now = now
        tables.make(database)

    def welcome(self, subject: str, name: str, roles: Iterable[Role]) -> bool:
        """Remember the sign-in; False for somebody who is blocked."""
        table, mine = tables.staff, tables.staff.c.subject == subject
        row = {
            "name": name,
            "roles": sorted(one.value for one in roles),
            "last_sign_in": self._now().isoformat(),
        }
        with self._database.writing() as connection:
            known = connection.execute(select(table).where(mine)).first()
            if known is None:
                connection.execute(table.insert().values(subject=subject, **row))
            elif known.blocked_at:
                return False
            else:
                connection.execute(table.update().where(mine).values(row))
        return True

    def all(self) -> Sequence[Person]:
        """By name."""
        table = tables.staff
        with self._database.reading() as connection:
            rows = connection.execute(select(table).order_by(table.c.name)).all()
        return [
            Person(row.subject, row.name, row.roles, row.last_sign_in, row.blocked_at is not None)
            for row in rows
        ]

    def block(self, subject: str, who: str, *, blocked: bool = True) -> None:
        """Keep somebody out from now on, open sessions included; or let them in again. NotFound."""
        table, now = tables.staff, self._now().isoformat()
        with self._database.writing() as connection:
            done = connection.execute(
                table.update().where(table.c.subject == subject).values(blocked_at=now if blocked else None)
            )
            if done.rowcount == 0:
                raise NotFound(f"nobody called {subject!r} has signed in; see: udp users list")
            if blocked:
                sessions = tables.session
                connection.execute(
                    sessions.update()
                    .where(sessions.c.subject == subject, sessions.c.revoked_at.is_(None))
                    .values(revoked_at=now)
                )
            what = "person-blocked" if blocked else "person-unblocked"
            self._audit.add(connection, who, what, subject=subject, origin="command line")
