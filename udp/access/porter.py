"""Who is let in and how: everything the way in needs, opened and closed together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from udp.access.audit import AuditLog
from udp.access.limits import Usage
from udp.access.people import People
from udp.access.provider import Provider
from udp.access.sessions import Sessions
from udp.access.settings import AccessSettings
from udp.access.sign_in import SignIn
from udp.registry.database import Database


@dataclass(frozen=True, slots=True)
class Porter:
    """`sign_in` is None where no provider is set up."""

    audit: AuditLog
    usage: Usage
    sessions: Sessions
    people: People
    sign_in: SignIn | None

    def close(self) -> None:
        """Keep what was counted."""
        self.usage.close()


def _utc_now() -> datetime:
    return datetime.now(UTC)


def open_porter(
    database: Database,
    settings: AccessSettings,
    now: Callable[[], datetime] = _utc_now,
    monotonic: Callable[[], float] = time.monotonic,
) -> Porter:
    """Over the platform's database, which stays open as long as this is used."""
    audit = AuditLog(database, now)
    sessions = Sessions(database, audit, now, key=settings.session_key, lasting=settings.session)
    people = People(database, audit, now)
    sign_in = None
    if settings.provider is not None:
        provider = Provider(settings.provider, lambda: now().timestamp(), monotonic)
        sign_in = SignIn(provider, sessions, people, audit, now)
    return Porter(audit, Usage(database, now, monotonic), sessions, people, sign_in)
