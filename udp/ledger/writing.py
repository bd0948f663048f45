"""One page into the tables: what is new is counted once, what is known changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select

from udp.ledger import tables
from udp.ledger.gaps import Progress
from udp.ledger.packets import write_packets
from udp.ledger.port import Page, Quarantined, SeenUplink, SequenceRun
from udp.ledger.statements import Row, Statements

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BIND_LIMIT = 500


def write_page(connection: Connection, statements: Statements, page: Page, quarantine_limit: int) -> None:
    """Write everything of `page` within the caller's transaction."""
    if page.cursor is not None:
        if _reached(connection, page.cursor):
            return
        statements.cursors.execute(connection, [page.cursor])
    _write_uplinks(connection, statements, page.uplinks)
    _write_runs(connection, statements, page.runs)
    _write_quarantine(connection, statements, page.quarantined, quarantine_limit)
    _release(connection, page.released)
    statements.counters.execute(connection, [row for row in page.counters.items() if row[1]])
    statements.gauges.execute(connection, list(page.gauges.items()))
    _write_conditions(connection, statements, page)
    write_packets(connection, page.packets)


def _reached(connection: Connection, cursor: tuple[str, int]) -> bool:
    table = tables.cursors
    found = connection.scalar(select(table.c.row_id).where(table.c.journal == cursor[0]))
    return found is not None and found >= cursor[1]


def _write_uplinks(connection: Connection, statements: Statements, uplinks: Sequence[SeenUplink]) -> None:
    if not uplinks:
        return
    known = _known(connection, tables.uplinks, {uplink.identity for uplink in uplinks})
    told = {tuple(row[:4]) for row in _known_rows(connection, known)}
    firsts: list[Row] = []
    heard: list[Row] = []
    sessions: dict[tuple[str, bytes], list[int]] = {}
    gateways: dict[str, list[int]] = {}
    for uplink in uplinks:
        fresh = [row for row in _reception_rows(uplink) if row[:4] not in told]
        told.update(row[:4] for row in fresh)
        heard += fresh
        for row in fresh:
            count = gateways.setdefault(row[2], [row[3], 0])
            count[0] = max(count[0], row[3])
            count[1] += 1
        at = (uplink.received_at - _EPOCH) // _MICROSECOND
        new = uplink.identity not in known
        if new:
            known.add(uplink.identity)
            firsts.append((uplink.identity, at))
        _count_session(sessions, uplink, at, new=new, told_more=bool(fresh))
    statements.uplinks.execute(connection, firsts)
    statements.receptions.execute(connection, heard)
    statements.sessions.execute(connection, [(*key, *row) for key, row in sessions.items()])
    statements.gateways.execute(connection, [(key, *row) for key, row in gateways.items()])


def _count_session(
    sessions: dict[tuple[str, bytes], list[int]], uplink: SeenUplink, at: int, *, new: bool, told_more: bool
) -> None:
    f_cnt = uplink.f_cnt
    row = sessions.setdefault((uplink.dev_eui, uplink.session), [f_cnt, f_cnt, 0, 0, f_cnt, at])
    row[0] = min(row[0], f_cnt)
    row[1] = max(row[1], f_cnt)
    if new:
        row[2] += 1
    elif told_more:
        row[3] += 1
    if at >= row[5]:
        row[4:] = (f_cnt, at)


def _reception_rows(uplink: SeenUplink) -> list[Row]:
    return [
        (
            uplink.identity,
            uplink.way,
            one.gateway_name if one.gateway is None else one.gateway.hex().upper(),
            (one.received_at - _EPOCH) // _MICROSECOND,
            one.gateway_name,
            one.rssi_dbm,
            one.snr_db,
        )
        for one in uplink.receptions
    ]


def _known(connection: Connection, table: Table, identities: Iterable[bytes]) -> set[bytes]:
    wanted = list(identities)
    found: set[bytes] = set()
    for start in range(0, len(wanted), _BIND_LIMIT):
        query = select(table.c.identity).where(table.c.identity.in_(wanted[start : start + _BIND_LIMIT]))
        found.update(bytes(identity) for identity in connection.scalars(query))
    return found


def _known_rows(connection: Connection, identities: Iterable[bytes]) -> list[Row]:
    table = tables.receptions
    wanted = list(identities)
    rows: list[Row] = []
    for start in range(0, len(wanted), _BIND_LIMIT):
        query = select(table).where(table.c.identity.in_(wanted[start : start + _BIND_LIMIT]))
        rows += [(bytes(row[0]), *row[1:4]) for row in connection.execute(query)]
    return rows


def _write_runs(connection: Connection, statements: Statements, runs: Sequence[SequenceRun]) -> None:
    by_spool: dict[tuple[str, bytes], list[SequenceRun]] = {}
    for run in runs:
        by_spool.setdefault((run.agent, run.spool), []).append(run)
    for key, own in by_spool.items():
        progress = _progress(connection, key) or Progress.begin(min(run.floor for run in own))
        before = set(progress.missing)
        for run in own:
            progress.arrive(run.first, run.last, (run.journalled_at - _EPOCH) // _MICROSECOND)
        progress.floor = max(progress.floor, *(run.floor for run in own))
        newest = max(run.sent_at for run in own)
        progress.last_sent_at = max(progress.last_sent_at, (newest - _EPOCH) // _MICROSECOND)
        journalled = max(run.journalled_at for run in own)
        progress.last_journalled_at = max(progress.last_journalled_at, (journalled - _EPOCH) // _MICROSECOND)
        _save(connection, statements, key, progress, before)


def _progress(connection: Connection, key: tuple[str, bytes]) -> Progress | None:
    agents, gaps = tables.agents, tables.gaps
    own = (agents.c.agent == key[0]) & (agents.c.spool == key[1])
    row = connection.execute(select(agents).where(own)).one_or_none()
    if row is None:
        return None
    query = select(gaps.c.first, gaps.c.last, gaps.c.noticed_at).where(
        (gaps.c.agent == key[0]) & (gaps.c.spool == key[1])
    )
    missing = [(first, last, at) for first, last, at in connection.execute(query.order_by(gaps.c.first))]
    return Progress(row.highest, row.floor, row.last_sent_at, row.last_journalled_at, missing)


def _save(
    connection: Connection,
    statements: Statements,
    key: tuple[str, bytes],
    progress: Progress,
    before: set[tuple[int, int, int]],
) -> None:
    gaps = tables.gaps
    after = set(progress.missing)
    own = (gaps.c.agent == key[0]) & (gaps.c.spool == key[1])
    for first, _last, _at in before - after:
        connection.execute(delete(gaps).where(own & (gaps.c.first == first)))
    statements.gaps.execute(connection, [(*key, *gap) for gap in sorted(after - before)])
    row = (progress.highest, progress.floor, progress.last_sent_at, progress.last_journalled_at)
    statements.agents.execute(connection, [(*key, *row)])


def _digest(entry: Quarantined) -> bytes:
    """The same bytes by the same way from the same origin are one entry, whenever they come."""
    digest = blake2b(digest_size=16)
    for part in (entry.way.encode(), entry.origin.encode(), entry.octets):
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()


def _write_quarantine(
    connection: Connection, statements: Statements, entries: Sequence[Quarantined], limit: int
) -> None:
    if not entries:
        return
    rows: list[Row] = [
        (_digest(e), (e.at - _EPOCH) // _MICROSECOND, e.way, e.origin, e.reason, e.remedy, e.octets)
        for e in entries
    ]
    statements.quarantine.execute(connection, rows)
    table = tables.quarantine
    newest = connection.scalar(select(func.max(table.c.id)))
    if newest is not None and newest > limit:
        connection.execute(delete(table).where(table.c.id <= newest - limit))


def _release(connection: Connection, entries: Sequence[Quarantined]) -> None:
    table = tables.quarantine
    digests = [_digest(entry) for entry in entries]
    for start in range(0, len(digests), _BIND_LIMIT):
        connection.execute(delete(table).where(table.c.digest.in_(digests[start : start + _BIND_LIMIT])))


def _write_conditions(connection: Connection, statements: Statements, page: Page) -> None:
    standing: list[Any] = [(subject, words) for subject, words in page.conditions.items() if words]
    statements.conditions.execute(connection, standing)
    for subject, words in page.conditions.items():
        if not words:
            connection.execute(delete(tables.conditions).where(tables.conditions.c.subject == subject))
