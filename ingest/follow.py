"""Keep store and ledger level with the journal, whatever happens to either of them meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from edge.wire.instants import instant
from ingest.journal import Entry, JournalReader, JournalUnavailable
from ingest.normalise import Bindings
from ingest.pipeline import Pipeline
from ingest.sessions import Sessions
from ingest.waiting import TakeUp
from udp.errors import RegistryUnavailable, StoreRejected, StoreUnavailable
from udp.ledger.port import Ledger, Page
from udp.registry.port import Registry

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FollowSettings:
    """How the pipeline walks along the journal."""

    # Deliveries per pass: bounds memory (beside 4 MB of journal) and what a crash repeats. Each pass costs
    # some 15 ms for pages and rows of every device in it, however often it spoke.
    batch: int = 5_000
    poll: timedelta = timedelta(milliseconds=50)
    refresh: timedelta = timedelta(seconds=1)  # register, sessions, figures
    retry_at_most: timedelta = timedelta(seconds=15)

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"batch {self.batch}: at least one delivery per pass")


class Place(NamedTuple):
    """How far we are: the file, what the ledger calls it, and the row handled last."""

    name: str
    key: str
    row: int


class Follower:
    """Walks one worker's journal from its cursor on; stops between two batches."""

    def __init__(
        self,
        *,
        reader: JournalReader,
        pipeline: Pipeline,
        ledger: Ledger,
        registry: Registry,
        sessions: Sessions,
        settings: FollowSettings,
        worker: str,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`monotonic`: seconds between two refreshes, whatever happens to the clock meanwhile."""
        self._reader = reader
        self._pipeline = pipeline
        self._ledger = ledger
        self._registry = registry
        self._sessions = sessions
        self._take_up = TakeUp(reader.another(), pipeline, ledger)
        self._worker = worker
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
        place: Place | None = None
        while not stop.is_set():
            try:
                self._refresh(place)
                place, moved = self._step(place)
                moved = self._take_up.step(between=moved) or moved
                self._conditions["store"] = ""
                delay = timedelta(0)
            except (StoreUnavailable, JournalUnavailable, RegistryUnavailable) as error:
                if self._conditions.get("store") != str(error):
                    log.error("%s; the journal keeps everything meanwhile", error)  # noqa: TRY400
                self._conditions["store"] = str(error)
                delay = min(max(2 * delay, timedelta(milliseconds=200)), self._settings.retry_at_most)
                moved = False
                place = None  # part of the batch may be handled: the ledger knows how far
                self._report()
            if not moved:
                stop.wait(max(delay, self._settings.poll).total_seconds())

    def _step(self, place: Place | None) -> tuple[Place | None, bool]:
        """Handle one batch behind `place`; the new place and whether there was anything."""
        names = self._reader.names()
        if place is None:
            return (self._begin_oldest(names), True) if names else (None, False)
        later = [one for one in names if one > place.name]  # asked first: an older file is complete then
        entries = self._reader.read(place.name, place.row, self._settings.batch)
        if entries:
            self._handle(place.key, entries)
            return place._replace(row=entries[-1].row), True
        if self._reader.replaced(place.name):
            return self._begin(place.name), True
        if later:
            return self._begin(later[0]), True
        return place, False

    def _handle(self, key: str, entries: list[Entry]) -> None:
        # A project's door opens after its approval: what came in by it finds the approval in the register,
        # but not in what we read of the register a moment before.
        if any(self._pipeline.bindings.has_left(one.origin) for one in entries):
            self._follow_register()
        self._pipeline.handle(key, entries)

    def _begin_oldest(self, names: list[str]) -> Place | None:
        """The oldest file that can be read; one that cannot stops nobody if it had been handled."""
        missing = self._reader.missing(self._ledger.journals())
        self._conditions["journal files"] = missing and (
            f"the journal file {missing} is not there any more: was the directory changed, or is its "
            "disk not mounted? What was in it and not handled is missing; stop ingest and put it back, "
            "what was begun since beside it under a later month's name"
        )
        for position, name in enumerate(names):
            try:
                found = self._begin(name)
            except JournalUnavailable as error:
                if not any(self._begun(later) for later in names[position + 1 :]):
                    raise
                self._conditions["journal files"] = f"{error}; it was handled before, only replays miss it"
            else:
                return found
        return None

    def _begun(self, name: str) -> bool:
        """Whether anything of it was handled: then every older file had been, to its end."""
        try:
            place = self._begin(name)
        except JournalUnavailable:
            return False
        return place is not None and place.row > 0

    def _begin(self, name: str) -> Place | None:
        """Where the ledger says this file is handled to; None while nothing is in it."""
        key = self._reader.key(name)
        return Place(name, key, self._ledger.cursor(key)) if key else None

    def _refresh(self, place: Place | None) -> None:
        now = self._monotonic()
        every = self._settings.refresh.total_seconds()
        if self._refreshed is not None and now - self._refreshed < every:
            return
        self._refreshed = now
        if self._sessions.refresh():
            self._take_up.look()
        try:
            self._follow_register()
            self._conditions["registry"] = ""
        except RegistryUnavailable as error:
            self._conditions["registry"] = (
                f"{error}; version {self._pipeline.bindings.version} stays in force"
            )
        self._pipeline.beside(self._ledger.others(self._worker))
        self._measure(place)
        self._report()

    def _follow_register(self) -> None:
        if self._registry.version() != self._pipeline.bindings.version:
            self._pipeline.bind(Bindings(self._registry.inventory()))
            log.info("register version %d is in force", self._pipeline.bindings.version)

    def _measure(self, place: Place | None) -> None:
        """Figures of what is journalled and not handled yet."""
        rows = octets = age = 0
        for name in self._reader.names():
            if place is not None and name < place.name:
                continue
            own = place is not None and name == place.name
            try:
                after = place.row if place and own else self._ledger.cursor(self._reader.key(name))
                newest = self._reader.newest(name)
                first = self._reader.read(name, after, 1) if newest > after and not age else []
                rows += newest - after
                octets += self._reader.size(name) * (newest - after) // max(newest, 1)
            except JournalUnavailable:  # said where it is handled, if it still has to be
                continue
            if first:
                age = max(0, int((self._now() - instant(first[0].received_at)).total_seconds()))
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
            self._ledger.write(Page(worker=self._worker, gauges=self._gauges, conditions=changed))
            self._reported = conditions
        except (StoreUnavailable, StoreRejected) as error:
            log.warning("%s; figures are not up to date", error)
