"""`udp retention ...`: delete what has grown old, now; and show what was deleted, with its proof."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Any

from udp.api.desk import utc_now
from udp.config import Settings
from udp.datasets.reading import read_policy
from udp.forecasting.sql import SqlForecasts
from udp.policy import Gate
from udp.registry.database import Database
from udp.registry.sql import SqlRegistry
from udp.retention.ageing import Ageing
from udp.retention.audit_ageing import forget_audit
from udp.retention.proof import Deletion, Proofs
from udp.store.opening import open_store

_KIND = {"values": "Werte", "raw": "Nachrichten", "audit": "Protokollzeilen"}


def add_verbs(verbs: Any, shared: argparse.ArgumentParser) -> None:
    """`retention` and what follows it, below the verbs of `udp`."""
    group = verbs.add_parser("retention")
    actions = group.add_subparsers(dest="action", required=True)
    run = actions.add_parser(
        "run",
        parents=[shared],
        help="Werte löschen, deren Frist um ist (tut ingest stündlich, auch im Journal)",
    )
    run.add_argument("--dry-run", action="store_true", help="nur sagen, was fällig ist")
    log = actions.add_parser("log", parents=[shared], help="Löschprotokoll: was, wann, wie viel, nachgeprüft")
    log.add_argument("--last", type=int, default=50, help="so viele Einträge")


def run(config: Settings, given: argparse.Namespace) -> int:
    """0: done; 1: a deletion does not hold."""
    return _log(config, given) if given.action == "log" else _run(config, given)


def _run(config: Settings, given: argparse.Namespace) -> int:
    gate = Gate(read_policy(config.policy))
    with (
        closing(SqlRegistry(config.registry.address())) as registry,
        closing(SqlForecasts(config.forecasts_address())) as forecasts,
        closing(open_store(config.store, utc_now, read_only=given.dry_run)) as store,
    ):
        ageing = Ageing(
            store, registry.ever, Proofs(registry.database), utc_now, lambda: forecasts.told().streams
        )
        if given.dry_run:
            due = ageing.due(gate)
            for one in due:
                names = ", ".join(one.datasets)
                _say(f"{names}: {len(one.series)} Messreihen, Werte vor {one.before:%d.%m.%Y}")
            _say(f"{len(due)} Löschungen fällig" if due else "Nichts fällig")
            return 0
        done = list(ageing.run(gate))
        policy = gate.policy
        if audit := forget_audit(registry.database, policy.audit_kept, policy.digest, utc_now):
            done.append(audit)
    for proof in done:
        _say(_told(proof))
    _say(f"{len(done)} Löschungen" if done else "Nichts fällig")
    return 0 if all(proof.holds for proof in done) else 1


def _log(config: Settings, given: argparse.Namespace) -> int:
    with closing(Database(config.registry.address())) as database:
        found = Proofs(database).read(given.last)
        begun = Proofs(database).begun()
    for proof in reversed(found):
        _say(_told(proof))
    for one in begun:
        what = one.deletion
        _say(
            f"begonnen, noch nicht nachgeprüft: {what.dataset}: {what.count} {_KIND[what.what]} vor "
            f"{what.before[:10]}; ingest setzt es innerhalb einer Stunde fort"
        )
    _say(f"{len(found)} Einträge" if found else "Noch nichts gelöscht")
    return 0 if all(proof.holds for proof in found) else 1


def _told(one: Deletion) -> str:
    checked = "nachgeprüft: nichts mehr da" if one.left_over == 0 else f"NOCH DA: {one.left_over}"
    if one.what == "values":
        kept = "erhalten" if one.summed_before == one.summed_after else "VERÄNDERT"
        checked += f", Tageswerte {kept} ({one.summed_after})"
    return (
        f"{one.at[:16]}Z {one.dataset}: {one.count} {_KIND[one.what]} vor {one.before[:10]} "
        f"({one.first[:16]} bis {one.last[:16]}), SHA-256 {one.checksum[:16]}…, {checked}"
    )


def _say(text: str) -> None:
    print(text)  # noqa: T201 - the command's answer
