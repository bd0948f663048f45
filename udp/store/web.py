"""Ask a time-series server over HTTP: kept connections, and failures in the platform's words."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import urlencode, urlsplit

from udp.errors import StoreRejected, StoreUnavailable

Parameters = Sequence[tuple[str, str]]
# What a server says about content it will never take; anything else may be repeated.
_REFUSED = {400, 413, 422}


class WebEndpoint:
    """Posts to one server; safe to use from several threads."""

    def __init__(self, url: str, *, name: str, timeout_s: float, headers: Mapping[str, str]) -> None:
        """`name` is what error texts call the server. ValueError when `url` is none."""
        require_address(url)
        self._parts = urlsplit(url)
        self._name = f"{name} at {url}"
        self._timeout_s = timeout_s
        self._headers = dict(headers)
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._closed = False

    def ask(self, path: str, form: Parameters) -> bytes:
        """POST a form, return the body. StoreUnavailable also where the server refuses the question."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            return self._post(path, urlencode(form).encode(), kind)
        except StoreRejected as error:
            raise StoreUnavailable(str(error)) from error

    def give(self, path: str, query: Parameters, body: bytes) -> None:
        """POST bytes."""
        self._post(f"{path}?{urlencode(query)}", body, {"Content-Type": "text/plain; charset=utf-8"})

    def close(self) -> None:
        """Drop connections; later calls raise StoreUnavailable."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        with self._lock:
            if self._closed:
                raise StoreUnavailable(f"{self._name}: the store was closed")
            kept = self._idle.pop() if self._idle else None
        if kept is not None:
            # The server may have closed a kept connection meanwhile; asking twice is harmless.
            with suppress(OSError, http.client.HTTPException):
                return self._exchange(kept, path, body, headers)
            kept.close()
        fresh = self._connect()
        try:
            return self._exchange(fresh, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            fresh.close()
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise StoreUnavailable(f"{self._name} did not answer: {reason}; is it running?") from error

    def _exchange(
        self, connection: http.client.HTTPConnection, path: str, body: bytes, headers: Mapping[str, str]
    ) -> bytes:
        target = self._parts.path.rstrip("/") + path
        connection.request("POST", target, body, {**self._headers, **headers})
        response = connection.getresponse()
        content = response.read()
        with self._lock:
            keep = not self._closed and not response.will_close
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()
        if response.status >= 300:
            said = content[:300].decode("utf-8", "replace").strip()
            raise refusal(self._name, response.status, said)
        return content

    def _connect(self) -> http.client.HTTPConnection:
        host = self._parts.hostname or ""
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        return kind(host, self._parts.port, timeout=self._timeout_s)


def require_address(url: str) -> None:
    """ValueError unless `url` is the address of a web server."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url!r} is no address; write http://host:port or https://host:port")


def refusal(name: str, status: int, said: str) -> StoreRejected | StoreUnavailable:
    """The error that an answer with an HTTP status of 300 or more stands for."""
    if status in _REFUSED:
        return StoreRejected(f"{name} refused the content (HTTP {status}): {said}")
    if status in {401, 403}:
        return StoreUnavailable(f"{name} refused the token (HTTP {status}): {said}; correct token and rights")
    if status == 404:
        return StoreUnavailable(f"{name} knows no such address (HTTP 404): {said}; correct url or write_api")
    return StoreUnavailable(f"{name} could not answer (HTTP {status}): {said}; repeat later")
