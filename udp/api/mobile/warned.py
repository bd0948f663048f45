"""Official warnings for apps: what the service says in its own words, and how old that is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from udp.api.mobile.answers import VERSION, moment
from udp.weather.cap import Warned
from udp.weather.warning_state import FRESH, WarningState

_NO_SOURCE = (
    "Es ist keine Quelle amtlicher Warnungen angeschlossen. "
    "Eine leere Liste heißt nicht, dass keine Gefahr besteht."
)
_CURRENT = "Amtliche Warnungen im Wortlaut. Datenbasis: Deutscher Wetterdienst."
_STALE = (
    "Der Warndienst war zuletzt nicht erreichbar: Ob inzwischen gewarnt wird, ist unbekannt. "
    "Bitte unter www.dwd.de/warnungen nachsehen."
)
_WORDS = {1: "gelb", 2: "orange", 3: "rot", 4: "violett"}


def answer_of(state: WarningState | None, now: datetime) -> dict[str, Any]:
    """The body of /warnings; `zustand` is `unbekannt` where the list proves nothing."""
    if state is None:
        return _body([], zustand="unbekannt", stand=None, gueltig_bis=None, quelle=None, hinweis=_NO_SOURCE)
    current = state.current(now)
    return _body(
        [_told(one) for one in state.in_force(now)],
        zustand="aktuell" if current else "unbekannt",
        stand=moment(state.checked_at),
        gueltig_bis=moment(state.checked_at + FRESH),
        quelle="Deutscher Wetterdienst",
        hinweis=_CURRENT if current else _STALE,
    )


def _body(listed: list[dict[str, Any]], **said: str | None) -> dict[str, Any]:
    return {"version": VERSION, **said, "anzahl": len(listed), "warnungen": listed}


def _told(one: Warned) -> dict[str, Any]:
    return {
        "id": one.identifier,
        "ereignis": one.event,
        "stufe": one.level or None,
        "farbe": _WORDS.get(one.level, "unbekannt"),
        "ueberschrift": one.headline,
        "beschreibung": one.description,
        "verhalten": one.instruction,
        "gebiet": one.area,
        "ab_hoehe_m": one.above_m or None,
        "beginn": moment(one.onset or one.sent),
        "ende": moment(one.expires),
        "vorabinformation": one.ahead,
        "herausgeber": one.sender,
        "link": one.link,
    }
