"""When a container will be full: said only where a model that is in use says so, and marked as a forecast."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from udp.api.forecasts import knows
from udp.api.mobile.answers import moment
from udp.api.mobile.reading import Present
from udp.api.mobile.words import weekday
from udp.sensorthings import Thing

PRODUCT = "fuellstand"
# A forecast that nobody has renewed for a day speaks of a container that may have been emptied since.
_OLDEST = timedelta(hours=24)
_LOCAL = ZoneInfo("Europe/Berlin")


def full_from(told: Present, thing: Thing) -> dict[str, Any] | None:
    """The forecast of a container's fill level; None without a usable model, and beyond what it can see."""
    for stream in told.view.of_thing.get(thing.key, ()):
        said = told.told.statements.get((stream.id, PRODUCT))
        if said is None or said.reason or said.fallback or not knows(told.view, stream.id):
            continue
        hours = said.summary.get("hours_to_critical")
        if not isinstance(hours, int | float) or not said.issued_at <= told.now <= said.issued_at + _OLDEST:
            continue
        due = said.issued_at + timedelta(hours=float(hours))
        if due <= told.now:
            continue
        early, late = (said.summary.get(f"hours_to_critical_{level}") for level in (10, 90))
        local = due.astimezone(_LOCAL)
        day = f"{weekday(local.weekday())} {local:%d.%m.}, {local.hour} Uhr"
        return {
            "prognose": True,
            "text": {
                "de": f"Prognose: voraussichtlich voll ab {day}",
                "en": f"Forecast: probably full from {local:%d %b %H}:00",
            },
            "voll_ab": moment(due),
            "voll_fruehestens": _after(said.issued_at, early),
            "voll_spaetestens": _after(said.issued_at, late),
            "erstellt": moment(said.issued_at),
            "modell": said.model,
            "bedingung": "; ".join(said.remarks),
        }
    return None


def _after(start: Any, hours: object) -> str | None:
    return moment(start + timedelta(hours=float(hours))) if isinstance(hours, int | float) else None
