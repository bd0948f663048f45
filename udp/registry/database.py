"""One way to open the relational database: SQLite with its durable settings, or PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from udp.durable import make_durable, missing_folder
from udp.errors import ConfigurationError, RegistryUnavailable
from udp.registry import schema

_BUSY_S = 30.0  # an import of ten thousand devices holds the write lock for seconds


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
            if (trouble := missing_folder(self._engine)) is not None:
                raise RegistryUnavailable(f"registry: {trouble}")
            make_durable(self._engine, _BUSY_S, "foreign_keys = ON")
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

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Held by one at a time over all processes, beyond single transactions; a killed one holds it no
        longer. Whoever has waited for it too long is told so: RegistryUnavailable."""
        if self._engine.dialect.name == "postgresql":
            with self._transaction({}) as connection:
                connection.execute(text(f"SET LOCAL lock_timeout = '{_BUSY_S:.0f}s'"))
                connection.execute(text("SELECT pg_advisory_xact_lock(8412308)"))
                yield
        elif file := (self._engine.url.database or "").removeprefix(":memory:"):
            # An empty file beside the register: its own write lock would keep out what the holder writes.
            with ExitStack() as open_files:
                try:
                    beside = sqlite3.connect(f"{file}.turn", _BUSY_S, isolation_level=None)
                    open_files.callback(beside.close)
                    beside.execute("BEGIN EXCLUSIVE")
                except sqlite3.OperationalError as error:
                    raise RegistryUnavailable(
                        f"registry {self.name}: no turn within {_BUSY_S:.0f} s ({file}.turn): {error}"
                    ) from error
                yield
        else:
            yield

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
