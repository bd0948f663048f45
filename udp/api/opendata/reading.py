"""What the open-data routes answer from, read at most once a minute and never past a changed policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from udp.api.citizens.frame import Frame
from udp.api.desk import Desk
from udp.api.view import Views
from udp.opendata.coverage import Coverage, cover
from udp.opendata.dumping import Dumps
from udp.opendata.offer import Offered, offered

_FRESH_S = 60.0


@dataclass(slots=True)
class _Read:
    views: Views
    offers: Mapping[str, Offered]
    covers: Sequence[Coverage] | None = None
    at: float = 0.0


class OpenData:
    """Offers follow every change at once; coverage is read from the store, so it may be a minute old."""

    def __init__(self, desk: Desk) -> None:
        ports = desk.ports
        self._desk = desk
        self._read: _Read | None = None
        self.settings = ports.opendata
        self.dumps = Dumps(self.settings.folder)
        self.frame = Frame(
            ports.pages, self.settings.city, Path(__file__).parent / "templates", root=ports.root
        )

    async def offers(self) -> Mapping[str, Offered]:
        """What the public may have now, by dataset."""
        return (await self._now()).offers

    async def covers(self) -> Sequence[Coverage]:
        """The same with coverage. StoreUnavailable if it cannot be read."""
        read = await self._now()
        clock = self._desk.ports.monotonic()
        if read.covers is None or clock - read.at >= _FRESH_S:
            read.covers = await anyio.to_thread.run_sync(self._cover, read.offers)
            read.at = clock
        return read.covers

    def _cover(self, offers: Mapping[str, Offered]) -> Sequence[Coverage]:
        now = self._desk.now()
        return [cover(self._desk.ports.store, self.dumps, one, now) for one in offers.values()]

    async def _now(self) -> _Read:
        views = await self._desk.views.get()
        if self._read is None or self._read.views is not views:
            self._read = _Read(views, offered(views.gate, views.inventory))
        return self._read
