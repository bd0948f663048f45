"""The tables of access, beside the register's in the same database; nothing in them opens anything alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    inspect,
    text,
)
from sqlalchemy.schema import CreateTable

from udp.registry.database import Database

metadata = MetaData()
# SQLite counts upwards only for a column of exactly this type.
_Id = BigInteger().with_variant(Integer, "sqlite")
_MOMENT = String(40)  # ISO 8601, UTC

access_key = Table(
    "access_key",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("salt", LargeBinary(16), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("role", String(32), nullable=False),
    Column("note", String, nullable=False),
    Column("datasets", JSON),
    Column("paths", JSON, nullable=False),
    Column("per_minute", Integer, nullable=False),
    Column("per_day", Integer, nullable=False),
    Column("created_at", _MOMENT, nullable=False),
    Column("expires_at", _MOMENT),
    Column("revoked_at", _MOMENT),
)

key_use = Table(
    "key_use",
    metadata,
    Column("key", String(16), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

staff = Table(
    "staff",
    metadata,
    Column("subject", String(512), primary_key=True),
    Column("name", String, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("last_sign_in", _MOMENT, nullable=False),
    Column("blocked_at", _MOMENT),
)

session = Table(
    "staff_session",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("subject", String(512), nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("created_at", _MOMENT, nullable=False),
    Column("expires_at", _MOMENT, nullable=False),
    Column("revoked_at", _MOMENT),
)

sign_in_link = Table(
    "sign_in_link",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("role", String(32), nullable=False),
    Column("expires_at", _MOMENT, nullable=False),
    Column("used_at", _MOMENT),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("at", _MOMENT, nullable=False),
    Column("who", String, nullable=False),
    Column("what", String(64), nullable=False),
    Column("subject", String, nullable=False),
    Column("origin", String(64), nullable=False),
    Column("detail", String, nullable=False),
    Column("chain", LargeBinary(32), nullable=False),
    sqlite_autoincrement=True,
)

deletion = Table(
    "deletion_proof",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("at", _MOMENT, nullable=False),
    Column("dataset", String, nullable=False),
    Column("what", String(16), nullable=False),
    Column("before", _MOMENT, nullable=False),
    Column("first", _MOMENT, nullable=False),
    Column("last", _MOMENT, nullable=False),
    Column("series", Integer, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("deleted", BigInteger, nullable=False),
    Column("checksum", String(64), nullable=False),
    Column("left_over", BigInteger, nullable=False),
    Column("summed_before", BigInteger, nullable=False),
    Column("summed_after", BigInteger, nullable=False),
    Column("unreadable", Boolean, nullable=False),
    Column("policy", String(64), nullable=False),
    sqlite_autoincrement=True,
)

# Deletions that have begun and are not proven yet: written before the first octet goes.
deletion_begun = Table(
    "deletion_begun",
    metadata,
    Column("what", String(16), primary_key=True),
    Column("subject", String, primary_key=True),
    Column("members", JSON, nullable=False),
    Column("content", JSON, nullable=False),
)

_APPEND_ONLY = ("audit", "deletion_proof")


def make(database: Database) -> None:
    """Create what is missing; harmless when another process does the same at this moment."""
    with database.reading() as connection:
        there = set(inspect(connection).get_table_names())
        if there.issuperset(metadata.tables):
            return
    with database.writing() as connection:
        postgresql = connection.dialect.name == "postgresql"
        if postgresql:
            connection.execute(text("SELECT pg_advisory_xact_lock(8412306)"))
        for table in metadata.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
        for name in _APPEND_ONLY:
            _protect(connection, name, postgresql=postgresql)


@contextmanager
def unprotected(connection: Connection, name: str) -> Iterator[None]:
    """Take the guard of an append-only table away for as long as retention deletes, in its transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"ALTER TABLE {name} DISABLE TRIGGER {name}_append_only"))
        yield
        connection.execute(text(f"ALTER TABLE {name} ENABLE TRIGGER {name}_append_only"))
        return
    connection.execute(text(f"DROP TRIGGER IF EXISTS {name}_no_delete"))
    yield
    _protect(connection, name, postgresql=False)


def _protect(connection: Connection, name: str, *, postgresql: bool) -> None:
    """Rows are only added: whoever wants to change one has to take the guard away first, visibly."""
    if not postgresql:
        for verb in ("UPDATE", "DELETE"):
            connection.execute(
                text(
                    f"CREATE TRIGGER IF NOT EXISTS {name}_no_{verb.lower()} BEFORE {verb} ON {name} "
                    f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
                )
            )
        return
    connection.execute(
        text(
            f"CREATE OR REPLACE FUNCTION {name}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{name} is append-only'; END $$"
        )
    )
    connection.execute(
        text(
            f"CREATE OR REPLACE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_append_only()"
        )
    )
