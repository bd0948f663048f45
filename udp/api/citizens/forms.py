"""Take what browsers and programs send, and keep out what machines send in numbers.

No cookies: a personal page is opened by its secret, so no other site can act in somebody's name. Forms
anybody may send carry a ticket of ours, a field that people leave empty, and a limit by address.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from udp.api import strict_json
from udp.api.problems import InvalidRequest, NotOurs, TooLarge, TooManyTries

MOST_BYTES = 20_000
MOST_FIELDS = 100
BAIT = "webseite"
"""A field people do not see and machines fill in."""
TICKET = "beleg"
_OLDEST_S = 4 * 3600.0
_YOUNGEST_S = 2.0
_MOST_CLIENTS = 10_000

Form = Mapping[str, list[str]]


class Tickets:
    """A form of ours, drawn not too long ago; worth nothing after a restart."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._key = secrets.token_bytes(32)

    def issue(self) -> str:
        """For one form."""
        return self._signed(f"{self._monotonic():.3f}")

    def good(self, ticket: str) -> bool:
        """Whether we issued it, and a person could have filled in the form meanwhile."""
        moment, _, _ = ticket.partition(".sig.")
        if not hmac.compare_digest(self._signed(moment).encode(), ticket.encode()):
            return False
        return _YOUNGEST_S <= self._monotonic() - float(moment) <= _OLDEST_S

    def _signed(self, moment: str) -> str:
        signature = hmac.new(self._key, moment.encode(), hashlib.sha256).hexdigest()
        return f"{moment}.sig.{signature}"


class HourlyLimit:
    """So many of one kind per client and hour."""

    def __init__(self, most: int, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._monotonic = monotonic
        self._seen: dict[str, list[float]] = {}

    def require(self, request: Request) -> None:
        """TooManyTries when this client has had its share. IPv6 clients count by their /64."""
        now, who = self._monotonic(), client_of(request)
        recent = [at for at in self._seen.get(who, []) if now - at < 3600.0]
        if len(recent) >= self._most:
            raise TooManyTries("Zu viele Anfragen von diesem Anschluss. Bitte in einer Stunde noch einmal.")
        if len(self._seen) >= _MOST_CLIENTS:
            self._seen.clear()
        self._seen[who] = [*recent, now]

    def give_back(self, request: Request) -> None:
        """The newest one of this client does not count: something else bounds it."""
        who = client_of(request)
        self._seen[who] = self._seen.get(who, [])[:-1]


def client_of(request: Request) -> str:
    """Whose request it is, as coarse as addresses are given out."""
    host = request.client.host if request.client else "?"
    return ":".join(host.split(":")[:4]) if ":" in host else host


async def read_form(request: Request) -> Form:
    """The fields of a form of this site. TooLarge, NotOurs, InvalidRequest."""
    require_same_site(request)
    body = await _body(request)
    if not body:
        return {}  # a form of nothing but its button
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise InvalidRequest("the form must be sent as application/x-www-form-urlencoded")
    form: dict[str, list[str]] = {}
    try:
        for name, value in parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        ):
            form.setdefault(name, []).append(value.replace("\0", ""))
    except ValueError as error:
        raise InvalidRequest(f"the form cannot be read: {error}") from error
    return form


async def read_json(request: Request) -> Mapping[str, Any]:
    """The object of a request by a program. TooLarge, InvalidRequest."""
    body = await _body(request)
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise InvalidRequest("the body must be application/json")
    try:
        content = strict_json.loads(body)
    except ValueError as error:
        raise InvalidRequest(f"the body cannot be taken as JSON: {str(error)[:120]}") from error
    if not isinstance(content, dict):
        raise InvalidRequest("the body must be a JSON object")
    return content


def require_same_site(request: Request) -> None:
    """NotOurs for a form that another site sent in a visitor's browser (Fetch Metadata, else Origin)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        raise NotOurs("this form was sent from another site")
    origin = request.headers.get("origin")
    if site is None and origin not in (None, "null") and urlsplit(str(origin)).netloc != request.url.netloc:
        raise NotOurs("this form was sent from another site")


def one(form: Form, name: str) -> str:
    """The first value of a field; empty if it is not there."""
    return form.get(name, [""])[0]


async def _body(request: Request) -> bytes:
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise InvalidRequest("send the body as it is, without Content-Encoding: nothing is unpacked here")
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > MOST_BYTES:
        raise TooLarge(f"the body is larger than {MOST_BYTES} bytes")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise TooLarge(f"the body is larger than {MOST_BYTES} bytes")
    return bytes(body)
