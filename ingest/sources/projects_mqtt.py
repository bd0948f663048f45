"""Fetch the uplinks of citizens' applications from The Things Network, each with its owner's key.

One connection per project. A project that leaves, or gets another key, loses its connection within seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from edge.wire.broker import SessionSettings
from edge.wire.instants import microseconds
from edge.wire.settings import Secret
from ingest.committer import Committer
from ingest.journal import Delivery, JournalUnavailable
from ingest.sources import things_stack
from ingest.sources.projects import ProjectDoors
from ingest.sources.things_stack_mqtt import ThingsStackSession, ThingsStackSettings
from udp.citizens.project import Door, origin_of
from udp.devices.vault import Vault
from udp.errors import ConfigurationError
from udp.ledger.port import PacketOutcome

log = logging.getLogger(__name__)

_AT_ONCE = 100
_RETRY_S = 0.5


@dataclass(slots=True)
class _Fetching:
    door: Door
    session: ThingsStackSession
    thread: threading.Thread
    stop: threading.Event = field(default_factory=threading.Event)
    said: str = ""


class ProjectSessions:
    """A connection for every approved project that left a key; `follow` is called from one thread."""

    def __init__(
        self,
        projects: ProjectDoors,
        committer: Committer,
        worker: str,
        vault: Vault | None,
        now: Callable[[], datetime],
    ) -> None:
        self._projects = projects
        self._settings = projects.settings.mqtt
        self._committer = committer
        self._worker = worker
        self._vault = vault
        self._now = now
        self._running: dict[str, _Fetching] = {}
        self._unopened: dict[str, bytes] = {}

    def follow(self, doors: Sequence[Door]) -> None:
        """Connect those who are new, leave those who have gone, tell what the server said."""
        wanted = {
            one.slug: one for one in doors if one.approved and one.sealed and one.application
        } if self._settings.enabled else {}  # fmt: skip
        for slug in [slug for slug, one in self._running.items() if not _same(wanted.get(slug), one.door)]:
            self._end(self._running.pop(slug))
        for slug, door in wanted.items():
            if slug not in self._running and self._unopened.get(slug) != door.sealed:
                self._begin(door)
        for slug, one in self._running.items():
            self._tell(slug, one)

    def close(self) -> None:
        """Leave all."""
        self.follow(())

    def _begin(self, door: Door) -> None:
        try:
            password = self._opened(door)
        except ConfigurationError as error:
            log.error("project %s: %s", door.slug, error)  # noqa: TRY400 - the settings' fault
            self._unopened[door.slug] = door.sealed or b""
            self._projects.note(
                door.slug, PacketOutcome.CONNECTION, "the key cannot be opened; please enter it again"
            )
            return
        broker = SessionSettings(
            host=self._settings.host,
            port=self._settings.port,
            username=door.application,
            password=password,
            tls=self._settings.tls(),
        )
        topic = f"v3/{door.application}/devices/+/up"
        client_id = f"udp-ingest-{self._worker}-{door.slug}"
        session = ThingsStackSession(ThingsStackSettings(broker, (topic,)), client_id)
        fetching = _Fetching(door, session, threading.Thread())
        fetching.thread = threading.Thread(
            target=self._fetch, args=(fetching,), name=f"project-{door.slug}", daemon=True
        )
        self._running[door.slug] = fetching
        session.start()
        fetching.thread.start()

    def _opened(self, door: Door) -> Secret:
        if self._vault is None:
            raise ConfigurationError("set [projects] key to the key the API seals with ([devices] key there)")
        return Secret(self._vault.open_text(door.slug, door.sealed or b""))

    def _end(self, one: _Fetching) -> None:
        one.stop.set()
        one.thread.join()
        one.session.close()

    def _tell(self, slug: str, one: _Fetching) -> None:
        """Once per change: the owner reads it on the personal page."""
        said = one.session.trouble if one.session.connection is None else "connected"
        if said and said != one.said:
            one.said = said
            self._projects.note(slug, PacketOutcome.CONNECTION, said)

    def _fetch(self, one: _Fetching) -> None:
        slug = one.door.slug
        while not one.stop.is_set():
            brought = one.session.take(_AT_ONCE, 0.5)
            deliveries = []
            for message in brought:
                if len(message.payload) > self._projects.settings.max_bytes:
                    self._projects.note(slug, PacketOutcome.TOO_LARGE, "", len(message.payload))
                elif not self._projects.may_come(slug):
                    limit = f"limit: {self._projects.settings.per_minute} deliveries per minute"
                    self._projects.note(slug, PacketOutcome.TOO_OFTEN, limit)
                else:
                    at = microseconds(self._now())
                    deliveries.append(Delivery(at, things_stack.WAY, origin_of(slug), "", message.payload))
            while deliveries and not self._committed(deliveries) and not one.stop.wait(_RETRY_S):
                pass  # the committer has said why

    def _committed(self, deliveries: Sequence[Delivery]) -> bool:
        try:
            self._committer.commit(deliveries)
        except JournalUnavailable:
            return False
        return True


def _same(wanted: Door | None, door: Door) -> bool:
    """A new webhook key is no reason to connect anew."""
    return wanted is not None and (wanted.application, wanted.sealed) == (door.application, door.sealed)
