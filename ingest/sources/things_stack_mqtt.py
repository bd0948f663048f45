"""Pull uplinks from The Things Stack's MQTT server: MQTT 3.1.1 and QoS 0 only, so nothing to confirm.

What is lost on this way shows as gaps of FCnt; the webhook is the way that repeats.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edge.wire.session import Delivery, SessionSettings, Token
from ingest.sources import things_stack

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ThingsStackSettings:
    """An MQTT server of The Things Stack: user `application@tenant`, password an API key."""

    broker: SessionSettings = field(default_factory=SessionSettings)
    topics: tuple[str, ...] = (things_stack.ALL_UPLINKS, things_stack.ALL_JOINS)


class ThingsStackSession:
    """A connection that restores itself; full memory stops reading, never grows."""

    def __init__(self, settings: ThingsStackSettings, client_id: str) -> None:
        broker = settings.broker
        self.settings = settings
        self._arrived: queue.Queue[Delivery] = queue.Queue(maxsize=broker.receive_maximum)
        self._closing = False
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=broker.client_id or client_id, protocol=mqtt.MQTTv311
        )
        if broker.username is not None:
            secret = broker.password
            self._client.username_pw_set(broker.username, None if secret is None else secret.reveal())
        if broker.tls is not None:
            self._client.tls_set_context(broker.tls.context())
        self._client.reconnect_delay_set(min_delay=1, max_delay=30)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Begin to connect, and never stop trying; returns at once."""
        broker = self.settings.broker
        self._client.connect_async(broker.host, broker.port, int(broker.keep_alive.total_seconds()))
        self._client.loop_start()

    def close(self) -> None:
        """Disconnect."""
        self._closing = True
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._client.is_connected()

    def take(self, limit: int, timeout: float = 0.0) -> list[Delivery]:
        """At most `limit` deliveries in order of arrival; waits up to `timeout` seconds for the first."""
        taken: list[Delivery] = []
        try:
            taken.append(self._arrived.get(timeout=timeout) if timeout > 0 else self._arrived.get_nowait())
            while len(taken) < limit:
                taken.append(self._arrived.get_nowait())
        except queue.Empty:
            pass
        return taken

    def acknowledge(self, tokens: Iterable[Token | None]) -> None:
        """QoS 0: nobody waits for it."""

    def publish(self, topic: str, payload: bytes) -> bool:
        """Uplinks only: nothing is ever sent to The Things Stack from here."""
        log.error("%d bytes for %s are not sent: only an [[mqtt]] broker takes receipts", len(payload), topic)
        return True

    def _on_connect(self, client: mqtt.Client, _u: object, _f: Any, reason: Any, _p: Any) -> None:
        where = f"{self.settings.broker.host}:{self.settings.broker.port}"
        if reason.is_failure:
            log.error("The Things Stack at %s refused: %s; check username and API key", where, reason)
            return
        client.subscribe([(topic, 0) for topic in self.settings.topics])
        log.info("connected to The Things Stack at %s", where)

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        delivery = Delivery(message.topic, bytes(message.payload), None)
        while not self._closing:
            try:
                self._arrived.put(delivery, timeout=1.0)  # waiting here stops the socket: back-pressure
            except queue.Full:
                continue
            return
