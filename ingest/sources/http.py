"""The HTTP door: the response is the confirmation, and it is sent when the journal's commit is durable.

Agents post envelopes (CBOR), ChirpStack's HTTP integration and The Things Stack's webhooks post
events. A plain ASGI application: three routes and a size limit need no framework between socket
and disk. Keys stand in the configuration, those of citizens' projects in the register.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from pathlib import Path
from typing import Any, NamedTuple

from edge.wire import cbor
from edge.wire.instants import microseconds
from edge.wire.messages import Receipt
from edge.wire.settings import Secret
from ingest.committer import Committer
from ingest.heard import Unusable
from ingest.journal import Delivery, JournalUnavailable
from ingest.sources import edge, things_stack
from ingest.sources.projects import Admission, ProjectDoors
from udp.ledger.port import PacketOutcome

log = logging.getLogger(__name__)

_CBOR = "application/cbor"
_TEXT = "text/plain; charset=utf-8"
_BODY_WITHIN_S = 30.0
UNKNOWN_PROJECT = "?"
"""Under this name everybody is counted who names a project that does not exist."""
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

    def __init__(self, status: int, text: str, retry_after_s: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after_s = retry_after_s


class _Caller(NamedTuple):
    """Who has shown the right key: `project` where it is one of The Things Stack."""

    way: str
    origin: str
    project: str = ""
    max_bytes: int | None = None


class Response(NamedTuple):
    """What the client gets."""

    status: int
    body: bytes = b""
    content_type: str = _TEXT
    retry_after_s: int | None = None


class HttpDoor:
    """The ASGI application."""

    def __init__(
        self,
        settings: HttpSettings,
        committer: Committer,
        projects: ProjectDoors,
        now: Callable[[], datetime],
        foreign: Sequence[SourceKey] = (),
    ) -> None:
        """`foreign`: mapping files that take webhooks, with their keys."""
        self._settings = settings
        self._committer = committer
        self._projects = projects
        self._now = now
        self._agents = {one.agent: (one.token,) for one in settings.agents}
        self._chirpstack = tuple(one.key for one in settings.chirpstack)
        self._things_stack = {one.name: (one.key,) for one in settings.things_stack}
        self._foreign = {one.name: (one.key,) for one in foreign}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3: one HTTP request."""
        if scope["type"] != "http":
            return
        try:
            response = await self._answer(scope, receive)
        except Refused as refused:
            response = Response(refused.status, f"{refused}\n".encode(), retry_after_s=refused.retry_after_s)
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
        caller = self._admit(path, scope["query_string"].decode("latin-1"), headers)
        if scope["method"] != "POST":
            raise Refused(405, f"{path} takes POST only")
        body = await self._body(caller, headers, receive)
        if caller.way == "edge":
            return await self._envelope(caller.origin, body)
        await self._commit(
            Delivery(self._at(), caller.way, caller.origin, headers.get("content-type", ""), body)
        )
        return _readable(caller.origin, body) if caller.project else Response(204)

    def _admit(self, path: str, query: str, headers: Mapping[str, str]) -> _Caller:
        """Who sends a request that shows the right key; Refused otherwise."""
        parts = path.strip("/").split("/")
        if path == "/chirpstack":
            self._check(headers, self._chirpstack, "ChirpStack", "[[http.chirpstack]]")
            return _Caller("chirpstack", f"/chirpstack?{query}")
        if len(parts) == 2 and parts[0] == "things-stack":
            return self._admit_project(parts[1], headers)
        if len(parts) == 2 and parts[0] == "webhook":
            keys = self._foreign.get(parts[1], ())
            self._check(headers, keys, f"foreign platform {parts[1]!r}", "[[foreign]]")
            return _Caller("webhook", path)
        if len(parts) == 4 and parts[:2] == ["edge", "v1"] and parts[3] == "up":
            self._check(headers, self._agents.get(parts[2], ()), f"agent {parts[2]!r}", "[[http.agents]]")
            return _Caller("edge", path)
        raise Refused(
            404,
            "unknown path; known: /edge/v1/<agent>/up, /chirpstack, /things-stack/<project>, "
            "/webhook/<mapping>",
        )

    def _admit_project(self, name: str, headers: Mapping[str, str]) -> _Caller:
        """A project of the configuration, or of a citizen."""
        caller = _Caller("things_stack", f"/things-stack/{name}", name)
        if name in self._things_stack:
            who = f"The Things Stack project {name!r}"
            try:
                self._check(headers, self._things_stack[name], who, "[[http.things_stack]]")
            except Refused:
                self._projects.note(name, PacketOutcome.WRONG_KEY, "")
                raise
            return caller
        admission = self._projects.admit(name, _shown(headers))
        if admission is Admission.WRONG_KEY:
            known = name if name in self._projects.doors else UNKNOWN_PROJECT
            self._projects.note(known, PacketOutcome.WRONG_KEY, "")
            raise Refused(
                401,
                f"The Things Stack project {name!r}: unknown, or no or wrong key; compare it with the "
                "project's personal page, or with [[http.things_stack]] in ingest's configuration",
            )
        if admission is Admission.NOT_APPROVED:
            self._projects.note(name, PacketOutcome.NOT_APPROVED, "")
            raise Refused(403, f"project {name!r} is not approved yet; the key is right, please wait")
        if admission is Admission.TOO_OFTEN:
            limit = self._projects.settings.per_minute
            self._projects.note(name, PacketOutcome.TOO_OFTEN, f"limit: {limit} deliveries per minute")
            raise Refused(
                429,
                f"project {name!r}: more than {limit} deliveries per minute; send less often",
                self._projects.wait_s(name),
            )
        return caller._replace(max_bytes=self._projects.settings.max_bytes)

    @staticmethod
    def _check(headers: Mapping[str, str], keys: tuple[Secret, ...], who: str, where: str) -> None:
        shown = _shown(headers)
        # Every key is compared, each in constant time: the answer's delay tells nothing about them.
        matches = [compare_digest(shown.encode(), key.reveal().encode()) for key in keys]
        if not shown or not any(matches):
            raise Refused(401, f"{who}: no or wrong key; compare it with {where} in ingest's configuration")

    async def _body(self, caller: _Caller, headers: Mapping[str, str], receive: Receive) -> bytes:
        limit = caller.max_bytes or self._settings.max_bytes
        announced = headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > limit:
            raise self._too_large(caller, limit, int(announced))
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_WITHIN_S):
                while True:
                    event = await receive()
                    if event["type"] == "http.disconnect":
                        raise Refused(400, "the connection ended within the body")
                    body += event.get("body", b"")
                    if len(body) > limit:
                        raise self._too_large(caller, limit, len(body))
                    if not event.get("more_body", False):
                        return bytes(body)
        except TimeoutError as error:
            raise Refused(408, f"the body did not come within {_BODY_WITHIN_S:.0f} s") from error

    def _too_large(self, caller: _Caller, limit: int, size: int) -> Refused:
        if caller.project:
            self._projects.note(caller.project, PacketOutcome.TOO_LARGE, f"limit: {limit} bytes", size)
        return Refused(413, f"the body is larger than {limit} bytes; send fewer messages at a time")

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


def _shown(headers: Mapping[str, str]) -> str:
    return headers.get("authorization", "").removeprefix("Bearer ") or headers.get("x-api-key", "")


def _readable(origin: str, body: bytes) -> Response:
    """200 for what anybody can read; what nobody can is kept all the same, for the quarantine."""
    try:
        things_stack.read(origin, body)
    except Unusable as problem:
        raise Refused(422, str(problem)) from problem
    return Response(200, b"ok\n")


async def _send(send: Send, response: Response) -> None:
    headers = [(b"content-type", response.content_type.encode())] if response.body else []
    headers.append((b"content-length", str(len(response.body)).encode()))
    if response.retry_after_s is not None:
        headers.append((b"retry-after", str(response.retry_after_s).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
