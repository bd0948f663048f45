"""The finished pages, served as they lie in their directory; those of staff behind their keys and roles."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import parse_qsl, urlencode

import anyio.to_thread
from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from udp.access.porter import Porter
from udp.api.asking import key_of, session_of
from udp.api.methods import allowed
from udp.api.problems import TABLE, prefers_german, problem
from udp.api.rooted import cookie, inside, link
from udp.auth import KeyRefused, Keys, OutOfScope
from udp.errors import NotFound
from udp.policy import Caller, Role, operates

OPERATOR_ROOM = "betrieb"
CLIMATE_ROOM = "klima"
KEY_PARAMETER = "schluessel"
SESSION_S = 12 * 3600
_MOST_SESSIONS = 256
# What no route took below these is refused as a problem document, not as a missing page.
_NOT_OURS = ("api", "health", "metrics")
_PUBLIC_CACHE = "public, max-age=20"
# Debian's table lacks some of these on small systems, and a wrong type is a broken page.
_TYPES = {
    ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml",
    ".csv": "text/csv", ".json": "application/json", ".geojson": "application/geo+json",
    ".webmanifest": "application/manifest+json", ".woff2": "font/woff2", ".txt": "text/plain",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Room:
    """Pages for some of the staff: who may enter, and what others are told, in German and English."""

    admits: Callable[[Caller], bool]
    role: str
    whose: tuple[str, str]


def _sees_climate(caller: Caller) -> bool:
    """The report is made for the whole role: a key for some datasets only does not open it."""
    return operates(caller) or (Role.CLIMATE in caller.roles and caller.datasets is None)


ROOMS: Mapping[str, Room] = {
    OPERATOR_ROOM: Room(operates, "operator", ("den Betrieb", "operators")),
    CLIMATE_ROOM: Room(_sees_climate, "climate", ("das Klimateam", "the climate team")),
}


class Sessions:
    """Staff who have shown their key in one room; forgotten at restart, when full, and after twelve hours."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until: dict[str, float] = {}

    def open(self) -> str:
        """A new unguessable name."""
        while len(self._until) >= _MOST_SESSIONS:
            del self._until[next(iter(self._until))]
        name = secrets.token_urlsafe(32)
        self._until[name] = self._monotonic() + SESSION_S
        return name

    def holds(self, name: str) -> bool:
        """Whether `name` was given and is still good."""
        now = self._monotonic()
        self._until = {known: until for known, until in self._until.items() if until > now}
        # Names hold 256 random bits: comparing until the first that fits tells nobody anything.
        return any(hmac.compare_digest(known.encode(), name.encode()) for known in self._until)


class Pages(StaticFiles):
    """`directory` may not exist yet: the pages are drawn by another process."""

    def __init__(
        self,
        directory: Path,
        keys: Keys,
        monotonic: Callable[[], float] = time.monotonic,
        porter: Porter | None = None,
    ) -> None:
        super().__init__(directory=directory, html=True, check_dir=False)
        self._root = directory
        self._keys = keys
        # One list per room: a session of the climate team must not open the operators' pages.
        self._sessions = {room: Sessions(monotonic) for room in ROOMS}
        self._porter = porter

    async def check_config(self) -> None:
        """Nothing: the directory may come later."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """`path` has been normalised, so no `..` leads around the lock."""
        parts = PurePath(path).parts
        request = Request(scope)
        if (others := allowed(request.app.routes, inside(scope))) and scope["method"] not in others:
            raise HTTPException(405, headers={"Allow": ", ".join(others)})
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        if parts and parts[0] in _NOT_OURS:
            raise HTTPException(404)
        if any(part.startswith(".") and part != "." for part in parts):
            return _missing(request)
        closed = bool(parts) and parts[0] in ROOMS
        if closed:
            refusal = await self.refuse(request, parts[0])
            if refusal is not None:
                return refusal
        if not await anyio.to_thread.run_sync(self._root.is_dir):
            return _not_yet(request)
        response = await self._found(path, scope)
        if closed:
            response.headers["Cache-Control"] = "private, no-store"
        elif response.status_code < 400:
            response.headers["Cache-Control"] = _PUBLIC_CACHE
        if (kind := _TYPES.get(PurePath(path).suffix)) and "content-type" in response.headers:
            response.headers["Content-Type"] = _with_charset(kind)
        return response

    async def _found(self, path: str, scope: Scope) -> Response:
        try:
            return await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404:
                raise
            return _missing(Request(scope))

    async def refuse(self, request: Request, room: str = OPERATOR_ROOM) -> Response | None:
        """None for those whom the room admits; else where to go or what to bring."""
        wanted = ROOMS[room]
        if (given := request.query_params.get(KEY_PARAMETER)) is not None:
            return await self._exchange(request, given, room)
        if self._sessions[room].holds(request.cookies.get(cookie(request, room), "")):
            return None
        if (key := key_of(request)) is not None and await self._opens(key, request, wanted):
            return None
        session = await session_of(request, self._porter)
        if session is not None and wanted.admits(session.caller):
            return None
        if session is None and self._porter and self._porter.sign_in and "html" in _accepted(request):
            target = urlencode({"weiter": request.url.path})
            return RedirectResponse(
                link(request, f"/anmelden?{target}"), 303, headers={"Cache-Control": "no-store"}
            )
        return _text(
            request,
            401,
            f"Diese Seite ist für {wanted.whose[0]}. Bitte mit ?{KEY_PARAMETER}=<Schlüssel> öffnen; "
            f"einen Schlüssel macht: udp keys create --role {wanted.role}",
            f"This page is for {wanted.whose[1]}. Open it with ?{KEY_PARAMETER}=<key>; "
            f"udp keys create --role {wanted.role} makes one.",
        )

    async def _exchange(self, request: Request, key: str, room: str) -> Response:
        """The key leaves the address bar at once: a session takes its place."""
        if not await self._opens(key, request, ROOMS[room]):
            return _text(request, 401, "Dieser Schlüssel ist unbekannt.", "This key is not known.")
        rest = [pair for pair in parse_qsl(request.url.query) if pair[0] != KEY_PARAMETER]
        target = URL(request.url.path).replace(query=urlencode(rest))
        response = RedirectResponse(_local(str(target)), status_code=303)
        response.set_cookie(
            cookie(request, room),
            self._sessions[room].open(),
            max_age=SESSION_S,
            path=link(request, f"/{room}"),
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        response.headers["Cache-Control"] = "no-store"
        return response

    async def _opens(self, key: str, request: Request, room: Room) -> bool:
        try:
            grant = await anyio.to_thread.run_sync(self._keys.grant, key)
            grant.require_path(inside(request.scope))
        except (KeyRefused, OutOfScope):
            return False
        return room.admits(grant.caller)


def _accepted(request: Request) -> str:
    return request.headers.get("accept", "")


def _local(target: str) -> str:
    """Two slashes at the beginning would name another host."""
    return "/" + target.lstrip("/\\")


def _with_charset(kind: str) -> str:
    textual = kind.startswith("text/") or kind in ("image/svg+xml",)
    return f"{kind}; charset=utf-8" if textual else kind


def _not_yet(request: Request) -> Response:
    response = _text(
        request, 503, "Die Seiten werden gerade zum ersten Mal gezeichnet.", "The pages are being drawn."
    )
    response.headers["Retry-After"] = "5"
    return response


def _missing(request: Request) -> Response:
    """Words for people; for programs a problem document, as everywhere: they may have missed a city."""
    if "html" not in _accepted(request):
        whole = f"there is nothing at {request.url.path}; see /api/openapi.json for the interface"
        return problem(request, TABLE[NotFound], whole)
    return _text(request, 404, "Diese Seite gibt es nicht.", "There is no such page.")


def _text(request: Request, status: int, german: str, english: str) -> Response:
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Language"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="udp"'
    text = german if prefers_german(request.headers.get("accept-language", "de")) else english
    return Response(text + "\n", status, headers=headers, media_type="text/plain; charset=utf-8")
