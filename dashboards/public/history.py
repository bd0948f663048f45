"""Fetches what a chart draws: a week in hours, a day as it was measured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dashboards.interface import Interface
from dashboards.public.open_data import listed, quality, rule
from dashboards.public.quantities import Drawing, quantity
from dashboards.public.series import Sample, Series, reach
from dashboards.public.snapshot import Stream
from dashboards.reading import Entry, each
from udp.sensorthings import Quality

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
# 288 rows are a table a person can scroll; sensors that speak every minute are shown in steps.
_FINEST_SINGLE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Window:
    """A period and a grid to ask for at the moment `asked_at`; `every` zero means single measurements."""

    start: datetime
    end: datetime
    every: timedelta
    asked_at: datetime

    def query(self) -> dict[str, str]:
        """The query part of the API's address."""
        query = {"from": _iso(self.start), "to": _iso(self.end)}
        return query | ({"every": f"{self.every // _MINUTE}m"} if self.every else {})


def week(stream: Stream, now: datetime) -> Window:
    """The last seven days in hours, ending with the hour that is running; coarser where the policy is."""
    end = now.replace(minute=0, second=0, microsecond=0) + _HOUR
    return Window(end - _WEEK, end, max(_HOUR, stream.finest), now)


def day(stream: Stream, now: datetime) -> Window:
    """The last 24 hours as measured, or in steps where single values are too many or too private."""
    every = max(stream.finest, timedelta(minutes=quantity(stream.observed_property).raw_minutes))
    if not every and stream.interval < _FINEST_SINGLE:
        every = _FINEST_SINGLE
    if not every:
        return Window(now - _DAY, now, every, now)
    steps = int(now.timestamp() // every.total_seconds()) + 1
    end = datetime.fromtimestamp(steps * every.total_seconds(), now.tzinfo)
    return Window(end - _DAY, end, every, now)


def address(stream: Stream) -> str:
    """Where the Observations of `stream` are."""
    return f"/api/v1/datastreams/{stream.id}/observations"


def fetch(interface: Interface, stream: Stream, window: Window) -> Series:
    """The samples of `window`, in the unit that is drawn."""
    content = interface.get(address(stream), window.query()).content
    drawing = quantity(stream.observed_property).drawing
    if window.every:
        samples = each(_rows(content), "observations", lambda entry: _bucket(entry, window.every, drawing))
        return _series(stream, window, samples, 0)
    read = each(_rows(content), "observations", lambda entry: _single(entry, drawing))
    good = [sample for sample in read if sample.quality is not Quality.BAD]
    return _series(stream, window, good, len(read) - len(good))


def _rows(content: Any) -> list[Any]:
    return listed(content, "observations")


def _series(stream: Stream, window: Window, samples: list[Sample], hidden: int) -> Series:
    ordered = sorted(samples, key=lambda sample: sample.at)
    far = reach(window.every, stream.interval)
    return Series(window.start, window.end, ordered, window.every, far, window.asked_at, hidden)


def _bucket(entry: Entry, every: timedelta, drawing: Drawing) -> Sample:
    mean, count = entry.number("mean"), entry.integer("count")
    at = entry.moment("start") + every / 2
    if drawing is Drawing.BARS:
        return Sample(at, mean * count, mean * count, mean * count, count)
    if drawing is Drawing.SHARE:
        return Sample(at, 100 * mean, 100 * mean, 100 * mean, count)
    return Sample(at, mean, entry.number("min"), entry.number("max"), count)


def _single(entry: Entry, drawing: Drawing) -> Sample:
    result = entry.number("value") * (100 if drawing is Drawing.SHARE else 1)
    return Sample(entry.moment("phenomenon_time"), result, result, result, 1, quality(entry), rule(entry))


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
