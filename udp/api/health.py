"""Is the platform able to answer, and does anything flow: by part, with a reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import anyio.to_thread

from udp.api.desk import Desk
from udp.api.sensorthings.mqtt.listener import Listener
from udp.errors import PlatformError
from udp.ledger.port import Report
from udp.policy import Caller, operates


class Status(StrEnum):
    """`FAILED` parts make the whole platform not ready."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of the platform is doing."""

    status: Status
    detail: str


async def examine(desk: Desk, who: Caller) -> dict[str, Part]:
    """Every part by name. Reasons in full only for operators: they may name files and hosts."""
    found = {
        "registry": await _attempt(lambda: _registry(desk), who),
        "store": await _attempt(lambda: _store(desk), who),
        "ledger": await _attempt(lambda: _ledger(desk), who),
    }
    if found["ledger"].status is not Status.FAILED:
        found["pipeline"] = _pipeline(await desk.report.get(), who)
    return found


def mqtt(listener: Listener, who: Caller) -> Part:
    """Whether subscribers of SensorThings are told what is new."""
    if listener.trouble:
        return Part(Status.WARNING, f"pauses: {listener.trouble}" if operates(who) else "pauses")
    if not operates(who):
        return Part(Status.OK, "answers")
    return Part(Status.OK, f"{listener.clients} clients, {listener.subscriptions} subscriptions")


def worst(parts: dict[str, Part]) -> Status:
    """The status of the whole."""
    present = {part.status for part in parts.values()}
    return next((one for one in (Status.FAILED, Status.WARNING) if one in present), Status.OK)


async def _attempt(check: Callable[[], Awaitable[Part]], who: Caller) -> Part:
    try:
        return await check()
    except PlatformError as error:
        return Part(Status.FAILED, str(error) if operates(who) else "does not answer")


async def _registry(desk: Desk) -> Part:
    await anyio.to_thread.run_sync(desk.ports.registry.version)
    inventory = (await desk.views.get()).inventory
    if not inventory.things:
        return Part(Status.WARNING, "holds nothing yet; run: udp import-city FILE")
    return Part(Status.OK, "answers")


async def _store(desk: Desk) -> Part:
    await desk.current.get()
    return Part(Status.OK, "answers")


async def _ledger(desk: Desk) -> Part:
    report = await desk.report.get()
    times = [agent.last_journalled_at for agent in report.agents]
    times += [device.last_received_at for device in report.devices]
    if not times:
        return Part(Status.WARNING, "nothing has been received yet")
    age_s = _age_s(max(times), desk.now())
    status = Status.WARNING if age_s > desk.settings.silent_after_s else Status.OK
    return Part(status, f"last message {age_s:.0f} s ago")


def _pipeline(report: Report, who: Caller) -> Part:
    conditions = report.conditions
    if not conditions:
        return Part(Status.OK, "no condition is reported")
    in_full = [f"{one}: {text}" for one, text in conditions.items()]
    told = in_full if operates(who) else list(conditions)
    return Part(Status.WARNING, "; ".join(sorted(told)))


def _age_s(moment: datetime, now: datetime) -> float:
    return (now - moment).total_seconds()
