"""`udp dumps ...`: make the files of the open data, once or again and again."""

from __future__ import annotations

import argparse
import logging
from contextlib import closing
from typing import Any

from udp.api.desk import utc_now
from udp.config import Settings
from udp.datasets.source import PolicyFile
from udp.errors import RegistryUnavailable, StoreUnavailable
from udp.opendata.dumping import Dumps, Round
from udp.opendata.offer import offered
from udp.policy import Gate
from udp.registry.sql import SqlRegistry
from udp.stopping import told_to_stop
from udp.store.opening import open_store

_LOG = logging.getLogger(__name__)


def add_verbs(verbs: Any, shared: argparse.ArgumentParser) -> None:
    """`dumps` and what follows it, below the verbs of `udp`."""
    group = verbs.add_parser("dumps", help="Offene Daten: Dateien je Monat und Tag")
    actions = group.add_subparsers(dest="action", required=True)
    run_ = actions.add_parser("run", parents=[shared], help="fehlende und veraltete Dateien schreiben")
    run_.add_argument("--follow", action="store_true", help="immer wieder, bis zum Signal")


def run(config: Settings, given: argparse.Namespace) -> int:
    """0: done."""
    policy = PolicyFile(config.policy)
    if not given.follow:
        _say(_told(_round(config, policy)))
        return 0
    stop = told_to_stop()
    while not stop.is_set():
        try:
            _LOG.info("%s", _told(_round(config, policy)))
        except (StoreUnavailable, RegistryUnavailable) as error:
            _LOG.warning("no dumps this time: %s", error)
        stop.wait(config.opendata.every_s)
    return 0


def _round(config: Settings, policy: PolicyFile) -> Round:
    with (
        closing(SqlRegistry(config.registry.address())) as registry,
        closing(open_store(config.store, utc_now, read_only=True)) as store,
    ):
        offers = offered(Gate(policy.current()), registry.inventory())
        return Dumps(config.opendata.folder).make(store, offers, utc_now, config.opendata.daily_files)


def _told(done: Round) -> str:
    return f"{len(done.made)} Dateipaare geschrieben, {done.kept} aktuell, {len(done.removed)} entfernt"


def _say(text: str) -> None:
    print(text)  # noqa: T201 - the command's answer
