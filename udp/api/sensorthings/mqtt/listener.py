"""Where clients come in, by TCP, TLS or WebSocket, and how many may."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from udp.access.audit import shortened
from udp.api.desk import Desk
from udp.api.sensorthings.mqtt.feed import Feed
from udp.api.sensorthings.mqtt.figures import Figures, Refusal
from udp.api.sensorthings.mqtt.links import Link, SocketLink, WebSocketLink
from udp.api.sensorthings.mqtt.session import OVER, Session
from udp.api.sensorthings.mqtt.settings import MqttSettings, is_this_machine
from udp.api.sensorthings.mqtt.telling import Subscription
from udp.api.sensorthings.mqtt.topics import Wish
from udp.api.sensorthings.routes import SensorThings
from udp.errors import ConfigurationError
from udp.policy import Caller

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
PATH = "/mqtt"
_SUBPROTOCOL = "mqtt"
_END_WITHIN_S = 3.0
_SHAKEN_WITHIN_S = 10.0
_THREADS = 8


class Listener:
    """All clients of one process. Belongs to one event loop."""

    def __init__(self, desk: Desk, room: SensorThings, settings: MqttSettings) -> None:
        self.desk, self.room, self.settings = desk, room, settings
        self.figures = Figures(desk.now)
        self._threads = anyio.CapacityLimiter(_THREADS)
        self._sessions: dict[Session, asyncio.Task[None] | None] = {}
        self._of_address: Counter[str] = Counter()
        self._feed = Feed(desk, room, self.figures, lambda: tuple(self._sessions))
        self._server: asyncio.Server | None = None
        self._closing = False
        if room.writer is not None:
            room.writer.touched = self._feed.touch

    @property
    def clients(self) -> int:
        """Connected now."""
        return len(self._sessions)

    @property
    def subscriptions(self) -> int:
        """Of all clients now."""
        return sum(len(one.subscriptions) for one in self._sessions)

    @property
    def waiting(self) -> int:
        """Messages that clients have not taken yet."""
        return sum(len(one.outbox) for one in self._sessions)

    @property
    def trouble(self) -> str:
        """Why nothing is told now; empty when all is well."""
        return self._feed.trouble

    @property
    def port(self) -> int:
        """The port in use; 0 for none."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server is not None else 0

    async def start(self) -> None:
        """Open the port, if one is wanted."""
        if self.settings.port:
            await self.open(self.settings.port)

    async def open(self, port: int) -> None:
        """0: any free one. ConfigurationError when it cannot be opened."""
        host, tls = self.settings.host, self.settings.tls()
        try:
            self._server = await asyncio.start_server(
                self._accept, host, port, ssl=tls, ssl_handshake_timeout=_SHAKEN_WITHIN_S if tls else None
            )
        except OSError as error:
            raise ConfigurationError(
                f"MQTT for SensorThings cannot listen on {host}:{port} ({error.strerror}); choose another "
                "port in [sensorthings_mqtt]"
            ) from error
        _LOG.info("SensorThings by MQTT at %s://%s:%d", "mqtts" if tls else "mqtt", host, self.port)

    async def close(self) -> None:
        """Send everybody away; they connect again elsewhere."""
        self._closing = True
        self._feed.close()
        if self._server is not None:
            self._server.close()
        for session in tuple(self._sessions):
            session.leave(OVER, "the server stops; connect again later")
        tasks = [task for task in self._sessions.values() if task is not None and not task.done()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_END_WITHIN_S)
            for task in late:
                task.cancel()

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """In a thread; few of them, so that MQTT leaves some to HTTP."""
        return await anyio.to_thread.run_sync(partial(work, *arguments), limiter=self._threads)

    def subscribed(self) -> None:
        """Somebody has subscribed."""
        self._feed.wake()

    async def subscription(self, wanted: Wish, qos: int, who: Caller) -> Subscription:
        """See Feed."""
        await self._feed.begin()
        views = await self.desk.views.get()
        return await self.run(self._feed.subscription, wanted, qos, who, views)

    async def by_websocket(self, socket: WebSocket) -> None:
        """The route /mqtt; browsers have no other way."""
        if _SUBPROTOCOL not in socket.scope.get("subprotocols", []):
            await socket.close(1002)
            return
        await socket.accept(_SUBPROTOCOL)
        await self._serve(WebSocketLink(socket))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(SocketLink(reader, writer))

    async def _serve(self, link: Link) -> None:
        origin = shortened(link.peer)
        if (why := self._no_room(link.peer)) is not None:
            self.figures.refuse(Refusal(self.figures.now(), "nobody", origin, "connect", "", why))
            await link.close()
            return
        session = Session(self, link, origin)
        self._sessions[session] = asyncio.current_task()
        self._of_address[link.peer] += 1
        try:
            await session.run()
        finally:
            del self._sessions[session]
            self._of_address[link.peer] -= 1
            if not self._of_address[link.peer]:
                del self._of_address[link.peer]

    def _no_room(self, peer: str) -> str | None:
        if self._closing:
            return "the server stops"
        if len(self._sessions) >= self.settings.most_clients:
            return f"{self.settings.most_clients} clients are connected already"
        if self._of_address[peer] >= self.settings.most_clients_per_address:
            return f"{self._of_address[peer]} clients are connected from this address already"
        return None

    def endpoints(self, request: HTTPConnection) -> list[str]:
        """Addresses of this listener as the caller can reach them, for the landing page."""
        if self.settings.public:
            return list(self.settings.public)
        base = urlsplit(str(request.base_url))
        found = []
        reachable = is_this_machine(base.hostname or "") or not is_this_machine(self.settings.host)
        if self._server is not None and reachable:
            scheme = "mqtts" if self.settings.certificate is not None else "mqtt"
            found.append(f"{scheme}://{base.hostname}:{self.port}")
        return [
            *found,
            f"{'wss' if base.scheme == 'https' else 'ws'}://{base.netloc}{base.path.rstrip('/')}{PATH}",
        ]
