"""Carry one request to the city it is for, and the answer back, as they come and no faster.

Each request has a connection of its own to a socket file: opening one costs a tenth of a millisecond, and
none can be stale. What the door knows of the caller travels in a header that only the door can write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import h11
from starlette.types import Receive, Scope, Send

from udp.api.rooted import owned
from udp.cities.line import Line, NotThere, connect

CALLER = b"x-udp-caller"
# For one connection or one proxy only (RFC 9110, 7.6.1 and 11.7); `Expect` the door has answered itself.
_HOP = frozenset({
    b"connection", b"keep-alive", b"te", b"trailer", b"upgrade", b"expect",
    b"proxy-connection", b"proxy-authenticate", b"proxy-authentication-info", b"proxy-authorization",
})  # fmt: skip
# Nobody may take these away by naming them in `Connection`: whose it is and how long it is.
_STAYS = frozenset({b"host", b"content-length", b"transfer-encoding"})
Headers = list[tuple[bytes, bytes]]


async def forward(socket: Path, root: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Returns when the answer is through, or one of both sides is gone. NotThere before anything is sent."""
    line = await connect(socket)
    exchange = _Exchange(line)
    up = asyncio.create_task(exchange.ask(root, scope, receive))
    down = asyncio.create_task(exchange.answer(send))
    try:
        # Who sends ends by going away; the answer decides, also one that comes before all is sent.
        await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (up, down):
            task.cancel()
        ended = await asyncio.gather(up, down, return_exceptions=True)
        line.close()
    for error in ended:
        if isinstance(error, NotThere):
            raise error


def headers_of(root: str, scope: Scope) -> Headers:
    """Those of the request, the city's own cookies only, and who asks."""
    sent = [pair for pair in _carried(scope["headers"]) if pair[0] not in (CALLER, b"cookie")]
    given = (value for name, value in scope["headers"] if name == b"cookie")
    if cookies := b"; ".join(_own(root, given)):
        sent.append((b"cookie", cookies))
    if not any(name == b"host" for name, _ in sent):
        host, port = scope["server"] or ("localhost", None)
        sent.append((b"host", (f"{host}:{port}" if port else host).encode()))
    client = scope["client"] or ("", 0)
    sent.append((CALLER, f"{client[0]} {client[1]} {scope['scheme']}".encode()))
    return sent


def target_of(scope: Scope) -> bytes:
    """The address as it was written."""
    raw: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return raw + b"?" + query if query else raw


def _carried(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Without what is for one connection only: by its name, or because `Connection` says so."""
    given = list(headers)
    named = {
        one.strip().lower() for name, value in given if name == b"connection" for one in value.split(b",")
    }
    gone = _HOP | (named - _STAYS)
    if any(name == b"transfer-encoding" for name, _ in given):
        gone |= {b"content-length"}  # it does not count then (RFC 9112, 6.3)
    return [pair for pair in given if pair[0] not in gone]


def _own(root: str, lines: Iterable[bytes]) -> Iterable[bytes]:
    """Browsers send the cookies of / to all below: a city must not see another's sessions."""
    begins = owned(root).encode()
    for line in lines:
        for one in line.split(b";"):
            name = one.strip().removeprefix(b"__Host-").removeprefix(b"__Secure-")
            if not name.startswith((b"udp_", b"udp-")) or name.startswith(begins):
                yield one.strip()


class _Exchange:
    """One request and its answer."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._http = h11.Connection(h11.CLIENT)

    async def ask(self, root: str, scope: Scope, receive: Receive) -> None:
        """Returns when the caller has gone."""
        headers = headers_of(root, scope)
        request = h11.Request(method=scope["method"], target=target_of(scope), headers=headers)
        await self._send(request)
        more = any(name in (b"content-length", b"transfer-encoding") for name, _ in headers)
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            await self._send(h11.Data(message.get("body", b"")))
            more = message.get("more_body", False)
        await self._send(h11.EndOfMessage())
        while (await receive())["type"] != "http.disconnect":
            pass

    async def answer(self, send: Send) -> None:
        """NotThere if it ends before it has begun; an answer that breaks off is broken off here too."""
        begun = False
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                begun = True
                # In parts or not: the server decides that for its own connection.
                headers = [pair for pair in _carried(event.headers) if pair[0] != b"transfer-encoding"]
                await send({"type": "http.response.start", "status": event.status_code, "headers": headers})
            elif isinstance(event, h11.Data):
                await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
            elif isinstance(event, h11.EndOfMessage):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            elif isinstance(event, h11.ConnectionClosed):
                if not begun:
                    raise NotThere("the city's process ended while it was asked")
                return

    async def _next(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._line.receive())
        except h11.RemoteProtocolError:
            return h11.ConnectionClosed()
        return event

    async def _send(self, event: h11.Event) -> None:
        try:
            if octets := self._http.send(event):
                await self._line.send(octets)
        except (OSError, h11.LocalProtocolError):
            # It has answered already and listens no more: what it said counts.
            await asyncio.Event().wait()
