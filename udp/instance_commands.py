"""`udp export` and `udp import`: the whole instance into a folder, and out of it into an empty one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from udp.access.audit import AuditLog
from udp.api.desk import utc_now
from udp.config import Settings
from udp.datasets.reading import SHIPPED, read_policy
from udp.events.sql import SqlEvents
from udp.opendata.instance.exporting import Source, export_instance
from udp.opendata.instance.files import replacing
from udp.opendata.instance.importing import Imported, Target, import_instance
from udp.opendata.instance.undoing import undo_import
from udp.opendata.instance.verifying import Compared
from udp.registry.sql import SqlRegistry
from udp.retention.proof import Proofs
from udp.store.opening import maintain, open_store


def add_verbs(verbs: Any, shared: argparse.ArgumentParser) -> None:
    """`export` and `import`, below the verbs of `udp`."""
    out = verbs.add_parser("export", parents=[shared])
    out.add_argument("folder", type=Path, help="new or empty; or one that a killed export has begun")
    out.add_argument(
        "--with-confidential",
        action="store_true",
        help="also sealed device keys (useless without the key that unseals), citizens' projects, hashed API "
        "keys, people and the audit log",
    )
    back = verbs.add_parser("import", parents=[shared])
    back.add_argument("folder", type=Path)
    way = back.add_mutually_exclusive_group()
    way.add_argument("--merge", action="store_true", help="add to what is here; what is here stays as it is")
    way.add_argument("--undo", action="store_true", help="take the import of this folder back")
    back.add_argument("--brief", action="store_true", help="a line only for Datastreams that differ")


def run(config: Settings, given: argparse.Namespace) -> int:
    """0: done; 1: after an import some Datastream is not what it was."""
    if given.verb == "export":
        return _export(config, given)
    return _undo(config, given) if given.undo else _import(config, given)


def _export(config: Settings, given: argparse.Namespace) -> int:
    with (
        closing(SqlRegistry(config.registry.address())) as registry,
        closing(open_store(config.store, utc_now, read_only=True)) as store,
    ):
        source = Source(registry, store, config.policy or SHIPPED, utc_now)
        done = export_instance(source, given.folder, confidential=given.with_confidential, say=_aside)
        AuditLog(registry.database).write(
            "udp export", "exported", subject=str(given.folder), detail=f"{done.observations} Observations"
        )
    _say(
        f"{given.folder}: {len(done.datastreams)} Datastreams, "
        f"{done.observations} Observations, all revisions"
    )
    _say(f"  {len(done.files)} files; check them anywhere: sha256sum -c SHA256SUMS")
    for one in done.left_out:
        _say(f"  not in it: {one}")
    if done.pruned:
        _say(f"  of {len(done.pruned)} Datastreams older values were deleted; their hours lie in aggregates/")
    return 0


def _import(config: Settings, given: argparse.Namespace) -> int:
    read_policy(given.folder / "policy.toml" if (given.folder / "policy.toml").exists() else None)
    with (
        closing(SqlRegistry(config.registry.address())) as registry,
        closing(open_store(config.store, utc_now)) as store,
    ):
        # Their tables are made by whoever opens them first.
        SqlEvents(registry.database)
        Proofs(registry.database)
        target = Target(registry.database, store, lambda: maintain(store, utc_now()))
        done = import_instance(given.folder, target, merge=given.merge, say=_aside)
        AuditLog(registry.database).write(
            "udp import",
            "imported",
            subject=str(given.folder),
            detail=f"{done.manifest.observations} Observations",
        )
    told = "had been imported already" if done.again else "imported"
    _say(f"{len(done.manifest.datastreams)} Datastreams, {done.manifest.observations} Observations {told}")
    _policy(config, given.folder)
    _hours(done)
    _table([one for one in done.compared if not (given.brief and one.equal)])
    if done.differ:
        _say(
            f"{len(done.differ)} Datastreams differ; a store that forgets revisions or keeps one value per "
            f"millisecond does this. Take it back: udp import {given.folder} --undo"
        )
        return 1
    _say("Counts and checksums of all Datastreams are those of the export")
    return 0


def _undo(config: Settings, given: argparse.Namespace) -> int:
    with (
        closing(SqlRegistry(config.registry.address())) as registry,
        closing(open_store(config.store, utc_now)) as store,
    ):
        audit = AuditLog(registry.database)
        done = undo_import(given.folder, Target(registry.database, store), utc_now())
        audit.write("udp import", "import undone", subject=str(given.folder), detail=f"{done.rows} rows")
    _say(f"{done.rows} rows of the register and {done.streams} Datastreams are gone")
    if done.young:
        _say(
            f"  their values are deleted up to midnight (UTC); of {done.young} Datastreams values of today "
            f"stay, under no name: say udp import {given.folder} --undo once more tomorrow"
        )
    elif done.forgotten:
        _say("  the store holds no value of them any more")
    else:
        _say("  this store cannot forget single Datastreams: their values stay in it, under no name")
    if done.kept:
        _say(f"  {done.kept} Datastreams were here before; they keep what the import added to them")
    return 0


def _hours(done: Imported) -> None:
    if done.hours:
        _say(
            f"  of {len(done.hours)} Datastreams values had been deleted before; their hours were taken over"
        )
    if done.hours_left:
        _say(
            f"  of {len(done.hours_left)} Datastreams values had been deleted before; their hours stay in "
            "the folder (aggregates/): this store takes none, or has a past of its own there"
        )


def _table(compared: Sequence[Compared]) -> None:
    """One line per Datastream; checksums by their first twelve digits, in full in manifest.json."""
    if not compared:
        return
    width = max(10, *(len(one.name) for one in compared))
    _say(f"{'Datastream':{width}} {'exported':>10} {'here':>10} checksum     here         ")
    for one in compared:
        _say(
            f"{one.name:{width}} {one.exported:>10} {one.here:>10} {one.checksum[:12]} "
            f"{one.checksum_here[:12]} {one.verdict}"
        )


def _policy(config: Settings, folder: Path) -> None:
    """The exported policy takes effect where nobody has decided otherwise yet."""
    exported = (folder / "policy.toml").read_bytes()
    if config.policy is None:
        if exported != SHIPPED.read_bytes():
            _say(f"  policy: the shipped one is in force; name {folder / 'policy.toml'} in the settings")
        return
    held = config.policy.read_bytes() if config.policy.exists() else None
    if held in (None, SHIPPED.read_bytes()):
        with replacing(config.policy) as unfinished:
            unfinished.write_bytes(exported)
    elif held != exported:
        _say(f"  policy: {config.policy} stays in force; compare: udp policy diff {folder / 'policy.toml'}")


def _say(text: str) -> None:
    print(text)  # noqa: T201 - the command's answer


def _aside(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - while it works
