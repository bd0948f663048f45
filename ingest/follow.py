"""Keep store and ledger level with the journal, whatever happens to either of them meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from edge.lorawan.keyring import SessionsFile
from ingest.decode import moment
from ingest.journal import Entry, JournalReader, JournalUnavailable
from ingest.normalise import Bindings
from ingest.pipeline import Pipeline
from udp.errors import RegistryUnavailable, StoreUnavailable
from udp.ledger.port import Ledger, Page
from udp.registry.port import Registry

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FollowSettings:
    """How the pipeline walks along the journal."""

    batch: int = 2_000  # deliveries per pass: bounds memory and what a crash repeats
    poll: timedelta = timedelta(milliseconds=50)
    refresh: timedelta = timedelta(seconds=1)  # register, sessions, figures
    retry_at_most: timedelta = timedelta(seconds=15)

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"batch {self.batch}: at least one delivery per pass")


class Follower:
    """Walks one worker's journal from its cursor on; stops between two batches."""

    def __init__(
        self,
        *,
        reader: JournalReader,
        pipeline: Pipeline,
        ledger: Ledger,
        registry: Registry,
        sessions: SessionsFile | None,
        settings: FollowSettings,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`monotonic`: seconds between two refreshes, whatever happens to the clock meanwhile."""
        self._reader = reader
        self._pipeline = pipeline
        self._ledger = ledger
        self._registry = registry
        self._sessions = sessions
        self._settings = settings
        self._now = now
        self._monotonic = monotonic
        self._refreshed: float | None = None
        self._conditions: dict[str, str] = {}
        self._reported: dict[str, str] | None = None
        self._gauges: dict[str, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Until `stop`; what is in the way is waited for, never skipped."""
        delay = timedelta(0)
        place: tuple[str, int] | None = None
        while not stop.is_set():
            try:
                self._refresh(place)
                place, moved = self._step(place)
                self._conditions["store"] = ""
                delay = timedelta(0)
            except (StoreUnavailable, JournalUnavailable) as error:
                if self._conditions.get("store") != str(error):
                    log.error("%s; the journal keeps everything meanwhile", error)  # noqa: TRY400
                self._conditions["store"] = str(error)
                delay = min(max(2 * delay, timedelta(milliseconds=200)), self._settings.retry_at_most)
                moved = False
                place = None  # part of the batch may be handled: the ledger knows how far
                self._report()
            if not moved:
                stop.wait(max(delay, self._settings.poll).total_seconds())

    def drain(self) -> int:
        """Handle everything journalled until now; the number of deliveries handled."""
        handled = 0
        self._refresh(None)
        place: tuple[str, int] | None = None
        moved = True
        while moved:
            before = place
            place, moved = self._step(place)
            if place is not None and moved:
                handled += place[1] - (before[1] if before and before[0] == place[0] else 0)
        return handled

    def _step(self, place: tuple[str, int] | None) -> tuple[tuple[str, int] | None, bool]:
        """Handle one batch behind `place` (journal, row); the new place and whether there was anything."""
        names = self._reader.names()
        if place is None:
            if not names:
                return None, False
            place = (names[0], self._ledger.cursor(names[0]))
        name, after = place
        later = [one for one in names if one > name]  # asked first: an older file is complete then
        entries = self._reader.read(name, after, self._settings.batch)
        if entries:
            self._handle(name, entries)
            return (name, entries[-1].row), True
        if later:
            return (later[0], self._ledger.cursor(later[0])), True
        return place, False

    def _handle(self, name: str, entries: list[Entry]) -> None:
        # A project's door opens after its approval: what came in by it finds the approval in the register,
        # but not in what we read of the register a moment before.
        if any(self._pipeline.bindings.has_left(one.origin) for one in entries):
            self._follow_register()
        self._pipeline.handle(name, entries)

    def _refresh(self, place: tuple[str, int] | None) -> None:
        now = self._monotonic()
        every = self._settings.refresh.total_seconds()
        if self._refreshed is not None and now - self._refreshed < every:
            return
        self._refreshed = now
        if self._sessions is not None:
            self._sessions.refresh()
        try:
            self._follow_register()
            self._conditions["registry"] = ""
        except RegistryUnavailable as error:
            self._conditions["registry"] = (
                f"{error}; version {self._pipeline.bindings.version} stays in force"
            )
        self._measure(place)
        self._report()

    def _follow_register(self) -> None:
        if self._registry.version() != self._pipeline.bindings.version:
            self._pipeline.bind(Bindings(self._registry.inventory()))
            log.info("register version %d is in force", self._pipeline.bindings.version)

    def _measure(self, place: tuple[str, int] | None) -> None:
        """Figures of what is journalled and not handled yet."""
        rows = octets = age = 0
        for name in self._reader.names():
            if place is not None and name < place[0]:
                continue
            after = place[1] if place is not None and name == place[0] else self._ledger.cursor(name)
            newest = self._reader.newest(name)
            rows += newest - after
            octets += self._reader.size(name) * (newest - after) // max(newest, 1)
            first = self._reader.read(name, after, 1) if newest > after and not age else []
            if first:
                age = max(0, int((self._now() - moment(first[0].received_at)).total_seconds()))
        self._gauges = {
            "journal_backlog_messages": rows,
            "journal_backlog_bytes": octets,
            "journal_backlog_age_s": age,
        }

    def _report(self) -> None:
        """Conditions and figures for those who look at the ledger; it may be what is missing."""
        conditions = dict(self._conditions)
        changed = conditions if conditions != self._reported else {}
        try:
            self._ledger.write(Page(gauges=self._gauges, conditions=changed))
            self._reported = conditions
        except StoreUnavailable as error:
            log.warning("%s; figures are not up to date", error)
