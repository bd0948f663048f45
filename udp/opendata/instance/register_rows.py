"""The register's tables as JSON lines and back: what exists, in words that outlive this program."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, Table, inspect, select, text

from udp.opendata.instance.files import read_lines, write_lines
from udp.registry.database import Database
from udp.registry.sql import grow

# In the order in which they point at one another.
OPEN_TABLES = (
    "thing", "datastream", "device", "wired_sensor", "derivation", "device_record", "thing_record",
    "maintenance", "event", "deletion_proof", "thing_place", "written_entity", "written_series",
    "written_observation",
)  # fmt: skip
CONFIDENTIAL_TABLES = (
    "device_secret", "device_import", "citizen_project", "citizen_device", "citizen_erasure",
    "citizen_class_code",
)  # fmt: skip
"""Sealed keys of devices, and people who take part: leave only when asked for."""
LEFT_OUT = (
    "API keys, sessions, people and the audit log: a new instance gives its own",
    "keys that unseal, passwords and settings: keep them apart from the data",
    "journal and ledger of ingest: copy their folder, or replay from the agents",
    "statements of the models: udp-models computes them anew",
)
_NATURAL: Mapping[str, tuple[str, ...]] = {"datastream": ("thing", "key")}


def write_tables(database: Database, folder: Path, names: Iterable[str]) -> dict[str, int]:
    """A file per table that exists, all from one state; rows per table."""
    counts: dict[str, int] = {}
    with database.reading() as connection:
        for name in _there(connection, names):
            table = _reflected(connection, name)
            order = list(table.primary_key.columns)
            rows = [_told(dict(row)) for row in connection.execute(select(table).order_by(*order)).mappings()]
            write_lines(folder / f"{name}.jsonl", rows)
            counts[name] = len(rows)
    return counts


def holds_something(database: Database) -> bool:
    """Whether the register knows any Thing, retired ones too."""
    with database.reading() as connection:
        return connection.execute(text("SELECT 1 FROM thing LIMIT 1")).first() is not None


def read_tables(connection: Connection, folder: Path, at: datetime) -> dict[int, int]:
    """Add every row that is not there yet; rows that are there stay as they are.

    Gives the number each exported Datastream has here: its own, or where that is taken by another or its
    Thing and key are known already, the one it has or gets.
    """
    numbers: dict[int, int] = {}
    for name in _there(connection, (*OPEN_TABLES, *CONFIDENTIAL_TABLES)):
        if not (path := folder / f"{name}.jsonl").exists():
            continue
        table = _reflected(connection, name)
        rows = [_meant(row, table) for row in read_lines(path)]
        if name == "datastream":
            numbers = _add_datastreams(connection, table, rows)
        else:
            _add(connection, table, [_renumbered(row, numbers) for row in rows])
        _count_on(connection, table)
    grow(connection, at)
    return numbers


def _add_datastreams(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> dict[int, int]:
    known = {
        (row.thing, row.key): row.id
        for row in connection.execute(select(table.c.id, table.c.thing, table.c.key))
    }
    taken = set(known.values())
    following = max([*taken, *(row["id"] for row in rows)], default=0) + 1
    numbers: dict[int, int] = {}
    new: list[dict[str, Any]] = []
    for row in rows:
        if (here := known.get((row["thing"], row["key"]))) is None:
            here = row["id"]
            if here in taken:
                here, following = following, following + 1
            taken.add(here)
            new.append(row | {"id": here})
        numbers[row["id"]] = here
    if new:
        connection.execute(table.insert(), new)
    return numbers


def _add(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """By key where people or devices give it; where only a counter does, by the whole row."""
    keys = [column.name for column in table.primary_key.columns]
    counted = keys == ["id"]
    wanted = [{name: row[name] for name in row if not counted or name != "id"} for row in rows]
    compared = [name for name in (one.name for one in table.columns) if name in (wanted[0] if wanted else ())]
    compared = compared if counted else keys
    there = {repr([row[name] for name in compared]) for row in connection.execute(select(table)).mappings()}
    new = [
        row for row, wish in zip(rows, wanted, strict=True) if repr([wish[n] for n in compared]) not in there
    ]
    if new and counted:
        taken = set(connection.execute(select(table.c.id)).scalars())
        following = max([*taken, *(row["id"] for row in new)], default=0) + 1
        for row in new:
            if row["id"] in taken:
                row["id"], following = following, following + 1
    if new:
        connection.execute(table.insert(), new)


def _renumbered(row: dict[str, Any], numbers: Mapping[int, int]) -> dict[str, Any]:
    """Datastream numbers stand in channels, in events and in what was written through SensorThings."""
    changed = dict(row)
    if isinstance(row.get("channels"), list):
        changed["channels"] = [
            one | {"datastream": numbers.get(one["datastream"], one["datastream"])} for one in row["channels"]
        ]
    for name in ("datastream", "series"):
        if isinstance(row.get(name), int):
            changed[name] = numbers.get(row[name], row[name])
    if row.get("kind") == "Datastream" and "gone" in row:
        changed["id"] = numbers.get(row["id"], row["id"])
    return changed


def _count_on(connection: Connection, table: Table) -> None:
    """PostgreSQL counts apart from what was inserted with a number; SQLite does not."""
    if connection.dialect.name == "postgresql" and "id" in table.columns:
        connection.execute(
            text(
                f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), "  # noqa: S608 - our own names
                f"(SELECT coalesce(max(id), 0) + 1 FROM {table.name}), false)"
            )
        )


def _there(connection: Connection, names: Iterable[str]) -> list[str]:
    known = set(inspect(connection).get_table_names())
    return [name for name in names if name in known]


def _reflected(connection: Connection, name: str) -> Table:
    return Table(name, MetaData(), autoload_with=connection, resolve_fks=False)


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
        for name, value in row.items()
    }


def _meant(row: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """A column that this program does not know is left out: the export may come from a later one."""
    return {
        name: base64.b64decode(value["base64"])
        if isinstance(value, dict) and value.keys() == {"base64"}
        else value
        for name, value in row.items()
        if name in table.columns
    }
