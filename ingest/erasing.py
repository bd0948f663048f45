"""Delete what citizens have withdrawn: Observations, what the ledger noted, and the bytes in the journal.

The register has hidden everything before the order is read here, and takes nothing in for it any more.
What is older than today goes at once, today's values when the day (UTC) is over: engines delete whole
days. Every step can be repeated: the order counts as done only after the last one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

from ingest.journal import JournalReader, JournalUnavailable, erase, workers
from ingest.sources.things_stack import WAY
from udp.citizens.project import Erasure, origin_of
from udp.citizens.projects import CitizenProjects
from udp.errors import PlatformError, StoreUnavailable
from udp.ledger.sql import SqlLedger
from udp.store.port import ObservationStore, Prunable

log = logging.getLogger(__name__)


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

    def run(self, projects: CitizenProjects, caught_up: Callable[[], bool]) -> int:
        """Carry out what is ordered; how many are done. `caught_up`: nothing older waits in the journal."""
        projects.tidy()
        orders = projects.erasures()
        if not orders or not caught_up():
            return 0
        done = 0
        for one in orders:
            today = self._now().date()
            if self._begun.get(one.number) == today:
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
