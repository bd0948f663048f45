"""The formulas there are: what each needs, and how it turns inputs of some days into values.

A formula is a pure function of its inputs: who has the raw values, the formula and its version, gets the
same numbers. A value's quality is that of its worst input; bad values are no input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from udp.derived import classes, heat
from udp.sensorthings import Quality
from udp.store.columns import Flags, Floats, Observations, Times

_LOCAL = ZoneInfo("Europe/Berlin")
_SECOND = np.timedelta64(1_000_000, "us")
_HOUR = np.timedelta64(3_600_000_000, "us")
# Values of an hour may reach us some minutes after it.
_SETTLED = np.timedelta64(600_000_000, "us")
_PAIRED = np.timedelta64(600_000_000, "us")
_FULL_SHARE = 0.75
_FULL_DAY_HOURS = 20
_HEATING_LIMIT, _INDOORS = 15.0, 20.0
# Of two, the one to trust less: who has looked found nothing, beside who has not looked.
_WORSE = np.array([1, 0, 2, 3], dtype=np.uint8)
_BETTER = np.argsort(_WORSE).astype(np.uint8)


class Values(NamedTuple):
    """One element per computed value; `known`: when the last of its inputs was."""

    time: Times
    result: Floats
    quality: Flags
    known: Times

    def taken(self, keep: NDArray[np.bool_]) -> Values:
        """Those that `keep` marks."""
        return Values(self.time[keep], self.result[keep], self.quality[keep], self.known[keep])


Compute = Callable[[Mapping[str, Observations], Mapping[str, float], np.datetime64], Values]


@dataclass(frozen=True, slots=True)
class Formula:
    """`needs` all of its properties, takes of `one_of` what there is. `spread`: how far in time from an
    input the values lie that rest on it. `kinds`, `themes`: of which Things; empty is any.
    `interval_s`: how often a value comes; 0 as often as the first input."""

    key: str
    version: str
    source: str
    unit: str
    compute: Compute
    needs: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    spread: timedelta = timedelta(0)
    themes: tuple[str, ...] = ()
    interval_s: float = 0.0


def _felt(inputs: Mapping[str, Observations], _every: Mapping[str, float], _now: np.datetime64) -> Values:
    air, humid = inputs["air_temperature"], inputs["relative_humidity"]
    if not len(air) or not len(humid):
        return _nothing()
    place = np.searchsorted(humid.phenomenon_time, air.phenomenon_time, side="right") - 1
    paired = (place >= 0) & (air.phenomenon_time - humid.phenomenon_time[np.maximum(place, 0)] <= _PAIRED)
    air, humid = air.take(paired), humid.take(place[paired])
    return _solid(
        Values(
            air.phenomenon_time,
            heat.heat_index(air.result, humid.result),
            worst(air.quality, humid.quality),
            np.maximum(air.result_time, humid.result_time),
        )
    )


def _air(inputs: Mapping[str, Observations], every: Mapping[str, float], now: np.datetime64) -> Values:
    """The worst pollutant of every whole hour (UTC) of which three quarters were measured."""
    hours: dict[int, list[tuple[int, int, np.datetime64]]] = {}
    for measured, found in inputs.items():
        slots = found.phenomenon_time.astype(np.int64) // int(_HOUR.astype(np.int64))
        least = max(1.0, _FULL_SHARE * 3600.0 / every[measured])
        for slot, part in _groups(slots):
            grade = classes.lqi_class(measured, float(found.result[part].mean()))
            if grade is not None and part.stop - part.start >= least:
                hours.setdefault(slot, []).append(
                    (grade, int(_WORSE[found.quality[part]].max()), found.result_time[part].max())
                )
    whole = [(slot, grades) for slot, grades in sorted(hours.items()) if _hour(slot + 1) + _SETTLED <= now]
    return _built(
        [(_hour(slot), max(g for g, _, _ in grades), max(q for _, q, _ in grades),
          max(_hour(slot + 1), *(k for _, _, k in grades))) for slot, grades in whole]
    )  # fmt: skip


def _hour(slot: int) -> np.datetime64:
    beginning: np.datetime64 = np.datetime64(slot, "h").astype("datetime64[us]")
    return beginning


def _fill(inputs: Mapping[str, Observations], _every: Mapping[str, float], _now: np.datetime64) -> Values:
    """The class of the median of three: a false echo is one value, a full bin is many."""
    found = inputs["fill_level"]
    if not len(found):
        return _nothing()
    rows = np.arange(len(found))[:, None] - np.arange(3)[None, :]
    far = found.phenomenon_time[:, None] - found.phenomenon_time[np.maximum(rows, 0)] > _HOUR * 12
    used = (rows >= 0) & ~far
    values = np.where(used, found.result[np.maximum(rows, 0)], np.nan)
    middle = np.nanmedian(values, axis=1)
    graded = np.array([classes.fill_class(one) for one in middle.tolist()], dtype=np.float64)
    ranks = np.where(used, _WORSE[found.quality[np.maximum(rows, 0)]], 0)
    known = np.where(used, found.result_time[np.maximum(rows, 0)], found.result_time[:, None])
    return _solid(Values(found.phenomenon_time, graded, _BETTER[ranks.max(axis=1)], known.max(axis=1)))


def _degree_days(
    inputs: Mapping[str, Observations], _every: Mapping[str, float], now: np.datetime64
) -> Values:
    """Per local day: 20 °C less its mean, where that is below 15 °C, else 0. The mean is of hourly means."""
    air = inputs["air_temperature"]
    rows = []
    days: dict[datetime, list[slice]] = {}
    slots = air.phenomenon_time.astype(np.int64) // int(_HOUR.astype(np.int64))
    for slot, part in _groups(slots):
        hour = datetime.fromtimestamp(slot * 3600, _LOCAL)
        days.setdefault(hour.replace(hour=0, fold=0), []).append(part)
    for day, parts in sorted(days.items()):
        end = _utc((day + timedelta(days=1)).replace(fold=0))
        if len(parts) < _FULL_DAY_HOURS or end + _SETTLED > now:
            continue
        mean = float(np.mean([air.result[part].mean() for part in parts]))
        degrees = _INDOORS - mean if mean < _HEATING_LIMIT else 0.0
        rank = max(int(_WORSE[air.quality[part]].max()) for part in parts)
        known = max(end, *(air.result_time[part].max() for part in parts))
        rows.append((_utc(day), degrees, rank, known))
    return _built(rows)


def _utc(local: datetime) -> np.datetime64:
    moment: np.datetime64 = np.datetime64(int(local.timestamp()), "s").astype("datetime64[us]")
    return moment


def worst(one: Flags, other: Flags) -> Flags:
    """Of two qualities the one to trust less."""
    return np.asarray(_BETTER[np.maximum(_WORSE[one], _WORSE[other])], dtype=np.uint8)


def usable(found: Observations) -> Observations:
    """Measurements a formula may use: neither bad nor without a number; ascending by time."""
    kept = found.take((found.lead == 0) & (found.quality != Quality.BAD) & np.isfinite(found.result))
    return kept.take(np.argsort(kept.phenomenon_time, kind="stable"))


def _groups(slots: NDArray[np.int64]) -> list[tuple[int, slice]]:
    """Runs of equal, ascending slots."""
    values, starts = np.unique(slots, return_index=True)
    if not len(slots):
        return []
    ends = np.append(starts[1:], len(slots))
    return [
        (int(value), slice(int(start), int(end)))
        for value, start, end in zip(values, starts, ends, strict=True)
    ]


def _built(rows: list[tuple[np.datetime64, float, int, np.datetime64]]) -> Values:
    if not rows:
        return _nothing()
    times, results, ranks, known = zip(*rows, strict=True)
    return Values(
        np.array(times, "datetime64[us]"),
        np.array(results, np.float64),
        _BETTER[np.array(ranks)],
        np.array(known, "datetime64[us]"),
    )


def _solid(values: Values) -> Values:
    return values.taken(np.isfinite(values.result))


def _nothing() -> Values:
    times = np.empty(0, "datetime64[us]")
    return Values(times, np.empty(0), np.empty(0, np.uint8), times)


FORMULAS = (
    Formula(
        key="heat_index",
        version=heat.VERSION,
        source=heat.SOURCE,
        unit="Cel",
        compute=_felt,
        needs=("air_temperature", "relative_humidity"),
        spread=timedelta(minutes=10),
        themes=("wetter", "luft"),
    ),
    Formula(
        key="air_quality_index",
        version="1",
        source=f"{classes.LQI_VERSION}; 1 sehr gut bis 5 sehr schlecht; schlechtester gemessener Stoff",
        unit="1",
        compute=_air,
        one_of=tuple(classes.LQI_LIMITS),
        spread=timedelta(hours=1),
        themes=("luft",),
        # A value is told by its hour's beginning and comes when the hour is over: three hours are late.
        interval_s=5400.0,
    ),
    Formula(
        key="fill_class",
        version=classes.FILL_VERSION,
        source="Median der letzten drei Füllstände; 0 leer unter 20 %, 1 halb, 2 voll ab 80 %",
        unit="1",
        compute=_fill,
        needs=("fill_level",),
        spread=timedelta(hours=12),
    ),
    Formula(
        key="degree_days",
        version="1",
        source="VDI 3807 Blatt 1: 20 °C minus Tagesmittel, wenn es unter 15 °C liegt; Tage in Ortszeit",
        unit="K.d",
        compute=_degree_days,
        needs=("air_temperature",),
        spread=timedelta(hours=26),
        themes=("wetter",),
        # Told by its day's beginning, comes when the day is over: three days are late.
        interval_s=129_600.0,
    ),
)
