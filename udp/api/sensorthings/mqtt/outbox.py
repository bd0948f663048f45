"""What waits for one client: bounded, so that a slow one costs its own place and nobody else's."""

from __future__ import annotations

import asyncio
from collections import deque

from udp.api.sensorthings.mqtt import packets
from udp.api.sensorthings.mqtt.packets import Publish
from udp.api.sensorthings.mqtt.settings import MqttSettings

# So many messages may be on their way unconfirmed, even if the client allows more.
_WINDOW = 100
_NUMBERS = 65_535


class Outbox:
    """Messages in order; those with QoS 1 only while the client confirms. Belongs to one event loop."""

    def __init__(self, settings: MqttSettings, version: int, receive_maximum: int, most: int | None) -> None:
        self._most_messages, self._most_bytes = settings.queue_messages, settings.queue_bytes
        self._version, self._most_packet = version, most
        self._window = min(receive_maximum, _WINDOW)
        self._waiting: deque[tuple[str, bytes, int]] = deque()
        self._size = 0
        self._unconfirmed: set[int] = set()
        self._number = 0
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, topic: str, payload: bytes, qos: int) -> bool:
        """False when there is no room: whoever is that slow must go."""
        size = len(topic) + len(payload)
        if len(self._waiting) >= self._most_messages or self._size + size > self._most_bytes:
            return False
        self._waiting.append((topic, payload, qos))
        self._size += size
        self._news.set()
        return True

    def confirmed(self, number: int) -> None:
        """The client has it."""
        self._unconfirmed.discard(number)
        self._news.set()

    async def next(self) -> bytes:
        """The next message as a packet; waits until there is one and it may go."""
        while True:
            if self._waiting and (not self._waiting[0][2] or len(self._unconfirmed) < self._window):
                if (made := self._take()) is not None:
                    return made
                continue
            self._news.clear()
            await self._news.wait()

    def _take(self) -> bytes | None:
        """None for what is longer than the client wants to hear (MQTT 5.0, 3.1.2.11.4)."""
        topic, payload, qos = self._waiting.popleft()
        self._size -= len(topic) + len(payload)
        number = self._next_number() if qos else 0
        made = packets.publish(self._version, Publish(topic, payload, qos, number=number))
        if self._most_packet is not None and len(made) > self._most_packet:
            self._unconfirmed.discard(number)
            return None
        return made

    def _next_number(self) -> int:
        while True:
            self._number = self._number % _NUMBERS + 1
            if self._number not in self._unconfirmed:
                self._unconfirmed.add(self._number)
                return self._number
