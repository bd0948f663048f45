"""The personal page: where a project stands, its key, its last packets, and the way out.

Whoever has the link is its owner. Every action is a form on the page itself, so nobody without the link
can send one.
"""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from udp.api.citizens import words
from udp.api.citizens.desk import PERSONAL, CitizenDesk, as_page, citizen_desk
from udp.api.citizens.forms import one, read_form
from udp.api.citizens.measured import measured, plausibility_of
from udp.api.desk import desk as data_desk
from udp.api.rooted import link as linked
from udp.citizens import consent
from udp.citizens.application import ApplicationRefused
from udp.citizens.project import Project, State
from udp.errors import NotFound

_SHOWN = 10


def router() -> APIRouter:
    """The page and its actions."""
    pages = APIRouter(include_in_schema=False)
    path = PERSONAL + "{link}"
    pages.add_api_route(path, show, methods=["GET"])
    for action, endpoint in (
        ("schluessel", new_key),
        ("abholen", listen),
        ("abholen-beenden", stop_listening),
        ("loeschen", delete),
    ):
        pages.add_api_route(f"{path}/{action}", endpoint, methods=["POST"])
    pages.add_api_route(f"{path}/loeschen", ask_to_delete, methods=["GET"])
    return pages


@as_page
async def show(request: Request, link: str) -> Response:
    """Everything about the project; drawn anew at each call, with the last ten packets."""
    project = await _project(request, link)
    return await _page(request, link, project)


@as_page
async def new_key(request: Request, link: str) -> Response:
    """A new webhook key, shown this once."""
    await read_form(request)
    project = await _project(request, link)
    desk = citizen_desk(request)
    key = await anyio.to_thread.run_sync(desk.office.projects.new_webhook_key, project.slug)
    return await _page(request, link, await _project(request, link), key=key)


@as_page
async def listen(request: Request, link: str) -> Response:
    """Fetch by MQTT from now on."""
    form = await read_form(request)
    project = await _project(request, link)
    desk = citizen_desk(request)
    given = one(form, "anwendung").strip(), one(form, "schluessel").strip()
    try:
        await anyio.to_thread.run_sync(desk.office.projects.listen, project.slug, *given)
    except ApplicationRefused as refused:
        return await _page(request, link, project, status=422, problems=refused.problems)
    return _back(request, link)


@as_page
async def stop_listening(request: Request, link: str) -> Response:
    """Forget the key of The Things Network."""
    await read_form(request)
    project = await _project(request, link)
    await anyio.to_thread.run_sync(citizen_desk(request).office.projects.stop_listening, project.slug)
    return _back(request, link)


@as_page
async def ask_to_delete(request: Request, link: str) -> Response:
    """What would go, and the button."""
    project = await _project(request, link)
    return citizen_desk(request).frame.page("loeschen.html", project=project, link=link, problem="")


@as_page
async def delete(request: Request, link: str) -> Response:
    """Everything, for good."""
    form = await read_form(request)
    project = await _project(request, link)
    desk = citizen_desk(request)
    if one(form, "sicher") != "ja":
        problem = "Bitte ankreuzen, dass alles gelöscht werden soll."
        return desk.frame.page("loeschen.html", 422, project=project, link=link, problem=problem)
    await anyio.to_thread.run_sync(desk.office.projects.withdraw, project.slug)
    return desk.frame.page("geloescht.html")


async def _project(request: Request, link: str) -> Project:
    desk = citizen_desk(request)
    try:
        return await anyio.to_thread.run_sync(desk.office.projects.by_link, link)
    except NotFound:
        desk.guesses.require(request)
        raise


async def _page(
    request: Request, link: str, project: Project, *, status: int = 200, key: str = "", **content: Any
) -> Response:
    desk = citizen_desk(request)
    streams = await measured(data_desk(request), project.slug)
    names = {one.id: (one.name, one.unit.name) for one in streams}
    packets = await anyio.to_thread.run_sync(desk.packets.packets, project.slug, _SHOWN)
    scores = await plausibility_of(data_desk(request), streams)
    return desk.frame.page(
        "mein.html",
        status,
        project=project,
        link=link,
        key=key,
        url=_webhook_url(desk, project),
        packets=[words.packet_words(one, names) for one in packets],
        scores=scores,
        streams=streams,
        state=words.STATES[project.state],
        approved=project.state is State.APPROVED,
        fair_use=consent.FAIR_USE,
        licence=consent.LICENCES.get(project.licence, project.licence),
        moment=words.moment,
        contact=desk.office.settings.contact,
        **{"problems": {}, **content},
    )


def _webhook_url(desk: CitizenDesk, project: Project) -> str:
    if desk.office.settings.webhook_url:
        return desk.office.webhook_url(project.slug)
    # Without a setting the page says which part is missing instead of an address that leads nowhere.
    return f"https://<Adresse des Eingangs>{desk.office.webhook_url(project.slug)}"


def _back(request: Request, link: str) -> Response:
    return RedirectResponse(linked(request, f"{PERSONAL}{link}"), 303, headers={"Cache-Control": "no-store"})
