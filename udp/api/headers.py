"""What every answer carries and what is counted of it; the outermost layer, so nothing slips by."""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from udp.access.crowd import Visit
from udp.api.asking import EXTRA_HEADERS, VISIT
from udp.api.metrics import RequestMetrics
from udp.api.problems import TABLE, Kind, problem
from udp.api.rooted import enter, inside, link
from udp.errors import NotFound

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "geolocation=(self), camera=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# Pages bring their own styles in the document; scripts only from here, nothing from anywhere else.
_PAGES = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'"
)
_OPERATOR = _PAGES + "; frame-ancestors 'none'"
# What somebody signed in sees must not be framed by a page that wants a click.
_FRAMED_NOWHERE = re.compile(r"betrieb|^/(anmelden|abmelden|konto)")
_DATA = "default-src 'none'; frame-ancestors 'none'"
# Two years, as browsers' preload lists ask; a city that leaves TLS would be unreachable so long.
_HSTS = "max-age=63072000; includeSubDomains"
_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


# A name or an address, and a port: answers carry links made of it (RFC 3986, 3.2.2). HTTP/1.0 has none.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]*)(:\d{0,5})?", re.ASCII)
_BAD_HOST = Kind(400, "bad-host", "The host is no host", "Der Host ist keiner", {})

_HEAD_ONLY = "udp.head_only"


def head_only(scope: MutableMapping[str, Any]) -> bool:
    """Whether the caller asked by HEAD: an endless answer need not begin."""
    return bool(scope.get(_HEAD_ONLY, False))


class HeadAsGet:
    """HEAD on the interface is GET without content (RFC 9110, 9.3.2); pages know HEAD themselves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The routes see a GET; its content stays here."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or not _of_interface(inside(scope)):
            await self._app(scope, receive, send)
            return
        scope["method"], scope[_HEAD_ONLY] = "GET", True

        async def outgoing(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app(scope, receive, outgoing)


class Outermost:
    """Security headers on every answer; duration by route; the end of a visit without a key.

    `root`: where this city is served; what lies beside it is not ours.
    """

    def __init__(
        self, app: ASGIApp, metrics: RequestMetrics, monotonic: Callable[[], float], root: str = ""
    ) -> None:
        self._app = app
        self._root = root
        self._metrics = metrics
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and look at what comes back."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        ours = enter(scope, self._root)
        if scope["type"] != "http":
            await (self._app(scope, receive, send) if ours else send({"type": "websocket.close"}))
            return
        started, method = self._monotonic(), scope["method"]
        status = 500

        async def outgoing(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                _leave(scope)  # an endless answer is no work: only its beginning was
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update({**ALWAYS, "Content-Security-Policy": _policy(inside(scope))})
                headers.update(scope.get(EXTRA_HEADERS, {}))
                if scope.get("scheme") == "https":
                    headers["Strict-Transport-Security"] = _HSTS
            await send(message)

        try:
            refusal = _refusal(scope, ours=ours)
            await (refusal or self._app)(scope, receive, outgoing)
        finally:
            _leave(scope)
            counted = method if method in _METHODS else "other"
            self._metrics.observe(_route(scope), counted, status, self._monotonic() - started)


def _refusal(scope: Scope, *, ours: bool) -> ASGIApp | None:
    request = Request(scope)
    if not _HOST.fullmatch(Headers(scope=scope).get("host", "")):
        return problem(request, _BAD_HOST, "Host: this is no host name; links are made of it")
    if not ours:
        return problem(request, TABLE[NotFound], f"this city is served below {link(request, '/')}")
    return None


def _leave(scope: Scope) -> None:
    visit = scope.get(VISIT)
    if isinstance(visit, Visit):
        visit.leave()


def _route(scope: Scope) -> str:
    """The path as written in the code, never as the caller wrote it."""
    route = scope.get("route")
    path = getattr(route, "path", None)
    if isinstance(path, str) and path:
        return path
    return (
        "other" if inside(scope).startswith(("/api", "/app", "/ngsi-ld", "/v1.1", "/opendata")) else "pages"
    )


def _of_interface(path: str) -> bool:
    return path.split("/")[1:2] in (["api"], ["app"], ["health"], ["metrics"], ["ngsi-ld"], ["opendata"])


def _policy(path: str) -> str:
    if path.startswith(("/api/", "/app/", "/ngsi-ld/", "/v1.1")) or path in ("/health", "/metrics"):
        return _DATA
    return _OPERATOR if _FRAMED_NOWHERE.search(path) else _PAGES
