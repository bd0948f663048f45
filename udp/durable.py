"""SQLite behind SQLAlchemy so that what is committed survives a power cut and writers take turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from udp.write_ahead import write_ahead


def make_durable(engine: Engine, within_s: float, *pragmas: str) -> None:
    """Every connection: log ahead, synchronous, with `pragmas`. A writer waits for its turn up to `within_s`;
    a transaction with the execution option `udp_writes` takes it when it begins."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        # The driver would begin too late for reads to share one state; we begin ourselves.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {round(within_s * 1000)}")
        write_ahead(connection, within_s)
        for pragma in ("synchronous = FULL", *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("udp_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def missing_folder(engine: Engine) -> str | None:
    """What is wrong and how to mend it; None when the file can be made. The driver would not say why."""
    file = engine.url.database or ":memory:"
    folder = Path(file).parent
    if file == ":memory:" or folder.is_dir():
        return None
    return (
        f"the folder {folder} does not exist; make it with mkdir -p {folder}, "
        "or name the platform's settings with --config PATH"
    )
