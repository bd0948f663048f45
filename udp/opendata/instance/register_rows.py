"""The register's tables as JSON lines and back: what exists, in words that outlive this program."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Connection, Date, Integer, MetaData, Table, inspect, select, text

from udp.errors import ConfigurationError
from udp.opendata.instance.files import read_lines, write_lines
from udp.opendata.instance.renumbering import Numbers, Row
from udp.opendata.instance.state import Key
from udp.registry.database import Database
from udp.registry.sql import grow, lock

OPEN_TABLES = (
    "thing", "datastream", "device", "wired_sensor", "derivation", "device_record", "thing_record",
    "maintenance", "event", "deletion_proof", "thing_place", "written_entity", "written_series",
    "written_observation",
)  # fmt: skip
ACCESS_TABLES = ("access_key", "key_use", "staff", "audit")
"""Who may what here, and who did: they open this instance, so they enter an empty one only."""
CONFIDENTIAL_TABLES = (
    "device_secret", "device_import", "citizen_project", "citizen_device", "citizen_erasure",
    "citizen_class_code", *ACCESS_TABLES,
)  # fmt: skip
"""Sealed keys of devices, people who take part, hashed API keys, staff: leave only when asked for."""
CLOSED = "sealed device keys, citizens' projects, API keys, people and the audit log (--with-confidential)"
LEFT_OUT = (
    "sessions and links to sign in: everybody signs in again",
    "keys that unseal, passwords and settings: keep them apart from the data",
    "journal and ledger of ingest: copy their folder, or replay from the agents",
    "statements of the models: udp-models computes them anew",
)
# In the order in which they point at one another; imports of devices before the log that names them.
_ORDER = (
    *OPEN_TABLES[:OPEN_TABLES.index("maintenance")], "device_import",
    *OPEN_TABLES[OPEN_TABLES.index("maintenance"):],
    *(one for one in CONFIDENTIAL_TABLES if one != "device_import"),
)  # fmt: skip
_APPEND_ONLY = frozenset({"audit", "deletion_proof"})
_MEANING = ("property_key", "unit_symbol")


@dataclass(slots=True)
class Written:
    """What an import did to the register. `rows`: table and primary key of all that is new."""

    numbers: Numbers = field(default_factory=Numbers)
    rows: list[tuple[str, Key]] = field(default_factory=list)


def write_tables(database: Database, folder: Path, names: Iterable[str]) -> dict[str, int]:
    """A file per table that exists, all from one state; rows per table."""
    counts: dict[str, int] = {}
    with database.reading() as connection:
        for name in _there(connection, names):
            table = reflected(connection, name)
            order = list(table.primary_key.columns)
            rows = [_told(dict(row)) for row in connection.execute(select(table).order_by(*order)).mappings()]
            write_lines(folder / f"{name}.jsonl", rows)
            counts[name] = len(rows)
    return counts


def holds_something(database: Database) -> bool:
    """Whether the register knows any Thing, retired ones too."""
    with database.reading() as connection:
        return connection.execute(text("SELECT 1 FROM thing LIMIT 1")).first() is not None


def read_tables(
    connection: Connection, folder: Path, at: datetime, *, spent: Iterable[int] = (), whole: bool = True
) -> Written:
    """Add every row that is not there yet; rows that are there stay as they are.

    Each exported Datastream gets its own number, or where that is taken or `spent`, another; where its
    Thing and key are known already, the one it has. ConfigurationError where it means something else here.
    `whole`: also who may what (see ACCESS_TABLES).
    """
    lock(connection)
    done = Written()
    for name in _there(connection, _ORDER):
        path = folder / f"{name}.jsonl"
        if not path.exists() or (name in ACCESS_TABLES and not whole):
            continue
        table = reflected(connection, name)
        rows = [_meant(row, table) for row in read_lines(path)]
        if name == "datastream":
            _add_datastreams(connection, table, rows, set(spent), done)
        else:
            wanted = [changed for row in rows if (changed := done.numbers.row(name, row)) is not None]
            _add(connection, table, wanted, done)
        _count_on(connection, table)
    grow(connection, at)
    return done


def reflected(connection: Connection, name: str) -> Table:
    """A table as it stands in the database."""
    table = Table(name, MetaData(), autoload_with=connection, resolve_fks=False)
    for column in table.columns:
        if isinstance(column.type, JSON):
            column.type = JSON(none_as_null=True)
    return table


def _add_datastreams(
    connection: Connection, table: Table, rows: list[Row], spent: set[int], done: Written
) -> None:
    known = {(row.thing, row.key): row for row in connection.execute(select(table))}
    taken = {row.id for row in known.values()} | spent
    following = max([*taken, *(row["id"] for row in rows)], default=0) + 1
    new: list[Row] = []
    for row in rows:
        held = known.get((row["thing"], row["key"]))
        if held is not None:
            _require_same_meaning(row, held)
            done.numbers.datastreams[row["id"]] = held.id
            continue
        here = row["id"]
        if here in taken:
            here, following = following, following + 1
        taken.add(here)
        new.append(row | {"id": here})
        done.numbers.datastreams[row["id"]] = here
    _insert(connection, table, new, done)


def _require_same_meaning(row: Mapping[str, Any], held: Any) -> None:
    for name in _MEANING:
        if row[name] != getattr(held, name):
            raise ConfigurationError(
                f"Datastream {row['thing']}/{row['key']}: {name} is {row[name]!r} in the export and "
                f"{getattr(held, name)!r} here; two meanings cannot be one series, rename one of them"
            )


def _add(connection: Connection, table: Table, rows: list[Row], done: Written) -> None:
    """By key where people or devices give it; where only a counter does, by the whole row."""
    if not rows:
        return
    keys = [column.name for column in table.primary_key.columns]
    counted = keys == ["id"] and table.name != "access_key"
    names = [one.name for one in table.columns if one.name in rows[0] and (not counted or one.name != "id")]
    compared = names if counted else keys
    held = list(connection.execute(select(table)).mappings())
    if table.name == "audit" and held:
        return  # a chain of hashes goes on from its own last line only
    there = {repr([row[name] for name in compared]): row for row in held}
    new = []
    for row in rows:
        if (same := there.get(repr([row[name] for name in compared]))) is None:
            new.append(row)
        elif table.name == "device_import":
            done.numbers.imports[row["id"]] = same["id"]
    if table.name == "event":
        new = _without_open_twins(new, held)
    if counted:
        _count(new, {row["id"] for row in held}, done if table.name == "device_import" else None)
    _insert(connection, table, new, done)


def _count(new: list[Row], taken: set[int], done: Written | None) -> None:
    """Numbers that are taken here are given anew."""
    following = max([*taken, *(row["id"] for row in new)], default=0) + 1
    for row in new:
        exported = row["id"]
        if exported in taken:
            row["id"], following = following, following + 1
        if done is not None:
            done.numbers.imports[exported] = row["id"]


def _without_open_twins(new: list[Row], held: Iterable[Mapping[Any, Any]]) -> list[Row]:
    """Of one trouble of one subject only one event is open: the one that is here."""
    opened = {(row["kind"], row["subject"]) for row in held if row["closed_at"] is None}
    return [row for row in new if row["closed_at"] is not None or (row["kind"], row["subject"]) not in opened]


def _insert(connection: Connection, table: Table, new: list[Row], done: Written) -> None:
    if not new:
        return
    connection.execute(table.insert(), new)
    if table.name not in _APPEND_ONLY:
        keys = [column.name for column in table.primary_key.columns]
        done.rows += [(table.name, [plain(row[name]) for name in keys]) for row in new]


def _count_on(connection: Connection, table: Table) -> None:
    """PostgreSQL counts apart from what was inserted with a number; SQLite does not."""
    number = "id" in table.columns and isinstance(table.columns["id"].type, Integer)
    if connection.dialect.name == "postgresql" and number:
        connection.execute(
            text(
                f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), "  # noqa: S608 - our own names
                f"(SELECT coalesce(max(id), 0) + 1 FROM {table.name}), false)"
            )
        )


def _there(connection: Connection, names: Iterable[str]) -> list[str]:
    known = set(inspect(connection).get_table_names())
    return [name for name in names if name in known]


def _told(row: Mapping[str, Any]) -> Row:
    return {name: plain(value) for name, value in row.items()}


def plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    return value.isoformat() if isinstance(value, date) else value


def meant(value: Any) -> Any:
    """What `plain` told of octets."""
    octets = isinstance(value, dict) and value.keys() == {"base64"}
    return base64.b64decode(value["base64"]) if octets else value


def _meant(row: Mapping[str, Any], table: Table) -> Row:
    """A column that this program does not know is left out: the export may come from a later one."""
    return {
        name: date.fromisoformat(value)
        if isinstance(table.columns[name].type, Date) and value is not None
        else meant(value)
        for name, value in row.items()
        if name in table.columns
    }
