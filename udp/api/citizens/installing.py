"""Put the citizens' pages and interface into the application; without an office there are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI

from udp.api.citizens import applying, interface, personal, staff
from udp.api.citizens.desk import CitizenDesk
from udp.api.citizens.forms import HourlyLimit, Tickets
from udp.api.citizens.frame import Frame
from udp.api.desk import Ports
from udp.api.pages import Pages

_GUESSES_PER_HOUR = 30


def install(app: FastAPI, ports: Ports, pages: Pages | None, ours: Sequence[Any]) -> None:
    """`ours`: what every route of the interface depends on."""
    office = ports.citizens
    if office is None:
        return
    app.state.citizens = CitizenDesk(
        office=office,
        packets=ports.ledger,
        frame=Frame(ports.pages, office.settings.city, root=ports.root),
        tickets=Tickets(ports.monotonic),
        applications=HourlyLimit(office.settings.per_address_hour, ports.monotonic),
        guesses=HourlyLimit(_GUESSES_PER_HOUR, ports.monotonic),
    )
    app.include_router(interface.router(), dependencies=ours)
    app.include_router(applying.router())
    app.include_router(personal.router())
    if pages is not None:
        app.include_router(staff.router(pages))
