"""Fill an instance from an export, and prove it: every Datastream is read back and summed up again.

The whole export is looked through before anything is written. Killed at any moment, the next run goes on:
appending again changes nothing, and which Datastreams are finished stands in the register's database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from udp.errors import ConfigurationError, StoreRejected
from udp.opendata.instance import state
from udp.opendata.instance.files import Fingerprint, read_observations, sha256
from udp.opendata.instance.hours import adopt_hours, require_adoptable
from udp.opendata.instance.manifest import NAME, Manifest, read_manifest, require_whole
from udp.opendata.instance.register_rows import holds_something, read_tables
from udp.opendata.instance.verifying import Compared, compare
from udp.registry.database import Database
from udp.store.acceptance import require_storable
from udp.store.port import ObservationStore, Prunable

_MAINTAIN_EVERY = 500_000


@dataclass(frozen=True, slots=True)
class Target:
    """Where to. `upkeep`: one step of the store's housekeeping, True when another is due."""

    database: Database
    store: ObservationStore
    upkeep: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Imported:
    """`compared`: every Datastream, as exported and as it is here. `hours`: Datastreams whose deleted values'
    hours were taken over; `hours_left`: those whose hours stay in the folder, and why. `again`: this very
    export had been imported before."""

    manifest: Manifest
    compared: Sequence[Compared]
    hours: Sequence[str]
    hours_left: Sequence[str]
    again: bool

    @property
    def differ(self) -> dict[str, tuple[int, int]]:
        """Datastreams (thing/key) that are not what they were: Observations exported, and here."""
        return {one.name: (one.exported, one.here) for one in self.compared if not one.equal}


def import_instance(
    folder: Path, target: Target, *, merge: bool = False, say: Callable[[str], None] = lambda _text: None
) -> Imported:
    """All of `folder`. ConfigurationError before anything is written if a file is not whole, or the target
    holds something and `merge` is not set, or means something else by a Datastream of the same name. With
    `merge` what is here stays."""
    manifest = read_manifest(folder)
    require_whole(folder, manifest)
    _require_storable(folder, manifest)
    require_adoptable(folder, manifest)
    name = sha256(folder / NAME)
    state.make(target.database)
    numbers = state.numbers(target.database, name)
    again = numbers is not None
    if numbers is None:
        if not merge:
            _require_empty(target)
        numbers = _write_register(target.database, folder, manifest, name, whole=not merge)
    done, added = state.finished(target.database, name), state.added(target.database, name)
    mine = {exported: here for exported, here in numbers.items() if here in added and exported not in done}
    adopt_hours(target.store, folder, manifest, mine)
    since_upkeep = 0
    for count, exported in enumerate(sorted(manifest.datastreams), 1):
        if exported not in done:
            since_upkeep += _append(target.store, folder, exported, numbers[exported], manifest)
            state.finish(target.database, name, exported)
        if since_upkeep > _MAINTAIN_EVERY:
            since_upkeep = 0
            while target.upkeep():
                pass
        if count % 100 == 0:
            say(f"{count} of {len(manifest.datastreams)} Datastreams")
    compared = [
        compare(target.store, folder, manifest, exported, numbers[exported])
        for exported in sorted(manifest.datastreams)
    ]
    taken, left = _hours_told(target.store, manifest, numbers, added)
    return Imported(manifest, compared, taken, left, again)


def _require_storable(folder: Path, manifest: Manifest) -> None:
    """Every Observation of the export is one, and together they are what the manifest says."""
    for exported, sums in manifest.datastreams.items():
        found = Fingerprint()
        for name in manifest.months_of(exported):
            rows = read_observations(folder / name, exported)
            try:
                require_storable(rows)
            except StoreRejected as error:
                raise ConfigurationError(f"{folder / name}: {error}") from error
            found.add(rows)
        if found.text() != sums.checksum:
            raise ConfigurationError(
                f"{folder}/{NAME}: Datastream {sums.thing}/{sums.key} is not what its files hold "
                f"({sums.observations} Observations said, {found.count} found); export again"
            )


def _require_empty(target: Target) -> None:
    with target.database.reading() as connection:
        spent = state.spent(connection)
    held = set(target.store.latest().datastream.tolist())
    if isinstance(target.store, Prunable):
        held |= set(target.store.pruned())
    if holds_something(target.database) or held - spent:
        raise ConfigurationError(
            "the target is not empty; choose a register and a store that hold nothing, or say --merge: "
            "what is here stays then, and what is missing is added"
        )


def _write_register(
    database: Database, folder: Path, manifest: Manifest, name: str, *, whole: bool
) -> dict[int, int]:
    """All rows, or none where one cannot be."""
    with database.writing() as connection:
        written = read_tables(
            connection, folder / "register", datetime.now(UTC), spent=state.spent(connection), whole=whole
        )
        numbers = written.numbers.datastreams
        if missing := manifest.datastreams.keys() - numbers.keys():
            raise ConfigurationError(f"{folder}: register without Datastream {min(missing)}; copy it again")
        state.note_begun(connection, name, numbers, written.rows)
    return numbers


def _append(store: ObservationStore, folder: Path, exported: int, here: int, manifest: Manifest) -> int:
    """Month by month, older revisions before newer ones, so that each finds what it supersedes."""
    count = 0
    for name in manifest.months_of(exported):
        rows = read_observations(folder / name, here)
        for revision in np.unique(rows.revision):
            store.append(rows.take(rows.revision == revision))
        count += len(rows)
    return count


def _hours_told(
    store: ObservationStore, manifest: Manifest, numbers: dict[int, int], added: set[int]
) -> tuple[list[str], list[str]]:
    """Names of those whose hours were taken over, and of those whose were not."""
    held = store.pruned() if isinstance(store, Prunable) else {}
    taken: list[str] = []
    left: list[str] = []
    for exported, before in sorted(manifest.pruned.items()):
        sums = manifest.datastreams[exported]
        here = numbers[exported]
        mine = here in added and here in held and held[here] >= datetime.fromisoformat(before)
        (taken if mine else left).append(f"{sums.thing}/{sums.key}")
    return taken, left
