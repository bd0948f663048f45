"""What a session has received and nobody has taken yet: bounded in messages and in octets."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple


class Token(NamedTuple):
    """Names one delivery of one connection: packet identifiers begin anew with each connection."""

    connection: int
    packet: int


class Delivery(NamedTuple):
    """One message as the broker brought it; `token` is None where nothing is to be acknowledged."""

    topic: str
    payload: bytes
    token: Token | None

    @property
    def octets(self) -> int:
        """How much of the bound it takes."""
        return len(self.topic) + len(self.payload)


class Arrivals:
    """A queue between the network's thread and one that takes; a single delivery always finds room in it."""

    def __init__(self, most: int, most_octets: int) -> None:
        self._most = most
        self._most_octets = most_octets
        self._waiting: deque[Delivery] = deque()
        self._octets = 0
        self._closed = False
        self._condition = threading.Condition()

    @property
    def octets(self) -> int:
        """How much waits."""
        return self._octets

    def offer(self, delivery: Delivery) -> bool:
        """Queue it if there is room."""
        with self._condition:
            room = self._has_room(delivery)
            if room:
                self._append(delivery)
            return room

    def put(self, delivery: Delivery) -> None:
        """Queue it as soon as there is room; passes it over when closed meanwhile."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._has_room(delivery))
            if not self._closed:
                self._append(delivery)

    def take(self, limit: int, timeout: float) -> list[Delivery]:
        """At most `limit` deliveries in order of arrival; waits up to `timeout` seconds for the first."""
        with self._condition:
            if not self._waiting and timeout > 0:
                self._condition.wait_for(lambda: bool(self._waiting), timeout)
            taken = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
            self._octets -= sum(one.octets for one in taken)
            self._condition.notify_all()
        return taken

    def clear(self) -> None:
        """Forget all."""
        with self._condition:
            self._waiting.clear()
            self._octets = 0
            self._condition.notify_all()

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def _has_room(self, delivery: Delivery) -> bool:
        if not self._waiting:
            return True
        return len(self._waiting) < self._most and self._octets + delivery.octets <= self._most_octets

    def _append(self, delivery: Delivery) -> None:
        self._waiting.append(delivery)
        self._octets += delivery.octets
        self._condition.notify_all()
