"""Pull uplinks from The Things Stack's MQTT server: MQTT 3.1.1 and QoS 0 only, so nothing to confirm.

What is sent while we are away never comes; it shows as gaps of FCnt. A webhook is tried once only as
well, unless its retries are switched on (The Things Stack Cloud Plus, "Webhook Retries").
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta

from edge.wire.broker import SessionSettings
from edge.wire.session import Session
from ingest.sources import things_stack

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ThingsStackSettings:
    """An MQTT server of The Things Stack: user `application@tenant`, password an API key."""

    broker: SessionSettings = field(default_factory=SessionSettings)
    topics: tuple[str, ...] = (things_stack.ALL_UPLINKS, things_stack.ALL_JOINS)


class ThingsStackSession(Session):
    """A connection that restores itself; full memory stops reading, never grows."""

    def __init__(self, settings: ThingsStackSettings, client_id: str) -> None:
        super().__init__(settings.broker, client_id=client_id, subscriptions=settings.topics, plain=True)

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry: timedelta | None = None
    ) -> bool:
        """Uplinks only: nothing is ever sent to The Things Stack from here."""
        del retain, expiry
        log.error("%d bytes for %s are not sent: only an [[mqtt]] broker takes receipts", len(payload), topic)
        return True
