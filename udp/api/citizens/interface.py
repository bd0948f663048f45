"""The interface for citizens' sensors: apply, look after one's own, decide, compare with neighbours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from udp.api import representations
from udp.api.asking import key_of
from udp.api.citizens import words
from udp.api.citizens.desk import PERSONAL, address, citizen_desk, take_application
from udp.api.citizens.forms import read_json
from udp.api.citizens.measured import plausibility
from udp.api.desk import Asking, AtDesk
from udp.api.problems import InvalidRequest, KeyRequired
from udp.citizens import consent
from udp.citizens.application import Written
from udp.citizens.offer import FORMATTER
from udp.citizens.project import Project
from udp.errors import NotFound
from udp.policy import Caller, operates

_V = f"{representations.V1}/citizens"
_TEXTS = {
    "title", "name", "mail", "latitude", "longitude", "district", "kind", "interval_minutes", "licence",
    "consent", "class_code",
}  # fmt: skip


_MEANS = {
    200: "done, or told",
    201: "made; what is secret in it is told this once",
    204: "done",
    404: "there is no such project, or the link is unknown",
    409: "something stands against it, the detail says what",
    413: "the body is too large",
}


def router() -> APIRouter:
    """Everything below /api/v1/citizens, and the comparison of one Datastream."""
    api = APIRouter(tags=["citizens"])
    for method, path, endpoint, statuses, summary in (
        ("GET", f"{_V}/offer", offered, (200,), "What one may choose from, and the text one agrees to"),
        (
            "POST",
            f"{_V}/projects",
            apply,
            (201, 409, 413),
            "Apply; the personal link is in the answer, once",
        ),
        ("GET", f"{_V}/projects", waiting, (200,), "All projects (operator key)"),
        ("POST", f"{_V}/projects/{{slug}}/approval", approve, (200, 409, 413), "Approve (operator key)"),
        (
            "POST",
            f"{_V}/projects/{{slug}}/refusal",
            refuse,
            (200, 409, 413),
            "Refuse with a reason (operator key)",
        ),
        (
            "GET",
            f"{_V}/mine",
            mine,
            (200, 404),
            "One's own project and its last packets (Bearer: secret of the link)",
        ),
        (
            "POST",
            f"{_V}/mine/webhook-key",
            new_key,
            (201, 404, 409),
            "A new webhook key, in the answer once",
        ),
        (
            "PUT",
            f"{_V}/mine/listening",
            listen,
            (204, 404, 409, 413),
            "Fetch uplinks from The Things Network by MQTT",
        ),
        (
            "DELETE",
            f"{_V}/mine/listening",
            stop,
            (204, 404, 409),
            "Forget the key of The Things Network",
        ),
        ("DELETE", f"{_V}/mine", withdraw, (204, 404), "Delete everything"),
        (
            "GET",
            f"{representations.V1}/datastreams/{{number}}/plausibility",
            compare,
            (200,),
            "A citizen's Datastream beside official neighbours of the last seven days",
        ),
    ):
        api.add_api_route(
            path,
            endpoint,
            methods=[method],
            summary=summary,
            response_class=Response,
            status_code=statuses[0],
            responses={one: {"description": _MEANS[one]} for one in statuses},
        )
    return api


async def offered(request: Request) -> Response:
    """Keys and names of everything an application may hold."""
    known = await anyio.to_thread.run_sync(citizen_desk(request).office.offer)
    return _json(
        {
            "kinds": {FORMATTER: "TTN payload formatter of one's own"}
            | {name: one.sensor for name, one in known.kinds.items()},
            "observed_properties": {
                key: {
                    "name": one.observed_property.name,
                    "unit": one.unit.symbol,
                    "minimum": one.minimum,
                    "maximum": one.maximum,
                }
                for key, one in known.choices.items()
            },
            "districts": dict(known.districts),
            "licences": dict(consent.LICENCES),
            "consent": {"version": consent.VERSION, "text": list(consent.TEXT)},
            "fair_use": consent.FAIR_USE,
        }
    )


async def apply(request: Request) -> Response:
    """422 with `errors` by field for what cannot be meant; `class_code`: approved at once if it is good."""
    project, link = await take_application(request, _written(await read_json(request)))
    where = f"{address(request)}{PERSONAL}"
    return _json({**_own(project), "link": f"{where}{link}", "secret": link}, 201)


async def waiting(request: Request, who: Asking) -> Response:
    """With names and addresses: for those who decide."""
    _require_operator(who)
    found = await anyio.to_thread.run_sync(citizen_desk(request).office.projects.all)
    return _json({"projects": [{**_own(one), "name": one.name, "mail": one.mail} for one in found]})


async def approve(request: Request, who: Asking, slug: str) -> Response:
    """409 unless it waits."""
    _require_operator(who)
    return _json(_own(await anyio.to_thread.run_sync(citizen_desk(request).office.approve, slug)))


async def refuse(request: Request, who: Asking, slug: str) -> Response:
    """Body: {"reason": "..."}; the applicant reads it."""
    _require_operator(who)
    reason = (await read_json(request)).get("reason")
    if not isinstance(reason, str):
        raise InvalidRequest("reason: say in a text why")
    return _json(_own(await anyio.to_thread.run_sync(citizen_desk(request).office.refuse, slug, reason)))


async def mine(request: Request) -> Response:
    """What the personal page shows."""
    project = await _project(request)
    packets = await anyio.to_thread.run_sync(citizen_desk(request).packets.packets, project.slug, 10)
    told = [
        {**asdict(one), "at": one.at.isoformat(), "word": words.OUTCOMES[one.outcome][1]} for one in packets
    ]
    return _json({**_own(project), "packets": told})


async def new_key(request: Request) -> Response:
    """The key before stops working within seconds."""
    project, office = await _project(request), citizen_desk(request).office
    key = await anyio.to_thread.run_sync(office.projects.new_webhook_key, project.slug)
    return _json({"key": key, "url": office.webhook_url(project.slug)}, 201)


async def listen(request: Request) -> Response:
    """Body: {"application": "my-app", "key": "NNSXS..."}; the key is kept sealed."""
    project, content = await _project(request), await read_json(request)
    given = [content.get("application"), content.get("key")]
    if not all(isinstance(one, str) for one in given):
        raise InvalidRequest("application and key: two texts are needed")
    return await _done(citizen_desk(request).office.projects.listen, project.slug, *given)


async def stop(request: Request) -> Response:
    """The connection ends within seconds."""
    project = await _project(request)
    return await _done(citizen_desk(request).office.projects.stop_listening, project.slug)


async def withdraw(request: Request) -> Response:
    """Registration, keys, Things, Datastreams and Observations."""
    project = await _project(request)
    return await _done(citizen_desk(request).office.projects.withdraw, project.slug)


async def compare(at: AtDesk, who: Asking, number: int) -> Response:
    """`score` is null and `sentence` says why where there is no basis. 404 for official Datastreams."""
    view = await at.view(who)
    stream = view.datastream(number)
    if number not in view.citizens:
        raise NotFound(f"datastream {number} is not measured by citizens; only theirs are compared")
    found = await plausibility(at, view, stream)
    return _json({"datastream": number, **asdict(found)}, cache="public, max-age=300")


async def _done(step: Callable[..., None], *given: Any) -> Response:
    await anyio.to_thread.run_sync(step, *given)
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


async def _project(request: Request) -> Project:
    desk, key = citizen_desk(request), key_of(request)
    if key is None:
        raise KeyRequired("send the secret of the personal link (link_...) as Authorization: Bearer")
    try:
        return await anyio.to_thread.run_sync(desk.office.projects.by_link, key)
    except NotFound:
        desk.guesses.require(request)
        raise


def _require_operator(who: Caller) -> None:
    if not operates(who):
        raise KeyRequired("projects are decided by operators; send the key as Authorization: Bearer <key>")


def _own(project: Project) -> dict[str, Any]:
    """What may be told to the owner and to operators; name and address are not repeated to anybody else."""
    return {
        "project": project.slug,
        "state": project.state.value,
        "title": project.title,
        "location": {"latitude": project.latitude, "longitude": project.longitude, "exact": project.exact},
        "district": project.district,
        "kind": project.kind,
        "fields": dict(project.fields),
        "devices": [{"dev_eui": str(one.dev_eui), "label": one.label} for one in project.devices],
        "licence": project.licence,
        "consent": project.consent,
        "applied_at": project.applied_at.isoformat(),
        "decided_at": project.decided_at.isoformat() if project.decided_at else None,
        "note": project.note,
        "has_webhook_key": project.has_webhook_key,
        "ttn_application": project.ttn_application,
    }


def _written(content: Mapping[str, Any]) -> Written:
    unknown = sorted(set(content) - _TEXTS - {"exact", "devices", "fields"})
    if unknown:
        raise InvalidRequest(f"{unknown[0]}: this is not part of an application")
    texts = {name: str(content[name]) for name in _TEXTS & content.keys()}
    devices, fields = content.get("devices", []), content.get("fields", {})
    if not isinstance(devices, list) or not isinstance(fields, dict):
        raise InvalidRequest("devices is a list of texts, fields an object: field to observed property")
    pairs = [(str(name), str(key)) for name, key in fields.items()]
    return Written(
        **texts, exact=content.get("exact") is True, devices=[str(one) for one in devices], fields=pairs
    )


def _json(content: dict[str, Any], status: int = 200, cache: str = "no-store") -> Response:
    text = representations.dumps(content)
    return Response(text, status, headers={"Cache-Control": cache}, media_type="application/json")
