"""Which gateways hear a device, how well, and how many of its last uplinks: where a loss comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, func, select

from edge.wire.identifiers import DevEUI
from edge.wire.instants import instant
from udp.ledger import tables

RECENT: Final = 50  # frame counters looked at per device: half a day at four an hour


@dataclass(frozen=True, slots=True)
class Heard:
    """One gateway hearing one device; signal and time are those of the newest uplink it heard."""

    gateway: str
    name: str
    uplinks: int
    last_received_at: datetime
    rssi_dbm: float | None
    snr_db: float | None


@dataclass(frozen=True, slots=True)
class Hearing:
    """The device's last `sent` frame counters (at most RECENT), `missing` of which nobody heard.

    `gateways`: who heard most of them first.
    """

    sent: int
    missing: int
    gateways: Sequence[Heard]


def hearing(connection: Connection) -> Mapping[str, Hearing]:
    """By DevEUI as the ledger writes it, in the session heard last."""
    table = tables.sessions
    newest = {
        row.dev_eui: row
        for row in connection.execute(select(table).order_by(table.c.dev_eui, table.c.last_received_at))
    }
    found: dict[str, Hearing] = {}
    for dev_eui, row in newest.items():
        try:
            prefix = DevEUI.parse(dev_eui) + bytes(row.session)
        except ValueError:
            continue
        first = max(row.lowest, row.last_f_cnt - RECENT + 1)
        span = {
            "first": prefix + first.to_bytes(4, "big"),
            "last": prefix + row.last_f_cnt.to_bytes(4, "big"),
        }
        sent = row.last_f_cnt - first + 1
        heard = connection.scalar(_UPLINKS, span) or 0
        found[dev_eui] = Hearing(sent, max(0, sent - heard), _gateways(connection, span))
    return found


def _gateways(connection: Connection, span: Mapping[str, bytes]) -> Sequence[Heard]:
    newest = {}
    uplinks_of: dict[str, set[bytes]] = {}
    for row in connection.execute(_RECEPTIONS, span):
        newest[row.gateway] = row  # ascending by frame counter: the last one stays
        # One gateway may tell of the same uplink by two ways (its agent and ChirpStack).
        uplinks_of.setdefault(row.gateway, set()).add(bytes(row.identity))
    counted = Counter({gateway: len(uplinks) for gateway, uplinks in uplinks_of.items()})
    return [
        Heard(
            gateway=gateway,
            name=newest[gateway].name,
            uplinks=uplinks,
            last_received_at=instant(newest[gateway].received_at),
            rssi_dbm=newest[gateway].rssi_dbm,
            snr_db=newest[gateway].snr_db,
        )
        for gateway, uplinks in counted.most_common()
    ]


_heard = tables.receptions.c
_of_span = _heard.identity.between(bindparam("first"), bindparam("last"))
_RECEPTIONS = select(tables.receptions).where(_of_span).order_by(_heard.identity, _heard.received_at)
_UPLINKS = (
    select(func.count())
    .select_from(tables.uplinks)
    .where(tables.uplinks.c.identity.between(bindparam("first"), bindparam("last")))
)
