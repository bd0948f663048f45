"""The coming rain and warmth as a page shows them: sentences, pictures, table, file, with source and age."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from dashboards.public.axes import WEEKDAYS
from dashboards.public.chart import NARROW, WIDE, Picture, element
from dashboards.public.quantities import Drawing
from dashboards.public.weather import Ahead, Hour
from dashboards.public.weather_chart import plot_air, plot_rain
from dashboards.wording import NBSP, LocalTime, duration, number, with_unit

_DAY = timedelta(hours=24)
# Below these nobody needs an umbrella, or a word.
_WET_CHANCE, _WET_MM = 0.3, 0.1
# Runs come every six hours, an hour after their issue; a day later nobody should plan by one.
_FRESH, _GONE = timedelta(hours=9), timedelta(hours=24)
_RAIN_AXIS, _AIR_AXIS = "Regen in mm je Stunde", "Lufttemperatur in °C"


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture in both sizes and as a file; `caption` says what its forms mean."""

    name: str
    heading: str
    narrow: Markup
    wide: Markup
    file: str
    caption: str


@dataclass(frozen=True, slots=True)
class WeatherView:
    """Finished words. Without `pictures` nothing is expected, and `sentence` says why. `old`: what must be
    known of its age."""

    sentence: str
    attribution: str = ""
    licence_url: str = ""
    issued: str = ""
    issued_iso: str = ""
    old: str = ""
    radar: str = ""
    pictures: Sequence[Drawn] = ()
    rows: Sequence[Sequence[str]] = ()
    csv: str = ""


def weather_view(ahead: Ahead | None, now: datetime, time: LocalTime) -> WeatherView:
    """`ahead` None: nobody is told."""
    if ahead is None:
        return WeatherView("Die Stadt veröffentlicht hier zurzeit keine Wettervorhersage.")
    known = [one for one in ahead.after(now) if one.rain is not None or one.air is not None]
    radar = _radar(ahead, now, time)
    if ahead.point is None or not known or now - ahead.point.issued_at > _GONE:
        told = "Zurzeit liegt keine aktuelle Vorhersage des Wetterdienstes vor."
        return WeatherView(told, ahead.attribution, ahead.licence_url, radar=radar)
    issued = ahead.point.issued_at
    return WeatherView(
        sentence=f"{_rain(known, now, time)} {_air(known, now)}".strip(),
        attribution=ahead.attribution,
        licence_url=ahead.licence_url,
        issued=time.full(issued),
        issued_iso=_iso(issued),
        old="" if _fresh(ahead, now) else _old(issued, now, time),
        radar=radar,
        pictures=_pictures(ahead, known, now, time),
        rows=[_row(one, time) for one in known],
        csv=_csv(ahead, issued, known),
    )


def in_short(ahead: Ahead | None, now: datetime, time: LocalTime) -> str:
    """One line for the first page; empty where nothing fresh is known."""
    if ahead is None or not _fresh(ahead, now):
        return ""
    known = ahead.after(now)
    return f"{_rain(known, now, time)} {_air(known, now)}".strip() if known else ""


def _fresh(ahead: Ahead, now: datetime) -> bool:
    """Whether there should be no newer run; what was read a while ago grows old here too."""
    point = ahead.point
    return point is not None and point.fresh and now - point.issued_at <= _FRESH


def _pictures(ahead: Ahead, known: Sequence[Hour], now: datetime, time: LocalTime) -> list[Drawn]:
    mark = " (simuliert)" if ahead.simulated else ""
    found = []
    if any(one.rain is not None for one in known):
        about = Picture(f"Erwarteter Regen{mark}", _rain(known, now, time), _RAIN_AXIS, Drawing.BARS, 1)
        told = "Dunkel: erwartete Menge. Hell: bis hierher in 9 von 10 Fällen; in einem von 10 kommt mehr."
        sizes = [plot_rain(known, about.axis, frame, time) for frame in (NARROW, WIDE)]
        found.append(_drawn("regen", about, told, *sizes))
    if any(one.air is not None for one in known):
        about = Picture(f"Erwartete Temperatur{mark}", _air(known, now), _AIR_AXIS, Drawing.LINE, 0)
        told = "Gestrichelt: erwartete Temperatur. Fläche: so weit liegt die Vorhersage im Mittel daneben."
        sizes = [plot_air(known, about.axis, frame, time) for frame in (NARROW, WIDE)]
        found.append(_drawn("temperatur", about, told, *sizes))
    return found


def _drawn(name: str, about: Picture, caption: str, narrow: Markup, wide: Markup) -> Drawn:
    return Drawn(
        name=name,
        heading=about.title,
        narrow=element(narrow, about, NARROW, name=f"{name}-s"),
        wide=element(wide, about, WIDE, name=f"{name}-b"),
        file=element(wide, about, WIDE, name=f"{name}-datei", alone=True),
        caption=caption,
    )


def _rain(known: Sequence[Hour], now: datetime, time: LocalTime) -> str:
    """The coming day: how much, and when first."""
    day = [one for one in known if one.ends <= now + _DAY and one.rain is not None]
    if not day:
        return ""
    total = sum(one.rain or 0.0 for one in day)
    wet = [one for one in day if (one.chance or 0.0) >= _WET_CHANCE or (one.rain or 0.0) >= _WET_MM]
    if not wet:
        return "In den nächsten 24 Stunden bleibt es wahrscheinlich trocken."
    likely = max(wet, key=lambda one: (one.chance or 0.0, one.rain or 0.0))
    when = time.stand(likely.ends, now)
    share = "" if likely.chance is None else f" ({_percent(likely.chance)} Wahrscheinlichkeit)"
    return (
        f"In den nächsten 24 Stunden werden etwa {with_unit(total, 1, 'mm')} Regen erwartet, am ehesten in "
        f"der Stunde bis {when}{share}."
    )


def _air(known: Sequence[Hour], now: datetime) -> str:
    warm = [one.air for one in known if one.air is not None and one.ends <= now + _DAY]
    if not warm:
        return ""
    low, high = number(min(warm), 0), number(max(warm), 0)
    if low == high:
        return f"Es bleibt bei etwa {low}{NBSP}°C."
    return f"Die Temperatur liegt zwischen {low} und {high}{NBSP}°C."


def _radar(ahead: Ahead, now: datetime, time: LocalTime) -> str:
    """Empty where no radar nowcast is known."""
    steps = ahead.minutes_after(now)
    if ahead.radar is None or not steps:
        return ""
    until = time.clock(steps[-1].ends)
    of = f"Regenradar von {time.clock(ahead.radar.issued_at)}"
    mean, most = sum(one.rain for one in steps), sum(one.most for one in steps)
    if most < _WET_MM:
        return f"{of}: bis {until} kein Regen in Sicht."
    begins = next(one.ends for one in steps if one.most > 0)
    soon = "" if begins <= now + timedelta(minutes=10) else f", ab etwa {time.clock(begins)}"
    return (
        f"{of}: bis {until} im Mittel der Regenmesser etwa {with_unit(mean, 1, 'mm')}, örtlich bis "
        f"{with_unit(most, 1, 'mm')}{soon}."
    )


def _old(issued: datetime, now: datetime, time: LocalTime) -> str:
    return (
        f"Diese Vorhersage ist {duration(now - issued)} alt (vom {time.full(issued)}): Seitdem kam vom "
        "Wetterdienst nichts Neues an. Sie kann überholt sein."
    )


def _row(one: Hour, time: LocalTime) -> Sequence[str]:
    error = "" if one.air_error is None else f" ±{NBSP}{number(one.air_error, 1)}"
    local = time.local(one.ends)
    return (
        f"{WEEKDAYS[local.weekday()]} {local.hour}{NBSP}Uhr",
        "–" if one.rain is None else number(one.rain, 1),
        "–" if one.high is None else number(one.high, 1),
        "–" if one.chance is None else _percent(one.chance),
        "–" if one.air is None else number(one.air, 1) + error,
    )


def _percent(share: float) -> str:
    return f"{number(100 * share, 0)}{NBSP}%"


def _csv(ahead: Ahead, issued: datetime, known: Sequence[Hour]) -> str:
    """The drawn numbers; that they are a forecast, whose and when issued stands in every line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(
        ("valid_time", "rain_mm", "rain_mm_1_in_10", "rain_probability", "temperature_c",
         "temperature_error_k", "forecast", "issued_at", "attribution", "simulated")
    )  # fmt: skip
    tail = ("true", _iso(issued), ahead.attribution, "true" if ahead.simulated else "false")
    for one in known:
        values = (one.rain, one.high, one.chance, one.air, one.air_error)
        writer.writerow((_iso(one.ends), *("" if value is None else repr(value) for value in values), *tail))
    return text.getvalue()


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
