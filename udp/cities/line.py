"""A connection of the door to a city's process.

A bare socket, not a stream of asyncio: there, what cannot be written any more takes away what has not been
read yet, and a city that refuses a large request says why before it hangs up.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

_PART = 65_536


class NotThere(Exception):
    """The city's process does not take connections now."""


class Line:
    """Belongs to one event loop; one task may write while another reads."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._loop = asyncio.get_running_loop()

    async def send(self, octets: bytes) -> None:
        """OSError when the city listens no more."""
        await self._loop.sock_sendall(self._socket, octets)

    async def receive(self) -> bytes:
        """Some octets; none when the city has gone."""
        try:
            return await self._loop.sock_recv(self._socket, _PART)
        except OSError:
            return b""

    def close(self) -> None:
        """Nobody may be reading or writing."""
        self._socket.close()


async def connect(path: Path) -> Line:
    """NotThere while nobody listens."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(made, str(path))
    except OSError as error:
        made.close()
        raise NotThere(f"{path}: {error.strerror}") from error
    return Line(made)
