"""Sessions of people who signed in: a signed cookie names one, the platform says if it still counts."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from edge.wire.settings import Secret
from udp.access import tables
from udp.access.audit import AuditLog
from udp.errors import PlatformError
from udp.registry.database import Database
from udp.roles import Caller, Role

# Which of several roles names the person; all of them open what they open.
_WEIGHT = tuple(Role)
_LINK_MINUTES = 15


class LinkRefused(PlatformError):
    """A one-time link is unknown, used or too old; says how to get another."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session that counts. `csrf` is what forms of this person must bring."""

    caller: Caller
    subject: str
    csrf: str


class Sessions:
    """Kept in the platform's database, so that revoking counts at once and for every process.

    `key` signs the cookies; without one a random key is made, and a restart ends all sessions.
    """

    def __init__(
        self,
        database: Database,
        audit: AuditLog,
        now: Callable[[], datetime],
        *,
        key: Secret | None = None,
        lasting: timedelta = timedelta(hours=10),
    ) -> None:
        self._database = database
        self._audit = audit
        self._now = now
        self._key = key.reveal().encode() if key else secrets.token_bytes(32)
        self.lasting = lasting
        tables.make(database)

    def open(self, subject: str, name: str, roles: Iterable[Role], origin: str, how: str) -> str:
        """A new session; the value of its cookie."""
        number, now = secrets.token_urlsafe(32), self._now()
        held = sorted({one.value for one in roles})
        row = {
            "digest": _digest(number),
            "subject": subject,
            "name": name,
            "roles": held,
            "csrf": secrets.token_urlsafe(32),
            "created_at": now.isoformat(),
            "expires_at": (now + self.lasting).isoformat(),
        }
        with self._database.writing() as connection:
            connection.execute(tables.session.insert().values(row))
            self._audit.add(
                connection,
                name,
                "sign-in",
                subject=subject,
                origin=origin,
                detail=f"{how}; {', '.join(held)}",
            )
        return self.signed(number)

    def find(self, cookie: str) -> Session | None:
        """None for what is not signed by us, expired, revoked, or belongs to somebody blocked."""
        number = self.verified(cookie)
        if number is None:
            return None
        table, people = tables.session, tables.staff
        asked = (
            select(table, people.c.blocked_at)
            .join(people, people.c.subject == table.c.subject, isouter=True)
            .where(table.c.digest == _digest(number))
        )
        with self._database.reading() as connection:
            row = connection.execute(asked).first()
        if row is None or row.revoked_at or row.blocked_at:
            return None
        if datetime.fromisoformat(row.expires_at) <= self._now():
            return None
        roles = [Role(one) for one in row.roles]
        return Session(caller_of(roles, row.name), row.subject, row.csrf)

    def close(self, cookie: str, origin: str) -> None:
        """End one session; ending none is no error."""
        number = self.verified(cookie)
        if number is None:
            return
        table = tables.session
        with self._database.writing() as connection:
            row = connection.execute(select(table).where(table.c.digest == _digest(number))).first()
            if row is None or row.revoked_at:
                return
            connection.execute(
                table.update()
                .where(table.c.digest == _digest(number))
                .values(revoked_at=self._now().isoformat())
            )
            self._audit.add(connection, row.name, "sign-out", subject=row.subject, origin=origin)

    def link(self, role: Role, who: str, lasting: timedelta = timedelta(minutes=_LINK_MINUTES)) -> str:
        """A token that signs in once, as `role`; this is the only moment it can be read."""
        token, until = secrets.token_urlsafe(32), self._now() + lasting
        row = {"digest": _digest(token), "role": role.value, "expires_at": until.isoformat()}
        with self._database.writing() as connection:
            connection.execute(tables.sign_in_link.insert().values(row))
            self._audit.add(connection, who, "link-made", subject=role.value, origin="command line")
        return token

    def use(self, token: str, origin: str) -> str:
        """The cookie of a new session. LinkRefused for what is unknown, used or too old."""
        table = tables.sign_in_link
        mine = table.c.digest == _digest(token)
        now = self._now()
        with self._database.writing() as connection:
            row = connection.execute(select(table).where(mine)).first()
            good = row is not None and not row.used_at and datetime.fromisoformat(row.expires_at) > now
            if row is None or not good:
                self._audit.add(connection, "", "link-refused", origin=origin)
            else:
                connection.execute(table.update().where(mine).values(used_at=now.isoformat()))
        if row is None or not good:
            raise LinkRefused("this link is unknown, used or too old; make another: udp users link")
        role = Role(row.role)
        subject = f"link:{_digest(token).hex()[:12]}"
        return self.open(subject, f"Einmal-Link ({role})", [role], origin, "link")

    def signed(self, text: str) -> str:
        """`text` with our signature; readable by the browser, changeable by nobody."""
        return f"{text}.{self._signature(text)}"

    def verified(self, text: str) -> str | None:
        """What was signed; None for anything else."""
        content, _, signature = text.rpartition(".")
        good = hmac.compare_digest(signature.encode(), self._signature(content).encode())
        return content if good and content else None

    def _signature(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def caller_of(roles: Iterable[Role], name: str) -> Caller:
    """Named by the weightiest role, with all of them."""
    held = sorted(set(roles), key=_WEIGHT.index) or [Role.PUBLIC]
    return Caller(held[-1], also=frozenset(held[:-1]), name=name)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
