"""Delete what citizens have withdrawn: Observations, what the ledger noted, and the bytes in the journal.

The register has hidden everything before the order is read here, and takes nothing in for it any more.
What is older than today goes at once, today's values when the day (UTC) is over: engines delete whole
days. Every step can be repeated: the order counts as done only after the last one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Protocol

from ingest.journal import JournalReader, JournalUnavailable, erase, workers
from ingest.sources.things_stack import WAY
from udp.citizens.project import Erasure, origin_of
from udp.citizens.projects import CitizenProjects
from udp.errors import PlatformError, StoreUnavailable
from udp.ledger.sql import SqlLedger
from udp.store.port import ObservationStore, Prunable

log = logging.getLogger(__name__)

_ALL_KNOW = timedelta(minutes=1)
"""After this time every door and pipeline has read in the register that the project is gone."""


class Cursors(Protocol):
    """How far each journal file has been handled."""

    def cursor(self, journal: str) -> int:
        """By JournalReader.key: the highest row that needs no more work; 0 for none."""


class CaughtUp:
    """Whether all that was journalled when somebody first asked about an order has been handled.

    Whether the whole journal has been would be the wrong question: on a busy platform it never is.
    """

    def __init__(self, directory: Path, cursors: Cursors) -> None:
        self._directory = directory
        self._cursors = cursors
        self._waiting: dict[int, dict[tuple[str, str], int]] = {}

    def __call__(self, order: int) -> bool:
        """`order`: its number; JournalUnavailable, StoreUnavailable."""
        if order not in self._waiting:
            self._waiting[order] = self._ends()
        waiting = {end: row for end, row in self._waiting[order].items() if not self._handled(*end, row)}
        self._waiting[order] = waiting
        return not waiting

    def _ends(self) -> dict[tuple[str, str], int]:
        ends: dict[tuple[str, str], int] = {}
        for worker in workers(self._directory):
            with closing(JournalReader(self._directory, worker)) as reader:
                ends |= {(worker, name): reader.newest(name) for name in reader.names()}
        return ends

    def _handled(self, worker: str, name: str, row: int) -> bool:
        with closing(JournalReader(self._directory, worker)) as reader:
            return name not in reader.names() or self._cursors.cursor(reader.key(name)) >= row


class Eraser:
    """Carries out the orders; `run` is called from time to time by whoever writes to store and ledger."""

    def __init__(
        self, store: ObservationStore, ledger: SqlLedger, journal: Path, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._journal = journal
        self._now = now
        self._begun: dict[int, date] = {}

    def run(self, projects: CitizenProjects, caught_up: Callable[[int], bool]) -> int:
        """Carry out what is ordered; how many are done. `caught_up`: nothing older than the order with
        this number waits in the journal."""
        projects.tidy()
        done = 0
        for one in projects.erasures():
            now = self._now()
            today = now.date()
            if self._begun.get(one.number) == today or now - one.ordered_at < _ALL_KNOW:
                continue
            if not caught_up(one.number):
                continue
            try:
                self._erase(one)
            except (PlatformError, JournalUnavailable) as error:
                log.warning("project %s is not deleted yet: %s; trying again", one.project, error)
                continue
            self._begun[one.number] = today
            if one.ordered_at.date() == today:
                continue
            projects.erased(one)
            log.info("project %s: everything is deleted", one.project)
            done += 1
        return done

    def _erase(self, one: Erasure) -> None:
        if one.datastreams:
            if not isinstance(self._store, Prunable):
                raise StoreUnavailable(
                    f"{type(self._store).__name__} cannot delete; delete datastreams "
                    f"{', '.join(map(str, one.datastreams))} by hand as its manual says"
                )
            self._store.prune(one.datastreams, self._now())
        origin = origin_of(one.project)
        self._ledger.forget_project(one.project, origin, [str(dev_eui) for dev_eui in one.dev_euis])
        for worker in workers(self._journal):
            for name in JournalReader(self._journal, worker).names():
                erase(self._journal / f"{name}.sqlite", WAY, origin)
