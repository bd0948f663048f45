"""What is different behind the door: callers are who the door says they are, and it ends with the door."""

from __future__ import annotations

import os
import signal

from starlette.types import ASGIApp, Receive, Scope, Send

from udp.cities.forwarding import CALLER
from udp.stopping import when_parent_goes


class Behind:
    """Only the door reaches our socket file (its folder is closed to others), so its word is believed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the caller where the connection of the door stands."""
        if scope["type"] != "lifespan":
            said = next((value for name, value in scope["headers"] if name == CALLER), b"").decode("latin-1")
            host, _, rest = said.partition(" ")
            port, _, scheme = rest.partition(" ")
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != CALLER]
            scope["client"] = (host, int(port)) if host and port.isdecimal() else None
            scope["scheme"] = scheme or scope["scheme"]
        await self._app(scope, receive, send)


def end_with_parent() -> None:
    """The door is our parent: when it is gone, however it went, we go too."""
    when_parent_goes(lambda: os.kill(os.getpid(), signal.SIGTERM))
