"""The register's own words about devices: owner, place, photo, height, maintenance. For staff only."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from fastapi import APIRouter
from starlette.responses import Response

from edge.wire.identifiers import DevEUI
from udp.api import representations
from udp.api.desk import Asking, AtDesk
from udp.api.problems import KeyRequired, NotAllowed
from udp.api.staff_schemas import DeviceAnswer, DevicesAnswer
from udp.devices.sheets import DeviceSheet
from udp.errors import NotFound
from udp.policy import PUBLIC, Caller, operates


def router() -> APIRouter:
    """Both routes."""
    api = APIRouter(prefix=representations.V1, tags=["devices"])
    routes: tuple[tuple[str, Any, Any, str], ...] = (
        ("/devices", devices, DevicesAnswer, "What the register says of every device (operator key)"),
        ("/devices/{dev_eui}", device, DeviceAnswer, "What the register says of one device (operator key)"),
    )
    for path, endpoint, model, summary in routes:
        api.add_api_route(
            path,
            endpoint,
            methods=["GET"],
            summary=summary,
            responses={200: {"model": model}},
            response_class=Response,
        )
    return api


async def devices(at: AtDesk, who: Asking) -> Response:
    """Owner, place, photo, height, dates and maintenance of every device in force; never its keys."""
    _require_staff(who)
    found = await anyio.to_thread.run_sync(at.ports.sheets.all)
    return _answer({"count": len(found), "devices": [described(one) for one in found]})


async def device(at: AtDesk, who: Asking, dev_eui: str) -> Response:
    """One of them. NotFound if it is not in the register, or no longer in force."""
    _require_staff(who)
    try:
        wanted = DevEUI.parse(dev_eui)
    except ValueError as error:
        raise NotFound(f"device {dev_eui!r} is not known: {error}") from error
    found = await anyio.to_thread.run_sync(at.ports.sheets.all)
    for one in found:
        if one.dev_eui == wanted:
            return _answer(described(one))
    raise NotFound(f"device {wanted} is not known; see /api/v1/devices for all of them")


def described(sheet: DeviceSheet) -> dict[str, Any]:
    """One device as JSON; `record` by the English words of the device table's columns."""
    return {
        "dev_eui": str(sheet.dev_eui),
        "thing": sheet.thing,
        "thing_name": sheet.thing_name,
        "profile": sheet.profile,
        "citizen": sheet.citizen,
        "record": dict(sheet.record),
        "maintenance": [
            {"at": one.at, "kind": one.kind, "text": one.text, "person": one.person} for one in sheet.log
        ],
    }


def _require_staff(who: Caller) -> None:
    if who != PUBLIC and not operates(who):
        raise NotAllowed("the register of devices is for those who run the platform")
    if not operates(who):
        raise KeyRequired(
            "the register of devices is for operators; send the key as Authorization: Bearer <key>"
        )


def _answer(content: Any) -> Response:
    return Response(
        representations.dumps(content), headers={"Cache-Control": "no-store"}, media_type="application/json"
    )
