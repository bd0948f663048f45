"""Two ways octets come and go: a socket of our own, and a WebSocket of the API."""

from __future__ import annotations

import asyncio
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

_PART = 65_536


class Link(Protocol):
    """One connection. Sending waits while the other side does not read. `forwarded`: a proxy says it speaks
    for somebody, and was not believed."""

    peer: str
    forwarded: bool

    async def receive(self) -> bytes:
        """Some octets; none when the other side has gone."""

    async def send(self, part: bytes) -> None:
        """OSError when the other side has gone."""

    async def close(self) -> None:
        """Hang up, without waiting for a client that does not read."""


class SocketLink:
    """TCP, with or without TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        found = writer.get_extra_info("peername")
        self.peer = str(found[0]) if found else ""
        self.forwarded = False

    async def receive(self) -> bytes:
        """See Link."""
        return await self._reader.read(_PART)

    async def send(self, part: bytes) -> None:
        """See Link."""
        self._writer.write(part)
        await self._writer.drain()

    async def close(self) -> None:
        """See Link."""
        if self._writer.transport.get_write_buffer_size():
            self._writer.transport.abort()
        else:
            self._writer.close()


class WebSocketLink:
    """Binary frames, cut anywhere (MQTT 5.0, clause 6)."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self.peer = socket.client.host if socket.client else ""
        told = "x-forwarded-for" in socket.headers or "forwarded" in socket.headers
        # As udp.api.asking: a proxy that is named puts the caller here, with port 0.
        self.forwarded = told and not (socket.client is not None and socket.client.port == 0)

    async def receive(self) -> bytes:
        """See Link."""
        message = await self._socket.receive()
        found = message.get("bytes") if message["type"] == "websocket.receive" else None
        return bytes(found) if found else b""

    async def send(self, part: bytes) -> None:
        """See Link."""
        try:
            await self._socket.send_bytes(part)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise ConnectionResetError("the WebSocket is closed") from error

    async def close(self) -> None:
        """See Link."""
        try:
            await self._socket.close()
        except (WebSocketDisconnect, RuntimeError):
            return
