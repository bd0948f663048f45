"""One MQTT 5 session that outlives its connections: confirmed publishing, acknowledgement by hand.

What arrives waits in a queue until somebody takes it, and the broker keeps it until somebody
acknowledges it: `receive_maximum` and `receive_bytes` bound that queue and the memory behind it. Past
`receive_bytes` nothing more is read from the broker until there is room.
"""

from __future__ import annotations

import logging
import math
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.wire.arrivals import Arrivals, Delivery, Token
from edge.wire.broker import SessionSettings
from edge.wire.client import Client

log = logging.getLogger(__name__)

ONLINE: Final = b"online"
OFFLINE: Final = b"offline"
# paho ignores the broker's Receive Maximum; Mosquitto's default is 20 and it hangs up on whoever exceeds it.
_UNCONFIRMED_ON_THE_WAY: Final = 20
_PUBLISH_QUEUE: Final = 20_000
_LAST_WORDS_WITHIN_S: Final = 2.0
_SUBSCRIBE_AGAIN_S: Final = 30.0
# What a callback of paho delivers is typed Any there; we pass only what this file checks.
_Callback = Any


class Session:
    """A connection that restores itself; all methods may be called from any thread."""

    def __init__(
        self,
        settings: SessionSettings,
        *,
        client_id: str,
        subscriptions: Sequence[str] = (),
        presence: str | None = None,
        plain: bool = False,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """Subscribe with QoS 1; keep `online`/`offline` retained on the topic `presence`.

        `plain`: MQTT 3.1.1 and QoS 0, for servers that speak nothing else; what does not fit waits at
        the server. `wake` is called from the network thread after each arrival and each change of connection.
        """
        self.settings = settings
        self.connection: int | None = None
        self.dropped = 0  # QoS 0 deliveries that found the queue full; QoS 1 never is dropped
        self.trouble = ""  # why there is no connection, or not all subscriptions; empty when all is well
        self._subscriptions = [settings.outside(one) for one in subscriptions]
        self._presence = None if presence is None else settings.outside(presence)
        self._below = f"{settings.prefix}/" if settings.prefix else ""
        self._plain = plain
        self._wake = wake
        self._connections = 0  # counts every beginning and every end: between two, no token is good
        self._same_connection = threading.RLock()
        self._arrived = Arrivals(settings.receive_maximum, settings.receive_bytes)
        self._overflowing = False
        self._again: threading.Timer | None = None
        self._condition = threading.Condition()
        self._client = self._new_client(client_id)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Begin to connect, and never stop trying; returns at once."""
        settings, keep_alive = self.settings, int(self.settings.keep_alive.total_seconds())
        if self._plain:
            self._client.connect_async(settings.host, settings.port, keepalive=keep_alive)
        else:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = int(settings.session_expiry.total_seconds())
            properties.ReceiveMaximum = settings.receive_maximum
            self._client.connect_async(
                settings.host, settings.port, keepalive=keep_alive, clean_start=False, properties=properties
            )
        self._client.loop_start()

    def close(self) -> None:
        """Say goodbye; the broker keeps the session and whatever is not acknowledged."""
        if self._presence is not None and self.connection is not None:
            last_words = self._client.publish(self._presence, OFFLINE, qos=1, retain=True)
            if last_words.rc == mqtt.MQTT_ERR_SUCCESS:
                last_words.wait_for_publish(_LAST_WORDS_WITHIN_S)
        self._client.disconnect()
        self._arrived.close()
        self._client.loop_stop()
        if self._again is not None:
            self._again.cancel()
        self.connection = None

    @property
    def waiting_bytes(self) -> int:
        """Octets of deliveries that nobody has taken yet; at most `receive_bytes`, or one delivery."""
        return self._arrived.octets

    def wait_connected(self, timeout: float) -> bool:
        """Whether there is a connection with its subscriptions, at the latest after `timeout` seconds."""
        with self._condition:
            return self._condition.wait_for(lambda: self.connection is not None, timeout)

    def take(self, limit: int, timeout: float = 0.0) -> list[Delivery]:
        """At most `limit` deliveries in order of arrival; waits up to `timeout` seconds for the first."""
        return self._arrived.take(limit, timeout)

    def acknowledge(self, tokens: Iterable[Token | None]) -> None:
        """Tell the broker to forget these deliveries; call it when they are on disk.

        Tokens of an earlier connection are passed over: the broker delivers those messages again,
        and their packet identifiers may meanwhile mean something else.
        """
        with self._same_connection:
            self._client.acknowledge(
                one.packet for one in tokens if one is not None and one.connection == self._connections
            )

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry: timedelta | None = None
    ) -> bool:
        """Hand over with QoS 1 without waiting; False when there is no line or too much is under way.

        Does not ask whether all subscriptions are granted: a receiver can still send its receipts.

        After `expiry` (whole seconds, at least one) the broker no longer keeps it for who is away.
        """
        if not self._client.is_connected():
            return False
        properties = None
        if expiry is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = max(1, math.ceil(expiry.total_seconds()))
        outside = self.settings.outside(topic) if self._below else topic
        handed = self._client.publish(outside, payload, qos=1, retain=retain, properties=properties)
        return handed.rc == mqtt.MQTT_ERR_SUCCESS

    def publish_confirmed(self, topic: str, payload: bytes, timeout: float, *, retain: bool = False) -> bool:
        """Hand over with QoS 1 and wait for the broker's PUBACK; False if it did not come in time."""
        if self.connection is None:
            return False
        handed = self._client.publish(self.settings.outside(topic), payload, qos=1, retain=retain)
        if handed.rc != mqtt.MQTT_ERR_SUCCESS:
            return False
        handed.wait_for_publish(timeout)
        return bool(handed.is_published())

    def _new_client(self, client_id: str) -> Client:
        client = Client(
            self._hear,
            callback_api_version=CallbackAPIVersion.VERSION2,
            client_id=self.settings.client(client_id),
            protocol=mqtt.MQTTv311 if self._plain else mqtt.MQTTv5,
        )
        if self.settings.username is not None:
            password = self.settings.password
            client.username_pw_set(self.settings.username, None if password is None else password.reveal())
        if self.settings.tls is not None:
            client.tls_set_context(self.settings.tls.context())
        if self._presence is not None:
            client.will_set(self._presence, OFFLINE, qos=1, retain=True)
        client.reconnect_delay_set(min_delay=1, max_delay=30)
        client.max_inflight_messages_set(_UNCONFIRMED_ON_THE_WAY)
        client.max_queued_messages_set(_PUBLISH_QUEUE)
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        return client

    def _on_connect(
        self, client: mqtt.Client, _: object, flags: _Callback, reason: _Callback, properties: _Callback
    ) -> None:
        if reason.is_failure:
            self._complain(f"refused: {reason}; check username, password and the broker's access list")
            return
        granted = getattr(properties, "ReceiveMaximum", _UNCONFIRMED_ON_THE_WAY)
        if granted < _UNCONFIRMED_ON_THE_WAY:  # paho cannot change its own limit while connected
            log.warning(
                "MQTT broker %s:%d takes only %d unconfirmed messages at a time and may hang up; set "
                "max_inflight_messages to at least %d there",
                self.settings.host, self.settings.port, granted, _UNCONFIRMED_ON_THE_WAY,
            )  # fmt: skip
        if flags.session_present:
            # The broker delivers all of these again. Without a session it does not: then the
            # queue holds their only copy.
            self._arrived.clear()
        self._another_connection()
        if self._presence is not None:
            client.publish(self._presence, ONLINE, qos=1, retain=True)
        if self._subscriptions:
            self._subscribe()
        else:
            self._connected()

    def _subscribe(self) -> None:
        if self._plain:
            self._client.subscribe([(topic, 0) for topic in self._subscriptions])
            return
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        self._client.subscribe([(topic, options) for topic in self._subscriptions])

    def _connected(self) -> None:
        """Whoever speaks now is sure to hear the answer: the broker knows our subscriptions."""
        with self._condition:
            self.trouble = ""
            self.connection = self._connections
            self._condition.notify_all()
        hears = f", hears {', '.join(self._subscriptions)}" if self._subscriptions else ""
        log.info("connected to MQTT broker %s:%d%s", self.settings.host, self.settings.port, hears)
        self._wake()

    def _on_connect_fail(self, _client: mqtt.Client, _userdata: object) -> None:
        self._complain("did not answer; is it running, and are host and port right?")

    def _on_disconnect(
        self, _client: mqtt.Client, _userdata: object, _flags: _Callback, reason: _Callback, _p: _Callback
    ) -> None:
        if self.connection is not None and reason.is_failure:
            self._complain(f"closed the connection: {reason}; connecting again")
        if self._again is not None:
            self._again.cancel()
        self.connection = None
        self._another_connection()
        self._wake()

    def _another_connection(self) -> None:
        # Not between the look at a token and the sending of its PUBACK: paho throws away what it did
        # not send when it connects anew, but only what it was given before.
        with self._same_connection:
            self._connections += 1

    def _on_subscribe(
        self, _client: mqtt.Client, _userdata: object, _mid: int, reasons: _Callback, _p: _Callback
    ) -> None:
        refused = [
            f"{topic} ({reason})"
            for topic, reason in zip(self._subscriptions, reasons, strict=False)
            if reason.is_failure
        ]
        if not refused:
            self._connected()
            return
        # Deaf on one topic is not connected: an agent would speak and never hear a receipt.
        self.connection = None
        self._complain(f"refuses subscriptions: {', '.join(refused)}; check its access list")
        self._again = threading.Timer(_SUBSCRIBE_AGAIN_S, self._subscribe)
        self._again.daemon = True
        self._again.start()
        self._wake()

    def _hear(self, octets: bytes, payload: bytes, packet: int | None) -> None:
        try:
            topic = octets.decode().removeprefix(self._below)
        except UnicodeDecodeError:
            topic = ""  # no topic of anybody's: the receiver files it under what it does not know
        token = None if packet is None else Token(self._connections, packet)
        delivery = Delivery(topic, payload, token)
        if self._arrived.offer(delivery):
            self._overflowing = False
        elif token is not None or self._plain:
            self._arrived.put(delivery)  # waiting here stops the socket: the broker keeps the rest
        else:
            self._drop(topic)
            return
        self._wake()

    def _drop(self, topic: str) -> None:
        self.dropped += 1
        if not self._overflowing:
            log.error(
                "MQTT broker %s:%d: messages on %s come faster than they are taken and are lost (%d so far); "
                "publish them with QoS 1, then the broker keeps them",
                self.settings.host, self.settings.port, topic, self.dropped,
            )  # fmt: skip
        self._overflowing = True

    def _complain(self, what: str) -> None:
        # Once per trouble, not once per attempt: a broker that is away for a night is one line.
        if what != self.trouble:
            log.error("MQTT broker %s:%d %s", self.settings.host, self.settings.port, what)
        self.trouble = what


def _send_at_once(_client: mqtt.Client, _userdata: object, opened: Any) -> None:
    """Without TCP_NODELAY a small packet waits for the acknowledgement of the one before (RFC 896)."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
