"""What an import remembers in the target's database: to go on after a kill, and to be taken back."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    select,
)
from sqlalchemy.schema import CreateTable

from udp.registry.database import Database

_metadata = MetaData()
_stream = Table(
    "imported_stream",
    _metadata,
    Column("manifest", String(64), primary_key=True),
    Column("exported", BigInteger, primary_key=True, autoincrement=False),
    Column("here", BigInteger, nullable=False),
    # Whether this import made it: only then are all its values those of the export.
    Column("added", Boolean, nullable=False),
    Column("finished", Boolean, nullable=False),
)
_row = Table(
    "imported_row",
    _metadata,
    Column("manifest", String(64), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("name", String(64), nullable=False),
    Column("key", String, nullable=False),
)
# Numbers of Datastreams that were taken back. A store may still hold or refuse values under them, so they
# are never given again.
_spent = Table(
    "spent_number",
    _metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("manifest", String(64), nullable=False),
    Column("cleared", Boolean, nullable=False),
)

Key = list[Any]


def make(database: Database) -> None:
    """Create what is missing."""
    with database.writing() as connection:
        for table in _metadata.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))


def note_begun(
    connection: Connection,
    manifest: str,
    numbers: Mapping[int, int],
    rows: Sequence[tuple[str, Key]],
) -> None:
    """In the transaction that writes the register: which number each Datastream got, which rows are new."""
    added = {key[0] for name, key in rows if name == "datastream"}
    if numbers:
        streams = [
            {"manifest": manifest, "exported": exported, "here": here, "added": here in added,
             "finished": False}
            for exported, here in numbers.items()
        ]  # fmt: skip
        connection.execute(insert(_stream), streams)
    if rows:
        told = [
            {"manifest": manifest, "position": at, "name": name, "key": json.dumps(key)}
            for at, (name, key) in enumerate(rows)
        ]
        connection.execute(insert(_row), told)


def numbers(database: Database, manifest: str) -> dict[int, int] | None:
    """Export's number -> number here, as an earlier run of this very export gave them; None before it."""
    table = _stream
    with database.reading() as connection:
        found = connection.execute(select(table.c.exported, table.c.here).where(table.c.manifest == manifest))
        return {row.exported: row.here for row in found} or None


def added(database: Database, manifest: str) -> set[int]:
    """Numbers here that this import has made."""
    table = _stream
    mine = (table.c.manifest == manifest) & table.c.added.is_(True)
    with database.reading() as connection:
        return set(connection.execute(select(table.c.here).where(mine)).scalars())


def finished(database: Database, manifest: str) -> set[int]:
    """Exported numbers whose values are all here."""
    table = _stream
    mine = (table.c.manifest == manifest) & table.c.finished.is_(True)
    with database.reading() as connection:
        return set(connection.execute(select(table.c.exported).where(mine)).scalars())


def finish(database: Database, manifest: str, exported: int) -> None:
    """One more."""
    table = _stream
    mine = (table.c.manifest == manifest) & (table.c.exported == exported)
    with database.writing() as connection:
        connection.execute(table.update().where(mine).values(finished=True))


def rows(connection: Connection, manifest: str) -> list[tuple[str, Key]]:
    """Table and primary key of every row this import has made, in the order in which they came."""
    found = select(_row).where(_row.c.manifest == manifest).order_by(_row.c.position)
    return [(row.name, json.loads(row.key)) for row in connection.execute(found)]


def forget(connection: Connection, manifest: str, gone: Iterable[int]) -> None:
    """The import is taken back; the numbers of its Datastreams are spent."""
    for table in (_stream, _row):
        connection.execute(table.delete().where(table.c.manifest == manifest))
    if told := [{"number": one, "manifest": manifest, "cleared": False} for one in gone]:
        connection.execute(insert(_spent), told)


def spent(connection: Connection) -> set[int]:
    """Numbers that are never given again."""
    return set(connection.execute(select(_spent.c.number)).scalars())


def uncleared(database: Database, manifest: str) -> list[int]:
    """Numbers of a taken-back import whose values the store has not forgotten yet."""
    mine = (_spent.c.manifest == manifest) & _spent.c.cleared.is_(False)
    with database.reading() as connection:
        return sorted(connection.execute(select(_spent.c.number).where(mine)).scalars())


def clear(database: Database, manifest: str, *, but: Collection[int]) -> None:
    """The store has forgotten all of them `but` these, or never can."""
    with database.writing() as connection:
        mine = _spent.update().where(_spent.c.manifest == manifest)
        connection.execute(mine.values(cleared=True))
        for number in but:
            connection.execute(mine.where(_spent.c.number == number).values(cleared=False))
