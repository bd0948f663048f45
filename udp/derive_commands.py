"""`udp derive`: compute what can be computed from what is measured, once or for as long as it runs."""

from __future__ import annotations

import argparse
import logging
import os
import threading
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from udp.config import Settings
from udp.derived.round import Deriving
from udp.registry.sql import SqlRegistry
from udp.stopping import keep_up
from udp.store.opening import open_store

_LOG = logging.getLogger("udp.derived")
_NICE = 5


def add_verbs(verbs: Any, shared: argparse.ArgumentParser) -> None:
    """`derive`, below the verbs of `udp`."""
    text = "compute heat index, air quality index, fill classes and degree days from what is measured"
    derive = verbs.add_parser("derive", parents=[shared], help=text)
    derive.add_argument("--every", type=float, metavar="SECONDS", help="go on, so often; without it once")
    derive.add_argument("--again", action="store_true", help="also what has not changed")


def utc_now() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


def run(config: Settings, given: argparse.Namespace) -> int:
    """0: done, or told to stop."""
    if not given.every:
        with (
            closing(SqlRegistry(config.registry.address())) as registry,
            closing(open_store(config.store, utc_now)) as store,
        ):
            print(Deriving(registry, store, utc_now).round(again=given.again))  # noqa: T201 - the answer
        return 0
    os.nice(_NICE)
    keep_up(lambda stop: _keep_on(config, stop, given.every), given.every, _LOG)
    return 0


def _keep_on(config: Settings, stop: threading.Event, every_s: float) -> None:
    with (
        closing(SqlRegistry(config.registry.address())) as registry,
        closing(open_store(config.store, utc_now)) as store,
    ):
        deriving = Deriving(registry, store, utc_now)
        while not stop.is_set():
            _LOG.info("%s", deriving.round())
            stop.wait(every_s)
