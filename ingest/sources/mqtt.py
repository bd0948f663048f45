"""The MQTT door: what the broker brings is journalled, then acknowledged, then confirmed to its agent."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from edge.wire import cbor, topics
from edge.wire.arrivals import Delivery as Brought
from edge.wire.arrivals import Token
from edge.wire.broker import SessionSettings
from edge.wire.instants import microseconds
from ingest.committer import Committer
from ingest.heard import Unusable
from ingest.journal import Delivery, JournalUnavailable
from ingest.sources import chirpstack, edge

log = logging.getLogger(__name__)

_MOST_AT_ONCE = 1_000
_RETRY_S = 0.5
_MOST_UNSENT = 10_000  # receipts; an agent whose receipt is gone sends again


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """A broker to listen to. `share`: name of a shared subscription (MQTT 5, 4.8.2): several ingest
    workers, each with its own `worker` name, then divide the messages among themselves."""

    broker: SessionSettings = field(default_factory=SessionSettings)
    topics: tuple[str, ...] = (edge.ALL_ENVELOPES, chirpstack.ALL_EVENTS)
    share: str = ""

    def __post_init__(self) -> None:
        if not self.topics:
            raise ValueError("topics is empty: name at least one topic filter, or leave out this [[mqtt]]")
        if set(self.share) & set("/+#"):
            raise ValueError(f"share {self.share!r} must not hold /, + or #")

    def subscriptions(self) -> tuple[str, ...]:
        """The topic filters as the broker gets them."""
        return tuple(f"$share/{self.share}/{one}" if self.share else one for one in self.topics)


class MessageSource(Protocol):
    """What a session with a broker offers (edge.wire.session.Session does)."""

    def take(self, limit: int, timeout: float = 0.0) -> list[Brought]:
        """Deliveries in order of arrival; waits for the first."""

    def acknowledge(self, tokens: Iterable[Token | None]) -> None:
        """The broker may forget them."""

    def publish(self, topic: str, payload: bytes) -> bool:
        """Hand a message over, without waiting."""


def way_of(topic: str) -> str:
    """Who speaks on a topic: edge, chirpstack, things_stack, or unknown."""
    if topic.startswith(f"{topics.PREFIX}/"):
        return "edge"
    if topic.startswith("application/"):
        return "chirpstack"
    return "things_stack" if topic.startswith("v3/") else "unknown"


def pass_on(
    source: MessageSource, committer: Committer, now: Callable[[], datetime], stop: threading.Event
) -> None:
    """Until `stop`: take, commit, acknowledge. While the journal cannot be written nothing is taken, so
    the broker keeps its messages and stops sending at receive_maximum."""
    unsent: deque[tuple[str, bytes]] = deque(maxlen=_MOST_UNSENT)
    while not stop.is_set():
        brought = source.take(_MOST_AT_ONCE, 0.5)
        if brought and _committed(brought, committer, now, stop):
            source.acknowledge([one.token for one in brought])
            unsent.extend(confirmations(brought))
        # What the broker kept for us may come before it has told us that we are connected.
        while unsent and source.publish(*unsent[0]):
            unsent.popleft()


def _committed(
    brought: Sequence[Brought], committer: Committer, now: Callable[[], datetime], stop: threading.Event
) -> bool:
    at = microseconds(now())
    deliveries = [Delivery(at, way_of(one.topic), one.topic, "", one.payload) for one in brought]
    while not stop.is_set():
        try:
            committer.commit(deliveries)
        except JournalUnavailable:
            stop.wait(_RETRY_S)  # the committer has said why; the same deliveries are tried again
        else:
            return True
    return False


def confirmations(brought: Sequence[Brought]) -> Iterator[tuple[str, bytes]]:
    """(topic, receipt) for each agent: what is durable now. One that gets lost is asked for again."""
    envelopes = []
    for one in brought:
        if way_of(one.topic) == "edge":
            try:
                envelopes.append(edge.open_envelope(one.topic, one.payload))
            except Unusable as problem:
                log.warning("%s (kept in the quarantine)", problem)
    for agent, receipts in edge.receipts(envelopes).items():
        for receipt in receipts:
            yield topics.ack(agent), cbor.encode_receipt(receipt)
