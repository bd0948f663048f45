"""Codes for school classes: whoever brings one is let in at once, for so many projects and until a day.

A code is shown once and kept as a hash. It holds 80 random bits, which nobody finds by trying, neither at
the form, where tries are limited, nor in a stolen database; so a plain hash is enough.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, select

from udp.citizens import tables
from udp.citizens.application import ApplicationRefused
from udp.citizens.project import digest
from udp.errors import NotFound, PlatformError
from udp.registry.database import Database

FIELD = "klassencode"
MOST_PLACES = 200
LONGEST = timedelta(days=366)
_HERE = ZoneInfo("Europe/Berlin")
# Read off a blackboard: no l beside 1, no o beside 0.
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 4, 4


class Audit(Protocol):
    """The log of who did what; adds a line within the transaction of what is logged."""

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
        """Secrets stand in none of them."""


class NoSuchWish(PlatformError):
    """A code that cannot be meant; the text says in German what can."""


@dataclass(frozen=True, slots=True)
class ClassCode:
    """A code as it may be listed. `until` is the last moment it is good, `places` how many it lets in."""

    number: int
    note: str
    places: int
    used: int
    until: datetime
    made_at: datetime
    made_by: str
    revoked_at: datetime | None


class ClassCodes:
    """What staff does with codes; each step is a line of the audit log in the same transaction."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._now = now
        self._audit = audit
        with database.writing() as connection:
            tables.make(connection)

    def make(self, note: str, places: int, last_day: date, who: str, origin: str = "command line") -> str:
        """A new code, good to the end of `last_day`; this is the only moment it can be read."""
        until = datetime.combine(last_day + timedelta(days=1), time(), _HERE).astimezone(UTC)
        self._require_possible(note, places, until)
        letters = "".join(secrets.choice(_ALPHABET) for _ in range(_GROUPS * _GROUP))
        code = "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))
        row = {
            "digest": digest(_plain(code)), "note": " ".join(note.split()), "places": places, "used": 0,
            "until": _stamp(until), "made_at": _stamp(self._now()), "made_by": who,
        }  # fmt: skip
        with self._database.writing() as connection:
            made = connection.execute(tables.class_code.insert().values(**row))
            (number,) = made.inserted_primary_key or (0,)
            self._audit.add(
                connection, who, "class-code-made", subject=str(number), origin=origin,
                detail=f"{row['note']}; {places} places until {last_day.isoformat()}",
            )  # fmt: skip
        return code

    def listed(self) -> Sequence[ClassCode]:
        """All codes, newest first."""
        table = tables.class_code
        with self._database.reading() as connection:
            rows = connection.execute(select(table).order_by(table.c.id.desc())).all()
        return [
            ClassCode(
                row.id, row.note, row.places, row.used, datetime.fromisoformat(row.until),
                datetime.fromisoformat(row.made_at), row.made_by,
                datetime.fromisoformat(row.revoked_at) if row.revoked_at else None,
            )
            for row in rows
        ]  # fmt: skip

    def revoke(self, number: int, who: str, origin: str = "command line") -> None:
        """From now on it lets nobody in; who is in stays. NotFound for what is no code that still could."""
        table = tables.class_code
        mine = (table.c.id == number) & table.c.revoked_at.is_(None)
        with self._database.writing() as connection:
            done = connection.execute(table.update().where(mine).values(revoked_at=_stamp(self._now())))
            if done.rowcount == 0:
                raise NotFound(f"Klassencode {number} gibt es nicht, oder er gilt schon nicht mehr")
            self._audit.add(connection, who, "class-code-revoked", subject=str(number), origin=origin)

    def redeem(self, connection: Connection, written: str, project: str) -> None:
        """Take one place for `project`, in the transaction that makes it: both happen, or neither.

        ApplicationRefused at the code's field; only who knows the code learns what is wrong with it.
        """
        table, at = tables.class_code, self._now()
        mine = table.c.digest == digest(_plain(written))
        good = table.c.revoked_at.is_(None) & (table.c.until > _stamp(at))
        free = mine & good & (table.c.used < table.c.places)
        taken = connection.execute(table.update().where(free).values(used=table.c.used + 1))
        row = connection.execute(select(table).where(mine)).one_or_none()
        if taken.rowcount == 0 or row is None:
            raise ApplicationRefused({FIELD: _why_not(row, at)})
        self._audit.add(
            connection, f"class code {row.id}", "citizen-let-in", subject=project,
            detail=f"{row.note}; place {row.used} of {row.places}",
        )  # fmt: skip

    def _require_possible(self, note: str, places: int, until: datetime) -> None:
        if not note.strip():
            raise NoSuchWish('Wofür ist der Code? Zum Beispiel "8b Berufskolleg" (--for)')
        if not 1 <= places <= MOST_PLACES:
            raise NoSuchWish(f"{places} Plätze sind nicht möglich: 1 bis {MOST_PLACES} (--places)")
        if not self._now() < until <= self._now() + LONGEST:
            raise NoSuchWish("Der letzte Tag muss von heute an höchstens ein Jahr voraus liegen (--until)")


def _why_not(row: Row[Any] | None, at: datetime) -> str:
    if row is None:
        return "Diesen Klassencode gibt es nicht. Bitte genau abschreiben, oder das Feld leer lassen."
    if row.revoked_at:
        return "Dieser Klassencode gilt nicht mehr. Bitte die Lehrkraft fragen, oder das Feld leer lassen."
    if row.until <= _stamp(at):
        return "Dieser Klassencode ist abgelaufen. Bitte die Lehrkraft fragen, oder das Feld leer lassen."
    return "Alle Plätze dieses Klassencodes sind vergeben. Bitte das Feld leer lassen: Die Stadt prüft dann."


def _plain(written: str) -> str:
    """However it was typed: capitals, blanks and dashes do not count."""
    return "".join(one for one in written.lower() if one.isalnum())


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
