"""The page on which staff decides about applications; behind the same door as the operator page."""

from __future__ import annotations

import anyio.to_thread
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from udp.api.citizens.desk import as_page, citizen_desk
from udp.api.citizens.forms import one, read_form
from udp.api.citizens.words import moment
from udp.api.pages import OPERATOR_ROOM, Pages
from udp.citizens.project import State

STAFF = f"/{OPERATOR_ROOM}/buerger"


def router(pages: Pages) -> APIRouter:
    """`pages` knows who is an operator."""
    api = APIRouter(include_in_schema=False)

    @as_page
    async def show(request: Request) -> Response:
        return await pages.refuse(request) or await _page(request, 200, "")

    @as_page
    async def decide(request: Request, slug: str) -> Response:
        if (refusal := await pages.refuse(request)) is not None:
            return refusal
        form = await read_form(request)
        office = citizen_desk(request).office
        if one(form, "entscheidung") == "freigeben":
            await anyio.to_thread.run_sync(office.approve, slug)
        elif one(form, "grund").strip():
            await anyio.to_thread.run_sync(office.refuse, slug, one(form, "grund"))
        else:
            return await _page(request, 422, "Eine Ablehnung braucht einen Grund; der Anmelder liest ihn.")
        return RedirectResponse(STAFF, 303, headers={"Cache-Control": "no-store"})

    api.add_api_route(STAFF, show, methods=["GET"])
    api.add_api_route(STAFF + "/{slug}", decide, methods=["POST"])
    return api


async def _page(request: Request, status: int, problem: str) -> Response:
    desk = citizen_desk(request)
    projects = await anyio.to_thread.run_sync(desk.office.projects.all)
    return desk.frame.page(
        "freigaben.html",
        status,
        waiting=[one for one in projects if one.state is State.APPLIED],
        decided=[one for one in projects if one.state is not State.APPLIED],
        problem=problem,
        moment=moment,
        approved=State.APPROVED,
        staff=STAFF,
    )
