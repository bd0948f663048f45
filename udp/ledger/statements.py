"""The ledger's hot statements, compiled once: executing rows as plain tuples costs a third of Core's
per-row parameter handling, and every uplink passes here. So does looking for keys by one text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Column, Connection, Dialect, Select, Table, bindparam, case, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.expression import Executable

from udp.ledger import tables

Row = tuple[Any, ...]
_AT_ONCE = 500  # well below the variables any build of SQLite allows in one statement


class Prepared:
    """One statement in the words of one driver."""

    def __init__(self, statement: Executable, dialect: Dialect, order: Sequence[str]) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=list(order))  # type: ignore[attr-defined]
        positions = list(compiled.positiontup or ())
        if positions != list(order):
            raise TypeError(f"expected the parameters {list(order)}, the dialect binds {positions}")
        self._text = str(compiled)

    def execute(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Run once for every row; nothing for no rows."""
        if rows:
            connection.exec_driver_sql(self._text, list(rows))


class Sought:
    """Rows whose key is among many; Core would write the list into a new text each time."""

    def __init__(self, query: Select[Any], key: Column[Any], dialect: Dialect) -> None:
        marks = [bindparam(f"key_{number}", type_=key.type) for number in range(_AT_ONCE)]
        self._text = str(query.where(key.in_(marks)).compile(dialect=dialect))

    def rows(self, connection: Connection, keys: Iterable[Any]) -> Iterator[Any]:
        """As the driver gives them, in no order."""
        source = iter(keys)
        while some := tuple(islice(source, _AT_ONCE)):
            filled = some + some[:1] * (_AT_ONCE - len(some))
            yield from connection.exec_driver_sql(self._text, filled)


class Statements:
    """Everything `write` runs for many rows at once, and what it must know of them before."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        uplinks, heard, sessions = tables.uplinks.c, tables.receptions.c, tables.sessions.c
        told = select(heard.identity, heard.way, heard.gateway, heard.received_at)
        self.remembered = Sought(
            select(uplinks.identity, uplinks.received_at, uplinks.payload), uplinks.identity, dialect
        )
        self.told = Sought(told, heard.identity, dialect)
        self.counted = Sought(select(tables.sessions), sessions.dev_eui, dialect)
        self.uplinks = self._insert(tables.uplinks)
        self.receptions = self._insert(tables.receptions)
        self.quarantine = self._insert(tables.quarantine, skip=("id",))
        self.sessions = self._merge_sessions()
        self.gateways = self._merge_gateways()
        self.agents = self._replace(tables.agents)
        self.gaps = self._replace(tables.gaps)
        self.counters = self._add_counters()
        self.gauges = self._replace(tables.gauges)
        self.workers = self._replace(tables.workers)
        self.frames = self._merge_frames()
        self.conditions = self._replace(tables.conditions)
        self.cursors = self._replace(tables.cursors)

    def _into(self, table: Table) -> Any:
        dialect = postgresql if self._dialect.name == "postgresql" else sqlite
        return dialect.insert(table)

    def _prepared(self, statement: Any, table: Table, skip: Sequence[str] = ()) -> Prepared:
        names = [column.name for column in table.columns if column.name not in skip]
        return Prepared(statement, self._dialect, names)

    def _insert(self, table: Table, skip: Sequence[str] = ()) -> Prepared:
        """A row whose key is there already changes nothing."""
        return self._prepared(self._into(table).on_conflict_do_nothing(), table, skip)

    def _replace(self, table: Table) -> Prepared:
        insert = self._into(table)
        values = {c.name: insert.excluded[c.name] for c in table.columns if not c.primary_key}
        return self._prepared(insert.on_conflict_do_update(index_elements=_key(table), set_=values), table)

    def _add_counters(self) -> Prepared:
        table = tables.counters
        insert = self._into(table)
        total = {"value": table.c.value + insert.excluded.value}
        return self._prepared(insert.on_conflict_do_update(index_elements=_key(table), set_=total), table)

    def _merge_sessions(self) -> Prepared:
        table = tables.sessions
        insert = self._into(table)
        new = insert.excluded
        later = new.last_received_at >= table.c.last_received_at
        merged = {
            "lowest": case((new.lowest < table.c.lowest, new.lowest), else_=table.c.lowest),
            "highest": case((new.highest > table.c.highest, new.highest), else_=table.c.highest),
            "heard": table.c.heard + new.heard,
            "duplicates": table.c.duplicates + new.duplicates,
            "last_f_cnt": case((later, new.last_f_cnt), else_=table.c.last_f_cnt),
            "last_received_at": case((later, new.last_received_at), else_=table.c.last_received_at),
        }
        return self._prepared(insert.on_conflict_do_update(index_elements=_key(table), set_=merged), table)

    def _merge_frames(self) -> Prepared:
        table = tables.frames
        insert = self._into(table)
        new = insert.excluded
        merged = {
            "first": case((new.first < table.c.first, new.first), else_=table.c.first),
            "last": case((new.last > table.c.last, new.last), else_=table.c.last),
            "noted_at": new.noted_at,
        }
        return self._prepared(insert.on_conflict_do_update(index_elements=_key(table), set_=merged), table)

    def _merge_gateways(self) -> Prepared:
        table = tables.gateways
        insert = self._into(table)
        new = insert.excluded
        later = new.last_received_at > table.c.last_received_at
        merged = {
            "last_received_at": case((later, new.last_received_at), else_=table.c.last_received_at),
            "receptions": table.c.receptions + new.receptions,
        }
        return self._prepared(insert.on_conflict_do_update(index_elements=_key(table), set_=merged), table)


def _key(table: Table) -> list[str]:
    return [column.name for column in table.primary_key.columns]
