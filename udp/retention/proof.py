"""The record of deletions: what was there, what went, and what a look afterwards found; only added to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from sqlalchemy import select

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


class Proofs:
    """The records in the platform's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        tables.make(database)

    def add(self, one: Deletion) -> None:
        """Durable on return."""
        with self._database.writing() as connection:
            connection.execute(tables.deletion.insert().values(asdict(one)))

    def read(self, limit: int = 100) -> Sequence[Deletion]:
        """The newest, newest first."""
        table = tables.deletion
        with self._database.reading() as connection:
            rows = connection.execute(select(table).order_by(table.c.id.desc()).limit(limit)).all()
        return [Deletion(**{one.name: getattr(row, one.name) for one in fields(Deletion)}) for row in rows]


def moment(time: datetime) -> str:
    """As the record writes it."""
    return time.isoformat().replace("+00:00", "Z")
