"""The door of SensorThings: every path below /v1.1, for whoever the gate lets see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from udp.api import representations
from udp.api.desk import Asking, AtDesk, cache_header
from udp.api.desk import answer as respond
from udp.api.sensorthings import answering, catalogue, conformance
from udp.api.sensorthings.answering import Question
from udp.api.sensorthings.catalogue import Catalogue
from udp.api.sensorthings.links import PREFIX
from udp.api.sensorthings.options import Limits
from udp.api.view import Views
from udp.policy import Caller

_SECONDS = 5
_MOST_CALLERS = 16


class Catalogues:
    """The catalogue of each kind of caller, made again when the register has changed."""

    def __init__(self) -> None:
        self._made: tuple[Views, dict[Caller, Catalogue]] | None = None

    def of(self, views: Views, who: Caller) -> Catalogue:
        """Blocking for some hundred milliseconds per ten thousand Datastreams, once per change."""
        made = self._made
        if made is None or made[0] is not views:
            made = (views, {})
            self._made = made
        if who not in made[1]:
            if len(made[1]) >= _MOST_CALLERS:
                made[1].clear()
            ids = catalogue.numbers(views.inventory)
            made[1][who] = catalogue.build(views.of(who), ids)
        return made[1][who]


@dataclass(frozen=True, slots=True)
class SensorThings:
    """What the routes of this room remember between requests."""

    catalogues: Catalogues
    limits: Limits


def made() -> SensorThings:
    """For one application."""
    return SensorThings(Catalogues(), Limits())


def _room(request: Request) -> SensorThings:
    found: SensorThings = request.app.state.sensorthings
    return found


Room = Annotated[SensorThings, Depends(_room)]


def router() -> APIRouter:
    """GET and HEAD; everything else is refused with 405."""
    api = APIRouter(prefix=PREFIX, tags=["sensorthings"])
    reading = ["GET", "HEAD"]
    api.add_api_route(
        "", landing, methods=reading, summary="OGC SensorThings API 1.1", response_class=Response,
        include_in_schema=False,
    )  # fmt: skip
    api.add_api_route(
        "/{path:path}", entities, methods=reading, summary="Entities of OGC SensorThings API 1.1",
        response_class=Response, include_in_schema=False,
    )  # fmt: skip
    return api


async def landing(request: Request, who: Asking) -> Response:
    """The entity sets and what is really offered."""
    text = representations.dumps(conformance.landing(_root(request)))
    return respond(request, who, text, media_type=answering.JSON, seconds=_SECONDS)


async def entities(request: Request, at: AtDesk, who: Asking, room: Room, path: str) -> Response:
    """Any path of the standard; 404 also for what the caller may not see."""
    if not path.strip("/"):
        return await landing(request, who)
    views = await at.views.get()

    def blocking() -> answering.Answer:
        known = room.catalogues.of(views, who)
        question = Question(_root(request), path, request.url.query, known, at.now(), room.limits)
        return answering.answer(question, at.ports.store)

    found = await anyio.to_thread.run_sync(blocking)
    if found.body is None:
        return Response(status_code=204, headers=cache_header(who, _SECONDS))
    return respond(request, who, found.body, media_type=found.media_type, seconds=_SECONDS)


def _root(request: Request) -> str:
    return str(request.base_url).rstrip("/") + PREFIX
