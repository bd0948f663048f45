"""Who asks: the first question of every route, answered by key, by session, or by nothing."""

from __future__ import annotations

import hmac
from typing import Any

import anyio.to_thread
from fastapi import Request
from starlette.responses import Response

from udp.access.audit import shortened
from udp.access.crowd import Crowd
from udp.access.porter import Porter
from udp.access.sessions import Session
from udp.api.problems import FormRefused
from udp.api.rooted import cookie, inside, link
from udp.auth import Keys
from udp.policy import PUBLIC, Caller

EXTRA_HEADERS = "udp.headers"
VISIT = "udp.visit"
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf_token"
_COOKIE = "session"
_SAFE = ("GET", "HEAD", "OPTIONS")
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def key_of(request: Request) -> str | None:
    """The key in `Authorization: Bearer` or `X-Api-Key`, if any."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("x-api-key", "").strip() or None


async def identify(request: Request, keys: Keys, porter: Porter | None, crowd: Crowd) -> Caller:
    """KeyRefused for a wrong key: nobody shall wonder why so little is there. OutOfScope for a path the
    key is not for, TooOften past its limits or those of an address without a key, FormRefused for an
    unsafe request by cookie alone."""
    if (key := key_of(request)) is not None:
        return await anyio.to_thread.run_sync(_by_key, request.scope, key, keys, porter)
    session = await session_of(request, porter)
    if session is None:
        await _let_in(request, crowd)
        return PUBLIC
    if request.method not in _SAFE:
        await require_own_form(request, session)
    return session.caller


async def _let_in(request: Request, crowd: Crowd) -> None:
    """The outermost layer ends the visit when the answer begins (udp.api.headers)."""
    client = request.client
    told = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    # The server puts the caller in the place of a proxy that is named, with port 0: nobody else has that.
    believed = client is not None and client.port == 0
    request.scope[VISIT] = await crowd.enter(client.host if client else None, forwarded=told and not believed)


def _by_key(scope: Any, key: str, keys: Keys, porter: Porter | None) -> Caller:
    grant = keys.grant(key)
    grant.require_path(inside(scope))
    if porter is not None and grant.counted:
        scope[EXTRA_HEADERS] = porter.usage.admit(grant.key, grant.quota)
    return grant.caller


async def session_of(request: Request, porter: Porter | None) -> Session | None:
    """The session of whoever signed in; None for everybody else. A cookie that no longer counts is none."""
    given = request.cookies.get(cookie_name(request))
    if porter is None or given is None:
        return None
    return await anyio.to_thread.run_sync(porter.sessions.find, given)


async def require_own_form(request: Request, session: Session) -> None:
    """A browser sends cookies also for foreign pages: only ours know the token. FormRefused."""
    given = request.headers.get(CSRF_HEADER, "")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not given and kind in _FORMS:
        given = str((await request.form()).get(CSRF_FIELD, ""))
    if not hmac.compare_digest(given.encode(), session.csrf.encode()):
        raise FormRefused(
            f"send the session's token as {CSRF_HEADER} or form field {CSRF_FIELD}; load the page again"
        )


def cookie_name(request: Request) -> str:
    """By TLS the name that browsers accept from this host alone, if the city has it for itself."""
    return cookie(request, _COOKIE, anywhere=True)


def set_session(request: Request, response: Response, value: str, seconds: int) -> None:
    """Readable by no script, sent by no foreign form, and by TLS never without it."""
    response.set_cookie(
        cookie_name(request),
        value,
        max_age=seconds,
        path=link(request, "/"),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def origin_of(request: Request) -> str:
    """Where the request comes from, shortened for the audit log."""
    return shortened(request.client.host if request.client else None)
