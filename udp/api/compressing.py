"""Answers in brotli or gzip for whoever reads it; never where length could betray a secret.

A page that holds a secret (a form's token, a personal address) beside words of the caller tells the secret to
whoever can watch how well it compresses (BREACH, CVE-2013-3587). Such pages say `no-store` here and leave as
they are, and so does every answer that sets a cookie.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Protocol

import brotli
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LEAST = 1000
# Measured on 610 kB of /api/v1/latest: 5 makes 21.9 kB in 3.5 ms, gzip's 5 27.5 kB in 2.0 ms.
_BROTLI_QUALITY = 5
_GZIP_LEVEL = 5
_TYPES = (
    "text/html", "text/css", "text/csv", "text/plain", "text/javascript", "text/turtle", "text/xml",
    "image/svg+xml",
)  # fmt: skip


class _Packer(Protocol):
    def add(self, octets: bytes, *, last: bool) -> bytes:
        """What can be sent of it so far."""


class _Brotli:
    def __init__(self) -> None:
        self._inner = brotli.Compressor(quality=_BROTLI_QUALITY)

    def add(self, octets: bytes, *, last: bool) -> bytes:
        packed: bytes = self._inner.process(octets)
        packed += self._inner.finish() if last else self._inner.flush()
        return packed


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)

    def add(self, octets: bytes, *, last: bool) -> bytes:
        return self._inner.compress(octets) + self._inner.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)


_PACKERS: Mapping[str, type[_Brotli] | type[_Gzip]] = {"br": _Brotli, "gzip": _Gzip}


class Compressing:
    """Outside of all routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and pack what comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        accepted = next((value for name, value in scope["headers"] if name == b"accept-encoding"), b"")
        await self._app(scope, receive, _Answer(chosen(accepted.decode("latin-1")), send))


class _Answer:
    """One answer on its way out; its head waits until its size is known."""

    def __init__(self, coding: str | None, send: Send) -> None:
        self._coding = coding
        self._send = send
        self._head: Message | None = None
        self._packer: _Packer | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._head = message
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        if self._head is not None:
            await self._begin(self._head, message)
            self._head = None
        if self._packer is not None:
            last = not message.get("more_body", False)
            message = {**message, "body": self._packer.add(message.get("body", b""), last=last)}
        await self._send(message)

    async def _begin(self, head: Message, first: Message) -> None:
        headers = MutableHeaders(raw=head["headers"])
        if packable(head["status"], headers):
            if "accept-encoding" not in headers.get("vary", "").lower():
                headers.add_vary_header("Accept-Encoding")
            more, size = first.get("more_body", False), len(first.get("body", b""))
            if self._coding is not None and (more or size >= _LEAST):
                self._packer = _PACKERS[self._coding]()
                _mark(headers, self._coding)
        head["headers"] = headers.raw
        await self._send(head)


def _mark(headers: MutableHeaders, coding: str) -> None:
    """Another representation: its length is not known yet, and a strong ETag belongs to the plain one."""
    headers["Content-Encoding"] = coding
    for name in ("content-length", "accept-ranges"):
        if name in headers:
            del headers[name]
    if (etag := headers.get("etag")) and not etag.startswith("W/"):
        headers["ETag"] = f"W/{etag}"


def packable(status: int, headers: Mapping[str, str]) -> bool:
    """Whole answers of text that hold no secret, and are not packed already."""
    if status in (204, 206, 304) or "content-encoding" in headers or "set-cookie" in headers:
        return False
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not (kind in _TYPES or kind.endswith(("json", "+xml", "/xml")) or kind == "application/javascript"):
        return False
    return not _holds_secrets(kind, headers.get("cache-control", "").lower())


def _holds_secrets(kind: str, kept: str) -> bool:
    """Data that a key opened (`private, no-store`) repeats no secret; pages and whatever else nobody may
    store might."""
    return "no-store" in kept and (kind == "text/html" or "private" not in kept)


def chosen(accepted: str, among: Sequence[str] = tuple(_PACKERS)) -> str | None:
    """The best coding a client takes (RFC 9110, 12.5.3); None for the plain answer."""
    weights: dict[str, float] = {}
    for one in accepted.lower().split(","):
        name, _, rest = one.strip().partition(";")
        weights[name.strip()] = _weight(rest)
    everything = weights.get("*", 0.0)
    best = max(among, key=lambda name: weights.get(name, everything))
    return best if weights.get(best, everything) > 0 else None


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(1.0, max(0.0, float(value)))
    except ValueError:
        return 0.0
