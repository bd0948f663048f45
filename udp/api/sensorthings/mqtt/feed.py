"""Looks once a second at what is new in register and store, and tells who has subscribed to it.

It looks only while somebody has subscribed, and nobody can hold it up: what is told waits in the client's
own place (`Outbox`), and whose place stays full for two seconds, or who needs more than ten for a part,
must go.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import islice

import anyio.to_thread

from edge.wire.instants import instant
from udp.api.desk import Desk
from udp.api.sensorthings import answering, rendering
from udp.api.sensorthings.answering import Question
from udp.api.sensorthings.catalogue import Catalogue
from udp.api.sensorthings.links import PREFIX
from udp.api.sensorthings.mqtt import telling
from udp.api.sensorthings.mqtt.figures import Figures
from udp.api.sensorthings.mqtt.session import SLOW, Session
from udp.api.sensorthings.mqtt.telling import Identity, Message, Round, Subscription, World
from udp.api.sensorthings.mqtt.topics import Wish
from udp.api.sensorthings.routes import SensorThings
from udp.api.view import Views
from udp.errors import RegistryUnavailable, StoreUnavailable
from udp.policy import Caller
from udp.registry import written
from udp.store.arrivals import Arrival, Following
from udp.store.columns import Observations, Period

_LOG = logging.getLogger(__name__)
_FASTEST_S = 0.05
# Long enough for a clock that is set meanwhile; what is remembered for nobody is bounded by the store.
_LISTEN_FOR = timedelta(minutes=5)
_LISTEN_EVERY_S = 20.0
_AT_ONCE = 2_000
_PAUSE_S = 0.02
# Who takes nothing for two seconds is not waited for; who takes something, as over a thin line or on a busy
# machine, is, so long for each part.
_PATIENCE_S, _PATIENCE_IN_ALL_S = 2.0, 10.0
_MOST_TOUCHED = 10_000
Pair = tuple[Session, Subscription]


class Feed:
    """Belongs to one event loop; `touch` may be called from any thread."""

    def __init__(
        self, desk: Desk, room: SensorThings, figures: Figures, sessions: Callable[[], Iterable[Session]]
    ) -> None:
        ports = desk.ports
        self._desk, self._room, self._figures, self._sessions = desk, room, figures, sessions
        self._database = ports.writing.database if ports.writing else None
        self._following = Following(ports.writing.store if ports.writing else None, ports.store)
        self._touched: deque[Identity] = deque(maxlen=_MOST_TOUCHED)
        self._listened_at = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self.trouble = ""

    def wake(self) -> None:
        """Somebody may have subscribed."""
        if self._task is None and self._pairs():
            self._task = asyncio.create_task(self._run(), name="SensorThings by MQTT")
            self._task.add_done_callback(self._ended)

    def touch(self, identity: Identity) -> None:
        """Something was said of an Observation that the store does not hold, and so does not tell."""
        self._touched.append(identity)

    def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def begin(self) -> None:
        """From now on the store remembers what is appended. StoreUnavailable."""
        now = asyncio.get_running_loop().time()
        if now - self._listened_at >= _LISTEN_EVERY_S:
            until = self._desk.now() + _LISTEN_FOR
            await anyio.to_thread.run_sync(self._following.listen, until)
            self._listened_at = now

    def subscription(self, wanted: Wish, qos: int, who: Caller, views: Views) -> Subscription:
        """Whatever changes from `views` and from now on is told, after `begin`. TopicRefused,
        StoreUnavailable, RegistryUnavailable. Blocking."""
        position = self._following.position()
        catalogue = self._room.catalogues.of(views, who, self._database)
        return telling.subscription(wanted, qos, catalogue, position, self._world(), self._writer)

    def _pairs(self) -> list[Pair]:
        return [(session, one) for session in self._sessions() for one in session.subscriptions.values()]

    async def _run(self) -> None:
        while self._pairs():
            await asyncio.sleep(max(self._desk.settings.refresh_s, _FASTEST_S))
            try:
                await self.begin()
                await self._round()
            except (StoreUnavailable, RegistryUnavailable) as error:
                if not self.trouble:
                    _LOG.warning("SensorThings by MQTT pauses: %s", error)
                self.trouble = str(error)
            else:
                self.trouble = ""

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            _LOG.error("SensorThings by MQTT stopped", exc_info=error)
            self.trouble = "stopped by a mistake of ours; the log says which"
            for session in self._sessions():
                session.leave(SLOW, "updates have stopped; connect again")
        else:
            # Somebody may have subscribed between the last look and now.
            self.wake()

    async def _round(self) -> None:
        """What is new, in parts: senders get their turn in between."""
        parts = await self._of_touched()
        while pairs := self._pairs():
            # Who subscribes meanwhile begins at a later number and is in the next look.
            after = min(one.after for _, one in pairs)
            arrived = await anyio.to_thread.run_sync(self._following.arrivals, after, _AT_ONCE)
            self._count_missed(after, arrived)
            parts += [part for one in arrived for part in _cut(one)]
            views = await self._desk.views.get()
            for part in parts or [(0, Observations.empty())]:
                await self._tell(views, pairs, part)
            if not arrived:
                return
            parts = []
            for _, one in pairs:
                one.after = max(one.after, arrived[-1].number)

    async def _tell(self, views: Views, pairs: Sequence[Pair], arrived: tuple[int, Observations]) -> None:
        def prepare() -> list[tuple[Subscription, Catalogue]]:
            of, database = self._room.catalogues.of, self._database
            return [(one, of(views, session.visitor.caller, database)) for session, one in pairs]

        wanted = await anyio.to_thread.run_sync(prepare)
        owner = {id(one): session for session, one in pairs}
        messages = Round(self._world(), self._writer, [arrived]).messages(wanted)
        while part := await anyio.to_thread.run_sync(lambda: list(islice(messages, _AT_ONCE))):
            await self._deliver(part, owner)
        for one, catalogue in wanted:
            one.catalogue = catalogue

    async def _deliver(self, messages: Sequence[Message], owner: Mapping[int, Session]) -> None:
        """Into each client's own place, with some patience where it is full: for all clients together."""
        waiting: dict[Session, deque[Message]] = {}
        for one in messages:
            waiting.setdefault(owner[id(one.to)], deque()).append(one)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        took = dict.fromkeys(waiting, begun)
        while waiting:
            now = loop.time()
            for session, queue in list(waiting.items()):
                if _hand_over(session, queue):
                    took[session] = now
                if not queue:
                    del waiting[session]
                elif now - took[session] > _PATIENCE_S or now - begun > _PATIENCE_IN_ALL_S:
                    del waiting[session]
                    session.too_slow()
            if waiting:
                await asyncio.sleep(_PAUSE_S)

    async def _of_touched(self) -> list[tuple[int, Observations]]:
        identities = {self._touched.popleft() for _ in range(len(self._touched))}
        if not identities:
            return []

        def read() -> Observations:
            parts = []
            for series, time, lead in sorted(identities):
                moment = instant(time)
                found = self._desk.ports.store.read(
                    [series], Period(moment, moment + timedelta(microseconds=1))
                )
                parts.append(found.take(found.lead == lead))
            return Observations.concatenate(parts)

        return [(0, await anyio.to_thread.run_sync(read))]

    def _count_missed(self, after: int, arrived: Sequence[Arrival]) -> None:
        gap = arrived[0].number - after - 1 if arrived else 0
        if gap > 0:
            self._figures.missed += gap
            _LOG.warning("SensorThings by MQTT: %d appends were forgotten before they were told", gap)

    def _world(self) -> World:
        database = self._database
        if database is None:
            return World(self._desk.ports.store, lambda _wanted: {})
        return World(self._desk.ports.store, lambda wanted: written.notes(database, wanted))

    def _writer(self, catalogue: Catalogue) -> rendering.Writer:
        root = self._desk.ports.public_url.rstrip("/") + PREFIX
        question = Question(root, "", "", catalogue, self._desk.now(), self._room.limits)
        return answering.writer(question.noting(self._world().notes), self._desk.ports.store)


def _hand_over(session: Session, queue: deque[Message]) -> bool:
    """As many as its place has room for; whether that was any."""
    before = len(queue)
    while queue and session.tell(queue[0].to, queue[0].topic, queue[0].payload):
        queue.popleft()
    return len(queue) < before


def _cut(one: Arrival) -> list[tuple[int, Observations]]:
    return [(one.number, one.rows.take(slice(at, at + _AT_ONCE))) for at in range(0, len(one.rows), _AT_ONCE)]
