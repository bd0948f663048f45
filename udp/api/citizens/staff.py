"""The page on which staff decides about applications; behind the same door as the operator page."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import anyio.to_thread
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from udp.api.asking import session_of
from udp.api.citizens.desk import as_page, citizen_desk
from udp.api.citizens.forms import Form, one, read_form
from udp.api.citizens.words import moment
from udp.api.pages import OPERATOR_ROOM, Pages
from udp.api.rooted import link
from udp.citizens.class_codes import MOST_PLACES, ClassCode, ClassCodes, NoSuchWish
from udp.citizens.project import State
from udp.errors import NotFound

_HERE = ZoneInfo("Europe/Berlin")
_ORIGIN = "operator page"
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
        return RedirectResponse(link(request, STAFF), 303, headers={"Cache-Control": "no-store"})

    @as_page
    async def make_code(request: Request) -> Response:
        if (refusal := await pages.refuse(request)) is not None:
            return refusal
        form, who = await read_form(request), await _who(request)
        try:
            places, until = int(one(form, "plaetze")), date.fromisoformat(one(form, "bis"))
        except ValueError:
            wrong = "Plätze ist eine Zahl, der letzte Tag ein Datum (JJJJ-MM-TT)."
            return await _page(request, 422, wrong, said=form)
        try:
            code = await anyio.to_thread.run_sync(
                lambda: _codes(request).make(one(form, "klasse"), places, until, who, _ORIGIN)
            )
        except NoSuchWish as error:
            return await _page(request, 422, str(error), said=form)
        return await _page(request, 200, "", code)

    @as_page
    async def revoke_code(request: Request, number: int) -> Response:
        if (refusal := await pages.refuse(request)) is not None:
            return refusal
        await read_form(request)
        who = await _who(request)
        await anyio.to_thread.run_sync(lambda: _codes(request).revoke(number, who, _ORIGIN))
        back = link(request, f"{STAFF}#klassencodes")
        return RedirectResponse(back, 303, headers={"Cache-Control": "no-store"})

    api.add_api_route(STAFF, show, methods=["GET"])
    # Slugs of projects begin with b-: none of them is called so.
    api.add_api_route(STAFF + "/klassencode", make_code, methods=["POST"])
    api.add_api_route(STAFF + "/klassencode/{number}", revoke_code, methods=["POST"])
    api.add_api_route(STAFF + "/{slug}", decide, methods=["POST"])
    return api


def _standing(one: ClassCode, now: datetime) -> str:
    """Empty while it still lets somebody in."""
    if one.revoked_at is not None:
        return "gesperrt"
    if one.until <= now:
        return "abgelaufen"
    return "alle Plätze vergeben" if one.used >= one.places else ""


def _day(moment: datetime) -> str:
    """The last day a moment just after its end stands for."""
    return f"{(moment - timedelta(seconds=1)).astimezone(_HERE):%d.%m.%Y}"


def _codes(request: Request) -> ClassCodes:
    found = citizen_desk(request).office.projects.codes
    if found is None:
        raise NotFound("Klassencodes gelten hier nicht.")
    return found


async def _who(request: Request) -> str:
    """Who signed in; a key has no name of its own here."""
    session = await session_of(request, request.app.state.desk.ports.porter)
    return "Betriebsseite" if session is None else session.subject


async def _page(
    request: Request, status: int, problem: str, code: str = "", said: Form | None = None
) -> Response:
    """`said`: what somebody had written into the form for codes, so that nobody writes it twice."""
    desk = citizen_desk(request)
    projects = await anyio.to_thread.run_sync(desk.office.projects.all)
    codes = desk.office.projects.codes
    listed = [] if codes is None else await anyio.to_thread.run_sync(codes.listed)
    return desk.frame.page(
        "freigaben.html",
        status,
        waiting=[one for one in projects if one.state is State.APPLIED],
        decided=[one for one in projects if one.state is not State.APPLIED],
        problem=problem,
        code=code,
        codes=[(one, _standing(one, request.app.state.desk.now())) for one in listed],
        takes_codes=codes is not None,
        day=_day,
        most_places=MOST_PLACES,
        said={name: one(said or {}, name) for name in ("klasse", "plaetze", "bis")},
        moment=moment,
        approved=State.APPROVED,
        staff=link(request, STAFF),
    )
