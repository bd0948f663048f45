"""Numbers, times and units as a German reader expects them: 27,4 °C, 15:20 Uhr, vor 3 Stunden."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from udp.units import written_unit

# No-break space: value and unit, number and month stay on one line.
NBSP = "\u00a0"
MINUS = "\u2212"

_WEEKDAYS = ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag")
_MONTHS = (
    "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli",
    "August", "September", "Oktober", "November", "Dezember",
)  # fmt: skip


def unit(symbol: str) -> str:
    """A UCUM code as people write it; nothing for a bare number."""
    return written_unit(symbol)


def number(value: float, decimals: int) -> str:
    """27.44 -> 27,4; thousands with a point; a true minus; never a negative zero."""
    if not math.isfinite(value):
        return "keine Zahl"
    rounded = round(value, decimals)
    text = f"{abs(rounded):,.{decimals}f}".replace(",", " ").replace(".", ",").replace(" ", ".")
    return f"{MINUS}{text}" if rounded < 0 else text


def with_unit(value: float, decimals: int, symbol: str) -> str:
    """27,4 °C; degrees of an angle stand without a space (DIN 1301)."""
    written, shown = number(value, decimals), unit(symbol)
    if not shown:
        return written
    return written + shown if shown == "°" else written + NBSP + shown


def counted(amount: int, singular: str, plural: str) -> str:
    """1 Messpunkt, 12 Messpunkte, kein Messpunkt is the caller's business."""
    return f"{number(amount, 0)}{NBSP}{singular if amount == 1 else plural}"


def listed(words: Sequence[str]) -> str:
    """Rauxel, Ickern und Castrop."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} und {words[-1]}"


def duration(span: timedelta) -> str:
    """The two-hour truth in one unit: 12 Minuten, 3 Stunden, 2 Tage; rounded down."""
    seconds = max(0, int(span.total_seconds()))
    for size, singular, plural in (
        (86_400, "Tag", "Tage"), (3_600, "Stunde", "Stunden"), (60, "Minute", "Minuten"),
    ):  # fmt: skip
        # Up to two of a unit the smaller one says more: 90 Minuten, 36 Stunden.
        if seconds >= 2 * size or (size == 60 and seconds >= 60):
            return counted(seconds // size, singular, plural)
    return counted(seconds, "Sekunde", "Sekunden")


def roughly(span: timedelta) -> str:
    """The same, rounded to the nearest: 5 days and 23 hours are 6 Tage."""
    seconds = max(0.0, span.total_seconds())
    unit_s = next((size for size in (86_400, 3_600, 60) if seconds >= 2 * size), 1)
    return duration(timedelta(seconds=unit_s * int(seconds / unit_s + 0.5)))


def since(span: timedelta) -> str:
    """What stands after `seit`: 20 Minuten, 2 Tagen."""
    words = duration(span)
    return f"{words}n" if words.endswith("Tage") else words


def age(span: timedelta) -> str:
    """gerade eben, vor 3 Stunden, vor 2 Tagen; a time ahead of ours is named as such."""
    if span < timedelta(minutes=-5):
        return "Zeitangabe liegt in der Zukunft"
    if span < timedelta(minutes=1):
        return "gerade eben"
    return f"vor {since(span)}"


class LocalTime:
    """Moments in the city's own time, summer time included; everything else in the platform is UTC."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone

    def local(self, moment: datetime) -> datetime:
        """The same moment on the city's clock."""
        return moment.astimezone(self.zone)

    def clock(self, moment: datetime) -> str:
        """15:20 Uhr."""
        return f"{self.local(moment):%H:%M}{NBSP}Uhr"

    def day(self, moment: datetime) -> str:
        """Samstag, 21. November 2026."""
        local = self.local(moment)
        return f"{_WEEKDAYS[local.weekday()]}, {local.day}.{NBSP}{_MONTHS[local.month - 1]}{NBSP}{local.year}"

    def short(self, moment: datetime) -> str:
        """Sa, 21.11., 15:20 Uhr."""
        local = self.local(moment)
        return f"{_WEEKDAYS[local.weekday()][:2]}, {local:%d.%m.}, {self.clock(moment)}"

    def full(self, moment: datetime) -> str:
        """21.11.2026, 15:20 Uhr."""
        return f"{self.local(moment):%d.%m.%Y}, {self.clock(moment)}"

    def stand(self, moment: datetime, now: datetime) -> str:
        """15:20 Uhr for today, with the date for any other day."""
        local, today = self.local(moment), self.local(now)
        if local.date() == today.date():
            return self.clock(moment)
        pattern = "%d.%m." if local.year == today.year else "%d.%m.%Y"
        return f"{local.strftime(pattern)}, {self.clock(moment)}"

    def of_day(self, moment: datetime, now: datetime) -> str:
        """Heute, 21. November, 15:20 Uhr: keeps its truth when the page is read a day later."""
        local, today = self.local(moment), self.local(now)
        date = f"{local.day}.{NBSP}{_MONTHS[local.month - 1]}"
        days = (today.date() - local.date()).days
        name = {0: "Heute", 1: "Gestern"}.get(days, _WEEKDAYS[local.weekday()])
        return f"{name}, {date}, {self.clock(moment)}"
