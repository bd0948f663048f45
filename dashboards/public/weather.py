"""What the weather service expects, read from the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboards.interface import Interface
from dashboards.reading import Entry, each


@dataclass(frozen=True, slots=True)
class Hour:
    """The hour that ends at `ends`: mm expected, probability (0 to 1) of any, mm that one hour in ten
    exceeds; degrees Celsius and how far off these usually are. None is not said."""

    ends: datetime
    rain: float | None
    chance: float | None
    high: float | None
    air: float | None
    air_error: float | None


@dataclass(frozen=True, slots=True)
class Minutes:
    """mm of five minutes at the rain gauges: mean, and at the wettest."""

    ends: datetime
    rain: float
    most: float


@dataclass(frozen=True, slots=True)
class Run:
    """One product of the service; not `fresh`: there should have been a newer one."""

    issued_at: datetime
    fresh: bool


@dataclass(frozen=True, slots=True)
class Ahead:
    """`attribution` stands beside everything that is shown of it. Without `point` no hours are known."""

    attribution: str
    licence_url: str
    simulated: bool
    point: Run | None = None
    hours: Sequence[Hour] = ()
    radar: Run | None = None
    steps: Sequence[Minutes] = ()

    def after(self, now: datetime) -> Sequence[Hour]:
        """Hours that are not over yet."""
        return [one for one in self.hours if one.ends > now]

    def minutes_after(self, now: datetime) -> Sequence[Minutes]:
        """Radar steps that are not over yet, of at most two hours."""
        return [one for one in self.steps if now < one.ends <= now + timedelta(hours=2)]


def fetch_ahead(interface: Interface) -> Ahead:
    """InterfaceRefused where it is not public; InterfaceUnavailable or Unreadable when nobody can know."""
    entry = Entry(interface.get("/api/v1/weather-forecast", remember=True).content, "weather-forecast")
    point, radar = (None if entry.raw(name) is None else entry.entry(name) for name in ("point", "radar"))
    return Ahead(
        attribution=entry.text("attribution"),
        licence_url=entry.text("licence_url", ""),
        simulated=entry.flag("simulated"),
        point=None if point is None else _run(point),
        hours=[] if point is None else each(point.entries("hours"), "hours", _hour),
        radar=None if radar is None else _run(radar),
        steps=[] if radar is None else each(radar.entries("steps"), "steps", _minutes),
    )


def _run(entry: Entry) -> Run:
    return Run(entry.moment("issued_at"), entry.flag("fresh"))


def _hour(entry: Entry) -> Hour:
    return Hour(
        ends=entry.moment("valid_time"),
        rain=entry.optional_number("rain_mm"),
        chance=entry.optional_number("rain_probability"),
        high=entry.optional_number("rain_mm_1_in_10"),
        air=entry.optional_number("temperature_c"),
        air_error=entry.optional_number("temperature_error_k"),
    )


def _minutes(entry: Entry) -> Minutes:
    return Minutes(entry.moment("valid_time"), entry.number("rain_mm"), entry.number("most_mm"))
