"""Live values by server-sent events: one reader of the store for all, and no listener can hold it up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime

from udp.api.current import Snapshot, changes, chosen, coarsened, items, judge, tails
from udp.api.problems import Overloaded
from udp.api.refreshed import Refreshed
from udp.api.view import Filter, View, Views
from udp.errors import RegistryUnavailable, StoreUnavailable
from udp.policy import Caller
from udp.store.columns import Observations

_LOG = logging.getLogger(__name__)
_END = b""
_RECONNECT_MS = 5000


@dataclass(slots=True, eq=False)
class Listener:
    """One client: what it may know, what it wants, and what waits for it. `gone` once it was too slow."""

    who: Caller
    wish: Filter
    queue: asyncio.Queue[bytes]
    client: str | None = None
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class LiveFeed:
    """Tells listeners what changed; belongs to one event loop.

    It reads only while somebody listens. A listener whose queue is full is dropped: its browser
    connects again and gets all current values first, so nothing is missed by it.
    """

    def __init__(
        self,
        views: Refreshed[Views],
        current: Refreshed[Snapshot],
        now: Callable[[], datetime],
        *,
        every_s: float,
        most_listeners: int,
        most_per_client: int,
        queue_size: int,
        heartbeat_s: float,
        listening_s: float,
    ) -> None:
        self._views = views
        self._current = current
        self._now = now
        self._every_s = every_s
        self._most_listeners = most_listeners
        self._most_per_client = most_per_client
        self._queue_size = queue_size
        self._heartbeat_s = heartbeat_s
        self._listening_s = listening_s
        self._listeners: set[Listener] = set()
        self._reader: asyncio.Task[None] | None = None
        self._number = 0
        self._shown: Snapshot | None = None
        self.dropped = 0

    @property
    def listening(self) -> int:
        """How many clients are connected now."""
        return len(self._listeners)

    async def join(self, who: Caller, wish: Filter, client: str | None = None) -> Listener:
        """A new listener, who first gets all current values. Overloaded when there is no room.

        `client` is the address it listens from; None is nobody's, and only the total counts.
        """
        self._require_room(client)
        snapshot = await self._current.get()
        view = (await self._views.get()).of(who)
        # From here to the end nothing is awaited: no change and no other listener can slip in between.
        self._require_room(client)
        if self._reader is None:
            self._shown = snapshot
            self._reader = asyncio.create_task(self._read(), name="live values")
            self._reader.add_done_callback(self._ended)
        base = self._shown or snapshot
        listener = Listener(who, wish, asyncio.Queue(self._queue_size), client)
        listener.queue.put_nowait(self._event(view, base.known(view), wish) or b": nothing yet\n\n")
        self._listeners.add(listener)
        return listener

    async def events(self, listener: Listener) -> AsyncIterator[bytes]:
        """What to write to the client, heartbeats included, until it is dropped or its time is over."""
        deadline = asyncio.get_running_loop().time() + self._listening_s
        try:
            yield f"retry: {_RECONNECT_MS}\n\n".encode()
            while not listener.gone.is_set() and asyncio.get_running_loop().time() < deadline:
                try:
                    event = await asyncio.wait_for(listener.queue.get(), self._heartbeat_s)
                except TimeoutError:
                    event = b": still here\n\n"
                if event == _END:
                    return
                yield event
        finally:
            self._leave(listener)

    def close(self) -> None:
        """Let all listeners go; they reconnect elsewhere."""
        for listener in list(self._listeners):
            self._drop(listener)

    def _require_room(self, client: str | None) -> None:
        """One address may not take the room of all others."""
        if len(self._listeners) >= self._most_listeners:
            raise Overloaded(
                f"{self._most_listeners} listeners are connected already; ask /api/v1/latest instead"
            )
        same = sum(one.client == client for one in self._listeners) if client is not None else 0
        if same >= self._most_per_client:
            raise Overloaded(
                f"{same} listeners are connected from your address already, which is its share; "
                "close one, or ask /api/v1/latest instead"
            )

    def _leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        if not self._listeners and self._reader is not None:
            self._reader.cancel()
            self._reader = None
            self._shown = None

    def _drop(self, listener: Listener) -> None:
        listener.gone.set()
        while not listener.queue.empty():
            listener.queue.get_nowait()
        listener.queue.put_nowait(_END)
        self._leave(listener)

    def _ended(self, reader: asyncio.Task[None]) -> None:
        if not reader.cancelled():
            _LOG.error("live values stopped: %s", reader.exception())
            self._reader = None
            self.close()

    async def _read(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                after, views = await self._current.get(), await self._views.get()
            except (StoreUnavailable, RegistryUnavailable) as error:
                _LOG.warning("live values pause: %s", error)
                continue
            before, self._shown = self._shown, after
            if before is not None and after is not before:
                self._tell(views, before, after)

    def _tell(self, views: Views, before: Snapshot, after: Snapshot) -> None:
        """One rendering per kind of caller and wish, however many listen."""
        changed = {
            who: _changed(views.of(who), before, after) for who in {one.who for one in self._listeners}
        }
        if not any(len(one) for one in changed.values()):
            return
        self._number += 1
        rendered: dict[tuple[Caller, Filter], bytes | None] = {}
        for listener in list(self._listeners):
            key = (listener.who, listener.wish)
            if key not in rendered:
                rendered[key] = self._event(views.of(listener.who), changed[listener.who], listener.wish)
            event = rendered[key]
            if event is None:
                continue
            try:
                listener.queue.put_nowait(event)
            except asyncio.QueueFull:
                self.dropped += 1
                self._drop(listener)

    def _event(self, view: View, observations: Observations, wish: Filter) -> bytes | None:
        wanted = chosen(view, observations, wish)
        if not len(wanted):
            return None
        ages, stale = judge(view, wanted, self._now())
        values = ",".join(tails(items(view, wanted), ages, stale))
        return f"id: {self._number}\nevent: observations\ndata: [{values}]\n\n".encode()


def _changed(view: View, before: Snapshot, after: Snapshot) -> Observations:
    """What is new as finely as the view may know it: saying a value again within its step is no news."""
    return changes(coarsened(view, before.known(view)), coarsened(view, after.known(view)))
