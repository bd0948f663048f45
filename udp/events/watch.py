"""Look around every half minute: open what has gone wrong, close what is well again. Nobody configures it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from edge.wire.identifiers import DevEUI
from edge.wire.instants import EPOCH
from udp.errors import PlatformError
from udp.events.past import Past, study
from udp.events.port import Event, EventKind, EventLog, Trouble
from udp.events.rhythm import Rhythm, expected, wired
from udp.events.silence import NETWORK, Silence, speaks
from udp.events.subjects import SHORTEST, Subject, subjects
from udp.ledger.port import Report
from udp.registry.batteries import Battery
from udp.registry.port import Inventory, Registry
from udp.registry.profiles import Profile
from udp.sensorthings import QualityRule
from udp.store.columns import Observations
from udp.store.port import ObservationStore

_LOG = logging.getLogger(__name__)
EVERY = timedelta(seconds=30)
_AGAIN = timedelta(hours=1)
_AGAIN_WHILE_NEW = timedelta(minutes=10)
# Reading three weeks of a device takes milliseconds; a round must stay short beside the API's work.
_STUDY_S = 2.0


class LedgerReport(Protocol):
    """What is asked of the ledger."""

    def report(self) -> Report:
        """See udp.ledger.port."""


@dataclass(slots=True)
class Watch:
    """One watch over the city; `profiles`: device types by name, for their batteries."""

    registry: Registry
    ledger: LedgerReport
    store: ObservationStore
    log: EventLog
    profiles: Mapping[str, Profile]
    now: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic
    pasts: dict[str, Past] = field(default_factory=dict)
    _studied: dict[str, datetime] = field(default_factory=dict)
    _silence: Silence = field(default_factory=Silence)
    _inventory: Inventory | None = None
    _limits: dict[str, timedelta] = field(default_factory=dict)

    def run(self, stop: threading.Event) -> None:
        """Until told to stop; what is away for a while is asked again in the next round."""
        said = ""
        while not stop.wait(EVERY.total_seconds()):
            try:
                self.look()
                said = ""
            except PlatformError as error:
                if str(error) != said:
                    _LOG.warning("events pause: %s", error)
                said = str(error)

    def look(self) -> None:
        """One round."""
        now, latest = self.now(), self.store.latest()
        inventory = self._read_inventory()
        times = latest.phenomenon_time.tolist()
        newest = {
            stream: at.replace(tzinfo=UTC)
            for stream, at in zip(latest.datastream.tolist(), times, strict=True)
        }
        known = list(subjects(inventory, self.ledger.report(), newest))
        opened = self.log.open_events()
        self._study(known, inventory, _urgent(latest, opened), now)
        rhythms = {one.subject: self.rhythm(one) for one in known}
        self._limits = {subject: rhythm.limit for subject, rhythm in rhythms.items()}
        troubles = list(self._silence.troubles(known, rhythms, now))
        troubles += [trouble for one in known for trouble in self._past_troubles(one)]
        self.log.begin(_new(troubles, opened), now)
        self.log.end(list(self._over(opened, known, troubles, now)), now)

    def silent_after(self, subject: str) -> timedelta | None:
        """The limit the last round judged `subject` by; None before the first round."""
        return self._limits.get(subject)

    def rhythm(self, one: Subject) -> Rhythm:
        """Learned, or while it is not, the profile's."""
        past = self.pasts.get(one.subject)
        if past is not None and past.rhythm is not None:
            if one.kind != "gateway":
                return past.rhythm
            # Whom it hears are signs too: statistics that came seldom once are no reason to wait longer.
            usual = wired(one.interval, SHORTEST[one.kind])
            return min(past.rhythm, usual, key=lambda rhythm: rhythm.limit)
        if one.kind != "device":
            return wired(one.interval, SHORTEST[one.kind])
        return expected(one.interval, SHORTEST[one.kind], heard=one.heard, lost=one.lost)

    def _read_inventory(self) -> Inventory:
        if self._inventory is None or self._inventory.version != self.registry.version():
            self._inventory = self.registry.inventory()
        return self._inventory

    def _past_troubles(self, one: Subject) -> tuple[Trouble, ...]:
        past = self.pasts.get(one.subject)
        return past.troubles if past else ()

    def _study(
        self, known: Sequence[Subject], inventory: Inventory, urgent: frozenset[int], now: datetime
    ) -> None:
        """As many as fit into the round: first whose values stand still, then who waits longest."""
        ends = self.monotonic() + _STUDY_S
        due = [one for one in known if self._due(one, urgent, now)]
        for one in sorted(
            due, key=lambda one: (not _has(one, urgent), self._studied.get(one.subject, _NEVER))
        ):
            if self.monotonic() > ends:
                return
            self.pasts[one.subject] = study(one, inventory, self.store, self._battery(one, inventory), now)
            self._studied[one.subject] = now

    def _due(self, one: Subject, urgent: frozenset[int], now: datetime) -> bool:
        at = self._studied.get(one.subject)
        if at is None:
            return one.sign is not None
        new = self.pasts[one.subject].rhythm is None or _has(one, urgent)
        return now - at >= (_AGAIN_WHILE_NEW if new else _AGAIN)

    def _battery(self, one: Subject, inventory: Inventory) -> Battery | None:
        if one.kind != "device":
            return None
        profile = self.profiles.get(inventory.devices[DevEUI.parse(one.key)].profile)
        return profile.battery if profile else None

    def _over(
        self, opened: Sequence[Event], known: Sequence[Subject], troubles: Sequence[Trouble], now: datetime
    ) -> Iterator[int]:
        by_subject = {one.subject: one for one in known}
        still = {(one.kind, one.subject) for one in troubles}
        streams = {f"datastream:{c.datastream}": one for one in known for c in one.channels}
        for event in opened:
            if event.subject == NETWORK:
                over = (event.kind, NETWORK) not in still
            elif event.kind is EventKind.STUCK:
                owner = streams.get(event.subject)
                over = owner is None or (
                    owner.subject in self.pasts and (event.kind, event.subject) not in still
                )
            elif (one := by_subject.get(event.subject)) is None:
                over = True  # no longer in the register
            elif event.kind is EventKind.SILENT:
                over = speaks(one, self.rhythm(one), now)
            else:
                over = one.subject in self.pasts and self.pasts[one.subject].recovered
            if over:
                yield event.id


_NEVER = EPOCH


def _new(troubles: Sequence[Trouble], opened: Sequence[Event]) -> list[Trouble]:
    have = {(one.kind, one.subject) for one in opened}
    return [one for one in troubles if (one.kind, one.subject) not in have]


def _urgent(latest: Observations, opened: Sequence[Event]) -> frozenset[int]:
    """Datastreams to look at again soon: marked as standing still, or told of as such."""
    marked = latest.datastream[latest.rule == QualityRule.STUCK].tolist()
    return frozenset(marked) | {one.datastream for one in opened if one.datastream is not None}


def _has(one: Subject, streams: frozenset[int]) -> bool:
    return any(channel.datastream in streams for channel in one.channels)


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """The watch beside whatever runs inside; ended with it."""
    stop = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stop,), name="events", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=10.0)
