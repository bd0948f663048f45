"""Which pages of other sites may read here, and which few may write: browsers ask before they do.

Open data are for everybody, so every page may read. Writing is at /v1.1 and by key only; a page that
writes must be named in the settings, because whoever types a key into a page trusts it with the city's
data. Cookies are never asked for across sites: a session cannot be used by another site's page.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from udp.api.rooted import inside

_WRITTEN = "/v1.1"
_READ_HEADERS = ["Authorization", "X-Api-Key", "If-None-Match", "Last-Event-ID", "Cache-Control"]
_TOLD = ["ETag", "Link", "RateLimit", "RateLimit-Policy", "Retry-After"]


class CrossOrigin:
    """Two sets of answers to browsers: for everybody, and for the origins in `writing` below /v1.1."""

    def __init__(self, app: ASGIApp, writing: Sequence[str]) -> None:
        self._writing = frozenset(writing)
        self._everybody = CORSMiddleware(
            app,
            allow_origins=["*"],
            allow_methods=["GET", "HEAD"],
            allow_headers=_READ_HEADERS,
            expose_headers=_TOLD,
        )
        self._writers = CORSMiddleware(
            app,
            allow_origins=list(writing),
            allow_methods=["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"],
            allow_headers=[*_READ_HEADERS, "Content-Type", "Prefer"],
            expose_headers=[*_TOLD, "Location"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """By origin and address."""
        chosen = self._everybody
        if self._writing and scope["type"] == "http" and _is_written(inside(scope)):
            origin = Headers(scope=scope).get("origin", "")
            chosen = self._writers if origin in self._writing else self._everybody
        await chosen(scope, receive, send)


def _is_written(path: str) -> bool:
    return path == _WRITTEN or path.startswith(f"{_WRITTEN}/")
