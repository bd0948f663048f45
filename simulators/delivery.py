"""How the virtual network servers hand over their messages: MQTT with QoS 1, or HTTP posts.

Both keep a message until the other side has confirmed it, tell how many are under way, and repeat.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import queue
import threading
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

log = logging.getLogger(__name__)

_RETRY_FIRST_S, _RETRY_LONGEST_S = 0.2, 10.0
_ACCEPTED = range(200, 300)
_TRY_AGAIN = (408, 425, 429, *range(500, 600))


@dataclass(frozen=True, slots=True)
class Letter:
    """One message of a network server: `address` is an MQTT topic, or path and query of a post."""

    address: str
    body: bytes
    content_type: str
    sender: int  # letters of one sender keep their order


class Messenger(Protocol):
    """A way to hand over letters; used from one event loop."""

    def send(self, letter: Letter) -> None:
        """Take a letter; never blocks."""

    @property
    def backlog(self) -> int:
        """Letters taken and not yet confirmed."""

    async def room(self, limit: int) -> None:
        """Wait until at most `limit` letters are unconfirmed."""

    async def close(self) -> None:
        """Stop; unconfirmed letters are lost."""


class _Progress:
    """Counts unconfirmed letters across threads and wakes the event loop when one is confirmed."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._lock = threading.Lock()
        self.backlog = 0

    def more(self) -> None:
        with self._lock:
            self.backlog += 1

    def less(self) -> None:
        with self._lock:
            self.backlog -= 1
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)

    async def room(self, limit: int) -> None:
        while self.backlog > limit:
            self._event.clear()
            if self.backlog > limit:
                await self._event.wait()


class MqttMessenger:
    """Publishes with QoS 1; paho repeats what was not confirmed after a lost connection."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        username: str = "",
        password: str | None = None,
        client_id: str = "udp-city",
    ) -> None:
        self._progress = _Progress()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False)
        if username:
            self._client.username_pw_set(username, password)
        self._client.max_inflight_messages_set(200)
        self._client.on_publish = self._confirmed
        self._client.on_connect = self._connected
        self._client.reconnect_delay_set(1, 10)
        self._client.connect_async(host, port, keepalive=30)
        self._client.loop_start()
        self._name = f"{host}:{port}"

    def send(self, letter: Letter) -> None:
        """Publish; before the first connection paho keeps it."""
        self._progress.more()
        self._client.publish(letter.address, letter.body, qos=1)

    @property
    def backlog(self) -> int:
        """Publishes without PUBACK."""
        return self._progress.backlog

    async def room(self, limit: int) -> None:
        """Wait until at most `limit` publishes are without PUBACK."""
        await self._progress.room(limit)

    async def close(self) -> None:
        """Disconnect and end the network thread."""
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def _confirmed(
        self, _client: mqtt.Client, _userdata: object, _mid: int, _code: ReasonCode, _properties: object
    ) -> None:
        self._progress.less()

    def _connected(
        self, _client: mqtt.Client, _userdata: object, _flags: object, code: ReasonCode, _properties: object
    ) -> None:
        if code.is_failure:
            log.error("broker %s refuses the virtual network servers: %s", self._name, code)


class HttpMessenger:
    """Posts each letter until it is answered with 2xx; several at a time, in order per sender."""

    def __init__(self, url: str, headers: Mapping[str, str], *, connections: int = 8) -> None:
        """`url` is the door (http://host:port); a letter's address is appended to it."""
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a door; write http://host:port")
        self._parts = parts
        self._headers = dict(headers)
        self._progress = _Progress()
        self._stopping = threading.Event()
        self.refused = 0
        self._queues: list[queue.SimpleQueue[Letter | None]] = [
            queue.SimpleQueue() for _ in range(connections)
        ]
        self._threads = [
            threading.Thread(target=self._post_all, args=(letters,), name=f"post-{number}", daemon=True)
            for number, letters in enumerate(self._queues)
        ]
        for thread in self._threads:
            thread.start()

    def send(self, letter: Letter) -> None:
        """Put the letter on the queue of its sender's connection."""
        self._progress.more()
        self._queues[letter.sender % len(self._queues)].put(letter)

    @property
    def backlog(self) -> int:
        """Letters without an answer."""
        return self._progress.backlog

    async def room(self, limit: int) -> None:
        """Wait until at most `limit` letters are without an answer."""
        await self._progress.room(limit)

    async def close(self) -> None:
        """End all connections."""
        self._stopping.set()
        for letters in self._queues:
            letters.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _post_all(self, letters: queue.SimpleQueue[Letter | None]) -> None:
        connection = self._connection()
        while (letter := letters.get()) is not None and not self._stopping.is_set():
            pause = _RETRY_FIRST_S
            while not self._post(connection, letter):
                if self._stopping.wait(pause):
                    break
                pause = min(2 * pause, _RETRY_LONGEST_S)
            self._progress.less()
        connection.close()

    def _post(self, connection: http.client.HTTPConnection, letter: Letter) -> bool:
        """True once nothing more can be done for the letter."""
        try:
            connection.request(
                "POST",
                self._parts.path.rstrip("/") + letter.address,
                letter.body,
                {**self._headers, "Content-Type": letter.content_type},
            )
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            log.debug("%s does not take letters: %s", self._parts.geturl(), error)
            return False
        if answer.status in _ACCEPTED:
            return True
        if answer.status in _TRY_AGAIN:
            return False
        self.refused += 1
        if self.refused == 1 or self.refused % 1_000 == 0:
            log.error(
                "%s%s answers %d %s: check the key in the settings (%d letters refused so far)",
                self._parts.geturl(),
                letter.address,
                answer.status,
                answer.reason,
                self.refused,
            )
        return True

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=30)
        return http.client.HTTPConnection(host, port, timeout=30)
