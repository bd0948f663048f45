"""The HTTP door: the response is the confirmation, and it is sent when the journal's commit is durable.

Agents post envelopes (CBOR), ChirpStack's HTTP integration and The Things Stack's webhooks post
events. A plain ASGI application: three routes and a size limit need no framework between socket
and disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from pathlib import Path
from typing import Any, NamedTuple

from edge.wire import cbor
from edge.wire.messages import Receipt
from edge.wire.settings import Secret
from ingest.committer import Committer
from ingest.heard import Unusable
from ingest.journal import Delivery, JournalUnavailable
from ingest.normalise import microseconds
from ingest.sources import edge

log = logging.getLogger(__name__)

_CBOR = "application/cbor"
_TEXT = "text/plain; charset=utf-8"
_BODY_WITHIN_S = 30.0
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class AgentKey:
    """The bearer token one agent proves itself with."""

    agent: str
    token: Secret


@dataclass(frozen=True, slots=True)
class SourceKey:
    """The key a network server's integration sends (`Authorization: Bearer` or `X-Api-Key`).

    `name`: for The Things Stack the last part of the address, `/things-stack/<name>`.
    """

    name: str
    key: Secret


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where the door is, and who may come in. Without a certificate keep it on a loopback address,
    or behind a proxy that speaks TLS."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = 8081
    max_bytes: int = 1_000_000
    retry_after: timedelta = timedelta(seconds=5)
    certificate_file: Path | None = None
    key_file: Path | None = None
    agents: tuple[AgentKey, ...] = ()
    chirpstack: tuple[SourceKey, ...] = ()
    things_stack: tuple[SourceKey, ...] = ()


class Refused(Exception):
    """The request ends here, with this status and this explanation."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Response(NamedTuple):
    """What the client gets."""

    status: int
    body: bytes = b""
    content_type: str = _TEXT
    retry_after_s: int | None = None


class HttpDoor:
    """The ASGI application."""

    def __init__(self, settings: HttpSettings, committer: Committer, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._committer = committer
        self._now = now
        self._agents = {one.agent: (one.token,) for one in settings.agents}
        self._chirpstack = tuple(one.key for one in settings.chirpstack)
        self._things_stack = {one.name: (one.key,) for one in settings.things_stack}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3: one HTTP request."""
        if scope["type"] != "http":
            return
        try:
            response = await self._answer(scope, receive)
        except Refused as refused:
            response = Response(refused.status, f"{refused}\n".encode())
        except JournalUnavailable as error:
            wait = int(self._settings.retry_after.total_seconds())
            response = Response(503, f"{error}\n".encode(), retry_after_s=wait)
        await _send(send, response)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        path: str = scope["path"]
        if path == "/health":
            trouble = self._committer.trouble
            return Response(503 if trouble else 200, f"{trouble or 'ok'}\n".encode())
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        way, origin = self._admit(path, scope["query_string"].decode("latin-1"), headers)
        if scope["method"] != "POST":
            raise Refused(405, f"{path} takes POST only")
        body = await self._body(headers, receive)
        if way == "edge":
            return await self._envelope(origin, body)
        await self._commit(Delivery(self._at(), way, origin, headers.get("content-type", ""), body))
        return Response(204)

    def _admit(self, path: str, query: str, headers: Mapping[str, str]) -> tuple[str, str]:
        """(way, origin) of a request that shows the right key; Refused otherwise."""
        parts = path.strip("/").split("/")
        if path == "/chirpstack":
            self._check(headers, self._chirpstack, "ChirpStack", "[[http.chirpstack]]")
            return "chirpstack", f"/chirpstack?{query}"
        if len(parts) == 2 and parts[0] == "things-stack":
            keys = self._things_stack.get(parts[1], ())
            self._check(headers, keys, f"The Things Stack project {parts[1]!r}", "[[http.things_stack]]")
            return "things_stack", path
        if len(parts) == 4 and parts[:2] == ["edge", "v1"] and parts[3] == "up":
            self._check(headers, self._agents.get(parts[2], ()), f"agent {parts[2]!r}", "[[http.agents]]")
            return "edge", path
        raise Refused(404, "unknown path; known: /edge/v1/<agent>/up, /chirpstack, /things-stack/<project>")

    @staticmethod
    def _check(headers: Mapping[str, str], keys: tuple[Secret, ...], who: str, where: str) -> None:
        shown = headers.get("authorization", "").removeprefix("Bearer ") or headers.get("x-api-key", "")
        # Every key is compared, each in constant time: the answer's delay tells nothing about them.
        matches = [compare_digest(shown.encode(), key.reveal().encode()) for key in keys]
        if not shown or not any(matches):
            raise Refused(401, f"{who}: no or wrong key; compare it with {where} in ingest's configuration")

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        limit = self._settings.max_bytes
        too_large = Refused(413, f"the body is larger than {limit} bytes; send fewer messages at a time")
        announced = headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > limit:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_WITHIN_S):
                while True:
                    event = await receive()
                    if event["type"] == "http.disconnect":
                        raise Refused(400, "the connection ended within the body")
                    body += event.get("body", b"")
                    if len(body) > limit:
                        raise too_large
                    if not event.get("more_body", False):
                        return bytes(body)
        except TimeoutError as error:
            raise Refused(408, f"the body did not come within {_BODY_WITHIN_S:.0f} s") from error

    async def _envelope(self, origin: str, body: bytes) -> Response:
        delivery = Delivery(self._at(), "edge", origin, _CBOR, body)
        try:
            envelope = edge.open_envelope(origin, body)
        except Unusable as problem:
            await self._commit(delivery)  # for the quarantine: somebody should see these bytes
            log.warning("%s (kept in the quarantine)", problem)
            raise Refused(422, str(problem)) from problem
        await self._commit(delivery)
        receipts = edge.receipts([envelope]).get(envelope.agent, [Receipt(envelope.spool, ())])
        return Response(200, cbor.encode_receipt(receipts[0]), _CBOR)

    def _at(self) -> int:
        return microseconds(self._now())

    async def _commit(self, delivery: Delivery) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def settle(error: JournalUnavailable | None) -> None:
            if done.done():
                return  # the client has gone meanwhile; it will send again
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        def answer(error: JournalUnavailable | None) -> None:
            with suppress(RuntimeError):  # the loop has ended: the client gets no answer and sends again
                loop.call_soon_threadsafe(settle, error)

        self._committer.submit([delivery], answer)
        await done


async def _send(send: Send, response: Response) -> None:
    headers = [(b"content-type", response.content_type.encode())] if response.body else []
    headers.append((b"content-length", str(len(response.body)).encode()))
    if response.retry_after_s is not None:
        headers.append((b"retry-after", str(response.retry_after_s).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
