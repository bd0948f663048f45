"""API keys: shown once when made, kept only as a keyed hash, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Row, func, select

from edge.wire.settings import Secret
from udp.access import tables
from udp.access.audit import AuditLog
from udp.access.limits import Quota
from udp.errors import NotFound, PlatformError
from udp.policy import OPERATOR, Caller, Role
from udp.registry.database import Database

_KEY = re.compile(r"udp_([a-z0-9]{10})_([A-Za-z0-9_-]{43})", re.ASCII)
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_WITHOUT_LIMIT = Quota(0, 0)
# A key in the settings file belongs to a process of ours.
_SETTINGS = "settings"


class KeyRefused(PlatformError):
    """A key was given and is not known, has expired or was revoked."""


class OutOfScope(PlatformError):
    """A key is good, but not for this."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a key opens: whom it stands for, below which paths (none: all), how often."""

    caller: Caller
    key: str
    paths: tuple[str, ...] = ()
    quota: Quota = _WITHOUT_LIMIT

    @property
    def counted(self) -> bool:
        """Whether its uses are counted: all but those of our own processes."""
        return self.key != _SETTINGS

    def require_path(self, path: str) -> None:
        """OutOfScope for an address the key is not for."""
        if self.paths and not any(_below(path, one) for one in self.paths):
            raise OutOfScope(f"key {self.key} is for {', '.join(self.paths)}; {path} is not among them")


@dataclass(frozen=True, slots=True)
class KeyWish:
    """What a new key shall open. `datasets` None: all its role may see; `lasting` None: until revoked."""

    role: Role
    note: str = ""
    datasets: tuple[str, ...] | None = None
    paths: tuple[str, ...] = ()
    quota: Quota = _WITHOUT_LIMIT
    lasting: timedelta | None = None


@dataclass(frozen=True, slots=True)
class KeyListed:
    """A key as a list shows it, without what would open anything."""

    id: str
    wish: KeyWish
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    uses_today: int
    uses: int


class Keys(Protocol):
    """Who a key belongs to."""

    def caller(self, key: str) -> Caller:
        """KeyRefused for a key nobody was given. RegistryUnavailable when it cannot be told now."""

    def grant(self, key: str) -> Grant:
        """The same with everything else the key says."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SqlKeys:
    """Keys in the platform's database, plus `operator_key` from the settings if there is one.

    A key is `udp_<id>_<secret>` with 256 random bits of secret: HMAC-SHA256 with a salt of its own is
    enough, nobody can guess it, and slow hashes would only let a flood of wrong keys hold us up.
    """

    def __init__(
        self,
        database: Database,
        operator_key: Secret | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._database = database
        self._given = None if operator_key is None else operator_key.reveal().encode()
        self._now = now
        self._audit = AuditLog(database, now)

    def caller(self, key: str) -> Caller:
        """See the port."""
        return self.grant(key).caller

    def grant(self, key: str) -> Grant:
        """See the port."""
        if self._given is not None and hmac.compare_digest(key.encode(), self._given):
            return Grant(OPERATOR, _SETTINGS)
        match = _KEY.fullmatch(key)
        row = self._row(match[1]) if match else None
        # An id nobody has costs the same hash as one that somebody has.
        salt, kept = (bytes(row.salt), bytes(row.digest)) if row else (b"", b"")
        if row is None or not hmac.compare_digest(_digest(salt, key), kept):
            raise KeyRefused("this API key is not known; ask for a new one: udp keys create --role operator")
        if row.revoked_at:
            raise KeyRefused(f"key {row.id} was revoked; ask for a new one")
        if row.expires_at and datetime.fromisoformat(row.expires_at) <= self._now():
            raise KeyRefused(f"key {row.id} expired on {row.expires_at[:10]}; ask for a new one")
        datasets = None if row.datasets is None else frozenset(row.datasets)
        caller = Caller(Role(row.role), datasets, name=f"key {row.id}")
        return Grant(caller, row.id, tuple(row.paths), Quota(row.per_minute, row.per_day))

    def create(self, role: Role, note: str, now: Callable[[], datetime] | None = None, who: str = "") -> str:
        """A new key without scope or limit; this is the only moment it can be read."""
        return self.make(KeyWish(role, note), who, (now or self._now)())

    def make(self, wish: KeyWish, who: str = "", at: datetime | None = None) -> str:
        """A new key; this is the only moment it can be read."""
        at = at or self._now()
        number = "".join(secrets.choice(_ALPHABET) for _ in range(10))
        key, salt = f"udp_{number}_{secrets.token_urlsafe(32)}", secrets.token_bytes(16)
        row = {
            "id": number,
            "salt": salt,
            "digest": _digest(salt, key),
            "role": wish.role.value,
            "note": wish.note,
            "datasets": None if wish.datasets is None else list(wish.datasets),
            "paths": list(wish.paths),
            "per_minute": wish.quota.per_minute,
            "per_day": wish.quota.per_day,
            "created_at": at.isoformat(),
            "expires_at": (at + wish.lasting).isoformat() if wish.lasting else None,
        }
        with self._database.writing() as connection:
            connection.execute(tables.access_key.insert().values(row))
            self._audit.add(
                connection, who, "key-made", subject=number, origin="command line",
                detail=f"{wish.role}; {wish.note}",
            )  # fmt: skip
        return key

    def revoke(self, number: str, who: str = "") -> None:
        """From now on the key opens nothing. NotFound for what is no key's id."""
        table = tables.access_key
        with self._database.writing() as connection:
            done = connection.execute(
                table.update()
                .where(table.c.id == number, table.c.revoked_at.is_(None))
                .values(revoked_at=self._now().isoformat())
            )
            if done.rowcount == 0:
                raise NotFound(f"{number!r} is no key that still opens something; see: udp keys list")
            self._audit.add(connection, who, "key-revoked", subject=number, origin="command line")

    def listed(self) -> Sequence[KeyListed]:
        """All keys, oldest first, with how often they were used."""
        table, use = tables.access_key, tables.key_use
        today = self._now().date()
        with self._database.reading() as connection:
            rows = connection.execute(select(table).order_by(table.c.created_at, table.c.id)).all()
            uses = _counts(connection.execute(select(use.c.key, func.sum(use.c.count)).group_by(use.c.key)))
            days = _counts(connection.execute(select(use.c.key, use.c.count).where(use.c.day == today)))
        return [_listed(row, days.get(row.id, 0), uses.get(row.id, 0)) for row in rows]

    def _row(self, number: str) -> Row[Any] | None:
        table = tables.access_key
        with self._database.reading() as connection:
            return connection.execute(select(table).where(table.c.id == number)).first()


def _digest(salt: bytes, key: str) -> bytes:
    return hmac.new(salt, key.encode(), hashlib.sha256).digest()


def _counts(rows: Iterable[Any]) -> Mapping[str, int]:
    return {key: int(count) for key, count in rows}


def _listed(row: Any, today: int, uses: int) -> KeyListed:
    datasets = None if row.datasets is None else tuple(row.datasets)
    wish = KeyWish(Role(row.role), row.note, datasets, tuple(row.paths), Quota(row.per_minute, row.per_day))
    return KeyListed(row.id, wish, row.created_at, row.expires_at, row.revoked_at, today, uses)


def _below(path: str, scope: str) -> bool:
    """/v1.1/Things(1) is below /v1.1 and below /v1.1/Things; /v1.10 is not below /v1.1."""
    rest = path.removeprefix(scope.rstrip("/"))
    return (rest != path and (not rest or rest[0] in "/(")) or scope == "/"
