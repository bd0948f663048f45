"""The one door of all cities: by its first part an address is one city's and no other's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from udp.api.headers import ALWAYS
from udp.api.problems import Kind, problem
from udp.api.rooted import enter
from udp.cities.forwarding import forward
from udp.cities.line import NotThere
from udp.cities.tunnel import tunnel

_AWAY = Kind(
    503, "city-away", "This city is being started", "Diese Stadt wird gerade gestartet", {"Retry-After": "2"}
)
_RESTARTED = 1012  # Service Restart, IANA's registry of RFC 6455


class FrontDoor:
    """`sockets`: where each city's process listens, by its root; the main city has the root ``."""

    def __init__(self, sockets: Mapping[str, Path]) -> None:
        self._sockets = sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Any request, any WebSocket."""
        root = self.root_of(scope["path"])
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        carry = forward if scope["type"] == "http" else tunnel
        try:
            await carry(self._sockets[root], root, scope, receive, noting)
        except NotThere:
            if begun:
                return
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": _RESTARTED})
                return
            enter(scope, root)
            text = f"the city at {root or '/'} does not answer now; the other cities are not concerned"
            await _away(Request(scope), text)(scope, receive, send)

    def root_of(self, path: str) -> str:
        """Whose address it is. What is under nobody's prefix is the main city's to answer or refuse."""
        root = f"/{path.split('/', 2)[1]}" if path.startswith("/") else ""
        return root if root in self._sockets else ""


def _away(request: Request, text: str) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        words = "Diese Seiten werden gerade gestartet. Gleich geht es von selbst weiter.\n"
        # What follows comes by itself, without a line of script.
        headers = {**_AWAY.headers, "Refresh": "5", "Cache-Control": "no-store"}
        refusal = Response(words, _AWAY.status, headers, "text/plain; charset=utf-8")
    else:
        refusal = problem(request, _AWAY, text)
    refusal.headers.update(ALWAYS)
    return refusal
