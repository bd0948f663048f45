"""What the ingest workers say of themselves, put together for those who run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from edge.wire.instants import instant
from udp.ledger import tables
from udp.ledger.port import WorkerState

_SILENT_AFTER = timedelta(minutes=5)
# Of these every worker has its own share. All else is an age, a yes or no, or a figure of the broker
# they share.
_BACKLOG = "journal_backlog_messages"
_SHARES = (_BACKLOG, "journal_backlog_bytes")


def worker_states(connection: Connection) -> Sequence[WorkerState]:
    """Every worker that has ever reported, and one without a name for gauges that belong to none."""
    figures: dict[str, dict[str, int]] = {}
    for row in connection.execute(select(tables.gauges)):
        figures.setdefault(row.worker, {})[row.name] = row.value
    reported = {row.worker: row.reported_at for row in connection.execute(select(tables.workers))}
    return [
        WorkerState(name, instant(reported.get(name, 0)), figures.get(name, {}))
        for name in sorted({*figures, *reported})
    ]


def added_up(states: Sequence[WorkerState]) -> Mapping[str, int]:
    """The gauges of all workers in one: shares added, of all else the largest."""
    total: dict[str, int] = {}
    for state in states:
        for name, value in state.gauges.items():
            before = total.get(name, 0)
            total[name] = before + value if name in _SHARES else max(before, value)
    return total


def told(connection: Connection, states: Sequence[WorkerState], now: datetime) -> Mapping[str, str]:
    """What is wrong, by subject; where workers say different things, with their names."""
    said: dict[str, dict[str, str]] = {}
    table = tables.conditions
    for row in connection.execute(select(table).order_by(table.c.subject, table.c.worker)):
        said.setdefault(row.subject, {})[row.worker] = row.text
    found = {
        subject: next(iter(texts.values()))
        if len(set(texts.values())) == 1
        else "; ".join(f"{worker}: {text}" for worker, text in texts.items())
        for subject, texts in said.items()
    }
    for state in states:
        if state.worker and now - state.reported_at > _SILENT_AFTER:
            found[f"worker {state.worker}"] = _silent(state)
    return found


def _silent(state: WorkerState) -> str:
    since = f"{state.worker} has said nothing since {state.reported_at:%Y-%m-%d %H:%M} UTC"
    waiting = state.gauges.get(_BACKLOG)
    if waiting is None:  # not one of ingest's: it has no journal
        return f"{since}; see its log and start it again"
    return (
        f"ingest worker {since}: {waiting} messages of its journal are not worked off, and its share of a "
        "shared subscription waits at the broker until its session expires; start it again, or take it out "
        f"of service with `udp-ingest retire {state.worker}`"
    )
