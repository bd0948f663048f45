"""Find out whether the broker silently drops what it has acknowledged, before real messages tell.

Mosquitto keeps 1,000 messages for a consumer that is slow or away unless told otherwise, and drops
the rest although their publishers got a PUBACK. We publish more than that to a session of our own
that sleeps, wake it and count.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.wire.broker import SessionSettings
from edge.wire.session import Session

log = logging.getLogger(__name__)

TOPIC = "udp/selftest"
DROPPED = "$SYS/broker/publish/messages/dropped"
REMEDY = (
    "set max_queued_messages 0 and a finite max_queued_bytes (for instance 536870912) in the broker's "
    "configuration (mosquitto.conf) and restart it"
)


@dataclass(frozen=True, slots=True)
class BrokerCheckSettings:
    """How the broker is tried. `messages`: more than any default limit (Mosquitto: 1,000)."""

    enabled: bool = True
    messages: int = 1_500
    every: timedelta = timedelta(hours=6)
    patience: timedelta = timedelta(seconds=20)

    def __post_init__(self) -> None:
        if self.messages <= 1_020:
            raise ValueError(f"messages {self.messages}: more than 1,020 are needed to fill a default queue")


@dataclass(frozen=True, slots=True)
class BrokerVerdict:
    """`missing` of `published` messages did not come back; `trouble` if it could not be tried."""

    published: int
    missing: int
    trouble: str = ""

    def text(self, where: str) -> str:
        """What is wrong and what helps; empty when all is well."""
        if self.trouble:
            return f"broker {where} could not be tried for lost messages: {self.trouble}"
        if self.missing:
            return (
                f"broker {where} drops messages it has acknowledged: {self.missing} of {self.published} were "
                f"lost while their consumer was away; {REMEDY}"
            )
        return ""


class _Client:
    """One paho connection, made and closed in a defined order; _Trouble if the broker does not play."""

    def __init__(self, settings: SessionSettings, client_id: str, patience: float) -> None:
        self._settings = settings
        self._patience = patience
        self.received: set[bytes] = set()
        self.last_arrival = time.monotonic()
        self._connected = threading.Event()
        self._subscribed = threading.Event()
        self._refusal = ""
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
        if settings.username is not None:
            password = settings.password
            client.username_pw_set(settings.username, None if password is None else password.reveal())
        if settings.tls is not None:
            client.tls_set_context(settings.tls.context())
        client.max_queued_messages_set(0)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        self.client = client

    def connect(self, *, clean: bool, expiry_s: int) -> None:
        """Connect and wait for the broker's word."""
        self._connected.clear()
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = expiry_s
        settings = self._settings
        try:
            self.client.connect(
                settings.host, settings.port, int(settings.keep_alive.total_seconds()),
                clean_start=clean, properties=properties,
            )  # fmt: skip
        except OSError as error:
            raise _Trouble(f"no connection: {error}") from error
        self.client.loop_start()
        if not self._connected.wait(self._patience):
            raise _Trouble("no answer to CONNECT")
        if self._refusal:
            raise _Trouble(f"connection refused: {self._refusal}")

    def subscribe(self, topic: str, qos: int) -> None:
        """Subscribe and wait for the broker's word."""
        self.client.subscribe(topic, qos)
        if not self._subscribed.wait(self._patience):
            raise _Trouble(f"no answer to the subscription to {topic}")
        if self._refusal:
            raise _Trouble(f"subscription to {topic} refused: {self._refusal}; allow it in the access list")

    def publish(self, topic: str, count: int) -> None:
        """Publish numbers with QoS 1 and wait for every PUBACK."""
        handed = [self.client.publish(topic, b"%d" % number, qos=1) for number in range(count)]
        until = time.monotonic() + self._patience
        for one in handed:
            one.wait_for_publish(max(0.0, until - time.monotonic()))
            if not one.is_published():
                raise _Trouble(f"publishing to {topic} was not acknowledged in time")

    def disconnect(self) -> None:
        """Say goodbye; what the broker keeps is decided by the expiry given at `connect`."""
        self.client.disconnect()
        self.client.loop_stop()

    def _on_connect(self, _c: mqtt.Client, _u: object, _f: Any, reason: Any, _p: Any) -> None:
        self._refusal = str(reason) if reason.is_failure else ""
        self._connected.set()

    def _on_subscribe(self, _c: mqtt.Client, _u: object, _mid: int, reasons: Any, _p: Any) -> None:
        self._refusal = next((str(reason) for reason in reasons if reason.is_failure), "")
        self._subscribed.set()

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        self.received.add(bytes(message.payload))
        self.last_arrival = time.monotonic()


class _Trouble(Exception):
    """The test could not be made."""


def try_broker(settings: SessionSettings, check: BrokerCheckSettings, worker: str) -> BrokerVerdict:
    """Sleep, be published to, wake, count; leaves no session behind."""
    nonce = secrets.token_hex(4)
    topic = settings.outside(f"{TOPIC}/{worker}/{nonce}")
    patience = check.patience.total_seconds()
    expiry = int(10 * patience)  # if we die in between, the broker forgets the session by itself
    sleeper = _Client(settings, f"udp-selftest-{worker}-{nonce}", patience)
    publisher = _Client(settings, f"udp-selftest-{worker}-{nonce}-out", patience)
    try:
        sleeper.connect(clean=True, expiry_s=expiry)
        sleeper.subscribe(topic, 1)
        sleeper.disconnect()
        publisher.connect(clean=True, expiry_s=0)
        publisher.publish(topic, check.messages)
        sleeper.connect(clean=False, expiry_s=expiry)
        _await_all(sleeper, check.messages, patience)
    except _Trouble as trouble:
        return BrokerVerdict(check.messages, 0, str(trouble))
    finally:
        publisher.disconnect()
        sleeper.disconnect()
        _forget(sleeper)
    return BrokerVerdict(check.messages, check.messages - len(sleeper.received))


def _await_all(sleeper: _Client, count: int, patience: float) -> None:
    """Until all are here, or nothing more has come for a while: what is queued comes at once."""
    sleeper.last_arrival = time.monotonic()
    quiet = min(3.0, patience)
    until = time.monotonic() + patience
    while len(sleeper.received) < count and time.monotonic() < until:
        if time.monotonic() - sleeper.last_arrival > quiet:
            return
        threading.Event().wait(0.02)


def _forget(sleeper: _Client) -> None:
    """A clean start with no expiry ends the session and its queue on the broker."""
    try:
        sleeper.connect(clean=True, expiry_s=0)
    except _Trouble as trouble:
        log.warning("the self-test's session could not be ended (%s); the broker lets it expire", trouble)
    sleeper.disconnect()


class DropWatch:
    """The broker's own count of dropped messages ($SYS, where there is one); connects again by itself."""

    def __init__(self, settings: SessionSettings, client_id: str, changed: Callable[[int], None]) -> None:
        self._changed = changed
        # A session of its own that leaves nothing behind; at most one retained figure is under way.
        passing = replace(settings, client_id=None, session_expiry=timedelta(0), receive_maximum=10)
        self._session = Session(
            passing, client_id=client_id, subscriptions=(DROPPED,), wake=self._look
        )  # fmt: skip

    def start(self) -> None:
        """Watch until `close`, whether the broker is there yet or not."""
        self._session.start()

    def close(self) -> None:
        """Stop watching."""
        self._session.close()

    def _look(self) -> None:
        for one in self._session.take(10):
            self._session.acknowledge([one.token])
            if one.payload.isdigit():
                self._changed(int(one.payload))
