"""The one table from error to HTTP status; every refusal is a problem document (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from udp.access.limits import TooOften
from udp.api.methods import allowed
from udp.api.rooted import inside, link, rooted
from udp.auth import KeyRefused, OutOfScope
from udp.citizens.application import ApplicationRefused
from udp.citizens.projects import NotPossible, TooManyWaiting
from udp.errors import (
    NotFound,
    PlatformError,
    RegistryUnavailable,
    StoreRejected,
    StoreUnavailable,
)

MEDIA_TYPE = "application/problem+json"
_LOG = logging.getLogger(__name__)


class InvalidRequest(PlatformError):
    """A parameter cannot be meant; names parameter and remedy."""


class BadQuery(PlatformError):
    """A query option of SensorThings cannot be meant; the standard asks for 400, not for 422."""


class BadEntity(PlatformError):
    """What somebody wants to write through SensorThings cannot be taken so; names what and why."""


class BodyTooLarge(PlatformError):
    """More than one request may bring."""


class Conflict(PlatformError):
    """It cannot be done while something else stands as it does; names that."""


class WrongFormat(PlatformError):
    """The body is in no format we read."""


class TooLong(PlatformError):
    """The address is longer than any honest question."""


class NotOffered(PlatformError):
    """The standard knows it, we do not."""


class TooMuch(PlatformError):
    """The answer would be too large; says how to ask for less."""


class KeyRequired(PlatformError):
    """Only for callers with a key."""


class NotAllowed(PlatformError):
    """Whoever asks is known, and may not."""


class FormRefused(PlatformError):
    """An unsafe request that came by a session's cookie alone, without the token of our own forms."""


class NotOurs(PlatformError):
    """A form that another site sent in a visitor's browser."""


class TooLarge(PlatformError):
    """The body is larger than any honest one."""


class TooManyTries(PlatformError):
    """This client has had its share for now."""


class Overloaded(PlatformError):
    """No room for one more client; the same request may be repeated later."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of error is told: `slug` ends the problem's type, titles by language."""

    status: int
    slug: str
    english: str
    german: str
    headers: Mapping[str, str]


_LATER = {"Retry-After": "5"}
_IN_AN_HOUR = {"Retry-After": "3600"}
_ASK_FOR_KEY = {"WWW-Authenticate": 'Bearer realm="udp"'}

TABLE: Mapping[type[Exception], Kind] = {
    NotFound: Kind(404, "not-found", "There is no such thing here", "Das gibt es hier nicht", {}),
    InvalidRequest: Kind(422, "invalid-request", "A parameter is wrong", "Ein Parameter ist falsch", {}),
    BadQuery: Kind(400, "bad-query", "The query cannot be meant", "Die Abfrage ist nicht verständlich", {}),
    BadEntity: Kind(400, "bad-entity", "The entity cannot be taken so", "So geht der Eintrag nicht", {}),
    BodyTooLarge: Kind(413, "body-too-large", "Too much at once", "Zu viel auf einmal", {}),
    Conflict: Kind(409, "conflict", "Something stands against it", "Etwas anderes steht dem entgegen", {}),
    WrongFormat: Kind(415, "wrong-format", "This format is not read here", "Dieses Format geht nicht", {}),
    TooLong: Kind(414, "too-long", "The address is too long", "Die Adresse ist zu lang", {}),
    NotOffered: Kind(501, "not-offered", "This is not offered", "Das wird nicht angeboten", {}),
    TooMuch: Kind(413, "too-much", "The answer would be too large", "Die Antwort wäre zu groß", {}),
    KeyRequired: Kind(401, "key-required", "A key is needed", "Ein Schlüssel ist nötig", _ASK_FOR_KEY),
    KeyRefused: Kind(401, "key-refused", "The key is not known", "Der Schlüssel ist unbekannt", _ASK_FOR_KEY),
    OutOfScope: Kind(403, "out-of-scope", "The key is not for this", "Der Schlüssel gilt hier nicht", {}),
    NotAllowed: Kind(403, "not-allowed", "This is not for you", "Das ist Ihnen nicht erlaubt", {}),
    FormRefused: Kind(403, "form-refused", "The form is not ours", "Das Formular ist nicht von hier", {}),
    TooOften: Kind(429, "too-often", "Too many requests", "Zu viele Abrufe", {}),
    ApplicationRefused: Kind(
        422, "application-refused", "The application has mistakes", "Die Anmeldung hat Fehler", {}
    ),
    NotPossible: Kind(409, "not-possible", "This cannot be done now", "Das geht jetzt nicht", {}),
    TooManyWaiting: Kind(
        503, "too-many-waiting", "Too many applications wait", "Zu viele Anmeldungen warten", _IN_AN_HOUR
    ),
    NotOurs: Kind(403, "not-ours", "The form is not ours", "Das Formular ist nicht von hier", {}),
    TooLarge: Kind(413, "too-large", "The body is too large", "Die Nachricht ist zu groß", {}),
    TooManyTries: Kind(429, "too-many-tries", "Too many requests", "Zu viele Anfragen", _IN_AN_HOUR),
    StoreUnavailable: Kind(
        503,
        "store-unavailable",
        "The values cannot be read now",
        "Die Werte sind gerade nicht lesbar",
        _LATER,
    ),
    RegistryUnavailable: Kind(
        503,
        "registry-unavailable",
        "The register cannot be read now",
        "Das Register ist nicht lesbar",
        _LATER,
    ),
    Overloaded: Kind(503, "overloaded", "Too many listeners", "Zu viele Zuhörer", _LATER),
    StoreRejected: Kind(500, "internal", "The platform made a mistake", "Fehler der Plattform", {}),
}
_INTERNAL = TABLE[StoreRejected]


def install(app: FastAPI) -> None:
    """Let `app` answer every error by the table."""
    for error in TABLE:
        app.add_exception_handler(error, _platform)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(HTTPStatus.INTERNAL_SERVER_ERROR, _internal)


def problem(request: Request, kind: Kind, detail: str, **more: Any) -> Response:
    """The document, titled in the language the caller prefers."""
    german = prefers_german(request.headers.get("accept-language", ""))
    body = {
        "type": link(request, f"/api#{kind.slug}"),
        "title": kind.german if german else kind.english,
        "status": kind.status,
        "detail": rooted(request, detail),
        "instance": request.url.path,
        **more,
    }
    return Response(
        json.dumps(body, ensure_ascii=False),
        kind.status,
        headers={"Cache-Control": "no-store", "Vary": "Accept-Language", **kind.headers},
        media_type=MEDIA_TYPE,
    )


def prefers_german(accept_language: str) -> bool:
    """Whether German comes first in the header; without any wish it does not."""
    first = accept_language.split(",", maxsplit=1)[0].split(";", maxsplit=1)[0].strip().lower()
    return first == "de" or first.startswith("de-")


async def _platform(request: Request, error: Exception) -> Response:
    kind = next(TABLE[one] for one in type(error).__mro__ if one in TABLE)
    ours = kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR and kind.status != HTTPStatus.NOT_IMPLEMENTED
    if ours and not isinstance(error, Overloaded):
        _LOG.warning("%s: %s", request.url.path, error)
        # The text may name files and hosts of ours: the public learns the kind only.
        return problem(request, kind, "Please try again later; the operators see the reason in the log.")
    more = {"errors": error.problems} if isinstance(error, ApplicationRefused) else {}
    response = problem(request, kind, str(error), **more)
    response.headers.update(getattr(error, "headers", {}))
    return response


async def _validation(request: Request, error: Exception) -> Response:
    mistakes = error.errors() if isinstance(error, RequestValidationError) else []
    errors = [{"parameter": str(one["loc"][-1]), "detail": str(one["msg"])} for one in mistakes]
    detail = "; ".join(f"{one['parameter']}: {one['detail']}" for one in errors)
    return problem(request, TABLE[InvalidRequest], detail or "the request cannot be read", errors=errors)


async def _http(request: Request, error: Exception) -> Response:
    status = HTTPStatus(error.status_code if isinstance(error, HTTPException) else 500)
    if status is HTTPStatus.NOT_FOUND:
        detail = f"{request.url.path} is no address of this interface; see /api/openapi.json for all of them"
        return problem(request, TABLE[NotFound], detail)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status is HTTPStatus.METHOD_NOT_ALLOWED and (
        known := allowed(request.app.routes, inside(request.scope))
    ):
        headers["Allow"] = ", ".join(known)
    german = {HTTPStatus.METHOD_NOT_ALLOWED: "Diese Methode geht hier nicht"}.get(status, status.phrase)
    kind = Kind(status, status.phrase.lower().replace(" ", "-"), status.phrase, german, headers)
    return problem(
        request, kind, f"{request.method} {request.url.path}: {status.description or status.phrase}"
    )


async def _internal(request: Request, _error: Exception) -> Response:
    return problem(request, _INTERNAL, "This is our mistake, not yours; the operators see it in the log.")
