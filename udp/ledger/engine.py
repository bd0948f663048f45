"""Where what must survive a power cut is written: an engine, one transaction to write, one to read.

The driver's errors pass through; whoever owns the tables says in its own words what did not answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine, text

from udp.durable import make_durable, missing_folder
from udp.errors import StoreUnavailable

_BUSY_S = 30.0


def open_engine(url: str) -> Engine:
    """An engine whose SQLite connections are durable and whose writers queue instead of failing."""
    if not url.startswith("sqlite"):
        return create_engine(url, paramstyle="format", pool_pre_ping=True)
    engine = create_engine(url)
    if (trouble := missing_folder(engine)) is not None:
        raise StoreUnavailable(f"{url}: {trouble}")
    make_durable(engine, _BUSY_S, "cache_size = -65536")
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
