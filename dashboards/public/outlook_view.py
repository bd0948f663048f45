"""A forecast with everything that must stand beside it: sentences, picture, table, addresses."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from dashboards.public.chart import NARROW, WIDE
from dashboards.public.outlook import Expected, Outlook
from dashboards.public.outlook_chart import Words, draw_outlook
from dashboards.public.quantities import quantity
from dashboards.public.series import Series
from dashboards.public.snapshot import Place, Stream
from dashboards.wording import LocalTime, duration, number, with_unit

_LIMIT_NAME = {"fuellstand": "voll ab hier"}
_NAMES = {
    "fuellstand": "Füllstand von Behältern", "abfluss": "Wasserstand von Bächen",
    "teich": "Sauerstoff in Teichen",
    "boden": "Trockenheit an Bäumen", "verbrauch": "Verbrauch der Gebäude", "drift": "Drift von Sensoren",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class OutlookView:
    """Finished words. Without `narrow` there is no forecast, and `sentences` say why."""

    heading: str
    sentences: Sequence[str]
    issued: str
    issued_iso: str
    narrow: Markup
    wide: Markup
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    axis: str
    interface: str
    file: str = ""
    csv: str = ""


def outlook_view(
    stream: Stream, place: Place, outlook: Outlook, *, measured: Series, axis: str, time: LocalTime
) -> OutlookView:
    """`measured` is what is drawn before the forecast."""
    heading = "Prognose (simuliert)" if place.simulated else "Prognose"
    shared = {
        "heading": heading,
        "issued": time.full(outlook.issued_at),
        "issued_iso": outlook.issued_at.isoformat().replace("+00:00", "Z"),
        "axis": axis,
        "interface": f"/api/v1/datastreams/{stream.id}/forecast",
    }
    if not outlook.expected:
        if outlook.product == "boden" and not outlook.reason:
            return _words_only([_dry(outlook), *_remarks(outlook)], shared)
        reason = outlook.reason or "zurzeit keine Vorhersage"
        return _words_only([f"Keine Prognose: {reason}."], shared)
    sentences = [_sentence(stream, outlook), *_critical(outlook, time), *_remarks(outlook)]
    known = quantity(stream.observed_property)
    limit = outlook.level if outlook.product == "fuellstand" else None
    title = f"{heading}: {stream.property_name}, {place.name}"
    words = Words(title, sentences[0], axis, known.decimals, limit, _LIMIT_NAME.get(outlook.product, ""))
    narrow, wide = (
        draw_outlook(measured, outlook, words, frame, time, name=f"prognose-{size}")
        for frame, size in ((NARROW, "s"), (WIDE, "b"))
    )
    return OutlookView(
        sentences=sentences,
        narrow=narrow,
        wide=wide,
        heads=("gilt für", "Mitte", "8 von 10", "9 von 10"),
        rows=[_row(one, known.decimals, time) for one in outlook.expected],
        file=draw_outlook(measured, outlook, words, WIDE, time, name="prognose", alone=True),
        csv=_csv(stream, place, outlook),
        **shared,
    )


def _words_only(sentences: Sequence[str], shared: Mapping[str, str]) -> OutlookView:
    return OutlookView(sentences=sentences, narrow=Markup(), wide=Markup(), heads=(), rows=(), **shared)


def _dry(outlook: Outlook) -> str:
    if outlook.days_to_dry is None:
        return "Innerhalb eines Monats wird der Boden hier wahrscheinlich nicht zu trocken."
    if outlook.days_to_dry <= 0:
        return "Der Boden ist hier jetzt zu trocken."
    days = timedelta(days=round(outlook.days_to_dry))
    return f"Der Boden ist hier in etwa {duration(days)} zu trocken."


def _remarks(outlook: Outlook) -> list[str]:
    return [f"{one.rstrip('.')}." for one in outlook.remarks]


def product_name(key: str) -> str:
    """What a product forecasts, in German."""
    return _NAMES.get(key, key.capitalize())


def _sentence(stream: Stream, outlook: Outlook) -> str:
    """The first and the last lead that people ask for."""
    decimals = quantity(stream.observed_property).decimals
    asked = (24, 72) if outlook.expected[-1].hours > 48 else (1, 12)
    wanted = [one for one in outlook.expected if one.hours in asked] or [outlook.expected[0]]
    parts = [
        f"in {duration(timedelta(hours=one.hours))} etwa {with_unit(one.middle, decimals, stream.unit)} "
        f"(in 9 von 10 Fällen zwischen {number(one.outer[0], decimals)} und {number(one.outer[1], decimals)})"
        for one in wanted[:2]
    ]
    text = ", ".join(parts)
    return text[0].upper() + text[1:] + "."


def _critical(outlook: Outlook, time: LocalTime) -> list[str]:
    if outlook.critical is None or outlook.level is None:
        return []
    early, middle, late = outlook.critical
    limit = number(outlook.level, 0)
    if middle is None:
        told = f"Innerhalb von drei Wochen wird {limit} % wahrscheinlich nicht erreicht."
    elif middle <= 1:
        told = f"{limit} % sind erreicht oder werden in der nächsten Stunde erreicht."
    else:
        told = f"{limit} % wahrscheinlich am {time.short(outlook.issued_at + timedelta(hours=middle))}"
        told += f", frühestens am {time.short(outlook.issued_at + timedelta(hours=early))}" if early else ""
        told += f", spätestens am {time.short(outlook.issued_at + timedelta(hours=late))}." if late else "."
    chances = [
        f"{duration(timedelta(hours=hours))} {share:.0%}".replace("%", "\u00a0%")
        for hours, share in outlook.chances
    ]
    return [told, f"Wahrscheinlichkeit, bis dahin voll zu sein: {', '.join(chances)}."]


def _row(one: Expected, decimals: int, time: LocalTime) -> Sequence[str]:
    def between(span: tuple[float, float]) -> str:
        return f"{number(span[0], decimals)} bis {number(span[1], decimals)}"

    return time.short(one.at), number(one.middle, decimals), between(one.inner), between(one.outer)


def _csv(stream: Stream, place: Place, outlook: Outlook) -> str:
    """The drawn numbers, unrounded; that they are a forecast and when it was issued stands in every line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(
        ("valid_time", "q0.05", "q0.1", "q0.5", "q0.9", "q0.95", "unit", "forecast", "issued_at", "model",
         "datastream", "thing", "licence", "simulated")
    )  # fmt: skip
    tail = (
        stream.unit, "true", _iso(outlook.issued_at), outlook.model, str(stream.id), place.key,
        stream.licence, "true" if place.simulated else "false",
    )  # fmt: skip
    for one in outlook.expected:
        numbers = (one.outer[0], one.inner[0], one.middle, one.inner[1], one.outer[1])
        writer.writerow((_iso(one.at), *map(repr, numbers), *tail))
    return text.getvalue()


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
