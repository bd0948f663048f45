"""The only way the pages learn anything: the platform's data API over HTTP, asked politely.

One kept-alive connection, conditional requests, bounded answers.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from edge.wire.settings import Secret
from udp.errors import PlatformError

# The whole inventory of a city with 5,000 datastreams is about 4 MB of JSON.
_LARGEST_ANSWER = 64 * 1024 * 1024


class InterfaceUnavailable(PlatformError):
    """The API did not give what was asked for; the same request may be repeated later."""


class InterfaceRefused(InterfaceUnavailable):
    """The API is there and said no to this one request; others may well be answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`content` is decoded JSON. After a 304 it is the same object as before and `changed` is False."""

    content: Any
    changed: bool


class Interface:
    """Reads JSON below `base_url`; with `key`, as the one who may see more than the public.

    Not thread-safe: one thread at a time asks.
    """

    def __init__(self, base_url: str, timeout: timedelta, key: Secret | None = None) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{base_url!r} is no address of an API; expected http://host:port")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=timeout.total_seconds())
        self._prefix = parts.path.rstrip("/")
        self._url = base_url
        self._key = key
        self._known: dict[str, tuple[str, Any]] = {}

    def get(self, path: str, query: Mapping[str, str] | None = None, *, remember: bool = False) -> Answer:
        """The JSON at `path`; with `remember`, only fetched when it changed (ETag)."""
        target = self._prefix + path + (f"?{urlencode(query)}" if query else "")
        known = self._known.get(target) if remember else None
        status, etag, body = self._ask(target, known[0] if known else None)
        if status == 304 and known:
            return Answer(known[1], changed=False)
        if status != 200:
            raise InterfaceRefused(f"{self._url}{path} answered {status}: {_title(body)}")
        try:
            content = json.loads(body)
        except ValueError as error:
            raise InterfaceUnavailable(f"{self._url}{path} answered no JSON: {error}") from error
        if remember and etag:
            self._known[target] = (etag, content)
        return Answer(content, changed=True)

    def _ask(self, target: str, etag: str | None) -> tuple[int, str | None, bytes]:
        headers = {"Accept": "application/json"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.reveal()}"
        if etag:
            headers["If-None-Match"] = etag
        try:
            return self._exchange(target, headers)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # The server closed the idle connection between two rounds; a fresh one tells the truth.
            self._connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise self._unavailable(target, error) from error
        try:
            return self._exchange(target, headers)
        except (OSError, http.client.HTTPException) as error:
            raise self._unavailable(target, error) from error

    def _exchange(self, target: str, headers: dict[str, str]) -> tuple[int, str | None, bytes]:
        self._connection.request("GET", target, headers=headers)
        response = self._connection.getresponse()
        body = response.read(_LARGEST_ANSWER + 1)
        if len(body) > _LARGEST_ANSWER:
            self._connection.close()
            raise InterfaceUnavailable(f"{self._url}{target} answered more than {_LARGEST_ANSWER} bytes")
        return response.status, response.headers.get("ETag"), body

    def _unavailable(self, target: str, error: Exception) -> InterfaceUnavailable:
        self._connection.close()
        path, _, _ = target.partition("?")
        return InterfaceUnavailable(f"{self._url}{path} does not answer: {error or type(error).__name__}")

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _title(body: bytes) -> str:
    """What a problem document (RFC 9457) says, else the first words of the answer."""
    try:
        problem = json.loads(body)
    except ValueError:
        return body[:120].decode("utf-8", "replace").strip() or "no explanation"
    if not isinstance(problem, dict):
        return "no explanation"
    return str(problem.get("detail") or problem.get("title") or "no explanation")
