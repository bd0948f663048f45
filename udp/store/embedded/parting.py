"""What the embedded store knows of its changes: by open hour a version, by closed day file and late rows."""

from __future__ import annotations

import sqlite3

from udp.store.changes import Part
from udp.store.embedded.manifest import files_between
from udp.store.embedded.places import Span, day_of_late_slot
from udp.store.statistics import DAY_US, HOUR_US


def parts(connection: sqlite3.Connection, span: Span) -> list[Part]:
    """See TellsChanges. Moments stand beside versions and names, so that a store that was rebuilt, or
    restored from a backup, is never taken for the one before."""
    if span.start >= span.end:
        return []
    pruned = connection.execute("SELECT count(*), total(before), total(complete) FROM pruned").fetchone()
    late: dict[int, list[str]] = {}
    found: list[Part] = []
    for slot, version, touched in connection.execute(_SLOTS, (span.first_hour, span.last_hour)):
        state = f"{slot} {version} {touched}"
        if slot < 0:
            late.setdefault(day_of_late_slot(slot), []).append(state)
        else:
            found.append(Part(slot * HOUR_US, (slot + 1) * HOUR_US, f"{pruned} {state}"))
    for file in files_between(connection, span.first_day, span.last_day):
        for day in range(max(file.first_day, span.first_day), min(file.last_day, span.last_day) + 1):
            state = f"{pruned} {file.name} {file.written} {late.get(day, [])}"
            found.append(Part(day * DAY_US, (day + 1) * DAY_US, state))
    return [Part(max(one.start, span.start), min(one.end, span.end), one.state) for one in sorted(found)]


_SLOTS = """
SELECT slot, version, touched FROM slot WHERE slot < 0 OR slot BETWEEN ? AND ? ORDER BY slot
"""
