"""When a container usually has room: by weekday, from what was measured in the last weeks, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np

from udp.api.mobile.words import weekday
from udp.derived.classes import fill_class
from udp.store.columns import Aggregates, Function, Period
from udp.store.port import ObservationStore

WEEKS = 8
_LOCAL = ZoneInfo("Europe/Berlin")
_HOUR = timedelta(hours=1)
# When people bring paper.
_DAY = range(6, 22)
# A weekday is told of when it was seen so often, and each time for half of its hours.
_FEWEST_DAYS, _FEWEST_HOURS = 3, 8
_MOSTLY, _SELDOM = 0.9, 0.5
DayWord = Literal["meist frei", "wechselnd", "oft voll", "unbekannt"]
_FULL = 2


@dataclass(frozen=True, slots=True)
class Weeks:
    """Fill levels by the hour; what was made of them is kept, for many ask about the same sites."""

    hours: Aggregates
    _made: dict[tuple[int, ...], dict[str, Any] | None] = field(default_factory=dict)

    def profile(self, streams: Sequence[int]) -> dict[str, Any] | None:
        """See `profile`."""
        key = tuple(streams)
        if key not in self._made:
            self._made[key] = profile(self.hours, streams)
        return self._made[key]


def read_weeks(store: ObservationStore, streams: Iterable[int], now: datetime) -> Weeks:
    """Of the last weeks that are over."""
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    span = Period(end - timedelta(weeks=WEEKS), end)
    return Weeks(store.aggregate(sorted(streams), span, _HOUR, [Function.MEAN]))


def profile(weeks: Aggregates, streams: Sequence[int]) -> dict[str, Any] | None:
    """Of a site with these fill levels: it has room where one of them is known to be below full. None where
    no weekday has been seen often enough."""
    room = _room_by_hour(weeks, streams)
    by_day: dict[int, dict[Any, list[bool]]] = {}
    for hour, free in room.items():
        local = hour.astimezone(_LOCAL)
        if local.hour in _DAY:
            by_day.setdefault(local.weekday(), {}).setdefault(local.date(), []).append(free)
    words: list[DayWord] = [_word(_seen(by_day.get(day, {}))) for day in range(7)]
    if all(word == "unbekannt" for word in words):
        return None
    return {
        "tage": {weekday(day): word for day, word in enumerate(words)},
        "meist_frei": _told(words),
        "wochen": max(len(dates) for dates in by_day.values()),
        "grundlage": f"Füllstände der letzten {WEEKS} Wochen, 6 bis 22 Uhr",
    }


def _room_by_hour(weeks: Aggregates, streams: Sequence[int]) -> Mapping[datetime, bool]:
    """Only hours in which something is known: room in one container, or all of them full."""
    mine = np.isin(weeks.datastream, list(streams))
    buckets = weeks.bucket[mine].astype("datetime64[us]").tolist()
    known: dict[datetime, list[bool]] = {}
    for bucket, level in zip(buckets, weeks.values[Function.MEAN][mine].tolist(), strict=True):
        found = fill_class(level)
        if found is not None:
            known.setdefault(bucket.replace(tzinfo=UTC), []).append(found < _FULL)
    return {hour: any(free) for hour, free in known.items() if any(free) or len(free) == len(streams)}


def _seen(dates: Mapping[Any, list[bool]]) -> list[float]:
    """Of every day that was seen long enough, the share of hours with room."""
    return [sum(hours) / len(hours) for hours in dates.values() if len(hours) >= _FEWEST_HOURS]


def _word(shares: Sequence[float]) -> DayWord:
    if len(shares) < _FEWEST_DAYS:
        return "unbekannt"
    mean = sum(shares) / len(shares)
    return "meist frei" if mean >= _MOSTLY else "oft voll" if mean < _SELDOM else "wechselnd"


def _told(words: Sequence[DayWord]) -> str:
    """`Di–Do, Sa`; empty where no day is mostly free."""
    runs: list[list[int]] = []
    for day in (day for day, word in enumerate(words) if word == "meist frei"):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(
        weekday(run[0]) if len(run) == 1 else f"{weekday(run[0])}–{weekday(run[-1])}" for run in runs
    )
