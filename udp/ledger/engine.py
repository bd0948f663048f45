"""Where what must survive a power cut is written: an engine, one transaction to write, one to read.

The driver's errors pass through; whoever owns the tables says in its own words what did not answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text

from udp.errors import StoreUnavailable
from udp.write_ahead import write_ahead

_BUSY_S = 30.0


def open_engine(url: str) -> Engine:
    """An engine whose SQLite connections are durable and whose writers queue instead of failing."""
    if not url.startswith("sqlite"):
        return create_engine(url, paramstyle="format", pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": _BUSY_S})
    folder = Path(engine.url.database or ":memory:").parent
    if not folder.is_dir():  # the driver would say only that it cannot open the file
        raise StoreUnavailable(
            f"{url}: the folder {folder} does not exist; make it with mkdir -p {folder}, "
            "or name the platform's settings with --config PATH"
        )

    @event.listens_for(engine, "connect")
    def _durable(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where pysqlite guesses
        write_ahead(connection, _BUSY_S)
        for pragma in ("synchronous=FULL", "cache_size=-65536"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("udp_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def writing(engine: Engine, advisory_lock: int) -> Iterator[Connection]:
    """One transaction; writers take turns, in PostgreSQL by the number of `advisory_lock`."""
    with engine.connect() as connection:
        connection.execution_options(udp_writes=True)
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": advisory_lock})
            yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that only reads."""
    with engine.connect() as connection, connection.begin():
        yield connection
