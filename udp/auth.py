"""API keys: shown once when made, kept only as a hash, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import select

from edge.wire.settings import Secret
from udp.errors import PlatformError
from udp.policy import Caller, Role
from udp.registry import schema
from udp.registry.database import Database

_PREFIX = "udp_"


class KeyRefused(PlatformError):
    """A key was given and is not known."""


class Keys(Protocol):
    """Who a key belongs to."""

    def caller(self, key: str) -> Caller:
        """KeyRefused for a key nobody was given. RegistryUnavailable when it cannot be told now."""


def digest(key: str) -> bytes:
    """What is kept of a key. A plain hash is enough: keys hold 256 random bits, nobody can guess them."""
    return hashlib.sha256(key.encode()).digest()


class SqlKeys:
    """Keys in the registry's database, plus `operator_key` from the settings if there is one."""

    def __init__(self, database: Database, operator_key: Secret | None = None) -> None:
        self._database = database
        self._given = None if operator_key is None else digest(operator_key.reveal())

    def caller(self, key: str) -> Caller:
        """See the port. Every known hash is compared, so the time tells nothing."""
        asked = digest(key)
        found: Role | None = None
        for known, role in self._known():
            if hmac.compare_digest(known, asked):
                found = role
        if found is None:
            raise KeyRefused("this API key is not known; ask for a new one: udp key create --role operator")
        return Caller(found)

    def create(self, role: Role, note: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> str:
        """A new key; this is the only moment it can be read."""
        key = _PREFIX + secrets.token_urlsafe(32)
        row = {"digest": digest(key), "role": role.value, "note": note, "created_at": now().isoformat()}
        with self._database.writing() as connection:
            connection.execute(schema.api_key.insert().values(row))
        return key

    def _known(self) -> list[tuple[bytes, Role]]:
        table = schema.api_key
        with self._database.reading() as connection:
            rows = connection.execute(select(table.c.digest, table.c.role)).all()
        known = [(bytes(row.digest), Role(row.role)) for row in rows]
        return known if self._given is None else [*known, (self._given, Role.OPERATOR)]
