"""One way to open the relational database: SQLite with its durable settings, or PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from udp.errors import ConfigurationError, RegistryUnavailable
from udp.registry import schema
from udp.write_ahead import write_ahead

BUSY_MS = 30_000  # an import of ten thousand devices holds the write lock for seconds


class Database:
    """Connections to the registry's tables, which exist after construction.

    Every failure of the driver leaves here as RegistryUnavailable, a bad address as ConfigurationError.
    """

    def __init__(self, url: str) -> None:
        try:
            self._engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise ConfigurationError(
                "registry: the address cannot be meant; write sqlite:///path/registry.sqlite "
                f"or postgresql+psycopg://user@host/name ({type(error).__name__})"
            ) from error
        self.name = self._engine.url.render_as_string(hide_password=True)
        if self._engine.dialect.name == "sqlite":
            _require_folder(self._engine)
            _prepare_sqlite(self._engine)
        with self.reading() as connection:
            made = schema.is_made(connection)
        if not made:
            with self.writing() as connection:
                schema.make(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that sees one state."""
        isolation = "REPEATABLE READ" if self._engine.dialect.name == "postgresql" else None
        with self._transaction({"isolation_level": isolation} if isolation else {}) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that writes: committed at the end, rolled back on any error."""
        with self._transaction({"udp_writes": True}) as connection:
            yield connection

    def close(self) -> None:
        """Release all connections."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, options: dict[str, Any]) -> Iterator[Connection]:
        try:
            with self._engine.connect() as opened:
                connection = opened.execution_options(**options)
                with connection.begin():
                    yield connection
        except DBAPIError as error:
            raise RegistryUnavailable(f"registry {self.name}: {error.orig}") from error


def _require_folder(engine: Engine) -> None:
    """The driver would say only that it cannot open the file."""
    file = engine.url.database or ":memory:"
    folder = Path(file).parent
    if file != ":memory:" and not folder.is_dir():
        raise RegistryUnavailable(
            f"registry: the folder {folder} does not exist; make it with mkdir -p {folder}, "
            "or name the platform's settings with --config PATH"
        )


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: Any) -> None:
        # The driver would begin too late for reads to share one state; we begin ourselves.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        write_ahead(connection, BUSY_MS / 1000)
        for pragma in ("synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("udp_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
