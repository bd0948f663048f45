"""The public form: what a citizen brings, checked by the same rules as the interface."""

from __future__ import annotations

from collections.abc import Mapping

import anyio.to_thread
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from udp.api.citizens.desk import PERSONAL, address, as_page, citizen_desk, take_application
from udp.api.citizens.forms import BAIT, TICKET, Form, one, read_form
from udp.api.rooted import link as linked
from udp.citizens import consent
from udp.citizens.application import FIELDS_AT_MOST, ApplicationRefused, Written
from udp.citizens.class_codes import FIELD
from udp.citizens.offer import FORMATTER, Offer
from udp.citizens.project import State

APPLY = "/buerger/anmelden"
_FIELDS_AT_ONCE = 2  # on a telephone eight pairs are three screens
# In the order of the page, from top to bottom.
_LABELS = {
    TICKET: "Formular", "titel": "Titel", "geraet": "Gerät", "dev_eui": "DevEUI", "abstand": "Sendeabstand",
    "felder": "Felder", "breite": "Breite", "laenge": "Länge", "ortsteil": "Ortsteil", "name": "Name",
    "mail": "E-Mail-Adresse", FIELD: "Klassencode", "lizenz": "Lizenz", "einwilligung": "Einwilligung",
}  # fmt: skip


def router() -> APIRouter:
    """The form and where it goes."""
    pages = APIRouter(include_in_schema=False)
    pages.add_api_route("/buerger", _home, methods=["GET"])
    pages.add_api_route(APPLY, show, methods=["GET"])
    pages.add_api_route(APPLY, take, methods=["POST"])
    return pages


async def _home(request: Request) -> Response:
    return RedirectResponse(linked(request, "/mitmachen/"), 307)


@as_page
async def show(request: Request) -> Response:
    """The empty form."""
    return await _form(request, Written(), {}, 200)


@as_page
async def take(request: Request) -> Response:
    """Kept: the personal link, shown this once. Not kept: the form again, with every mistake beside it."""
    desk = citizen_desk(request)
    form = await read_form(request)
    written = _written(form)
    if one(form, BAIT):
        # Whoever fills in what nobody sees is no person; it learns nothing from the answer.
        return desk.frame.page("danke.html", 201, link="", project=None, approved=False)
    if not desk.tickets.good(one(form, TICKET)):
        again = "Das Formular war zu schnell zurück oder zu lange offen. Bitte noch einmal absenden."
        return await _form(request, written, {TICKET: again}, 422)
    try:
        project, link = await take_application(request, written)
    except ApplicationRefused as refused:
        return await _form(request, written, refused.problems, 422)
    return desk.frame.page(
        "danke.html",
        201,
        link=f"{address(request)}{PERSONAL}{link}",
        project=project,
        approved=project.state is State.APPROVED,
    )


async def _form(request: Request, written: Written, problems: Mapping[str, str], status: int) -> Response:
    desk = citizen_desk(request)
    known: Offer = await anyio.to_thread.run_sync(desk.office.offer)
    rows = [*written.fields, *[("", "")] * FIELDS_AT_MOST][:FIELDS_AT_MOST]
    return desk.frame.page(
        "anmelden.html",
        status,
        offer=known,
        written=written,
        rows=rows,
        problems={key: problems[key] for key in _LABELS if key in problems},
        more=any(name or key for name, key in rows[_FIELDS_AT_ONCE:]),
        at_once=_FIELDS_AT_ONCE,
        labels=_LABELS,
        formatter=FORMATTER,
        licences=consent.LICENCES,
        consent=consent,
        ticket=desk.tickets.issue(),
        open=desk.office.settings.open,
        most=desk.office.settings.devices_at_most,
    )


def _written(form: Form) -> Written:
    names, keys = form.get("feld", []), form.get("messgroesse", [])
    return Written(
        title=one(form, "titel"),
        name=one(form, "name"),
        mail=one(form, "mail"),
        latitude=one(form, "breite"),
        longitude=one(form, "laenge"),
        exact=one(form, "genau") == "ja",
        district=one(form, "ortsteil"),
        kind=one(form, "geraet"),
        devices=one(form, "dev_eui").splitlines(),
        fields=[(name, key) for name, key in zip(names, keys, strict=False) if name.strip() or key],
        interval_minutes=one(form, "abstand"),
        licence=one(form, "lizenz"),
        consent=one(form, "einwilligung"),
        class_code=one(form, FIELD),
    )
