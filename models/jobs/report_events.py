"""Tell of floods: how high and how rare the rain that made them, and what warnings would have been worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import numpy as np

from models.jobs.artefacts import Artefacts
from models.jobs.inputs import Inputs, binned
from models.jobs.outcome import Trial
from models.jobs.runoff import Runoff, city_rain
from models.rainfall_runoff.events import FloodEvent, RainRarity, flood_events, rarest_duration
from models.report import kostra
from models.report.bars import Bar, BarChart, BarGroup
from models.report.document import Picture, Section, Table
from models.report.wording import full, number, unit
from models.series import DAY, HOUR, Series

_SHOWN = timedelta(days=90)
_STEP = np.timedelta64(600_000_000, "us")
_APART = 6 * HOUR
_MOST_EVENTS = 12
_HEADS = ("Beginn", "Scheitel", "Höchststand", "Dauer", "stärkster Regen davor", "so viel fällt hier")
_TRIAL_HEADS = ("Warnung ab", "Ereignisse", "angekündigt", "Vorwarnzeit (Mitte)", "kürzeste", "Fehlalarme")


def events_section(inputs: Inputs, artefacts: Artefacts, name: Callable[[int], str]) -> Section:
    """Every gauge whose record was long enough to try warnings on it."""
    pictures: list[Picture] = []
    tables: list[Table] = []
    waiting = []
    for group in Runoff().groups(inputs.inventory):
        of = group.targets[0]
        newest = artefacts.newest("abfluss", group.name, inputs.issued_at)
        trials = newest.fitted.trials if newest is not None else ()
        if not trials:
            waiting.append(name(of))
            continue
        symbol = unit(inputs.inventory.datastreams[of].unit.symbol)
        rows = [*_event_rows(inputs, of, trials[0].threshold, symbol)]
        if rows:
            caption = f"{name(of)}: über {number(trials[0].threshold, 0)} {symbol} in den letzten 90 Tagen"
            tables.append(Table(caption, _HEADS, rows))
        pictures += _trial_pictures(name(of), trials, symbol)
    told = [_INTRODUCTION] if pictures else []
    if waiting:
        told.append(
            f"Noch ohne geprüfte Warnungen: {', '.join(waiting)}. Nötig ist ein Modell in Gebrauch und ein "
            "hoher Wasserstand in dem Zeitraum, den es nicht kannte."
        )
    return Section("ereignisse", "Hochwasser und Warnungen", told, pictures, tables)


_INTRODUCTION = (
    "Geprüft auf dem Teil der Aufzeichnung, den das Modell beim Lernen nicht kannte: Wäre bei jeder "
    "Vorhersage gewarnt worden, die einen hohen Wasserstand in den nächsten zwölf Stunden für wahrscheinlich "
    "genug hielt, wie viele Ereignisse wären angekündigt worden, wie lange vorher, und wie oft umsonst? Wer "
    "früh warnt, warnt öfter vergeblich. Hoch heißt hier, was im Lernzeitraum 5 % und was 1 % der Zeit "
    "überschritten war; amtliche Meldestufen sind das nicht."
)


def _trial_pictures(name: str, trials: Sequence[Trial], symbol: str) -> Iterator[Picture]:
    for threshold in dict.fromkeys(one.threshold for one in trials):
        own = [one for one in trials if one.threshold == threshold]
        middle = min(own, key=lambda one: abs(one.probability - 0.5))
        heading = f"{name}: Warnung vor mehr als {number(threshold, 0)} {symbol}"
        groups = [BarGroup(f"ab {number(100 * one.probability, 0)} % sicher", _bars(one)) for one in own]
        chart = BarChart(heading, _sentence(middle), groups)
        yield Picture(heading, chart, (), _TRIAL_HEADS, [_trial_row(one) for one in own])


def _bars(one: Trial) -> list[Bar]:
    events, warnings = one.hits + one.misses, one.hits + one.false_alarms
    return [
        Bar(one.hits / max(events, 1), f"{one.hits} von {events} Ereignissen angekündigt{_before(one)}"),
        Bar(
            one.false_alarms / max(warnings, 1),
            f"{one.false_alarms} von {warnings} Warnungen umsonst" if warnings else "keine Warnung",
            hollow=True,
        ),
    ]


def _before(one: Trial) -> str:
    return f", {_hours(float(np.median(one.notice_hours)))} vorher" if one.notice_hours else ""


def _sentence(one: Trial) -> str:
    events, warnings = one.hits + one.misses, one.hits + one.false_alarms
    notice = (
        f" Die Hälfte davon mindestens {_hours(float(np.median(one.notice_hours)))} vorher."
        if one.notice_hours
        else ""
    )
    share = f"{number(100 * one.false_alarms / warnings, 0)} %" if warnings else "keine"
    were = "wären" if one.hits > 1 else "wäre"
    return (
        f"Bei Warnung ab {number(100 * one.probability, 0)} % Wahrscheinlichkeit {were} "
        f"{one.hits or 'keines'} von {events} Ereignissen angekündigt worden.{notice} Anteil vergeblicher "
        f"Warnungen: {share}. Gefüllte Balken: angekündigte Ereignisse; leere Balken: vergebliche Warnungen."
    )


def _trial_row(one: Trial) -> tuple[str, ...]:
    warnings = one.hits + one.false_alarms
    notice = np.array(one.notice_hours)
    share = f" ({number(100 * one.false_alarms / warnings, 0)} %)" if warnings else ""
    return (
        f"{number(100 * one.probability, 0)} %", str(one.hits + one.misses), str(one.hits),
        _hours(float(np.median(notice))) if notice.size else "–",
        _hours(float(notice.min())) if notice.size else "–",
        f"{one.false_alarms}{share}",
    )  # fmt: skip


def _event_rows(inputs: Inputs, of: int, threshold: float, symbol: str) -> Iterator[tuple[str, ...]]:
    """The newest events first, each with the rarest rain from a day before to its end."""
    level = binned(inputs.series([of], _SHOWN)[of], _STEP, inputs.now)
    place = inputs.inventory.things[inputs.inventory.datastreams[of].thing].location
    rain = city_rain(inputs, place, _STEP, _SHOWN)
    found = flood_events(level, threshold, apart=_APART) if len(level) else []
    for event in found[-_MOST_EVENTS:][::-1]:
        rarity = None if rain is None else _rain_before(rain, event)
        yield (
            full(event.start), full(event.peak_at), f"{number(event.peak, 0)} {symbol}",
            _hours(float((event.end - event.start) / HOUR)), *_rarity(rarity),
        )  # fmt: skip


def _rain_before(rain: Series, event: FloodEvent) -> RainRarity | None:
    return rarest_duration(rain.between(event.start - DAY, event.end + _STEP), kostra.TABLE)


def _rarity(rarity: RainRarity | None) -> tuple[str, str]:
    if rarity is None:
        return "kein Regen gemessen", "–"
    fell = f"{number(rarity.depth, 1)} mm in {rarity.minutes} Minuten"
    return fell, f"{return_period(rarity.return_period)} ({kostra.TABLE.edition})"


def return_period(years: float) -> str:
    """In words; the table says nothing below one and above a hundred years."""
    if years < 1:
        return "öfter als einmal im Jahr"
    if not np.isfinite(years):
        return "seltener als alle 100 Jahre"
    return f"etwa alle {number(years, 0)} Jahre" if years >= 1.5 else "etwa einmal im Jahr"


def _hours(hours: float) -> str:
    if hours < 1:
        return f"{number(60 * hours, 0)} min"
    return f"{number(hours, 1)} h"
