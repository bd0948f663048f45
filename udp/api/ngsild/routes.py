"""The read side of NGSI-LD below /ngsi-ld/v1: entities, types, and the past of single entities.

Subscriptions are not offered: SensorThings has them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from udp.api import query
from udp.api.desk import Asking, AtDesk, Desk, answer
from udp.api.ngsild import asking, mapping, placing
from udp.api.ngsild.entities import Entity, Known, entity, history, known, terms
from udp.api.problems import TABLE, BadQuery, InvalidRequest, problem
from udp.errors import NotFound, PlatformError
from udp.policy import Caller
from udp.sensorthings import Location, Thing
from udp.store.columns import Period

PREFIX = "/ngsi-ld/v1"
_SECONDS = 15
_MOST, _SOME = 1000, 20
_LAST = 1000
_ERRORS = "https://uri.etsi.org/ngsi-ld/errors"
_LD, _JSON = "application/ld+json", "application/json"
_LISTED = frozenset(
    {"type", "id", "attrs", "q", "limit", "offset", "count", "options", "format", "local", *placing.NAMES}
)
_PAST = frozenset({"attrs", "timerel", "timeAt", "endTimeAt", "lastN", "timeproperty", "options", "format"})


def router() -> APIRouter:
    """All routes."""
    api = APIRouter(prefix=PREFIX, tags=["ngsi-ld"])
    for path, endpoint, summary in (
        ("/entities", entities, "Entities by type, id or attribute (ETSI GS CIM 009, 6.4)"),
        ("/entities/{identifier}", single, "One entity (6.5)"),
        ("/temporal/entities/{identifier}", past, "The past of one entity (6.19)"),
        ("/types", types, "Entity types there are (6.25)"),
        ("/context.jsonld", context, "The @context of all answers"),
    ):
        api.add_api_route(path, endpoint, methods=["GET"], summary=summary, response_class=Response)
    return api


async def entities(request: Request, at: AtDesk, who: Asking) -> Response:
    """One of `type`, `id`, `attrs`, `q`, `georel`; `limit`, `offset`, `count=true`, `options=keyValues`."""
    try:
        asked = _parameters(request, _LISTED)
        _require_one(asked)
        limit, offset = _number(asked, "limit", _SOME, _MOST), _number(asked, "offset", 0, 10**9)
        meant = _Meant(asking.condition(asked["q"]) if "q" in asked else None, placing.place(asked))
        told = await _known(at, who)
    except (BadQuery, InvalidRequest) as error:
        return _refused(request, error)
    found = await anyio.to_thread.run_sync(lambda: list(_chosen(told, asked, meant)))
    page = found[offset : offset + limit]
    headers = {"NGSILD-Results-Count": str(len(found))} if asked.get("count") == "true" else {}
    links = []
    if offset + limit < len(found):
        following = request.url.include_query_params(offset=offset + limit, limit=limit)
        links.append(f'<{following.path}?{following.query}>; rel="next"')
    return _told(request, who, page, headers, links)


async def single(request: Request, at: AtDesk, who: Asking, identifier: str) -> Response:
    """404 also for what you may not see."""
    try:
        asked = _parameters(request, frozenset({"attrs", "options", "format", "local"}))
        told = await _known(at, who)
        found = entity(told, told.thing(identifier), _names(asked, "attrs"), simplified=_simplified(asked))
    except (BadQuery, InvalidRequest, NotFound) as error:
        return _refused(request, error)
    if found is None:
        return _refused(request, NotFound(f"entity {identifier!r} has none of these attributes"))
    return _told(request, who, found, {}, [])


async def past(request: Request, at: AtDesk, who: Asking, identifier: str) -> Response:
    """`timerel` between, before or after with `timeAt` (and `endTimeAt`); without, the last 24 hours. What
    leaves in coarser steps only is not told here; /api/v1 has it in its steps."""
    try:
        asked = _parameters(request, _PAST)
        period, most = _period(asked, at), _number(asked, "lastN", _LAST, _LAST)
        query.require_raw_span(period)
        told = await _known(at, who)
        thing = told.thing(identifier)
    except (BadQuery, InvalidRequest, NotFound) as error:
        return _refused(request, error)
    attrs = _names(asked, "attrs")
    streams = [
        stream.id
        for stream, word in told.words(thing)
        if stream.id not in told.view.finest and (not attrs or word.name in attrs)
    ]

    def read() -> Entity:
        rows = at.ports.store.read(streams, period)
        return history(told, thing, rows.take(rows.lead == 0), attrs, most=most)

    return _told(request, who, await anyio.to_thread.run_sync(read), {}, [])


async def types(request: Request, at: AtDesk, who: Asking) -> Response:
    """Those of which you may see an entity."""
    told = await _known(at, who)
    names = sorted({told.type_of(one) for one in told.view.things.values()})
    body = {"id": "urn:ngsi-ld:EntityTypeList:udp", "type": "EntityTypeList", "typeList": names}
    return _told(request, who, body, {}, [])


async def context(request: Request, at: AtDesk, who: Asking) -> Response:
    """Served from here, so that nobody needs another host to read our words."""
    body = mapping.context(terms(await _known(at, who)))
    return answer(request, who, json.dumps(body, ensure_ascii=False), media_type=_LD, seconds=3600)


async def _known(at: Desk, who: Caller) -> Known:
    view, snapshot = await at.view(who), await at.current.get()
    return await anyio.to_thread.run_sync(known, view, snapshot, at.ports.root.removeprefix("/"))


@dataclass(frozen=True, slots=True)
class _Meant:
    """What is asked of values and places."""

    condition: asking.Condition | None
    lies: Callable[[Location], bool]


def _chosen(told: Known, asked: Mapping[str, str], meant: _Meant) -> Iterator[Entity]:
    wanted, ids, attrs = _names(asked, "type"), _names(asked, "id"), _names(asked, "attrs")
    for _, thing in sorted(told.view.things.items()):
        if not _is_meant(told, thing, wanted, ids) or not meant.lies(thing.location):
            continue
        if meant.condition is not None:
            # Of all its attributes, also of those that are not to be shown.
            whole = entity(told, thing, [], simplified=True)
            if whole is None or not meant.condition(whole):
                continue
        found = entity(told, thing, attrs, simplified=_simplified(asked))
        if found is not None:
            yield found


def _is_meant(told: Known, thing: Thing, wanted: list[str], ids: list[str]) -> bool:
    return (not wanted or told.type_of(thing) in wanted) and (not ids or told.id_of(thing) in ids)


def _told(request: Request, who: Caller, body: Any, headers: Mapping[str, str], links: list[str]) -> Response:
    """As JSON with a Link to the context, or as JSON-LD with the context inside (6.3.5)."""
    address = f"{str(request.base_url).rstrip('/')}{PREFIX}/context.jsonld"
    linked = _LD in request.headers.get("accept", "")
    if linked:
        body = (
            [{"@context": address, **one} for one in body]
            if isinstance(body, list)
            else {"@context": address, **body}
        )
    else:
        links = [f'<{address}>; rel="http://www.w3.org/ns/json-ld#context"; type="{_LD}"', *links]
    text = json.dumps(body, ensure_ascii=False, allow_nan=False)
    found = answer(request, who, text, media_type=_LD if linked else _JSON, seconds=_SECONDS)
    found.headers.update(headers)
    found.headers["Vary"] += ", Accept"
    if links:
        found.headers["Link"] = ", ".join(links)
    return found


def _parameters(request: Request, allowed: frozenset[str]) -> dict[str, str]:
    """BadQuery for what is not offered: a wish must not be swallowed."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in allowed:
            raise BadQuery(f"{name[:40]!r} is not offered here; known are {', '.join(sorted(allowed))}")
        if name in found:
            raise BadQuery(f"{name} stands twice in the address")
        found[name] = value
    for name in ("options", "format"):
        if found.get(name, "keyValues") not in ("keyValues", "simplified", "normalized", "sysAttrs"):
            raise BadQuery(f"{name}: known are keyValues, simplified, normalized")
    return found


def _require_one(asked: Mapping[str, str]) -> None:
    """All of a city at once is nobody's wish (6.4.3.2)."""
    if not asked.keys() & {"type", "id", "attrs", "q", "georel"}:
        raise BadQuery("name at least one of type, id, attrs, q, georel; /ngsi-ld/v1/types lists the types")


def _names(asked: Mapping[str, str], name: str) -> list[str]:
    """Short names or whole addresses, whose last part is the short name; ids stay as they are."""
    found = [one for one in asked.get(name, "").split(",") if one]
    return found if name == "id" else [one.rstrip("/").rpartition("/")[2].rpartition("#")[2] for one in found]


def _simplified(asked: Mapping[str, str]) -> bool:
    return bool({asked.get("options"), asked.get("format")} & {"keyValues", "simplified"})


def _number(asked: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = asked.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 10 or int(text) > most:
        raise BadQuery(f"{name}: {text[:20]!r} is no number from 0 to {most}")
    return int(text)


def _period(asked: Mapping[str, str], at: Desk) -> Period:
    now, relation = at.now(), asked.get("timerel")
    if relation is None:
        return Period(now - timedelta(hours=24), now)
    if "timeAt" not in asked or (relation == "between") != ("endTimeAt" in asked):
        raise BadQuery("timerel: between takes timeAt and endTimeAt, before and after take timeAt")
    moment = query.moment("timeAt", asked["timeAt"])
    if relation == "between":
        return query.period(asked["timeAt"], asked["endTimeAt"], now)
    if relation == "after":
        return Period(min(moment, now), now)
    if relation == "before":
        return Period(moment - query.LONGEST_RAW, moment)
    raise BadQuery(f"timerel: {relation[:20]!r} is not known; known are before, after, between")


def _refused(request: Request, error: PlatformError) -> Response:
    """The errors of clause 6.3.2."""
    if isinstance(error, NotFound):
        return problem(request, TABLE[NotFound], str(error), type=f"{_ERRORS}/ResourceNotFound")
    return problem(request, TABLE[BadQuery], str(error), type=f"{_ERRORS}/BadRequestData")
