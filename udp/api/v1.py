"""Version 1 of the interface for apps: what exists, what is now, what was, and what happens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BeforeValidator
from starlette.responses import Response, StreamingResponse

from udp.api import representations, schemas
from udp.api.compressing import chosen
from udp.api.desk import Asking, AtDesk, Desk, answer, cache_header, unchanged
from udp.api.headers import head_only
from udp.api.live import LiveFeed
from udp.api.observations import Question, Wish, sheet
from udp.api.problems import InvalidRequest
from udp.api.rooted import root_of
from udp.api.view import Filter
from udp.policy import Caller

_JSON = "application/json"
_GEOJSON = "application/geo+json"
_SHORT_S = 5
_LONG_S = 60


def _wish(text: str | None) -> str | None:
    """Boards fill in what somebody chose; `*` is their word for all."""
    return None if text == "*" else text


# After the Query: only there it looks at the text before its length is judged.
_All = BeforeValidator(_wish)
Theme = Annotated[str | None, Query(description="e.g. luft; *: all", max_length=64), _All]
District = Annotated[str | None, Query(description="e.g. castrop; *: all", max_length=64), _All]
Kind = Annotated[str | None, Query(description="e.g. waste_bin; *: all", max_length=64), _All]
ThingKey = Annotated[str | None, Query(description="key of a Thing; *: all", max_length=64), _All]
Property = Annotated[str | None, Query(description="e.g. air_temperature; *: all", max_length=64), _All]
When = Annotated[str | None, Query(max_length=64, examples=["2026-11-21T08:00:00Z"])]
From = Annotated[When, Query(alias="from", description="default: 24 hours before `to`")]
To = Annotated[When, Query(alias="to", description="default: now; not included")]


def selected(
    *,
    theme: Theme = None,
    district: District = None,
    kind: Kind = None,
    thing: ThingKey = None,
    observed_property: Property = None,
) -> Filter:
    """Which Datastreams are meant; all that are not named by anything."""
    return Filter(theme=theme, district=district, kind=kind, thing=thing, observed_property=observed_property)


Selected = Annotated[Filter, Depends(selected)]


def router() -> APIRouter:
    """All routes below /api/v1."""
    api = APIRouter(prefix=representations.V1, tags=["v1"])
    routes: tuple[tuple[str, Any, Any, str], ...] = (
        ("/things", things, schemas.ThingsAnswer, "Things with place and Datastreams"),
        ("/things/{key}", thing, schemas.ThingAnswer, "One Thing"),
        (
            "/datastreams",
            datastreams,
            schemas.DatastreamsAnswer,
            "Datastreams with property, unit and licence",
        ),
        ("/datastreams/{number}", datastream, schemas.DatastreamAnswer, "One Datastream"),
        (
            "/datastreams/{number}/observations",
            observations,
            schemas.ObservationsAnswer,
            "Measurements, single or aggregated, as JSON or CSV",
        ),
        ("/latest", latest, schemas.LatestAnswer, "All current values in one call"),
    )
    add_readable(api, routes)
    api.add_api_route(
        "/live",
        live,
        methods=["GET"],
        summary="Current values, then every change, as server-sent events",
        responses={200: {"content": {"text/event-stream": {"example": _EVENT}}}},
        response_class=StreamingResponse,
    )
    return api


def feed(request: Request) -> LiveFeed:
    """The feed this application was built with."""
    found: LiveFeed = request.app.state.feed
    return found


async def things(
    request: Request,
    at: AtDesk,
    who: Asking,
    *,
    theme: Theme = None,
    district: District = None,
    kind: Kind = None,
    format: Annotated[
        str,
        Query(description="json or geojson", max_length=16, json_schema_extra={"enum": ["json", "geojson"]}),
    ] = "json",
) -> Response:
    """Every Thing with at least one Datastream you may see; `format=geojson` for maps."""
    view = await at.view(who)
    wish = Filter(theme=theme, district=district, kind=kind)
    view.require_known(wish)
    found = view.select_things(wish)
    if format == "geojson":
        text = representations.dumps(representations.geojson(found, view, root_of(request)))
        return answer(request, who, text, media_type=_GEOJSON, seconds=_LONG_S)
    if format != "json":
        raise InvalidRequest(f"format: {format!r} is not known; known are json, geojson")
    listed = [representations.thing(one, view, root_of(request)) for one in found]
    return _json(request, who, {"count": len(listed), "things": listed})


async def thing(request: Request, at: AtDesk, who: Asking, key: str) -> Response:
    """404 also for what you may not see."""
    view = await at.view(who)
    return _json(request, who, representations.thing(view.thing(key), view, root_of(request)))


async def datastreams(
    request: Request,
    at: AtDesk,
    who: Asking,
    *,
    thing: ThingKey = None,
    observed_property: Property = None,
    theme: Theme = None,
    district: District = None,
) -> Response:
    """Every Datastream you may see."""
    view = await at.view(who)
    wish = Filter(theme=theme, district=district, thing=thing, observed_property=observed_property)
    view.require_known(wish)
    listed = [representations.datastream(one, view, root_of(request)) for one in view.select(wish)]
    return _json(request, who, {"count": len(listed), "datastreams": listed})


async def datastream(request: Request, at: AtDesk, who: Asking, number: int) -> Response:
    """404 also for what you may not see."""
    view = await at.view(who)
    found = representations.datastream(view.datastream(number), view, root_of(request))
    return _json(request, who, found)


def wish(
    *,
    start: From = None,
    end: To = None,
    every: Annotated[str | None, Query(max_length=32, examples=["1h", "PT15M"])] = None,
    functions: Annotated[str | None, Query(max_length=64, examples=["mean,max"])] = None,
    limit: Annotated[int | None, Query(description="at most so many; `next` leads on")] = None,
    format: Annotated[
        str, Query(description="json or csv", max_length=16, json_schema_extra={"enum": ["json", "csv"]})
    ] = "json",
) -> Wish:
    """The parameters of one request for measurements."""
    return Wish(start, end, every, functions, limit, format)


async def observations(
    request: Request, at: AtDesk, who: Asking, *, number: int, asked: Annotated[Wish, Depends(wish)]
) -> Response:
    """Measurements in [from, to), ascending. With `every`, buckets aligned to UTC without bad values.

    A Datastream with `finest_s` leaves only in buckets of whole such steps, up to the last that is over.
    """
    view = await at.view(who)
    stream = view.datastream(number)
    question = Question(view, stream, asked, at.now(), root_of(request))
    found = await anyio.to_thread.run_sync(sheet, at.ports.store, question, at.settings)
    headers = cache_header(who, _SHORT_S)
    if found.following:
        headers["Link"] = f'<{found.following}>; rel="next"'
    if asked.format == "csv":
        headers["Content-Disposition"] = f'attachment; filename="{stream.thing}-{stream.key}.csv"'
    return Response(found.text, headers=headers, media_type=found.media_type)


async def latest(request: Request, at: AtDesk, who: Asking, wish: Selected) -> Response:
    """The newest value of every Datastream you may see. The ETag moves with the data, not with age."""
    rendered = await _latest(at, who, wish)
    headers = {"ETag": rendered.etag, **cache_header(who, 1)}
    if unchanged(request, rendered.etag):
        return Response(status_code=304, headers=headers)
    # Packed once for all who ask; whoever prefers brotli reads gzip as well, if he says so.
    if chosen(request.headers.get("accept-encoding", ""), among=("gzip",)):
        headers["Content-Encoding"] = "gzip"
        return Response(rendered.compressed, headers=headers, media_type=_JSON)
    return Response(rendered.body, headers=headers, media_type=_JSON)


async def live(
    request: Request,
    at: AtDesk,
    who: Asking,
    *,
    theme: Theme = None,
    district: District = None,
    thing: ThingKey = None,
) -> Response:
    """Event `observations` with a list of values as in /latest: first all, then what changed."""
    asked = Filter(theme=theme, district=district, thing=thing)
    (await at.view(who)).require_known(asked)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if head_only(request.scope):
        return Response(headers=headers, media_type="text/event-stream")
    source = feed(request)
    listener = await source.join(who, asked, request.client.host if request.client else None)
    return StreamingResponse(source.events(listener), headers=headers, media_type="text/event-stream")


async def _latest(at: Desk, who: Caller, asked: Filter) -> Any:
    view, snapshot = await at.view(who), await at.current.get()
    view.require_known(asked)
    return await anyio.to_thread.run_sync(at.latest.render, view, snapshot, asked, at.now())


def _json(request: Request, who: Caller, content: Any) -> Response:
    return answer(request, who, representations.dumps(content), media_type=_JSON, seconds=_LONG_S)


def add_readable(
    api: APIRouter, routes: Iterable[tuple[str, Any, Any, str]], response_class: type[Response] = Response
) -> None:
    """A GET route for each (path, endpoint, model of the answer, summary)."""
    for path, endpoint, model, summary in routes:
        api.add_api_route(
            path,
            endpoint,
            methods=["GET"],
            summary=summary,
            responses=refusals(model),
            response_class=response_class,
        )


def refusals(model: Any) -> dict[int | str, dict[str, Any]]:
    refusal = {"model": schemas.ProblemAnswer}
    return {
        200: {"model": model},
        401: {**refusal, "description": "the key is not known"},
        404: {**refusal, "description": "not known"},
        413: {**refusal, "description": "too much at once"},
        422: {**refusal, "description": "a parameter is wrong"},
        503: {**refusal, "description": "try again later"},
    }


_EVENT = 'id: 1\nevent: observations\ndata: [{"datastream":17,"value":62.5,"quality":"good"}]\n'
