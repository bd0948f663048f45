"""The record of deletions: what was there, what went, and what a look afterwards found; only added to.

What was there is written before anything goes, so that a deletion that is killed half-way is completed
and proven by whoever comes next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, select

from udp.access import tables
from udp.registry.database import Database


@dataclass(frozen=True, slots=True)
class Deletion:
    """One deletion. Times are ISO 8601 in UTC; `first` and `last` of what was deleted.

    `what`: values or raw. `count`: Observations (newest revisions) or messages that were there and that
    `checksum` covers (SHA-256); `deleted`: what the engine says it deleted, revisions included.
    `left_over`: what a reading afterwards still found, 0 if all is well. `summed_before` and `summed_after`:
    values that the daily figures of this time stand for, before and afterwards; equal if they were kept.
    `unreadable`: whether the engine has looked through its own files. `policy`: SHA-256 of the file.
    `at` is the time of the look afterwards.
    """

    at: str
    dataset: str
    what: str
    before: str
    first: str
    last: str
    series: int
    count: int
    deleted: int
    checksum: str
    left_over: int
    summed_before: int
    summed_after: int
    unreadable: bool
    policy: str

    @property
    def holds(self) -> bool:
        """Whether nothing is left and the sums are as they were."""
        return self.left_over == 0 and self.summed_before == self.summed_after


class Begun(NamedTuple):
    """A deletion that has begun and is not proven yet; what a look afterwards finds is still missing.

    `subject`: what it is about, one open deletion each: a journal's file, the series of datasets until a
    day. `members`: numbers of the series, or of the highest row, that are meant.
    """

    subject: str
    members: tuple[int, ...]
    deletion: Deletion


class Proofs:
    """The records in the platform's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        tables.make(database)

    def begin(self, one: Begun) -> bool:
        """Before anything is deleted; durable on return. False where somebody else has begun it."""
        table = tables.deletion_begun
        with self._database.writing() as connection:
            if connection.execute(select(table).where(_is(one))).first() is not None:
                return False
            row = {"what": one.deletion.what, "subject": one.subject, "members": list(one.members)}
            connection.execute(table.insert().values(row | {"content": asdict(one.deletion)}))
        return True

    def begun(self, what: str | None = None) -> Sequence[Begun]:
        """What was begun and is not proven yet; `what`: values or raw only."""
        table = tables.deletion_begun
        query = select(table).order_by(table.c.what, table.c.subject)
        with self._database.reading() as connection:
            rows = connection.execute(query if what is None else query.where(table.c.what == what)).all()
        return [Begun(row.subject, tuple(row.members), Deletion(**row.content)) for row in rows]

    def confirm(self, begun: Begun, proven: Deletion) -> bool:
        """`proven` takes the place of what was begun; False, and nothing added, where somebody was faster."""
        with self._database.writing() as connection:
            if not connection.execute(delete(tables.deletion_begun).where(_is(begun))).rowcount:
                return False
            connection.execute(tables.deletion.insert().values(asdict(proven)))
        return True

    def read(self, limit: int = 100) -> Sequence[Deletion]:
        """The newest, newest first."""
        table = tables.deletion
        with self._database.reading() as connection:
            rows = connection.execute(select(table).order_by(table.c.id.desc()).limit(limit)).all()
        return [Deletion(**{one.name: getattr(row, one.name) for one in fields(Deletion)}) for row in rows]


def _is(one: Begun) -> ColumnElement[bool]:
    table = tables.deletion_begun
    return (table.c.what == one.deletion.what) & (table.c.subject == one.subject)


def moment(time: datetime) -> str:
    """As the record writes it."""
    return time.isoformat().replace("+00:00", "Z")
