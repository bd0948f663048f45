"""Deliveries to the doors of projects: the newest are kept to be looked at, all are counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from edge.wire.instants import instant, microseconds
from udp.ledger import tables
from udp.ledger.port import PACKETS_KEPT, Packet, PacketCount, PacketOutcome, PacketValue


def write_packets(connection: Connection, packets: Sequence[Packet]) -> None:
    """Within the caller's transaction; the caller is the only writer at the moment."""
    for project in dict.fromkeys(one.project for one in packets):
        own = [one for one in packets if one.project == project]
        rows = [
            {"project": project, "at": microseconds(one.at), "content": _content(one)}
            for one in own[-PACKETS_KEPT:]
        ]
        connection.execute(insert(tables.packets), rows)
        _count(connection, project, own)
        _keep_newest(connection, project)


def newest_packets(connection: Connection, project: str, limit: int) -> list[Packet]:
    """Newest first."""
    table = tables.packets
    query = select(table).where(table.c.project == project)
    rows = connection.execute(query.order_by(table.c.at.desc(), table.c.id.desc()).limit(limit))
    return [_packet(row) for row in rows]


def packet_counts(connection: Connection) -> list[PacketCount]:
    """All projects, by name and outcome."""
    table = tables.packet_counts
    rows = connection.execute(select(table).order_by(table.c.project, table.c.outcome))
    return [
        PacketCount(row.project, PacketOutcome(row.outcome), row.total, instant(row.last_at)) for row in rows
    ]


def forget_project(connection: Connection, project: str, origin: str, dev_euis: Iterable[str]) -> None:
    """Everything the ledger knows of a project: its packets, its quarantine, how its devices were heard."""
    connection.execute(delete(tables.packets).where(tables.packets.c.project == project))
    connection.execute(delete(tables.packet_counts).where(tables.packet_counts.c.project == project))
    connection.execute(delete(tables.quarantine).where(tables.quarantine.c.origin == origin))
    for dev_eui in dev_euis:
        connection.execute(delete(tables.sessions).where(tables.sessions.c.dev_eui == dev_eui))
        first = bytes.fromhex(dev_eui)
        for table in (tables.receptions, tables.uplinks):
            # Uplink.identity begins with the DevEUI.
            own = table.c.identity.between(first, first + b"\xff" * 64)
            connection.execute(delete(table).where(own))


def _count(connection: Connection, project: str, packets: Sequence[Packet]) -> None:
    table = tables.packet_counts
    for outcome in dict.fromkeys(one.outcome for one in packets):
        own = [one for one in packets if one.outcome is outcome]
        last = max(microseconds(one.at) for one in own)
        key = (table.c.project == project) & (table.c.outcome == outcome.value)
        before = connection.execute(select(table).where(key)).one_or_none()
        if before is None:
            row = {"project": project, "outcome": outcome.value, "total": len(own), "last_at": last}
            connection.execute(insert(table), [row])
        else:
            values = {"total": before.total + len(own), "last_at": max(before.last_at, last)}
            connection.execute(update(table).where(key).values(values))


def _keep_newest(connection: Connection, project: str) -> None:
    table = tables.packets
    own = select(table.c.id).where(table.c.project == project)
    kept = own.order_by(table.c.id.desc()).offset(PACKETS_KEPT - 1).limit(1)
    oldest = connection.scalar(kept)
    if oldest is not None:
        connection.execute(delete(table).where((table.c.project == project) & (table.c.id < oldest)))


def _content(packet: Packet) -> dict[str, Any]:
    content = asdict(packet)
    for name in ("at", "project"):
        del content[name]
    return content | {"outcome": packet.outcome.value, "values": [list(one) for one in packet.values]}


def _packet(row: Row[Any]) -> Packet:
    content = dict(row.content)
    return Packet(
        at=instant(row.at),
        project=row.project,
        **content
        | {
            "outcome": PacketOutcome(content["outcome"]),
            "values": tuple(PacketValue(*one) for one in content["values"]),
        },
    )
