"""Forget raw values in InfluxDB: what they came to by the hour is kept in a measurement of its own.

`<measurement>_pruned` has one point per Datastream at time 0: `before`, the microsecond before which
nothing is taken in, and `kept`, up to where the hours are written. `<measurement>_hourly` has a point
per Datastream and hour. The order mark, hours, mark, DELETE makes a repetition after a crash harmless:
hours are never made of what a DELETE has left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from udp.store import server_answers as answers
from udp.store.columns import Ints, Mask, Observations
from udp.store.statistics import HOUR_US, Statistics

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = ("count", "total", "minimum", "maximum", "first", "last")
_STATEMENTS_AT_ONCE = 100

Hourly = Callable[[Ints, int, int], Statistics]
"""Statistics by the hour of ids in [start, end) microseconds, out of raw values."""


class _Mark(NamedTuple):
    before: int
    kept: int


class InfluxPruner:
    """The port's Prunable, given how to ask and how to write lines."""

    def __init__(
        self,
        measurement: str,
        ask: Callable[[str], Iterator[dict[str, Any]]],
        give: Callable[[list[str]], None],
    ) -> None:
        self._measurement = measurement
        self._ask = ask
        self._give = give

    def prune(self, wanted: Ints, day: datetime, hourly: Hourly) -> int:
        """All of `wanted` before `day`; the number of raw values there were."""
        before = (day - EPOCH) // timedelta(microseconds=1)
        known = self._marks()
        marks = {one: known.get(one, _Mark(0, 0)) for one in wanted.tolist()}
        marks = {one: _Mark(max(before, mark.before), mark.kept) for one, mark in marks.items()}
        self._write_marks(marks)
        for mark in sorted(set(marks.values())):
            due = np.array([one for one, of_one in marks.items() if of_one == mark], np.int64)
            for some in answers.portions(due):
                self._write_hours(hourly(some, mark.kept, mark.before))
        self._write_marks({one: _Mark(mark.before, mark.before) for one, mark in marks.items()})
        return self._delete(marks)

    def adopt(self, wanted: Ints, day: datetime, hours: Statistics) -> None:
        """Hours that were kept elsewhere, in the same order as those that are made here."""
        before, known = (day - EPOCH) // timedelta(microseconds=1), self._marks()
        marks = {one: known.get(one, _Mark(0, 0)) for one in wanted.tolist()}
        self._write_marks({one: _Mark(max(before, mark.before), mark.kept) for one, mark in marks.items()})
        self._write_hours(hours)
        self._write_marks(
            {one: _Mark(max(before, mark.before), max(before, mark.kept)) for one, mark in marks.items()}
        )

    def pruned(self) -> Mapping[int, datetime]:
        """Limit of every Datastream ever pruned."""
        return {one: EPOCH + timedelta(microseconds=mark.before) for one, mark in self._marks().items()}

    def forgotten(self, batch: Observations) -> Mask:
        """What of `batch` may not be written."""
        if not len(batch) or not (marks := self._marks()):
            return np.zeros(len(batch), bool)
        limits = np.array([marks[one].before if one in marks else 0 for one in batch.datastream.tolist()])
        found: Mask = batch.phenomenon_time.astype(np.int64) < limits
        return found

    def hours(self, wanted: Ints, start: int, end: int) -> Statistics:
        """What is kept of forgotten values: whole hours in [start, end)."""
        first, last = -(-start // HOUR_US) * HOUR_US, end // HOUR_US * HOUR_US
        of = set(self._marks()) & set(wanted.tolist())
        parts = []
        for some in answers.portions(np.array(sorted(of), np.int64)):
            names = "|".join(map(str, some.tolist()))
            query = (
                f"SELECT {','.join(f'{name}_' for name in _FIELDS)} FROM {self._measurement}_hourly"  # noqa: S608 - numbers only
                f" WHERE datastream =~ /^({names})$/ AND time >= {first}u AND time < {last}u"
                " GROUP BY datastream"
            )
            for one in self._ask(query):
                time, *values = (np.array(column) for column in zip(*one["values"], strict=True))
                datastream = np.full(len(time), int(one["tags"]["datastream"]))
                floats = (column.astype(np.float64) for column in values)
                parts.append(Statistics(datastream, time.astype(np.int64), *floats))
        return Statistics.concatenate(parts)

    def _marks(self) -> dict[int, _Mark]:
        query = f"SELECT before, kept FROM {self._measurement}_pruned GROUP BY datastream"  # noqa: S608 - no input
        return {
            int(one["tags"]["datastream"]): _Mark(*map(int, one["values"][0][1:])) for one in self._ask(query)
        }

    def _write_marks(self, marks: Mapping[int, _Mark]) -> None:
        self._give(
            [
                f"{self._measurement}_pruned,datastream={one} before={mark.before}i,kept={mark.kept}i 0"
                for one, mark in marks.items()
            ]
        )

    def _write_hours(self, hours: Statistics) -> None:
        columns = (getattr(hours, name).tolist() for name in _FIELDS)
        self._give(
            [
                f"{self._measurement}_hourly,datastream={datastream} "
                + ",".join(f"{name}_={value!r}" for name, value in zip(_FIELDS, values, strict=True))
                + f" {time}000"
                for datastream, time, *values in zip(
                    hours.datastream.tolist(), hours.time.tolist(), *columns, strict=True
                )
            ]
        )

    def _delete(self, marks: Mapping[int, _Mark]) -> int:
        deleted = 0
        due = list(marks.items())
        for begin in range(0, len(due), _STATEMENTS_AT_ONCE):
            where = [
                f"FROM {self._measurement} WHERE datastream = '{one}' AND time < {mark.before}u"
                for one, mark in due[begin : begin + _STATEMENTS_AT_ONCE]
            ]
            counts = self._ask("; ".join(f"SELECT count(result) {one}" for one in where))
            deleted += sum(int(one["values"][0][1]) for one in counts)
            for _ in self._ask("; ".join(f"DELETE {one}" for one in where)):
                pass
        return deleted
