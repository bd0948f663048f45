"""The ledger in figures: what the operator page and /metrics show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from edge.wire.instants import instant
from udp.ledger import tables
from udp.ledger.gaps import split_at
from udp.ledger.packets import packet_counts
from udp.ledger.port import AgentProgress, DeviceFreshness, Gap, GatewayFreshness, Report
from udp.ledger.workers import added_up, told, worker_states


def report(connection: Connection, now: datetime) -> Report:
    """All figures within the caller's read transaction: one moment."""
    states = worker_states(connection)
    counted = {row.name: row.value for row in connection.execute(select(tables.counters))}
    return Report(
        devices=_devices(connection),
        gateways=_gateways(connection),
        agents=_agents(connection),
        gaps=_gaps(connection),
        quarantine=connection.scalar(select(func.count()).select_from(tables.quarantine)) or 0,
        counters={**counted, **added_up(states)},
        conditions=told(connection, states, now),
        workers=[state for state in states if state.worker],
        packets=packet_counts(connection),
    )


def _devices(connection: Connection) -> Sequence[DeviceFreshness]:
    """Sessions added up by device; the session heard last says time and counter."""
    table = tables.sessions
    found: dict[str, DeviceFreshness] = {}
    for row in connection.execute(select(table).order_by(table.c.dev_eui, table.c.last_received_at)):
        before = found.get(row.dev_eui)
        found[row.dev_eui] = DeviceFreshness(
            dev_eui=row.dev_eui,
            last_received_at=instant(row.last_received_at),
            last_f_cnt=row.last_f_cnt,
            uplinks=row.heard + (before.uplinks if before else 0),
            duplicates=row.duplicates + (before.duplicates if before else 0),
            # A device that counts from the beginning again has heard more than its range holds.
            lost=max(0, row.highest - row.lowest + 1 - row.heard) + (before.lost if before else 0),
        )
    return list(found.values())


def _gateways(connection: Connection) -> Sequence[GatewayFreshness]:
    rows = connection.execute(select(tables.gateways).order_by(tables.gateways.c.gateway))
    return [GatewayFreshness(row.gateway, instant(row.last_received_at), row.receptions) for row in rows]


def _agents(connection: Connection) -> Sequence[AgentProgress]:
    """Per agent the spool it sent from last; an older spool file tells nothing about today."""
    table = tables.agents
    query = select(table).order_by(table.c.agent, table.c.last_journalled_at)
    newest = {row.agent: row for row in connection.execute(query)}
    return [
        AgentProgress(
            agent=row.agent,
            highest_sequence=row.highest,
            last_sent_at=instant(row.last_sent_at),
            last_journalled_at=instant(row.last_journalled_at),
        )
        for row in newest.values()
    ]


def _gaps(connection: Connection) -> Sequence[Gap]:
    agents, gaps = tables.agents, tables.gaps
    floors = {
        (row.agent, row.spool): row.floor
        for row in connection.execute(select(agents.c.agent, agents.c.spool, agents.c.floor))
    }
    found: list[Gap] = []
    for row in connection.execute(select(gaps).order_by(gaps.c.agent, gaps.c.noticed_at, gaps.c.first)):
        floor = floors[row.agent, row.spool]
        for first, last, at, lost in split_at(floor, [(row.first, row.last, row.noticed_at)]):
            found.append(Gap(row.agent, first, last, instant(at), lost))
    return found
