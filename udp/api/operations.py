"""What is wrong right now, for the people who run the platform: the ledger with the names of the register."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query
from starlette.responses import Response

from edge.wire.identifiers import DevEUI
from udp.api import columns_json, representations
from udp.api.current import MISSED_INTERVALS, SHORTEST_INTERVAL_S, Snapshot
from udp.api.desk import Asking, AtDesk
from udp.api.problems import KeyRequired
from udp.ledger.port import Quarantined, Report
from udp.policy import Role
from udp.registry.port import Device, Inventory

_MOST_OCTETS = 512


def router() -> APIRouter:
    """The one route, for operators only."""
    api = APIRouter(prefix=representations.V1, tags=["operations"])
    api.add_api_route(
        "/operations",
        operations,
        methods=["GET"],
        summary="Freshness, gaps, quarantine and counters (operator key)",
        response_class=Response,
    )
    return api


async def operations(
    at: AtDesk,
    who: Asking,
    quarantine: Annotated[int, Query(ge=0, le=1000, description="newest entries shown")] = 100,
) -> Response:
    """Everything the operator page shows. KeyRequired without an operator's key."""
    if who.role is not Role.OPERATOR:
        raise KeyRequired("operations are for operators; send the key as Authorization: Bearer <key>")
    report, inventory = await at.report.get(), (await at.views.get()).inventory
    entries = await anyio.to_thread.run_sync(at.ports.ledger.quarantined, quarantine)
    body = content(report, entries, inventory, await at.current.get(), at.now())
    return Response(
        representations.dumps(body), headers={"Cache-Control": "no-store"}, media_type="application/json"
    )


def content(
    report: Report, entries: Sequence[Quarantined], inventory: Inventory, snapshot: Snapshot, now: datetime
) -> dict[str, Any]:
    """The document; times are ISO 8601, ages whole seconds."""
    devices = _devices(report, inventory, now)
    return {
        "now": columns_json.time(now),
        "conditions": dict(report.conditions),
        "counters": dict(sorted(report.counters.items())),
        "agents": _agents(report, inventory, snapshot, now),
        "gateways": _gateways(report, inventory, now),
        "devices": devices,
        "stale_devices": [one["dev_eui"] for one in devices if one["stale"]],
        "gaps": [
            {
                "agent": gap.agent,
                "first": gap.first,
                "last": gap.last,
                "messages": gap.last - gap.first + 1,
                "noticed_at": columns_json.time(gap.noticed_at),
                "lost": gap.lost,
            }
            for gap in report.gaps
        ],
        "quarantine": {"count": report.quarantine, "newest": [_quarantined(one) for one in entries]},
    }


def _devices(report: Report, inventory: Inventory, now: datetime) -> list[dict[str, Any]]:
    """Devices of the register, silent ones included, and those only the radio knows."""
    heard = {_plain(one.dev_eui): one for one in report.devices}
    rows = []
    for dev_eui in sorted({str(one) for one in inventory.devices} | set(heard)):
        device = _device(dev_eui, inventory)
        fresh = heard.get(dev_eui)
        age_s = None if fresh is None else _age_s(fresh.last_received_at, now)
        rows.append(
            {
                "dev_eui": dev_eui,
                "known": device is not None,
                **_place(device.thing if device else None, inventory),
                "profile": device.profile if device else None,
                "citizen": device.citizen if device else None,
                "expected_interval_s": device.expected_interval_s if device else None,
                "last_received_at": columns_json.time(fresh.last_received_at) if fresh else None,
                "age_s": age_s,
                "stale": device is not None and _stale(age_s, device.expected_interval_s),
                "last_f_cnt": fresh.last_f_cnt if fresh else None,
                "uplinks": fresh.uplinks if fresh else 0,
                "duplicates": fresh.duplicates if fresh else 0,
                "lost": fresh.lost if fresh else 0,
            }
        )
    return rows


def _gateways(report: Report, inventory: Inventory, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "gateway": one.gateway,
            **_place(_thing_of_gateway(one.gateway, inventory), inventory),
            "last_received_at": columns_json.time(one.last_received_at),
            "age_s": _age_s(one.last_received_at, now),
            "receptions": one.receptions,
        }
        for one in report.gateways
    ]


def _agents(report: Report, inventory: Inventory, snapshot: Snapshot, now: datetime) -> list[dict[str, Any]]:
    """Agents that have sent, and agents of the register that never did; `health` is their newest own word."""
    sent = {one.agent: one for one in report.agents}
    newest = dict(
        zip(snapshot.observations.datastream.tolist(), snapshot.observations.result.tolist(), strict=True)
    )
    rows = []
    for name in sorted({agent for agent, _ in inventory.wired} | set(sent)):
        one = sent.get(name)
        rows.append(
            {
                "agent": name,
                **_place(_thing_of_agent(name, inventory), inventory),
                "highest_sequence": one.highest_sequence if one else None,
                "last_sent_at": columns_json.time(one.last_sent_at) if one else None,
                "last_journalled_at": columns_json.time(one.last_journalled_at) if one else None,
                "age_s": _age_s(one.last_journalled_at, now) if one else None,
                "health": _health(name, inventory, newest),
            }
        )
    return rows


def _health(agent: str, inventory: Inventory, newest: Mapping[int, float]) -> dict[str, float]:
    """What the agent last said of itself, by Datastream key."""
    sensor = inventory.wired.get((agent, "agent"))
    streams: Iterable[int] = (channel.datastream for channel in sensor.channels) if sensor else ()
    return {
        inventory.datastreams[number].key: newest[number]
        for number in streams
        if number in inventory.datastreams and math.isfinite(newest.get(number, math.nan))
    }


def _quarantined(one: Quarantined) -> dict[str, Any]:
    return {
        "at": columns_json.time(one.at),
        "way": one.way,
        "origin": one.origin,
        "reason": one.reason,
        "remedy": one.remedy,
        "size": len(one.octets),
        "octets": one.octets[:_MOST_OCTETS].hex(),
    }


def _place(thing: str | None, inventory: Inventory) -> dict[str, Any]:
    found = inventory.things.get(thing) if thing else None
    return {
        "thing": thing,
        "thing_name": found.name if found else None,
        "theme": found.theme if found else None,
        "district": found.location.district if found else None,
        "simulated": found.simulated if found else None,
    }


def _thing_of_gateway(gateway: str, inventory: Inventory) -> str | None:
    """By the property `gateway_eui` of a Thing, else by an agent of that name."""
    named = (key for key, one in inventory.things.items() if one.properties.get("gateway_eui") == gateway)
    return next(named, None) or _thing_of_agent(gateway, inventory)


def _thing_of_agent(agent: str, inventory: Inventory) -> str | None:
    return next((one.thing for (name, _), one in inventory.wired.items() if name == agent), None)


def _device(dev_eui: str, inventory: Inventory) -> Device | None:
    try:
        return inventory.devices.get(DevEUI.parse(dev_eui))
    except ValueError:
        return None


def _plain(dev_eui: str) -> str:
    try:
        return str(DevEUI.parse(dev_eui))
    except ValueError:
        return dev_eui


def _stale(age_s: int | None, interval_s: float) -> bool:
    return age_s is None or age_s > MISSED_INTERVALS * max(interval_s, SHORTEST_INTERVAL_S)


def _age_s(moment: datetime, now: datetime) -> int:
    return int((now - moment).total_seconds())
