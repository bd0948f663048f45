"""Fill an empty instance from an export, and prove it: every Datastream is read back and summed up again.

Killed at any moment, the next run goes on: appending again changes nothing, and which Datastreams are
finished stands in the register's database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, insert, select
from sqlalchemy.schema import CreateTable

from udp.errors import ConfigurationError
from udp.opendata.instance.files import Fingerprint, read_observations, sha256
from udp.opendata.instance.manifest import NAME, Manifest, StreamSums, read_manifest, require_whole
from udp.opendata.instance.register_rows import holds_something, read_tables
from udp.opendata.instance.revisions import every_revision, months
from udp.registry.database import Database
from udp.store.port import ObservationStore

_metadata = MetaData()
_progress = Table(
    "instance_import",
    _metadata,
    Column("manifest", String(64), primary_key=True),
    Column("exported", BigInteger, primary_key=True, autoincrement=False),
    Column("here", BigInteger, nullable=False),
)
_BEGUN = -1
"""No Datastream: this row says that the register has been written, those below it which number each got."""
_MAINTAIN_EVERY = 500_000


@dataclass(frozen=True, slots=True)
class Target:
    """Where to. `upkeep`: one step of the store's housekeeping, True when another is due."""

    database: Database
    store: ObservationStore
    upkeep: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Imported:
    """`differ`: Datastreams (thing/key) whose count or checksum here is not the export's, and both counts."""

    manifest: Manifest
    differ: Mapping[str, tuple[int, int]]


def import_instance(
    folder: Path, target: Target, *, merge: bool = False, say: Callable[[str], None] = lambda _text: None
) -> Imported:
    """All of `folder`. ConfigurationError before anything is written if a file is not whole, or the target
    holds something and `merge` is not set. With `merge` what is here stays, and what has more here than in
    the export is not counted as different."""
    manifest = read_manifest(folder)
    require_whole(folder, manifest)
    name = sha256(folder / NAME)
    _make(target.database)
    numbers = _begun(target.database, name)
    if numbers is None:
        if not merge:
            _require_empty(target)
        numbers = _write_register(target.database, folder, manifest, name)
    done = _finished(target.database, name)
    differ: dict[str, tuple[int, int]] = {}
    since_upkeep = 0
    for count, exported in enumerate(sorted(manifest.datastreams), 1):
        here = numbers[exported]
        if exported not in done:
            since_upkeep += _append(target.store, folder, exported, here, manifest)
            _finish(target.database, name, exported, here)
        if since_upkeep > _MAINTAIN_EVERY:
            since_upkeep = 0
            while target.upkeep():
                pass
        if count % 100 == 0:
            say(f"{count} of {len(manifest.datastreams)} Datastreams")
    for exported, sums in sorted(manifest.datastreams.items()):
        found = _sums(target.store, numbers[exported], sums)
        same = found.text() == sums.checksum or (merge and found.count > sums.observations)
        if not same:
            differ[f"{sums.thing}/{sums.key}"] = (sums.observations, found.count)
    return Imported(manifest, differ)


def _require_empty(target: Target) -> None:
    held = holds_something(target.database) or len(target.store.latest()) > 0
    if held:
        raise ConfigurationError(
            "the target is not empty; choose a register and a store that hold nothing, or say --merge: "
            "what is here stays then, and what is missing is added"
        )


def _write_register(database: Database, folder: Path, manifest: Manifest, name: str) -> dict[int, int]:
    with database.writing() as connection:
        numbers = read_tables(connection, folder / "register", datetime.now(UTC))
        if missing := manifest.datastreams.keys() - numbers.keys():
            raise ConfigurationError(f"{folder}: register without Datastream {min(missing)}; copy it again")
        rows = [{"manifest": name, "exported": _BEGUN, "here": 0}]
        rows += [
            {"manifest": name, "exported": -2 - exported, "here": here} for exported, here in numbers.items()
        ]
        connection.execute(insert(_progress), rows)
    return numbers


def _begun(database: Database, name: str) -> dict[int, int] | None:
    """The numbers given by an earlier run of this very export; None for the first run."""
    with database.reading() as connection:
        rows = _rows(connection, name)
    if _BEGUN not in rows:
        return None
    return {-2 - exported: here for exported, here in rows.items() if exported < _BEGUN}


def _finished(database: Database, name: str) -> set[int]:
    with database.reading() as connection:
        return {exported for exported in _rows(connection, name) if exported >= 0}


def _finish(database: Database, name: str, exported: int, here: int) -> None:
    with database.writing() as connection:
        connection.execute(insert(_progress).values(manifest=name, exported=exported, here=here))


def _rows(connection: Connection, name: str) -> dict[int, int]:
    wanted = select(_progress.c.exported, _progress.c.here).where(_progress.c.manifest == name)
    return {row.exported: row.here for row in connection.execute(wanted)}


def _make(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(CreateTable(_progress, if_not_exists=True))


def _append(store: ObservationStore, folder: Path, exported: int, here: int, manifest: Manifest) -> int:
    """Month by month, older revisions before newer ones, so that each finds what it supersedes."""
    count = 0
    mine = f"observations/{exported}/"
    for name in sorted(one for one in manifest.files if one.startswith(mine)):
        rows = read_observations(folder / name, here)
        for revision in np.unique(rows.revision):
            store.append(rows.take(rows.revision == revision))
        count += len(rows)
    return count


def _sums(store: ObservationStore, here: int, sums: StreamSums) -> Fingerprint:
    found = Fingerprint()
    if not sums.first:
        return found
    span = (datetime.fromisoformat(sums.first), datetime.fromisoformat(sums.last))
    for _, period in months(*span):
        rows = every_revision(store, here, period)
        if len(rows):
            found.add(rows)
    return found
