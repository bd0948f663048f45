"""One page into the tables: what is new is counted once, what is known changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, select, tuple_, update

from edge.wire.instants import microseconds
from udp.ledger import quarantining, tables
from udp.ledger.gaps import Progress
from udp.ledger.packets import write_packets
from udp.ledger.port import Page, SeenUplink, SequenceRun
from udp.ledger.quarantining import QuarantineLimits
from udp.ledger.statements import Row, Statements

_MOST_ADDRESSES = 20_000  # senders nobody knows; the journal holds the frames of all


def write_page(
    connection: Connection, statements: Statements, page: Page, limits: QuarantineLimits, now_us: int
) -> None:
    """Write everything of `page` within the caller's transaction; `now_us` by our own clock."""
    if page.cursor is not None:
        if _reached(connection, page.cursor):
            return
        statements.cursors.execute(connection, [page.cursor])
    _write_uplinks(connection, statements, page.uplinks, now_us)
    _write_runs(connection, statements, page.runs)
    quarantining.release(connection, statements, page.released)
    quarantining.add(connection, statements, page.quarantined, limits)
    _write_frames(connection, statements, page, now_us)
    statements.counters.execute(connection, [row for row in page.counters.items() if row[1]])
    _write_state(connection, statements, page, now_us)
    write_packets(connection, page.packets)


def _reached(connection: Connection, cursor: tuple[str, int]) -> bool:
    table = tables.cursors
    found = connection.scalar(select(table.c.row_id).where(table.c.journal == cursor[0]))
    return found is not None and found >= cursor[1]


def _write_uplinks(
    connection: Connection, statements: Statements, uplinks: Sequence[SeenUplink], now_us: int
) -> None:
    if not uplinks:
        return
    names = {one for uplink in uplinks for one in (uplink.identity, *uplink.also)}
    known = {bytes(row[0]) for row in statements.remembered.rows(connection, names)}
    told = {(bytes(row[0]), *row[1:]) for row in statements.told.rows(connection, known)}
    firsts: list[Row] = []
    heard: list[Row] = []
    sessions: dict[tuple[str, bytes], list[int]] = {}
    gateways: dict[str, list[int]] = {}
    for uplink in uplinks:
        identity = uplink.identity
        if uplink.also and identity not in known:
            identity = next((one for one in uplink.also if one in known), identity)
        fresh = [row for row in _reception_rows(uplink, identity) if row[:4] not in told]
        heard += fresh
        for row in fresh:
            told.add(row[:4])
            count = gateways.setdefault(row[2], [row[3], 0])
            count[0] = max(count[0], row[3])
            count[1] += 1
        at = microseconds(uplink.received_at)
        new = identity not in known
        if new:
            known.add(identity)
            firsts.append((identity, at, now_us, uplink.payload or None))
        _count_session(sessions, uplink, at, new=new, told_more=bool(fresh))
    statements.uplinks.execute(connection, firsts)
    statements.receptions.execute(connection, heard)
    statements.sessions.execute(connection, [(*key, *row, -1) for key, row in sessions.items()])
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


def _reception_rows(uplink: SeenUplink, identity: bytes) -> list[Row]:
    return [
        (
            identity,
            uplink.way,
            one.gateway_name if one.gateway is None else one.gateway.hex().upper(),
            microseconds(one.received_at),
            one.gateway_name,
            one.rssi_dbm,
            one.snr_db,
        )
        for one in uplink.receptions
    ]


def _write_runs(connection: Connection, statements: Statements, runs: Sequence[SequenceRun]) -> None:
    by_spool: dict[tuple[str, bytes], list[SequenceRun]] = {}
    for run in runs:
        by_spool.setdefault((run.agent, run.spool), []).append(run)
    for key, own in by_spool.items():
        progress = _progress(connection, key) or Progress.begin(min(run.floor for run in own))
        before = set(progress.missing)
        for run in own:
            progress.arrive(run.first, run.last, microseconds(run.journalled_at))
        progress.floor = max(progress.floor, *(run.floor for run in own))
        newest = max(run.sent_at for run in own)
        progress.last_sent_at = max(progress.last_sent_at, microseconds(newest))
        journalled = max(run.journalled_at for run in own)
        progress.last_journalled_at = max(progress.last_journalled_at, microseconds(journalled))
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


def _write_frames(connection: Connection, statements: Statements, page: Page, now_us: int) -> None:
    table = tables.frames
    rows = [(one.dev_addr, one.journal, one.first, one.last, now_us, 0) for one in page.frames]
    statements.frames.execute(connection, rows)
    for address in page.wanted:
        connection.execute(update(table).where(table.c.dev_addr == address).values(wanted=1))
    for one in page.taken_up:
        own = (table.c.dev_addr == one.dev_addr) & (table.c.journal == one.journal)
        connection.execute(delete(table).where(own & (table.c.last <= one.last)))
        connection.execute(update(table).where(own).values(first=one.last + 1, wanted=0))
    for one in page.unopened:
        own = (table.c.dev_addr == one.dev_addr) & (table.c.journal == one.journal)
        connection.execute(update(table).where(own).values(wanted=0))
    if rows:
        _trim_frames(connection)


def _trim_frames(connection: Connection) -> None:
    """By number, not by time: all addresses of one page have the same time."""
    table = tables.frames
    held = connection.scalar(select(func.count()).select_from(table)) or 0
    if held <= _MOST_ADDRESSES:
        return
    key = (table.c.dev_addr, table.c.journal)
    oldest = select(*key).order_by(table.c.wanted, table.c.noted_at, *key)
    surplus = oldest.limit(held - _MOST_ADDRESSES + _MOST_ADDRESSES // 10)
    connection.execute(delete(table).where(tuple_(*key).in_(surplus)))


def _write_state(connection: Connection, statements: Statements, page: Page, now_us: int) -> None:
    if page.worker:
        statements.workers.execute(connection, [(page.worker, now_us)])
    statements.gauges.execute(connection, [(page.worker, *row) for row in page.gauges.items()])
    standing: list[Row] = [
        (page.worker, subject, words) for subject, words in page.conditions.items() if words
    ]
    statements.conditions.execute(connection, standing)
    table = tables.conditions
    for subject, words in page.conditions.items():
        if not words:
            own = (table.c.worker == page.worker) & (table.c.subject == subject)
            connection.execute(delete(table).where(own))
