"""Which Parquet file holds which closed days: rows in SQLite, so a swap is one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from udp.store.embedded.places import ColdFile

_SELECT = "SELECT name, generation, first_day, last_day, rows, written FROM file"


def files_between(connection: sqlite3.Connection, first_day: int, last_day: int) -> list[ColdFile]:
    """Files with a day in [first_day, last_day], ascending; no day is in two files."""
    found = connection.execute(
        f"{_SELECT} WHERE first_day <= ? AND last_day >= ? ORDER BY first_day", (last_day, first_day)
    )
    return [ColdFile(*row) for row in found]


def all_files(connection: sqlite3.Connection) -> list[ColdFile]:
    """Every file, ascending by day."""
    return [ColdFile(*row) for row in connection.execute(f"{_SELECT} ORDER BY first_day")]


def next_number(connection: sqlite3.Connection) -> int:
    """A number never given before: for file names and generations."""
    (number,) = connection.execute("UPDATE counter SET last = last + 1 RETURNING last").fetchone()
    return int(number)


def raise_generation(connection: sqlite3.Connection, files: Iterable[ColdFile]) -> int:
    """From this transaction on late rows of these files get other slots than before."""
    generation = next_number(connection)
    connection.executemany(
        "UPDATE file SET generation = ? WHERE name = ?", [(generation, file.name) for file in files]
    )
    return generation


def replace(connection: sqlite3.Connection, old: Iterable[ColdFile], new: ColdFile) -> None:
    """From this transaction on `new` holds the days of `old`."""
    connection.executemany("DELETE FROM file WHERE name = ?", [(file.name,) for file in old])
    connection.execute("INSERT INTO file VALUES (?, ?, ?, ?, ?, ?)", new)
