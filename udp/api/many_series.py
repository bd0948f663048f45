"""The numbers behind `/api/v1/history`: buckets of many Datastreams on one grid of time."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from udp.api import columns_json
from udp.sensorthings import Datastream
from udp.store.columns import Aggregates, Floats, Function, Period
from udp.store.port import ObservationStore

# From an hour on every step is made of whole hours or days, which stores keep ready: no raw value is read.
_LADDER = tuple(
    timedelta(seconds=count)
    for count in (60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800, 2_419_200)
)
# What comes more rarely (a parking bay reports changes) shall not make everything else coarse.
_RAREST = timedelta(hours=1)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)

_Table = NDArray[np.float64]
_Cells = tuple[Floats, Floats, Floats, NDArray[np.int64]]


class Of(StrEnum):
    """What is told of a bucket: its mean, least, greatest, the sum of amounts, the rise of a counter."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    TOTAL = "total"
    RISE = "rise"


_FUNCTION = {
    Of.MEAN: Function.MEAN, Of.MIN: Function.MINIMUM, Of.MAX: Function.MAXIMUM,
    Of.TOTAL: Function.SUM, Of.RISE: Function.LAST,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the picture: the Datastreams it is made of, and what stands beside it. `thing`: None
    for a line over several series, be there only one of them."""

    label: str
    unit: str
    members: tuple[int, ...]
    thing: str | None
    district: str | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """`period` begins and, where values are over only by the step, ends with whole buckets of `every`."""

    period: Period
    every: timedelta
    of: Of
    lines: Sequence[Line]


def step_for(
    span: timedelta, points: int, streams: Iterable[Datastream], finest: Iterable[timedelta]
) -> timedelta:
    """The shortest step with at most `points` buckets that no sensor is too slow for, in whole `finest`."""
    slowest = max((timedelta(seconds=one.expected_interval_s) for one in streams), default=_RAREST)
    least = max(span / points, min(slowest, _RAREST))
    unit = math.lcm(1, *(one // _MICROSECOND for one in finest)) * _MICROSECOND
    for step in _LADDER:
        if step >= least and step % unit == timedelta(0):
            return step
    unit = math.lcm(unit // _MICROSECOND, _DAY // _MICROSECOND) * _MICROSECOND
    return unit * math.ceil(least / unit)


def rows(store: ObservationStore, sheet: Sheet) -> list[str]:
    """One JSON object per line and bucket, ascending by time. Between the first and the last value of a
    line every bucket is told: one without a value is null, so that nobody draws a line across a gap."""
    numbers = sorted({number for line in sheet.lines for number in line.members})
    start, every = columns_json.micros(sheet.period.start), sheet.every
    buckets = max(0, math.ceil((sheet.period.end - sheet.period.start) / every))
    if not numbers or not buckets:
        return []
    starts = start + np.arange(buckets) * np.timedelta64(every // _MICROSECOND, "us")
    tables = _tables(store, sheet, numbers, buckets)
    place = {number: row for row, number in enumerate(numbers)}
    told = [_line(line, columns_json.times(starts), _cells(tables, line, place)) for line in sheet.lines]
    return [text for at in range(buckets) for cells in told if (text := cells.get(at))]


def _tables(
    store: ObservationStore, sheet: Sheet, numbers: Sequence[int], buckets: int
) -> tuple[_Table, _Table, _Table]:
    """(value, least, greatest), one row per Datastream and one column per bucket; NaN where nothing is."""
    ids = np.asarray(numbers, dtype=np.int64)
    before = 1 if sheet.of is Of.RISE else 0
    period = Period(sheet.period.start - before * sheet.every, sheet.period.end)
    spread = [Function.MINIMUM, Function.MAXIMUM] if sheet.of is Of.MEAN else []
    wanted = _FUNCTION[sheet.of]
    found = store.aggregate(list(numbers), period, sheet.every, [wanted, *spread])
    least = np.full((len(ids), buckets), math.nan)
    greatest = least.copy()
    value = _table(
        found, ids, found.values[wanted], start=period.start, every=sheet.every, buckets=buckets + before
    )
    if sheet.of is Of.RISE:
        # A counter that was exchanged or ran over falls: nobody knows what was used then.
        value = np.diff(value, axis=1)
        value[value < 0] = math.nan
    if spread:
        least, greatest = (
            _table(found, ids, found.values[one], start=period.start, every=sheet.every, buckets=buckets)
            for one in spread
        )
    return value, least, greatest


def _table(
    found: Aggregates,
    ids: NDArray[np.int64],
    values: Floats,
    *,
    start: datetime,
    every: timedelta,
    buckets: int,
) -> _Table:
    table = np.full((len(ids), buckets), math.nan)
    since = (found.bucket - columns_json.micros(start)).astype(np.int64)
    table[np.searchsorted(ids, found.datastream), since // (every // _MICROSECOND)] = values
    return table


def _cells(tables: tuple[_Table, _Table, _Table], line: Line, place: Mapping[int, int]) -> _Cells:
    """(value, least, greatest, how many) of one line: its own, or the median of its members and how far
    they lie apart."""
    value, least, greatest = (table[[place[one] for one in line.members]] for table in tables)
    count = np.isfinite(value).sum(axis=0)
    if line.thing is not None:
        return value[0], least[0], greatest[0], count
    middle, low, high = (np.full(value.shape[1], math.nan) for _ in range(3))
    known = value[:, count > 0]
    middle[count > 0] = np.nanmedian(known, axis=0)
    low[count > 0], high[count > 0] = np.nanmin(known, axis=0), np.nanmax(known, axis=0)
    return middle, low, high, count


def _line(line: Line, starts: Sequence[str], cells: _Cells) -> dict[int, str]:
    """Bucket -> its JSON object, from the first that has a value to the last."""
    value, low, high, count = cells
    known = np.flatnonzero(np.isfinite(value))
    if not len(known):
        return {}
    beside = {"series": line.label, "unit": line.unit, "thing": line.thing, "district": line.district}
    tail = json.dumps(beside, ensure_ascii=False, separators=(",", ":"))[1:]
    span = range(int(known[0]), int(known[-1]) + 1)
    columns: Iterator[tuple[str, str, str]] = zip(
        *(columns_json.numbers(one[span.start : span.stop]) for one in (value, low, high)), strict=True
    )
    return {
        at: f'{{"start":"{starts[at]}","value":{middle},"low":{least},"high":{most},'
        f'"count":{count[at]},{tail}'
        for at, (middle, least, most) in zip(span, columns, strict=True)
    }
