"""Take an import back: what it added to the register goes, and the store is asked to forget its values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Table, and_, select

from udp.errors import ConfigurationError
from udp.opendata.instance import state
from udp.opendata.instance.files import sha256
from udp.opendata.instance.importing import Target
from udp.opendata.instance.manifest import NAME, read_manifest
from udp.opendata.instance.register_rows import meant, plain, reflected
from udp.opendata.instance.state import Key
from udp.registry import schema
from udp.registry.sql import grow, lock
from udp.store.acceptance import whole_day
from udp.store.columns import Period
from udp.store.port import ObservationStore, Prunable

_AT_ONCE = 500
_END = datetime(2262, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Undone:
    """`rows`: gone from the register. `streams`: Datastreams gone. `forgotten`: whether the store was able to
    forget their values (numbers of Datastreams are never given again). `young`: Datastreams of which it still
    has values of today, which it can forget from tomorrow on. `kept`: Datastreams that were here before the
    import and keep what it added."""

    rows: int
    streams: int
    forgotten: bool
    young: int
    kept: int


def undo_import(folder: Path, target: Target, now: datetime) -> Undone:
    """ConfigurationError if this export was not imported here, or something was built upon it since.

    The register first, in one transaction; killed after it, or where the store still has values of today, the
    next call goes on with the store. Audit log and proofs of deletion are never shortened: their lines stay.
    """
    read_manifest(folder)
    name = sha256(folder / NAME)
    state.make(target.database)
    numbers, added = state.numbers(target.database, name), state.added(target.database, name)
    pending = state.uncleared(target.database, name)
    if numbers is None and not pending:
        raise ConfigurationError(f"{folder}: this export was not imported here, so there is nothing to undo")
    rows: list[tuple[str, Key]] = []
    if numbers is not None:
        with target.database.writing() as connection:
            lock(connection)
            rows = state.rows(connection, name)
            gone = _delete(connection, rows, added)
            state.forget(connection, name, gone)
            grow(connection, now)
        pending = state.uncleared(target.database, name)
    forgotten, young = isinstance(target.store, Prunable), set[int]()
    if isinstance(target.store, Prunable) and pending:
        target.store.prune(pending, now)
        young = _young(target.store, pending, now)
    state.clear(target.database, name, but=young)
    return Undone(len(rows), len(pending), forgotten, len(young), len(numbers or ()) - len(added))


def _young(store: ObservationStore, streams: Sequence[int], now: datetime) -> set[int]:
    """Which of these have values left, asked of the store itself: nothing before that midnight is."""
    period = Period(whole_day(now, now), _END)
    found: set[int] = set()
    for at in range(0, len(streams), _AT_ONCE):
        found |= set(store.read(streams[at : at + _AT_ONCE], period).datastream.tolist())
    return found


def _delete(connection: Connection, rows: Sequence[tuple[str, Key]], added: set[int]) -> set[int]:
    """The rows, newest first, and what the platform itself has added to them; numbers that are spent now."""
    things = {key[0] for name, key in rows if name == "thing"}
    computed = _computed(connection, things)
    _require_untouched(connection, things, rows, computed)
    if computed:
        connection.execute(schema.derivation.delete().where(schema.derivation.c.datastream.in_(computed)))
        connection.execute(schema.datastream.delete().where(schema.datastream.c.id.in_(computed)))
    if things:
        # Lines of history that the register wrote when the Things came.
        connection.execute(schema.thing_place.delete().where(schema.thing_place.c.thing.in_(things)))
    gone = added | computed
    if gone:
        connection.execute(schema.derived_day.delete().where(schema.derived_day.c.datastream.in_(gone)))
        connection.execute(schema.derivation.delete().where(schema.derivation.c.datastream.in_(gone)))
    tables: dict[str, Table] = {}
    for name, key in reversed(rows):
        if name not in tables:
            tables[name] = reflected(connection, name)
        table = tables[name]
        columns = list(table.primary_key.columns)
        same = and_(*(column == meant(value) for column, value in zip(columns, key, strict=True)))
        connection.execute(table.delete().where(same))
    return gone


def _computed(connection: Connection, things: Iterable[str]) -> set[int]:
    """Datastreams that `udp derive` made of what was imported."""
    table = schema.datastream
    mine = table.c.thing.in_(list(things)) & (table.c.origin == schema.DERIVED)
    return set(connection.execute(select(table.c.id).where(mine)).scalars())


def _require_untouched(
    connection: Connection, things: set[str], rows: Sequence[tuple[str, Key]], computed: set[int]
) -> None:
    """Nothing else may hang on a Thing that goes."""
    known = {(name, json.dumps(key)) for name, key in rows}
    known |= {("datastream", json.dumps([one])) for one in computed}
    for name in ("datastream", "device", "wired_sensor", "device_record", "thing_record", "maintenance"):
        table = reflected(connection, name)
        if "thing" not in table.columns:
            continue
        keys = list(table.primary_key.columns)
        for row in connection.execute(select(table.c.thing, *keys).where(table.c.thing.in_(things))):
            if (name, json.dumps([plain(value) for value in row[1:]])) not in known:
                raise ConfigurationError(
                    f"Thing {row[0]!r} has got a row in {name} since the import, so it cannot be taken back; "
                    "remove what was added first, or restore the backup from before the import"
                )
