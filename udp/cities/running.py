"""Several cities until told to stop: the door in this process, each city in one of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn

from udp.cities.children import Children, Part
from udp.cities.door import FrontDoor
from udp.cities.reading import City
from udp.cities.receiving import uvicorn_settings

_LOG = logging.getLogger("udp.cities")


def run_cities(cities: Sequence[City], log_level: str) -> int:
    """The exit code."""
    server = cities[0].settings.server
    # Closed to all others (mkdtemp, 0700): whoever may write here may say who a caller is.
    with tempfile.TemporaryDirectory(prefix="udp-") as folder:
        # A city may well be called "main": its file has another name than the main city's.
        names = {one.root: f"city-{one.root[1:]}" if one.root else "main" for one in cities}
        sockets = {root: Path(folder) / f"{name}.sock" for root, name in names.items()}
        parts = [Part(one.name, one.path, sockets[one.root], server.port, log_level) for one in cities]
        door = _Door(uvicorn_settings(FrontDoor(sockets), cities[0].settings, is_door=True))
        _LOG.info("API and pages at http://%s:%d/", server.host, server.port)
        for one in cities[1:]:
            _LOG.info("%s at http://%s:%d%s/", one.name, server.host, server.port, one.root)
        asyncio.run(_until_told(door, Children(parts)))
    return 0 if door.started else 1


async def _until_told(door: _Door, children: Children) -> None:
    loop = asyncio.get_running_loop()

    def end() -> None:
        # The cities first: endless answers (live values) end there.
        children.stop()
        door.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    children.start()
    try:
        await door.serve()
    finally:
        children.stop()
        await children.ended()


class _Door(uvicorn.Server):
    """Told to stop by `_until_told`, which has the cities to think of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: the signals are heard already."""
        yield
