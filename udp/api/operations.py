"""What is wrong right now, for the people who run the platform: the ledger with the names of the register."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from udp.api import columns_json, representations, staff_schemas
from udp.api.current import MISSED_INTERVALS, SHORTEST_INTERVAL_S, Snapshot
from udp.api.desk import Asking, AtDesk
from udp.api.events import described
from udp.api.problems import KeyRequired, NotAllowed
from udp.api.sensorthings.mqtt.listener import Listener
from udp.api.speakers import canonical, device_of, place_of, thing_of_agent, thing_of_gateway
from udp.ledger.hearing import Hearing
from udp.ledger.port import Quarantined, Report
from udp.policy import PUBLIC, operates
from udp.registry.port import Inventory, WiredSensor

_MOST_OCTETS = 512
_RECENT_EVENTS = 50
_AGENT, _GATEWAY = "agent", "gateway"  # sensors every agent has; all others are modules
# An agent's health comes as a whole: a figure it no longer gives is no longer so.
_HEALTH_SPREAD_S = 300.0


def router() -> APIRouter:
    """The one route, for operators only."""
    api = APIRouter(prefix=representations.V1, tags=["operations"])
    api.add_api_route(
        "/operations",
        operations,
        methods=["GET"],
        summary="Freshness, gaps, quarantine and counters (operator key)",
        responses={200: {"model": staff_schemas.OperationsAnswer}},
        response_class=Response,
    )
    return api


async def operations(
    request: Request,
    at: AtDesk,
    who: Asking,
    quarantine: Annotated[int, Query(ge=0, le=1000, description="newest entries shown")] = 100,
) -> Response:
    """Everything the operator page shows. KeyRequired without an operator's key."""
    if who != PUBLIC and not operates(who):
        raise NotAllowed("operations are for those who run the platform; this key or person is not")
    if not operates(who):
        raise KeyRequired("operations are for operators; send the key as Authorization: Bearer <key>")
    report, inventory = await at.report.get(), (await at.views.get()).inventory
    entries = await anyio.to_thread.run_sync(at.ports.ledger.quarantined, quarantine)
    hearing = await anyio.to_thread.run_sync(at.ports.ledger.hearing)
    opened = await anyio.to_thread.run_sync(at.ports.events.open_events)
    recent = await anyio.to_thread.run_sync(at.ports.events.recent, _RECENT_EVENTS)
    body = content(report, entries, inventory, await at.current.get(), at.now(), hearing=hearing)
    for row in body["devices"]:
        learned = at.ports.silent_after(f"device:{row['dev_eui']}")
        row["silent_after_s"] = None if learned is None else learned.total_seconds()
    body["mqtt"] = _mqtt(request.app.state.mqtt)
    view = await at.view(who)
    body["events"] = [
        described(one, view, staff=True) for one in (*opened, *(one for one in recent if one.closed_at))
    ]
    return Response(
        representations.dumps(body), headers={"Cache-Control": "no-store"}, media_type="application/json"
    )


def content(
    report: Report,
    entries: Sequence[Quarantined],
    inventory: Inventory,
    snapshot: Snapshot,
    now: datetime,
    *,
    hearing: Mapping[str, Hearing],
) -> dict[str, Any]:
    """The document; times are ISO 8601, ages whole seconds."""
    devices = _devices(report, {canonical(one): heard for one, heard in hearing.items()}, inventory, now)
    return {
        "now": columns_json.time(now),
        "conditions": dict(report.conditions),
        "counters": dict(sorted(report.counters.items())),
        "agents": _agents(report, inventory, snapshot, now),
        "gateways": _gateways(report, inventory, times(snapshot), now),
        "modules": _modules(inventory, times(snapshot), now),
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
        "webhooks": [
            {
                "project": one.project,
                "outcome": one.outcome.value,
                "count": one.count,
                "last_at": columns_json.time(one.last_at),
            }
            for one in report.packets
        ],
        "quarantine": {"count": report.quarantine, "newest": [_quarantined(one) for one in entries]},
    }


def _mqtt(listener: Listener) -> dict[str, Any]:
    """SensorThings by MQTT since this process began."""
    figures = listener.figures
    return {
        "port": listener.port,
        "trouble": listener.trouble,
        "clients": listener.clients,
        "subscriptions": listener.subscriptions,
        "waiting": listener.waiting,
        "sent": figures.sent,
        "created": figures.created,
        "missed_appends": figures.missed,
        "refused": figures.refused.total(),
        "dropped": figures.dropped.total(),
        "refusals": [
            {
                "at": columns_json.time(one.at), "who": one.who, "origin": one.origin, "wanted": one.wanted,
                "topic": one.topic, "why": one.why,
            }
            for one in figures.newest()
        ],
    }  # fmt: skip


def times(snapshot: Snapshot) -> dict[int, datetime]:
    """When the newest measurement of each Datastream was made."""
    found = snapshot.observations
    return {
        number: measured.replace(tzinfo=UTC)
        for number, measured in zip(found.datastream.tolist(), found.phenomenon_time.tolist(), strict=True)
    }


def _devices(
    report: Report, hearing: Mapping[str, Hearing], inventory: Inventory, now: datetime
) -> list[dict[str, Any]]:
    """Devices of the register, silent ones included, and those only the radio knows."""
    heard = {canonical(one.dev_eui): one for one in report.devices}
    rows = []
    for dev_eui in sorted({str(one) for one in inventory.devices} | set(heard)):
        device = device_of(dev_eui, inventory)
        fresh = heard.get(dev_eui)
        age_s = None if fresh is None else _age_s(fresh.last_received_at, now)
        rows.append(
            {
                "dev_eui": dev_eui,
                "known": device is not None,
                **place_of(device.thing if device else None, inventory),
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
                **_hearing(hearing.get(dev_eui), inventory),
            }
        )
    return rows


def _hearing(heard: Hearing | None, inventory: Inventory) -> dict[str, Any]:
    """The newest frame counters of the device, and who heard them."""
    if heard is None:
        return {"recent_sent": 0, "recent_missing": 0, "heard_by": []}
    return {
        "recent_sent": heard.sent,
        "recent_missing": heard.missing,
        "heard_by": [
            {
                "gateway": one.gateway,
                "name": place_of(thing_of_gateway(one.gateway, inventory), inventory)["thing_name"]
                or one.name,
                "uplinks": one.uplinks,
                "last_received_at": columns_json.time(one.last_received_at),
                "rssi_dbm": one.rssi_dbm,
                "snr_db": one.snr_db,
            }
            for one in heard.gateways
        ],
    }


def _gateways(
    report: Report, inventory: Inventory, newest: Mapping[int, datetime], now: datetime
) -> list[dict[str, Any]]:
    """Gateways as receptions and their forwarders' statistics show them, never heard ones included."""
    sensors = {one.thing: one for (_, name), one in inventory.wired.items() if name == _GATEWAY}
    heard = {one.gateway: one for one in report.gateways}
    places = {gateway: thing_of_gateway(gateway, inventory) for gateway in heard}
    # Without the property gateway_eui one gateway would otherwise stand here twice.
    unheard = sensors.keys() - set(places.values()) if None not in places.values() else set()
    for thing in sorted(unheard):
        eui = inventory.things[thing].properties.get("gateway_eui") if thing in inventory.things else None
        places[str(eui).upper() if eui else sensors[thing].agent] = thing
    rows = []
    for gateway, place in places.items():
        one, sensor = heard.get(gateway), sensors.get(place or "")
        streams = _streams(sensor, inventory)
        last_stat = max((newest[number] for number in streams if number in newest), default=None)
        intervals = [inventory.datastreams[number].expected_interval_s for number in streams]
        rows.append(
            {
                "gateway": gateway,
                **place_of(place, inventory),
                "agent": sensor.agent if sensor else None,
                "last_received_at": columns_json.time(one.last_received_at) if one else None,
                "age_s": _age_s(one.last_received_at, now) if one else None,
                "receptions": one.receptions if one else 0,
                "last_stat_at": columns_json.time(last_stat) if last_stat else None,
                "stat_interval_s": max(intervals, default=None),
            }
        )
    return rows


def _modules(inventory: Inventory, newest: Mapping[int, datetime], now: datetime) -> list[dict[str, Any]]:
    """Wired sensors (a pole's modules) with the newest time of each of their Datastreams."""
    rows = []
    for (agent, name), sensor in sorted(inventory.wired.items()):
        if name in (_AGENT, _GATEWAY):
            continue
        streams = []
        for number in _streams(sensor, inventory):
            stream, last = inventory.datastreams[number], newest.get(number)
            age_s = _age_s(last, now) if last else None
            streams.append(
                {
                    "datastream": number,
                    "key": stream.key,
                    "name": stream.name,
                    "expected_interval_s": stream.expected_interval_s,
                    "last_measured_at": columns_json.time(last) if last else None,
                    "age_s": age_s,
                    "stale": _stale(age_s, stream.expected_interval_s),
                }
            )
        rows.append({"agent": agent, "sensor": name, **place_of(sensor.thing, inventory), "streams": streams})
    return rows


def _streams(sensor: WiredSensor | None, inventory: Inventory) -> list[int]:
    channels = sensor.channels if sensor else ()
    return [one.datastream for one in channels if one.datastream in inventory.datastreams]


def _agents(report: Report, inventory: Inventory, snapshot: Snapshot, now: datetime) -> list[dict[str, Any]]:
    """Agents that have sent, and agents of the register that never did; `health` is their newest own word."""
    sent = {one.agent: one for one in report.agents}
    newest = dict(
        zip(snapshot.observations.datastream.tolist(), snapshot.observations.result.tolist(), strict=True)
    )
    measured, rows = times(snapshot), []
    for name in sorted({agent for agent, _ in inventory.wired} | set(sent)):
        one = sent.get(name)
        rows.append(
            {
                "agent": name,
                **place_of(thing_of_agent(name, inventory), inventory),
                "highest_sequence": one.highest_sequence if one else None,
                "last_sent_at": columns_json.time(one.last_sent_at) if one else None,
                "last_journalled_at": columns_json.time(one.last_journalled_at) if one else None,
                "age_s": _age_s(one.last_journalled_at, now) if one else None,
                "health": _health(name, inventory, newest, measured),
            }
        )
    return rows


def _health(
    agent: str, inventory: Inventory, newest: Mapping[int, float], measured: Mapping[int, datetime]
) -> dict[str, float]:
    """What the agent last said of itself, by Datastream key."""
    said = [one for one in _streams(inventory.wired.get((agent, _AGENT)), inventory) if one in measured]
    last = max((measured[number] for number in said), default=None)
    return {
        inventory.datastreams[number].key: newest[number]
        for number in said
        if last is not None
        and (last - measured[number]).total_seconds() <= _HEALTH_SPREAD_S
        and math.isfinite(newest[number])
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


def _stale(age_s: int | None, interval_s: float) -> bool:
    return age_s is None or age_s > MISSED_INTERVALS * max(interval_s, SHORTEST_INTERVAL_S)


def _age_s(moment: datetime, now: datetime) -> int:
    return int((now - moment).total_seconds())
