"""Take a batch into SQLite so that repeating it changes nothing, whatever day it belongs to."""

from __future__ import annotations

import sqlite3
from typing import Any

import numpy as np

from udp.store.columns import Ints, Observations
from udp.store.embedded import arriving, electing, forgotten, hot, places
from udp.store.embedded.known import KnownRevisions
from udp.store.embedded.manifest import files_between
from udp.store.embedded.places import ColdFile
from udp.store.embedded.reading import Reader
from udp.store.statistics import DAY_US

_INSERT = "INSERT OR IGNORE INTO hot VALUES (?, ?, ?, ?, ?, ?, ?)"
_REPLACE = "INSERT OR REPLACE INTO hot VALUES (?, ?, ?, ?, ?, ?, ?)"
_KNOWN = (
    "SELECT slot, datastream, time, lead, result, result_time, mark FROM hot"
    " WHERE slot = ? AND datastream = ? AND time = ? AND lead = ?"
)
# What is remembered of a slot is remembered by its version: one that was emptied (see pruning) and is
# filled again must not count from where it had begun.
_TOUCH = """
INSERT INTO slot VALUES (?, (SELECT last << 32 | 1 FROM counter), ?, ?) ON CONFLICT (slot) DO UPDATE SET
    version = version + 1, touched = excluded.touched
"""
_KEEP_FORMER = "INSERT OR IGNORE INTO superseded VALUES (?, ?, ?, ?, ?, ?, ?)"

Row = tuple[Any, ...]


def append(
    connection: sqlite3.Connection, batch: Observations, known: KnownRevisions, reader: Reader, now_us: int
) -> Ints:
    """Inside a writing transaction: rows, slot versions and `latest` change together.

    Positions of the rows whose identity was known, as ObservationStore.append says them.
    """
    time, index = batch.phenomenon_time.astype(np.int64), np.arange(len(batch))
    gone = forgotten.marks_after(connection, int(time.min())).cover(batch)
    if gone.any():
        if gone.all():
            return index[:0]
        batch, time, index = batch.take(~gone), time[~gone], index[~gone]
    days = time // DAY_US
    files = files_between(connection, int(days.min()), int(days.max()))
    slots = places.slots_of(time, files)
    stored = np.full(len(batch), -1, np.int64)
    for file in files:
        inside = np.flatnonzero((days >= file.first_day) & (days <= file.last_day))
        if len(inside):
            late = batch.take(inside)
            frozen = _frozen_revisions(connection, file, late)
            stored[inside] = np.maximum(known.revisions(file, late), frozen)
    new = batch.revision > stored
    refused = index[~new]
    if not new.all():
        batch, slots, stored, index = batch.take(new), slots[new], stored[new], index[new]
    if not len(batch):
        return refused
    rows = _rows(batch, slots)
    if not _insert_new(connection, rows):
        taken, again = _supersede(connection, rows, stored)
        refused = np.sort(np.concatenate((refused, index[again])))
        batch, slots = batch.take(taken), slots[taken]
    connection.executemany(_TOUCH, [(slot, now_us, now_us) for slot in np.unique(slots).tolist()])
    electing.offer(connection, batch, reader)
    arriving.remember(connection, batch, now_us)
    return refused


def _frozen_revisions(connection: sqlite3.Connection, file: ColdFile, late: Observations) -> Ints:
    """Revisions in late slots that maintenance is just folding (or a crash left so); -1 for none."""
    days = late.phenomenon_time.astype(np.int64) // DAY_US
    span = places.Span(int(days.min()) * DAY_US, (int(days.max()) + 1) * DAY_US)
    frozen = [
        slot
        for slot in hot.touched_slots(connection, span)
        if slot < 0 and places.generation_of_late_slot(slot) != file.generation
    ]
    found = np.full(len(late), -1, np.int64)
    if frozen:
        rows = hot.read_slots(connection, frozen, np.unique(late.datastream), span)
        revisions = {identity[:3]: identity[3] for identity in sorted(_identities(rows))}
        found[:] = [revisions.get(identity[:3], -1) for identity in _identities(late)]
    return found


def _identities(rows: Observations) -> list[tuple[int, int, int, int]]:
    time = rows.phenomenon_time.astype(np.int64)
    columns = (rows.datastream, time, rows.lead, rows.revision)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _rows(batch: Observations, slots: Ints) -> list[Row]:
    return list(
        zip(
            slots.tolist(),
            batch.datastream.tolist(),
            batch.phenomenon_time.astype(np.int64).tolist(),
            batch.lead.tolist(),
            batch.result.tolist(),
            batch.result_time.astype(np.int64).tolist(),
            hot.mark_of(batch).tolist(),
            strict=True,
        )
    )


def _insert_new(connection: sqlite3.Connection, rows: list[Row]) -> bool:
    """The common case, every identity new. False, and nothing done, when one was known."""
    connection.execute("SAVEPOINT only_new")
    if connection.executemany(_INSERT, rows).rowcount == len(rows):
        connection.execute("RELEASE only_new")
        return True
    connection.execute("ROLLBACK TO only_new")
    connection.execute("RELEASE only_new")
    return False


def _supersede(connection: sqlite3.Connection, rows: list[Row], stored: Ints) -> tuple[Ints, Ints]:
    """Row by row in the batch's order; positions of what is now the newest of its identity, and of what
    came to a place that another one holds."""
    newest: dict[Row, int] = {}
    refused: list[int] = []
    former: list[Row] = []
    for number, (row, cold_revision) in enumerate(zip(rows, stored.tolist(), strict=True)):
        identity = row[:4]
        known = newest.get(identity)
        current = connection.execute(_KNOWN, identity).fetchone() if known is None else rows[known]
        if row[6] >> 16 <= max(cold_revision, current[6] >> 16 if current else -1):
            refused.append(number)
            continue
        if current:
            former.append(current)
        newest[identity] = number
    connection.executemany(_REPLACE, [rows[number] for number in newest.values()])
    connection.executemany(
        _KEEP_FORMER,
        [
            (datastream, time, lead, mark >> 16, result, result_time, mark)
            for _, datastream, time, lead, result, result_time, mark in former
        ],
    )
    return np.array(sorted(newest.values()), np.int64), np.array(refused, np.int64)
