"""What each day of a computed Datastream rested on, so that only what has changed is computed again."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import bindparam, delete, select

from edge.wire.instants import EPOCH
from udp.registry import schema
from udp.registry.database import Database
from udp.registry.port import Derivation
from udp.store.columns import Function, Period
from udp.store.port import ObservationStore

DAY = timedelta(days=1)
_SEEN = (Function.COUNT, Function.SUM, Function.MINIMUM, Function.MAXIMUM, Function.FIRST, Function.LAST)
_DAY_US = 86_400_000_000

Marks = dict[int, dict[int, str]]
"""Datastream -> UTC day since 1970 -> what its inputs came to."""


def seen(store: ObservationStore, derived: Mapping[int, Derivation], period: Period) -> Marks:
    """What the inputs of each come to, by whole UTC day; asked of the store's daily aggregates, not of single
    values. Days without any input are absent."""
    inputs = sorted({one for how in derived.values() for one in how.inputs})
    found = store.aggregate(inputs, period, DAY, _SEEN)
    by_input: dict[int, dict[int, bytes]] = {}
    table = np.column_stack([found.values[one] for one in _SEEN])
    days = found.bucket.astype("datetime64[us]").astype(np.int64) // _DAY_US
    for number, day, row in zip(found.datastream.tolist(), days.tolist(), table, strict=True):
        by_input.setdefault(number, {})[day] = row.tobytes()
    return {number: _of(how, by_input) for number, how in derived.items()}


def _of(how: Derivation, by_input: Mapping[int, Mapping[int, bytes]]) -> dict[int, str]:
    days = sorted({day for one in how.inputs for day in by_input.get(one, ())})
    about = f"{how.formula} {how.version} {how.inputs}".encode()
    return {
        day: hashlib.blake2b(
            about + b"".join(b"|" + by_input.get(one, {}).get(day, b"") for one in how.inputs), digest_size=12
        ).hexdigest()
        for day in days
    }


def runs(days: Iterable[int], longest: int = 31) -> list[Period]:
    """Days that follow one another as one period, of at most `longest` days."""
    found: list[list[int]] = []
    for day in sorted(days):
        if found and day == found[-1][1] and day - found[-1][0] < longest:
            found[-1][1] = day + 1
        else:
            found.append([day, day + 1])
    return [Period(EPOCH + first * DAY, EPOCH + end * DAY) for first, end in found]


def day_of(moment: datetime) -> int:
    """The UTC day a moment lies in."""
    return (moment - EPOCH) // DAY


class SqlMarks:
    """The marks kept between two rounds, in the registry's database; writing them moves no version."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, since: int) -> Marks:
        """All of days from `since` on."""
        table, found = schema.derived_day, Marks()
        with self._database.reading() as connection:
            for row in connection.execute(select(table).where(table.c.day >= since)):
                found.setdefault(row.datastream, {})[row.day] = row.mark
        return found

    def keep(self, datastream: int, marks: Mapping[int, str], gone: Collection[int]) -> None:
        """Replace the marks of these days; those of `gone` have no input any more."""
        table = schema.derived_day
        days = [{"key_of": datastream, "key_day": day} for day in (*marks, *gone)]
        if not days:
            return
        same = (table.c.datastream == bindparam("key_of")) & (table.c.day == bindparam("key_day"))
        rows = [{"datastream": datastream, "day": day, "mark": mark} for day, mark in marks.items()]
        with self._database.writing() as connection:
            connection.execute(delete(table).where(same), days)
            if rows:
                connection.execute(table.insert(), rows)
