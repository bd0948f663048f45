"""The door of SensorThings: every path below /v1.1, for whoever the gate lets see or write it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import Response

from udp.api import representations
from udp.api.asking import origin_of
from udp.api.desk import Asking, AtDesk, Desk, cache_header
from udp.api.desk import answer as respond
from udp.api.problems import (
    BadEntity,
    BodyTooLarge,
    KeyRequired,
    NotAllowed,
    NotOffered,
    WrongFormat,
)
from udp.api.sensorthings import answering, catalogue, conformance, drafts
from udp.api.sensorthings.answering import Question
from udp.api.sensorthings.catalogue import Catalogue, Numbers
from udp.api.sensorthings.composing import Known
from udp.api.sensorthings.links import PREFIX
from udp.api.sensorthings.model import SETS
from udp.api.sensorthings.options import Limits
from udp.api.sensorthings.writer import Writer
from udp.api.view import Views, read_views
from udp.policy import OPERATOR, PUBLIC, Caller, operates
from udp.registry import written
from udp.registry.database import Database
from udp.registry.written import NOTHING, Written

_SECONDS = 5
_MOST_CALLERS = 16
_LARGEST_BODY = 10_000_000
_JSON, _JSON_PATCH = "application/json", "application/json-patch+json"


@dataclass(slots=True)
class _Made:
    """What one state of the register came to."""

    views: Views
    written: Written
    ids: Numbers
    of: dict[Caller, Catalogue] = field(default_factory=dict)


class Catalogues:
    """The catalogue of each kind of caller, made again when the register has changed."""

    def __init__(self, keep: Callable[[], None] = lambda: None) -> None:
        """`keep` is called when something large has come to stay."""
        self._keep = keep
        self._made: _Made | None = None

    def of(self, views: Views, who: Caller, database: Database | None) -> Catalogue:
        """Blocking for some hundred milliseconds per ten thousand Datastreams, once per change."""
        made = self.state(views, database)
        if who not in made.of:
            if len(made.of) >= _MOST_CALLERS:
                made.of.clear()
            view, known = views.of(who), views.inventory.things
            exact = [key for key, thing in view.things.items() if thing == known.get(key)]
            made.of[who] = catalogue.build(
                view, made.ids, made.written, exact=exact, everything=operates(who)
            )
            self._keep()
        return made.of[who]

    def state(self, views: Views, database: Database | None) -> _Made:
        """What is the same for all callers."""
        made = self._made
        if made is None or made.views is not views:
            found = written.read(database) if database is not None else NOTHING
            made = self._made = _Made(views, found, catalogue.numbers(views.inventory, found))
        return made


@dataclass(frozen=True, slots=True)
class SensorThings:
    """What the routes of this room remember between requests; without `writer` nothing is written.

    `turn`: who writes, also by MQTT, waits for it without a thread; those are needed by who reads.
    """

    catalogues: Catalogues
    limits: Limits
    writer: Writer | None
    turn: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))


def made(desk: Desk) -> SensorThings:
    """For one application."""
    ports = desk.ports
    catalogues = Catalogues(ports.standing.keep) if ports.standing is not None else Catalogues()
    if ports.writing is None:
        return SensorThings(catalogues, Limits(), None)
    database = ports.writing.database

    def known() -> Known:
        views = read_views(ports.registry, desk.gate(), desk.views.newest)
        state = catalogues.state(views, database)
        return Known(catalogues.of(views, OPERATOR, database), state.ids, views.inventory, state.written)

    return SensorThings(catalogues, Limits(), Writer(ports.writing, known, desk.now))


def _room(request: Request) -> SensorThings:
    found: SensorThings = request.app.state.sensorthings
    return found


Room = Annotated[SensorThings, Depends(_room)]


def router() -> APIRouter:
    """Every method of the standard; what a method is not for is refused with 405."""
    api = APIRouter(prefix=PREFIX, tags=["sensorthings"])
    reading = ["GET", "HEAD"]
    api.add_api_route(
        "", landing, methods=reading, summary="OGC SensorThings API 1.1", response_class=Response,
        include_in_schema=False,
    )  # fmt: skip
    ways = (
        (entities, reading), (create, ["POST"]), (change, ["PATCH", "PUT"]), (delete, ["DELETE"]),
        (known_methods, ["OPTIONS"]),
    )  # fmt: skip
    for endpoint, methods in ways:
        api.add_api_route(
            "/{path:path}", endpoint, methods=methods, summary="Entities of OGC SensorThings API 1.1",
            response_class=Response, include_in_schema=False,
        )  # fmt: skip
    return api


async def landing(request: Request, who: Asking, room: Room) -> Response:
    """The entity sets and what is really offered."""
    addresses = request.app.state.mqtt.endpoints(request)
    offered = conformance.landing(_root(request), writable=room.writer is not None, mqtt=addresses)
    return respond(request, who, representations.dumps(offered), media_type=answering.JSON, seconds=_SECONDS)


async def entities(request: Request, at: AtDesk, who: Asking, room: Room, path: str) -> Response:
    """Any path of the standard; 404 also for what the caller may not see."""
    if not path.strip("/"):
        return await landing(request, who, room)
    found = await _read(request, at, who, room, path, request.url.query)
    if found.body is None:
        return Response(status_code=204, headers=cache_header(who, _SECONDS))
    return respond(request, who, found.body, media_type=found.media_type, seconds=_SECONDS)


async def _read(  # noqa: PLR0917 - what a route gets, and the path
    request: Request, at: Desk, who: Caller, room: SensorThings, path: str, query: str
) -> answering.Answer:
    views = await at.views.get()
    database = at.ports.writing.database if at.ports.writing else None

    def blocking() -> answering.Answer:
        known = room.catalogues.of(views, who, database)
        question = Question(_root(request), path, query, known, at.now(), room.limits)
        if database is not None:
            question = question.noting(lambda wanted: written.notes(database, wanted))
        return answering.answer(question, at.ports.store)

    return await anyio.to_thread.run_sync(blocking)


async def create(request: Request, at: AtDesk, who: Asking, room: Room, path: str) -> Response:
    """A new entity (201, Location), a link (204), or many Observations (201, their addresses)."""
    writer = writer_for(room, who)
    place = path.strip("/")
    _require_method(request, place)
    body = await _body(request, _JSON)
    if place == "CreateObservations":
        found = await _write(request, at, who, room, place, lambda: writer.observations(drafts.load(body)))
        links = [one if one == "error" else f"{_root(request)}/{one}" for one in found]
        return Response(representations.dumps(links), 201, media_type=_JSON, headers=cache_header(who, 0))
    if place.endswith("/$ref"):
        await _write(request, at, who, room, place, lambda: writer.link(place, drafts.load(body)))
        return Response(status_code=204)
    made = await _write(request, at, who, room, place, lambda: writer.create(place, drafts.load(body)))
    return await _told(request, at, who, room, made, status=201)


async def change(request: Request, at: AtDesk, who: Asking, room: Room, path: str) -> Response:
    """PATCH changes what is said, PUT all, JSON Patch step by step; 200 with the entity as it is now."""
    writer = writer_for(room, who)
    _require_method(request, path)
    patch = request.method == "PATCH" and _media_type(request) == _JSON_PATCH
    body = await _body(request, _JSON_PATCH if patch else _JSON)
    whole = request.method == "PUT"
    made = await _write(
        request, at, who, room, path, lambda: writer.change(path, drafts.load(body), whole=whole, patch=patch)
    )
    return await _told(request, at, who, room, made, status=200)


async def delete(request: Request, at: AtDesk, who: Asking, room: Room, path: str) -> Response:
    """The entity and what cannot be without it, or a link; 200 as the standard asks."""
    writer = writer_for(room, who)
    _require_method(request, path)
    if path.endswith("/$ref"):
        await _write(request, at, who, room, path, lambda: writer.unlink(path))
        return Response(status_code=200, headers=cache_header(who, 0))
    await _write(request, at, who, room, path, lambda: writer.delete(path))
    return Response(status_code=200, headers=cache_header(who, 0))


async def known_methods(_who: Asking, path: str) -> Response:
    """What may be done with a path (RFC 9110, 9.3.7), whether or not there is anything."""
    return Response(status_code=204, headers={"Allow": ", ".join(_known_methods(path))})


def _known_methods(path: str) -> tuple[str, ...]:
    last = path.strip("/").rpartition("/")[2]
    if last == "CreateObservations":
        return ("OPTIONS", "POST")
    if last in SETS:
        return ("GET", "HEAD", "OPTIONS", "POST")
    if last in ("", "$value"):
        return ("GET", "HEAD", "OPTIONS")
    return ("DELETE", "GET", "HEAD", "OPTIONS", *(("POST",) if last == "$ref" else ("PATCH", "PUT")))


def _require_method(request: Request, path: str) -> None:
    known, whole = _known_methods(path), path.strip("/")
    somewhere = "(" in whole or whole in SETS or whole == "CreateObservations"
    if somewhere and request.method not in known:
        raise HTTPException(405, headers={"Allow": ", ".join(known)})


def writer_for(room: SensorThings, who: Caller) -> Writer:
    """KeyRequired, NotAllowed or NotOffered for whoever may not write here."""
    if not operates(who):
        if who == PUBLIC:
            raise KeyRequired(
                "writing needs an operator's key; send it as Authorization: Bearer <key>, by MQTT as password"
            )
        raise NotAllowed("writing is for who runs the platform; this key or person may only read")
    if room.writer is None:
        raise NotOffered("this instance only reads")
    return room.writer


async def _write(  # noqa: PLR0917 - what a route gets, and the work
    request: Request, at: Desk, who: Caller, room: SensorThings, path: str, work: Callable[[], Any]
) -> Any:
    """On disk when it returns; whoever reads next sees it."""
    try:
        found = await anyio.to_thread.run_sync(work, limiter=room.turn)
    finally:
        at.views.forget()
    porter = at.ports.porter
    if porter is not None and "Observations" not in path:
        subject, origin = f"{request.method} /v1.1/{path[:200]}", origin_of(request)
        await anyio.to_thread.run_sync(
            lambda: porter.audit.write(who.name, "sensorthings", subject=subject, origin=origin)
        )
    return found


async def _told(
    request: Request, at: Desk, who: Caller, room: SensorThings, made: str, *, status: int
) -> Response:
    found = await _read(request, at, who, room, made, "")
    headers = {**cache_header(who, 0), "Location": f"{_root(request)}/{made}"}
    return Response(found.body, status, headers=headers, media_type=_JSON)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", _JSON).partition(";")[0].strip().lower()


async def _body(request: Request, wanted: str) -> bytes:
    if _media_type(request) != wanted:
        raise WrongFormat(f"send {wanted}" + (f" or {_JSON_PATCH}" if request.method == "PATCH" else ""))
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise WrongFormat("send the body as it is, without Content-Encoding: nothing is unpacked here")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > _LARGEST_BODY:
            raise BodyTooLarge(f"a body has {_LARGEST_BODY} bytes at most; send several requests")
        parts.append(part)
    if not size:
        raise BadEntity("the body is empty; send a JSON object")
    return b"".join(parts)


def _root(request: Request) -> str:
    return str(request.base_url).rstrip("/") + PREFIX
