"""Real paho clients that subscribe and publish, and wait for what they were promised."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

WITHIN_S = 60.0


class Ear:
    """One client; `codes` are what the server said to each subscription, in order."""

    def __init__(
        self, port: int, key: str | None = None, *, version: int = mqtt.MQTTv311, **more: Any
    ) -> None:
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=version, **more)
        if key is not None:
            self.client.username_pw_set("key", key)
        self.heard: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.codes: list[int] = []
        self.why: list[str] = []
        self.published: list[tuple[int, str]] = []
        self.connected: int | None = None
        self.gone: int | None = None
        self._acknowledged, self._here, self._left = (threading.Semaphore(0) for _ in range(3))
        self._done = threading.Semaphore(0)
        self.client.on_connect = self._on_connect
        self.client.on_message = lambda _c, _u, one: self.heard.put((one.topic, json.loads(one.payload)))
        self.client.on_subscribe = self._on_subscribe
        self.client.on_publish = self._on_publish
        self.client.on_disconnect = self._on_disconnect
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self._here.acquire(timeout=WITHIN_S), "no CONNACK"

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, code: Any, told: Any) -> None:
        self.connected = code.value
        self._here.release()

    def _on_subscribe(self, _client: Any, _data: Any, _mid: int, codes: Any, told: Any) -> None:
        self.codes += [one.value for one in codes]
        self.why.append(getattr(told, "ReasonString", ""))
        self._acknowledged.release()

    def _on_publish(self, _client: Any, _data: Any, _mid: int, code: Any, told: Any) -> None:
        self.published.append((code.value, getattr(told, "ReasonString", "")))
        self._done.release()

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _told: Any) -> None:
        self.gone = code.value
        self._left.release()

    def subscribe(self, *topics: str, qos: int = 1) -> list[int]:
        self.codes.clear()
        self.client.subscribe([(one, qos) for one in topics])
        assert self._acknowledged.acquire(timeout=WITHIN_S), "no SUBACK"
        return list(self.codes)

    def publish(self, topic: str, body: Any, qos: int = 1, *, retain: bool = False) -> tuple[int, str]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.client.publish(topic, content, qos, retain)
        assert self._done.acquire(timeout=WITHIN_S), f"no answer to PUBLISH {topic}"
        return self.published[-1]

    def next(self) -> tuple[str, Any]:
        return self.heard.get(timeout=WITHIN_S)

    def wait_for_end(self) -> int:
        assert self._left.acquire(timeout=WITHIN_S), "still connected"
        assert self.gone is not None
        return self.gone

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def ear(port: int, key: str | None = None, **more: Any) -> Iterator[Ear]:
    made = Ear(port, key, **more)
    try:
        yield made
    finally:
        made.close()
