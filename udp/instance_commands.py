"""`udp export` and `udp import`: the whole instance into a folder, and out of it into an empty one."""

from __future__ import annotations

import argparse
import sys
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
from udp.opendata.instance.importing import Target, import_instance
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
        help="also sealed device keys (useless without the key that unseals) and citizens' projects",
    )
    back = verbs.add_parser("import", parents=[shared])
    back.add_argument("folder", type=Path)
    back.add_argument("--merge", action="store_true", help="add to what is here; what is here stays as it is")


def run(config: Settings, given: argparse.Namespace) -> int:
    """0: done; 1: after an import some Datastream is not what it was."""
    return _export(config, given) if given.verb == "export" else _import(config, given)


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
    _say(f"{len(done.manifest.datastreams)} Datastreams, {done.manifest.observations} Observations imported")
    _policy(config, given.folder)
    if done.manifest.pruned:
        _say(
            f"  of {len(done.manifest.pruned)} Datastreams single values had been deleted before the export; "
            "their hours stay in the folder (aggregates/), a store takes single values only"
        )
    for name, (before, after) in list(done.differ.items())[:20]:
        _say(f"  DIFFERS {name}: {before} Observations exported, {after} here")
    if done.differ:
        _say(
            f"{len(done.differ)} Datastreams differ; a store that rounds times or forgets revisions does this"
        )
        return 1
    _say("Counts and checksums of all Datastreams are those of the export")
    return 0


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
