"""What the live pages share, and how they say no: as a page in German, never with a secret in a log."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from udp.api.citizens.forms import HourlyLimit, Tickets
from udp.api.citizens.frame import Frame
from udp.api.problems import TABLE, InvalidRequest, NotOurs, TooLarge
from udp.citizens.application import Written
from udp.citizens.office import Office
from udp.citizens.project import Project, State
from udp.errors import PlatformError
from udp.ledger.port import PacketReader

log = logging.getLogger(__name__)

PERSONAL = "/buerger/mein/"
# These speak to programs, in English; what is refused about citizens' projects is said in German already.
_GERMAN: dict[type[PlatformError], str] = {
    TooLarge: "Das Formular ist zu groß. Bitte kürzer schreiben und noch einmal absenden.",
    NotOurs: "Das Formular kam von einer anderen Internetseite. Bitte füllen Sie es hier aus.",
    InvalidRequest: "Das Formular war nicht zu lesen. Bitte die Seite neu laden und noch einmal absenden.",
}
Endpoint = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class CitizenDesk:
    """Made once per application. `guesses` bounds how often one client may try links."""

    office: Office
    packets: PacketReader
    frame: Frame
    tickets: Tickets
    applications: HourlyLimit
    guesses: HourlyLimit


def citizen_desk(request: Request) -> CitizenDesk:
    """The desk this application was built with."""
    found: CitizenDesk = request.app.state.citizens
    return found


def as_page(endpoint: Endpoint) -> Endpoint:
    """Refusals of the platform become pages."""

    @wraps(endpoint)
    async def shown(request: Request, *args: Any, **kwargs: Any) -> Response:
        try:
            return await endpoint(request, *args, **kwargs)
        except PlatformError as error:
            kind = next(TABLE[one] for one in type(error).__mro__ if one in TABLE)
            if kind.status >= 500:
                # The address of a personal page is a secret: the kind of page is all that is logged.
                log.warning("%s: %s", endpoint.__name__, error)
            text = _GERMAN.get(type(error), str(error))
            if kind.status >= 500:
                text = "Bitte in einigen Minuten noch einmal versuchen."
            response = citizen_desk(request).frame.page(
                "absage.html", kind.status, heading=kind.german, text=text
            )
            response.headers.update(kind.headers)
            return response

    return shown


async def take_application(request: Request, written: Written) -> tuple[Project, str]:
    """An application by form or interface: the project, and the full address of its personal page.

    A class code is looked at only after the limit, so nobody tries codes in numbers. Whom one let in does
    not count: its places bound them, and a school has one address.
    """
    desk = citizen_desk(request)
    desk.applications.require(request)
    where = f"{address(request)}{PERSONAL}"
    project, link = await anyio.to_thread.run_sync(desk.office.apply, written, where)
    if project.state is State.APPROVED:
        desk.applications.give_back(request)
    return project, link


def address(request: Request) -> str:
    """Scheme and host as the caller sees them."""
    return str(request.base_url).rstrip("/")
