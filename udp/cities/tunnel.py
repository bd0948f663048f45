"""Carry a WebSocket to the city it is for: whole messages, both ways, until one side ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.types import Message, Receive, Scope, Send
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from udp.cities.forwarding import headers_of, target_of
from udp.cities.line import Line, connect

_GOING_AWAY = 1001
# The opening is our own, and has no body.
_MADE = (b"host", b"content-length", b"transfer-encoding")


async def tunnel(socket: Path, root: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Returns when it is closed on both sides. NotThere while the city's process takes no connections."""
    await receive()
    connected = await connect(socket)
    line = _Conversation(connected)
    try:
        accepted = await line.open(root, scope)
        if accepted is None:
            await send({"type": "websocket.close", "code": _GOING_AWAY})
            return
        await send({"type": "websocket.accept", "subprotocol": accepted.subprotocol})
        tasks = (asyncio.create_task(line.up(receive)), asyncio.create_task(line.down(send)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        connected.close()


class _Conversation:
    """The city's side of it."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._socket = WSConnection(ConnectionType.CLIENT)

    async def open(self, root: str, scope: Scope) -> AcceptConnection | None:
        """None when the city refuses."""
        headers = headers_of(root, scope)
        host = next(value for name, value in headers if name == b"host").decode("latin-1")
        own = [pair for pair in headers if pair[0] not in _MADE and not pair[0].startswith(b"sec-websocket")]
        asked = Request(
            host=host, target=target_of(scope).decode("latin-1"), subprotocols=scope["subprotocols"],
            extra_headers=own,
        )  # fmt: skip
        await self._write(self._socket.send(asked))
        for event in await self._events():
            if isinstance(event, AcceptConnection):
                return event
        return None

    async def up(self, receive: Receive) -> None:
        """From the caller; ends with it."""
        while (message := await receive())["type"] == "websocket.receive":
            if (octets := message.get("bytes")) is not None:
                await self._write(self._socket.send(BytesMessage(data=octets)))
            else:
                await self._write(self._socket.send(TextMessage(data=message["text"])))
        if message["type"] == "websocket.disconnect":
            await self._write(self._socket.send(CloseConnection(code=_GOING_AWAY)))

    async def down(self, send: Send) -> None:
        """From the city; ends with it."""
        octets, words = bytearray(), ""
        while True:
            for event in await self._events():
                if isinstance(event, BytesMessage):
                    octets += event.data
                    if event.message_finished:
                        await send({"type": "websocket.send", "bytes": bytes(octets)})
                        octets.clear()
                elif isinstance(event, TextMessage):
                    words += event.data
                    if event.message_finished:
                        await send({"type": "websocket.send", "text": words})
                        words = ""
                elif isinstance(event, Ping):
                    await self._write(self._socket.send(event.response()))
                elif isinstance(event, CloseConnection):
                    await send(_closing(event.code))
                    return

    async def _events(self) -> list[Event]:
        """At least one; CloseConnection when the city has gone without a word."""
        while True:
            try:
                part = await self._line.receive()
                self._socket.receive_data(part or None)
            except RemoteProtocolError:
                return [CloseConnection(code=_GOING_AWAY)]
            if events := list(self._socket.events()):
                return events
            if not part:
                return [CloseConnection(code=_GOING_AWAY)]

    async def _write(self, octets: bytes) -> None:
        try:
            await self._line.send(octets)
        except (OSError, LocalProtocolError):
            await asyncio.Event().wait()  # the way down notices and ends both


def _closing(code: int) -> Message:
    # 1005 and 1006 are never sent (RFC 6455, 7.4.1).
    return {"type": "websocket.close", "code": code if code not in (1005, 1006) else _GOING_AWAY}
