"""Bring a ledger an older version left to today's tables; one that is up to date costs one look."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from udp.ledger import tables


def prepare(connection: Connection, now_us: int) -> None:
    """Create what is missing within the caller's transaction; nothing that is known is lost."""
    tables.metadata.create_all(connection)
    # Uplinks of an older version count as noted now: remembering them longer costs room, never data.
    _add(connection, "uplinks", "noted_at", f"BIGINT NOT NULL DEFAULT {now_us:d}")
    blob = "BYTEA" if connection.dialect.name == "postgresql" else "BLOB"
    _add(connection, "uplinks", "payload", blob)
    _add(connection, "sessions", "forgotten", "BIGINT NOT NULL DEFAULT -1")
    connection.execute(text("CREATE INDEX IF NOT EXISTS quarantine_by_time ON quarantine (at)"))
    connection.execute(text("DROP TABLE IF EXISTS conditions"))  # said anew, and by worker, within seconds


def _add(connection: Connection, table: str, column: str, kind: str) -> None:
    if column not in {one["name"] for one in inspect(connection).get_columns(table)}:
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {column} {kind}"))
