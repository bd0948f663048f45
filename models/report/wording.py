"""Numbers and times as German readers expect them, in the city's own time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isfinite
from zoneinfo import ZoneInfo

from models.series import Instant, Step, step_of

ZONE = ZoneInfo("Europe/Berlin")
_WEEKDAYS = ("Mo", "Di", "Mi", "Do", "Fr", "Sa", "So")


def number(value: float, decimals: int) -> str:
    """27.44 -> 27,4 with a true minus; a dash for what is no number."""
    if not isfinite(value):
        return "–"
    rounded = round(value, decimals)
    text = f"{abs(rounded):,.{decimals}f}".replace(",", " ").replace(".", ",").replace(" ", ".")
    return f"\u2212{text}" if rounded < 0 else text


def local(moment: datetime | Instant) -> datetime:
    """On the city's clock."""
    if isinstance(moment, datetime):
        return moment.astimezone(ZONE)
    plain: datetime = moment.astype("datetime64[us]").astype(datetime)
    return plain.replace(tzinfo=UTC).astimezone(ZONE)


def ahead_of_utc(moment: Instant) -> Step:
    """By how much the city's clock is ahead."""
    return step_of(local(moment).utcoffset() or timedelta(0))


def full(moment: datetime | Instant) -> str:
    """21.11.2026, 15:20 Uhr."""
    return f"{local(moment):%d.%m.%Y, %H:%M} Uhr"


def day(moment: datetime | Instant) -> str:
    """Sa 21.11."""
    shown = local(moment)
    return f"{_WEEKDAYS[shown.weekday()]} {shown:%d.%m.}"


def clock(moment: datetime | Instant) -> str:
    """Sa 15 Uhr."""
    shown = local(moment)
    return f"{_WEEKDAYS[shown.weekday()]} {shown:%H:%M}"


def unit(symbol: str) -> str:
    """A UCUM code as people write it."""
    return {"Cel": "°C", "m3": "m³", "mg/L": "mg/l", "1": ""}.get(symbol, symbol)
