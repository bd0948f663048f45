"""Keeps one process per city running: started again when it ends, whatever the others do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LOG = logging.getLogger("udp.cities")
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 60.0
# Whoever ran this long was well: its next end is a new story.
_WELL_AFTER_S = 60.0
_STOP_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class Part:
    """A city's process: `name` in the log, the settings it reads, the socket file it listens on."""

    name: str
    settings: Path
    socket: Path
    port: int
    log_level: str

    def command(self) -> Sequence[str]:
        """`udp run` for this city alone."""
        return (
            sys.executable, "-m", "udp", "run", "--config", str(self.settings), "--log-level", self.log_level,
            "--behind", str(self.socket), "--door-port", str(self.port),
        )  # fmt: skip


class Children:
    """All cities' processes; belongs to one event loop."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._tasks: list[asyncio.Task[None]] = []
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = False

    def start(self) -> None:
        """All at once."""
        self._tasks = [asyncio.create_task(self._keep(part)) for part in self._parts]

    def stop(self) -> None:
        """Ask all to end; nobody is started again."""
        self._stopping = True
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()

    async def ended(self) -> None:
        """After `stop`: when all have ended; who takes too long is killed."""
        waiting = [asyncio.create_task(one.wait()) for one in self._running.values()]
        if waiting:
            await asyncio.wait(waiting, timeout=_STOP_WITHIN_S)
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, part: Part) -> None:
        pause_s, loop = _FIRST_PAUSE_S, asyncio.get_running_loop()
        while not self._stopping:
            part.socket.unlink(missing_ok=True)
            began = loop.time()
            process = await asyncio.create_subprocess_exec(*part.command(), stdin=asyncio.subprocess.PIPE)
            self._running[part.name] = process
            _LOG.info("city %s: process %d with %s", part.name, process.pid, part.settings)
            code = await process.wait()
            if self._stopping:
                return
            if loop.time() - began > _WELL_AFTER_S:
                pause_s = _FIRST_PAUSE_S
            _LOG.error("city %s ended with code %d; starting it again in %.1f s", part.name, code, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
