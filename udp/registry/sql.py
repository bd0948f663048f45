"""The register of the city in a relational database, by SQLAlchemy; SQLite unless told otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Connection, Table, bindparam, select

from udp.errors import ConfigurationError, RegistryUnavailable
from udp.registry import places, rows, schema
from udp.registry.database import Database
from udp.registry.port import Changes, CityDescription, Inventory
from udp.registry.rows import Values

_NOTHING = Changes(0, 0, 0, 0)


class SqlRegistry:
    """`Registry` (udp.registry.port) in `url`, e.g. sqlite:///var/registry.sqlite."""

    def __init__(self, url: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.database = Database(url)
        self._now = now

    def version(self) -> int:
        """See the port."""
        with self.database.reading() as connection:
            return _version(connection)

    def inventory(self) -> Inventory:
        """See the port. What is retired is left out."""
        return self._inventory(_in_force)

    def ever(self) -> Inventory:
        """The same with everything that was retired: its Observations are still there and grow old."""
        return self._inventory(_all)

    def _inventory(self, read: Callable[[Connection, Table], Sequence[Any]]) -> Inventory:
        with self.database.reading() as connection:
            things = map(rows.thing_of, read(connection, schema.thing))
            datastreams = map(rows.datastream_of, read(connection, schema.datastream))
            devices = map(rows.device_of, read(connection, schema.device))
            wired = map(rows.wired_of, read(connection, schema.wired))
            derivations = map(rows.derivation_of, connection.execute(select(schema.derivation)))
            streams = {one.id: one for one in datastreams}
            return Inventory(
                version=_version(connection),
                things={one.key: one for one in things},
                datastreams=streams,
                devices={one.dev_eui: one for one in devices},
                wired={(one.agent, one.sensor): one for one in wired},
                derived={number: one for number, one in derivations if number in streams},
            )

    def import_city(self, city: CityDescription) -> Changes:
        """See the port."""
        with self.database.writing() as connection:
            return _import(connection, city, self._now())

    def preview(self, city: CityDescription) -> Changes:
        """What `import_city` would do, without doing it."""
        with self.database.writing() as connection, connection.begin_nested() as attempt:
            changes = _import(connection, city, self._now())
            attempt.rollback()
            return changes

    def close(self) -> None:
        """See the port."""
        self.database.close()


def _version(connection: Connection) -> int:
    found = connection.execute(select(schema.register.c.version)).scalar_one_or_none()
    if found is None:
        raise RegistryUnavailable("registry: its version is missing; import the city file again")
    return int(found)


def _in_force(connection: Connection, table: Table) -> Sequence[Any]:
    order = list(table.primary_key.columns)
    return connection.execute(select(table).where(table.c.retired.is_(False)).order_by(*order)).all()


def _all(connection: Connection, table: Table) -> Sequence[Any]:
    return connection.execute(select(table).order_by(*table.primary_key.columns)).all()


def _import(connection: Connection, city: CityDescription, at: datetime) -> Changes:
    """Things first, then Datastreams (their ids are needed), then what points at them.

    What the device register speaks for, or somebody has written through SensorThings (origin "devices" or
    "written"), is left as it is, whatever the city file says.
    """
    things, fed = _of_the_register(connection)
    changes = [_merge(connection, schema.thing, ("key",), map(rows.thing_row, city.things), keep=things)]
    streams = [rows.datastream_row(one) for one in city.datastreams]
    changes.append(_merge(connection, schema.datastream, ("thing", "key"), streams))
    ids = _ids(connection, city)
    devices = [rows.device_row(one, ids) for one in city.devices]
    changes.append(_merge(connection, schema.device, ("dev_eui",), devices))
    wired = [rows.wired_row(one, ids) for one in city.wired]
    changes.append(_merge(connection, schema.wired, ("agent", "sensor"), wired))
    _refuse_two_measuring_one(connection, fed)
    total = _sum(changes)
    if total.added or total.changed or total.retired:
        grow(connection, at)
    return total


def grow(connection: Connection, at: datetime | None = None) -> None:
    """Tell every reader that there is something new; Things that are elsewhere now get a line of history.

    Without `at`, nobody moved.
    """
    if at is not None:
        places.note_moves(connection, at)
    version = schema.register.c.version
    connection.execute(schema.register.update().values(version=version + 1))


def lock(connection: Connection) -> None:
    """Keep two imports apart where the database has no single writer; held to the transaction's end."""
    connection.execute(select(schema.register.c.version).with_for_update())


def _of_the_register(connection: Connection) -> tuple[set[tuple[str]], dict[int, bytes]]:
    """Things the register's devices hang on, and what those devices feed: Datastream id -> DevEUI."""
    table = schema.device
    mine = (table.c.origin == schema.DEVICES) & table.c.retired.is_(False)
    things: set[tuple[str]] = set()
    fed: dict[int, bytes] = {}
    for row in connection.execute(select(table).where(mine)):
        things.add((row.thing,))
        fed.update({channel["datastream"]: row.dev_eui for channel in row.channels})
    return things, fed


def _refuse_two_measuring_one(connection: Connection, fed: Mapping[int, bytes]) -> None:
    theirs = [
        (f"device {row.dev_eui.hex().upper()}", row)
        for row in _in_force(connection, schema.device)
        if row.origin == schema.CITY
    ] + [
        (f"sensor {row.sensor!r} of {row.agent}", row)
        for row in _in_force(connection, schema.wired)
        if row.origin == schema.CITY
    ]
    for what, row in theirs if fed else ():
        if twice := [one["datastream"] for one in row.channels if one["datastream"] in fed]:
            raise ConfigurationError(
                f"city file: thing {row.thing!r}: {what} measures what device "
                f"{fed[twice[0]].hex().upper()} of the device register measures there already; take one out"
            )


def _ids(connection: Connection, city: CityDescription) -> dict[int, int]:
    """Position in the description -> registry id."""
    table = schema.datastream
    known = {
        (thing, key): number
        for number, thing, key in connection.execute(select(table.c.id, table.c.thing, table.c.key))
    }
    return {position: known[one.thing, one.key] for position, one in enumerate(city.datastreams)}


def _merge(
    connection: Connection,
    table: Table,
    key: tuple[str, ...],
    wanted: Iterable[Values],
    keep: Set[tuple[Any, ...]] = frozenset(),
) -> Changes:
    """Make `table` hold `wanted`; rows nobody wants any more are marked retired, except `keep`."""
    columns = [column for column in table.columns if not (column.name == "id" and "id" not in key)]
    held = {_key(row, key): row for row in map(dict, _mappings(connection, columns))}
    new: list[Values] = []
    changed: list[Values] = []
    unchanged = 0
    for row in wanted:
        before = held.pop(_key(row, key), None)
        if before is None:
            new.append(row)
        elif before == row or before["origin"] != schema.CITY:
            unchanged += 1
        else:
            changed.append(row)
    gone = [
        row | {"retired": True}
        for place, row in held.items()
        if not row["retired"] and row["origin"] == schema.CITY and place not in keep
    ]
    if new:
        connection.execute(table.insert(), new)
    update_rows(connection, table, key, changed + gone)
    return Changes(len(new), len(changed), unchanged, len(gone))


def _mappings(connection: Connection, columns: Sequence[Column[Any]]) -> Iterable[Mapping[str, Any]]:
    lock(connection)
    return connection.execute(select(*columns)).mappings()  # type: ignore[return-value]


def update_rows(connection: Connection, table: Table, key: tuple[str, ...], changed: list[Values]) -> None:
    """Overwrite the rows that `key` names; every row has the same columns."""
    if not changed:
        return
    statement = table.update().where(*(table.c[name] == bindparam(f"key_{name}") for name in key))
    values: dict[str, Any] = {column: bindparam(column) for column in changed[0] if column not in key}
    # Keys under other names: SQLAlchemy would set every column that a parameter is called after, and for a
    # key that is set, even to itself, SQLite looks through all rows that point at it.
    rows_ = [
        {f"key_{name}" if name in key else name: value for name, value in row.items()} for row in changed
    ]
    connection.execute(statement.values(values), rows_)


def _key(row: Mapping[str, Any], key: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[name] for name in key)


def _sum(parts: Sequence[Changes]) -> Changes:
    total = _NOTHING
    for one in parts:
        total = Changes(
            total.added + one.added,
            total.changed + one.changed,
            total.unchanged + one.unchanged,
            total.retired + one.retired,
        )
    return total
