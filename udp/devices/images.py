"""What an import changed, row by row, before and after: what it takes to undo it exactly."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, bindparam, select

from udp.registry import schema
from udp.registry.rows import Values
from udp.registry.sql import update_rows

KEYS: Mapping[str, tuple[str, ...]] = {
    schema.thing.name: ("key",),
    schema.datastream.name: ("thing", "key"),
    schema.device.name: ("dev_eui",),
    schema.thing_record.name: ("thing",),
    schema.device_record.name: ("dev_eui",),
    schema.device_secret.name: ("dev_eui",),
}
# Rows others point at stay for ever and are retired; the rest may go.
_LASTING = frozenset({schema.thing.name, schema.datastream.name, schema.device.name})


class Image(NamedTuple):
    """One row before (None: it was not there) and after."""

    table: str
    before: Values | None
    after: Values


def write_rows(
    connection: Connection, table: Table, wanted: Iterable[Values], *, whole: bool = True
) -> list[Image]:
    """Make the named rows what is wanted and leave all others alone; what really changed comes back.

    `whole` False: only rows that are there already are wanted, with some of their columns.
    """
    key = KEYS[table.name]
    held = {tuple(row[name] for name in key): row for row in read_rows(connection, table)}
    images: list[Image] = []
    for row in wanted:
        before = held.get(tuple(row[name] for name in key))
        after = row if whole or before is None else before | row
        if before != after:
            images.append(Image(table.name, before, after))
    if new := [image.after for image in images if image.before is None]:
        connection.execute(table.insert(), new)
    update_rows(connection, table, key, [image.after for image in images if image.before is not None])
    return images


def restore(connection: Connection, images: Iterable[Image]) -> list[Image]:
    """Put back what was before. Rows that somebody changed since are left alone and come back."""
    left: list[Image] = []
    by_table: dict[str, list[Image]] = {}
    for image in images:
        by_table.setdefault(image.table, []).append(image)
    for name, mine in reversed(by_table.items()):
        table, key = schema.metadata.tables[name], KEYS[name]
        held = {tuple(row[part] for part in key): row for row in read_rows(connection, table)}
        back: list[Values] = []
        gone: list[Values] = []
        for image in mine:
            place = tuple(image.after[part] for part in key)
            if held.get(place) != image.after:
                left.append(image)
            elif image.before is not None:
                back.append(image.before)
            elif name in _LASTING:
                back.append(image.after | {"retired": True})
            else:
                gone.append({f"key_{part}": image.after[part] for part in key})
        if gone:
            one = [table.c[part] == bindparam(f"key_{part}") for part in key]
            connection.execute(table.delete().where(*one), gone)
        update_rows(connection, table, key, back)
    return left


def read_rows(connection: Connection, table: Table) -> list[Values]:
    """All rows; numbers the database gives itself are left out."""
    columns = [column for column in table.columns if column.name != "id"]
    return [dict(row) for row in connection.execute(select(*columns)).mappings()]


def pack(images: Iterable[Image]) -> bytes:
    """One blob for the import's own row."""
    content = [[image.table, _plain(image.before), _plain(image.after)] for image in images]
    return zlib.compress(json.dumps(content, separators=(",", ":")).encode())


def unpack(blob: bytes) -> list[Image]:
    """What `pack` packed."""
    content = json.loads(zlib.decompress(blob))
    return [Image(table, _values(before), _values(after) or {}) for table, before, after in content]


def _plain(row: Values | None) -> Any:
    if row is None:
        return None
    return {
        name: {"octets": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
        for name, value in row.items()
    }


def _values(content: Any) -> Values | None:
    if content is None:
        return None
    return {
        name: base64.b64decode(value["octets"])
        if isinstance(value, dict) and set(value) == {"octets"}
        else value
        for name, value in content.items()
    }
