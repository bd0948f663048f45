"""Pages to sign in, to see who one is, and to sign out; German, and without a line of script."""

from __future__ import annotations

from html import escape
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from udp.access.porter import Porter
from udp.access.provider import ProviderUnavailable, SignInRefused
from udp.access.sessions import LinkRefused
from udp.access.sign_in import WAY_S
from udp.api.asking import (
    CSRF_FIELD,
    cookie_name,
    origin_of,
    require_own_form,
    session_of,
    set_session,
)
from udp.api.desk import AtDesk
from udp.api.rooted import below, cookie, link, root_of
from udp.errors import NotFound

_WAY_COOKIE = "anmeldung"
_WAY_PATH = "/anmelden"
_NO_STORE = {"Cache-Control": "no-store"}
_LONGEST = 2000


def router() -> APIRouter:
    """Not part of the data API's description: these are for people."""
    api = APIRouter(include_in_schema=False)
    for path, endpoint, method in (
        ("/anmelden", begin, "GET"),
        ("/anmelden/zurueck", back, "GET"),
        ("/anmelden/einmal", once, "GET"),
        ("/anmelden/einmal", use_once, "POST"),
        ("/konto", account, "GET"),
        ("/abmelden", leave, "POST"),
    ):
        api.add_api_route(path, endpoint, methods=[method], response_class=HTMLResponse)
    return api


async def begin(request: Request, at: AtDesk, weiter: str = "/konto") -> Response:
    """To the provider, with a signed note of how this sign-in began."""
    sign_in = _porter(at).sign_in
    if sign_in is None:
        return _page(
            "Anmelden",
            "<p>Eine Anmeldung mit Kennung ist hier nicht eingerichtet. Wer die Plattform betreibt, öffnet "
            "die Betriebsseite mit dem Schlüssel oder mit einem Einmal-Link: <code>udp users link</code></p>",
            404,
        )
    try:
        begun = await anyio.to_thread.run_sync(sign_in.begin, local(request, weiter))
    except ProviderUnavailable:
        return _failed(request, "Der Anmeldedienst antwortet nicht. Bitte später noch einmal versuchen.", 503)
    response = RedirectResponse(begun.address, 303, headers=_NO_STORE)
    response.set_cookie(
        cookie(request, _WAY_COOKIE), begun.cookie, max_age=WAY_S, path=link(request, _WAY_PATH),
        httponly=True, samesite="lax", secure=request.url.scheme == "https",
    )  # fmt: skip
    return response


async def back(request: Request, at: AtDesk) -> Response:
    """From the provider; every doubt ends here with no session."""
    porter = _porter(at)
    if porter.sign_in is None:
        raise NotFound("nobody signs in here; see [access.provider]")
    query = {name: value[:_LONGEST] for name, value in request.query_params.items()}
    kept = request.cookies.get(cookie(request, _WAY_COOKIE), "")
    try:
        session, target = await anyio.to_thread.run_sync(
            porter.sign_in.finish, query, kept, origin_of(request)
        )
        response: Response = RedirectResponse(local(request, target), 303, headers=_NO_STORE)
        set_session(request, response, session, int(porter.sessions.lasting.total_seconds()))
    except SignInRefused as error:
        response = _failed(request, f"Die Anmeldung gilt nicht: {error}.", 403)
    except ProviderUnavailable:
        response = _failed(
            request, "Der Anmeldedienst antwortet nicht. Bitte später noch einmal versuchen.", 503
        )
    response.delete_cookie(cookie(request, _WAY_COOKIE), path=link(request, _WAY_PATH))
    return response


async def once(request: Request, token: str = "") -> Response:
    """Asks first: programs that look at links must not use them up."""
    return _page(
        "Einmal anmelden",
        "<p>Dieser Link gilt ein einziges Mal.</p>"
        f'<form method="post" action="{link(request, "/anmelden/einmal")}">'
        f'<input type="hidden" name="token" value="{escape(token[:_LONGEST])}">'
        "<button>Jetzt anmelden</button></form>",
    )


async def use_once(
    request: Request, at: AtDesk, token: Annotated[str, Form(max_length=_LONGEST)]
) -> Response:
    """A session for a token from the command line."""
    porter = _porter(at)
    try:
        session = await anyio.to_thread.run_sync(porter.sessions.use, token, origin_of(request))
    except LinkRefused:
        return _failed(request, "Dieser Link ist unbekannt, verbraucht oder zu alt.", 403)
    response = RedirectResponse(link(request, "/konto"), 303, headers=_NO_STORE)
    set_session(request, response, session, int(porter.sessions.lasting.total_seconds()))
    return response


async def account(request: Request, at: AtDesk) -> Response:
    """Who one is here, and the way out."""
    session = await session_of(request, at.ports.porter)
    if session is None:
        return RedirectResponse(link(request, "/anmelden"), 303, headers=_NO_STORE)
    root = root_of(request)
    roles = ", ".join(sorted(session.caller.roles))
    return _page(
        "Ihr Konto",
        f"<dl><dt>Name</dt><dd>{escape(session.caller.name)}</dd><dt>Rollen</dt><dd>{escape(roles)}</dd></dl>"
        f'<p><a href="{root}/betrieb/">Betriebsseite</a> · '
        f'<a href="{root}/klima/">Bericht für das Klimateam</a> · '
        f'<a href="{root}/">Öffentliche Seiten</a></p>'
        f'<form method="post" action="{root}/abmelden">'
        f'<input type="hidden" name="{CSRF_FIELD}" value="{escape(session.csrf)}">'
        "<button>Abmelden</button></form>",
    )


async def leave(request: Request, at: AtDesk) -> Response:
    """Ends the session here and shows the way to end the provider's: forms lead to no foreign host."""
    porter = _porter(at)
    session = await session_of(request, porter)
    if session is None:
        return RedirectResponse(link(request, "/"), 303, headers=_NO_STORE)
    await require_own_form(request, session)
    given = request.cookies.get(cookie_name(request), "")
    await anyio.to_thread.run_sync(porter.sessions.close, given, origin_of(request))
    elsewhere = ""
    if porter.sign_in is not None:
        try:
            end = await anyio.to_thread.run_sync(porter.sign_in.leave)
        except ProviderUnavailable:
            end = None
        if end:
            elsewhere = f'<p><a href="{escape(end)}">Auch beim Anmeldedienst abmelden</a></p>'
    response = _page("Abgemeldet", f'{elsewhere}<p><a href="{link(request, "/")}">Zur ersten Seite</a></p>')
    response.delete_cookie(
        cookie_name(request), path=link(request, "/"), secure=request.url.scheme == "https"
    )
    return response


def local(request: Request, target: str) -> str:
    """A page of ours: two slashes at the beginning, or a backslash, would name another host."""
    path = "/" + target.split("\n", maxsplit=1)[0].replace("\\", "/").lstrip("/")[:_LONGEST]
    return below(root_of(request), path)


def _porter(at: AtDesk) -> Porter:
    if at.ports.porter is None:
        raise NotFound("nobody signs in here")
    return at.ports.porter


def _failed(request: Request, text: str, status: int) -> Response:
    again = f'<p><a href="{link(request, "/anmelden")}">Neu beginnen</a></p>'
    return _page("Nicht angemeldet", f"<p>{escape(text)}</p>{again}", status)


def _page(title: str, content: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(
        '<!doctype html><html lang="de"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} – Stadtdaten</title><link rel="icon" href="data:,">'
        "<style>:root{color-scheme:light dark}body{font:100%/1.55 system-ui,sans-serif;max-width:34rem;"
        "margin:2rem auto;padding:0 1rem}button{font:inherit;padding:.6rem 1.2rem;min-height:2.75rem}"
        "dt{font-weight:600}dd{margin:0 0 .6rem}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{content}</main></body></html>",
        status,
        headers=_NO_STORE,
    )
