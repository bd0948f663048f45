"""A request whose end could be read in two ways is refused at every HTTP door.

Whoever reads `Content-Length` and `Transfer-Encoding` of one request differently from us, a proxy before us,
takes for a body what we take for the next request: it would pass unseen (RFC 9112, 6.3 and 11.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_MOST_HEAD_OCTETS = 16_384


class Unambiguous(H11Protocol):
    """uvicorn's protocol, which refuses the other ambiguities by itself: two lengths, unknown codings."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.conn = _Connection(h11.SERVER, _MOST_HEAD_OCTETS)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Of a body uvicorn drops what came with the head and takes the rest for messages."""
        if _announces_body(event.headers):
            self.send_400_response("The opening of a WebSocket has no body.")
        else:
            super().handle_websocket_upgrade(event)


class _Connection(h11.Connection):
    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """RemoteProtocolError, as h11 raises it for all that is no HTTP."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            if {b"content-length", b"transfer-encoding"} <= names:
                raise h11.RemoteProtocolError("both Content-Length and Transfer-Encoding")
        return event


def _announces_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and int(value) > 0)
        for name, value in headers
    )
