"""`udp weather`: fetch what the weather service expects, once or for as long as it runs."""

from __future__ import annotations

import argparse
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from udp.config import Settings
from udp.errors import StoreRejected, StoreUnavailable
from udp.forecasting.sql import SqlForecasts
from udp.ledger.port import Page
from udp.ledger.sql import SqlLedger
from udp.registry.sql import SqlRegistry
from udp.stopping import keep_up
from udp.store.opening import open_store
from udp.weather.archive import Archive
from udp.weather.download import Downloads
from udp.weather.round import WeatherRound
from udp.weather.warning_state import SqlWarnings, WarningRound

_LOG = logging.getLogger("udp.weather")
WORKER = "wetter"
_SAY_EVERY_S = 120.0
_AGAIN_S = 30.0


def add_verbs(verbs: Any, shared: argparse.ArgumentParser) -> None:
    """`weather`, below the verbs of `udp`."""
    text = "Wetter holen: amtliche Warnungen, Regenradar für 2 Stunden, MOSMIX für zehn Tage"
    weather = verbs.add_parser("weather", parents=[shared], help=text)
    weather.add_argument("--every", type=float, metavar="SEKUNDEN", help="laufend, so oft; sonst einmal")


def run(config: Settings, given: argparse.Namespace) -> int:
    """0: done, or told to stop; 1: a source gave nothing when asked once."""
    if not given.every:
        with _opened(config) as (weather, _):
            said = weather.round()
        for source, text in sorted(said.items()):
            print(text or f"{source}: in Ordnung")  # noqa: T201 - the answer
        return 1 if any(said.values()) else 0
    keep_up(lambda stop: keep_on(config, stop, given.every), given.every, _LOG)
    return 0


def keep_on(config: Settings, stop: threading.Event, every_s: float) -> None:
    """A round every `every_s` seconds until told to stop, and a sign of life in between."""
    with _opened(config) as (weather, ledger):
        while not stop.is_set():
            said = weather.round()
            # What is missing is asked for again sooner: at a start others come up at the same time.
            pause = min(every_s, _AGAIN_S) if any(said.values()) else every_s
            next_round = time.monotonic() + pause
            # Also when nothing changed: who says nothing for five minutes counts as gone.
            while not stop.is_set() and (left := next_round - time.monotonic()) > 0:
                _tell(ledger, said)
                stop.wait(min(left, _SAY_EVERY_S))


def _tell(ledger: SqlLedger, said: dict[str, str]) -> None:
    """On the operator page; a ledger that is away must not stop the forecasts."""
    try:
        ledger.write(Page(worker=WORKER, conditions=said))
    except (StoreUnavailable, StoreRejected) as error:
        _LOG.warning("%s; the operator page is not up to date", error)


@dataclass(frozen=True, slots=True)
class _Rounds:
    """Warnings first: they are what cannot wait."""

    weather: WeatherRound
    warned: WarningRound

    def round(self) -> dict[str, str]:
        """What is wrong by source."""
        return self.warned.round() | self.weather.round()


@contextmanager
def _opened(config: Settings) -> Iterator[tuple[_Rounds, SqlLedger]]:
    with (
        closing(SqlRegistry(config.registry.address())) as registry,
        closing(SqlLedger(config.ledger.address())) as ledger,
        closing(SqlForecasts(config.forecasts_address())) as forecasts,
        closing(open_store(config.store, _now)) as store,
    ):
        downloads = Downloads(config.weather.server, config.weather.within.total_seconds())
        weather = WeatherRound(registry, Archive(store, forecasts), downloads, config.weather, _now)
        warned = WarningRound(SqlWarnings(registry.database), downloads, config.weather.warncells, _now)
        yield _Rounds(weather, warned), ledger


def _now() -> datetime:
    return datetime.now(UTC)
