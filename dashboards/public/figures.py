"""A chart with everything that must stand beside it: sentence, table, addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from markupsafe import Markup

from dashboards.public.chart import NARROW, WIDE, Picture, draw, element, plot
from dashboards.public.describe import describe
from dashboards.public.history import Window, address
from dashboards.public.marks import mark
from dashboards.public.quantities import Drawing, quantity
from dashboards.public.series import Sample, Series, to_csv
from dashboards.public.snapshot import Place, Stream
from dashboards.wording import LocalTime, duration, number, unit


@dataclass(frozen=True, slots=True)
class Figure:
    """`name` is file name and anchor; `rows` say the same as the picture."""

    name: str
    heading: str
    sentence: str
    caption: str
    axis: str
    narrow: Markup
    wide: Markup
    interface: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    file: str
    csv: str


@dataclass(frozen=True, slots=True)
class Span:
    """A period by its names: of files, in headings and at the start of a sentence."""

    name: str
    heading: str
    opening: str


WEEK = Span("woche", "Letzte 7 Tage", "In den letzten 7 Tagen")
DAY = Span("tag", "Letzte 24 Stunden", "In den letzten 24 Stunden")


def figure(
    stream: Stream, place: Place, history: tuple[Series, Window], span: Span, time: LocalTime
) -> Figure:
    """Everything about one period of one Datastream."""
    series, window = history
    known = quantity(stream.observed_property)
    sentence = describe(series, stream, span.opening, time)
    origin = f" ({stream.notice})" if stream.notice else ""
    title = f"{stream.property_name}, {place.name}{origin}: {span.heading.lower()}"
    picture = Picture(title, sentence, axis(stream), known.drawing, known.decimals)
    wide = plot(series, picture, WIDE, time)
    return Figure(
        name=span.name,
        heading=span.heading,
        sentence=sentence,
        caption=_caption(series, stream, window, time),
        axis=axis(stream),
        narrow=draw(series, picture, NARROW, time, name=f"{span.name}-s"),
        wide=element(wide, picture, WIDE, name=f"{span.name}-b"),
        interface=f"{address(stream)}?{urlencode(window.query())}",
        heads=_heads(series, known.drawing),
        rows=[_row(sample, series, known.drawing, known.decimals, time) for sample in series.samples],
        file=element(wide, picture, WIDE, name=span.name, alone=True),
        csv=to_csv(series, stream, place),
    )


def axis(stream: Stream) -> str:
    """Lufttemperatur in °C (Grad Celsius)."""
    known = quantity(stream.observed_property)
    if known.drawing is Drawing.SHARE:
        return f"{stream.property_name}: Anteil „{known.words[-1].word}“ in Prozent"
    shown = unit(stream.unit)
    if not shown:
        return stream.property_name
    if stream.unit_name and stream.unit_name != shown:
        return f"{stream.property_name} in {shown} ({stream.unit_name})"
    return f"{stream.property_name} in {shown}"


def _caption(series: Series, stream: Stream, window: Window, time: LocalTime) -> str:
    drawing = quantity(stream.observed_property).drawing
    period = f"{time.full(window.start)} bis {time.full(window.end)}."
    if drawing is Drawing.BARS:
        return f"Balken: Summe je {_step(series)}. Grau, wo Werte fehlen. {period}"
    if drawing is Drawing.SHARE:
        return f"Linie: Anteil je {_step(series)}. Unterbrochen, wo Werte fehlen. {period}"
    if series.bucket:
        return (
            f"Linie: Mittel je {_step(series)}, Fläche: kleinster bis größter Wert. "
            f"Unterbrochen, wo Werte fehlen. {period}"
        )
    return f"Linie: einzelne Messwerte. Unterbrochen, wo Werte fehlen. {period}"


def _step(series: Series) -> str:
    if not series.bucket:
        return "Messung"
    words = duration(series.bucket)
    return {"60\u00a0Minuten": "Stunde", "1\u00a0Stunde": "Stunde"}.get(words, words)


def _heads(series: Series, drawing: Drawing) -> Sequence[str]:
    if not series.bucket:
        return ("Zeit", "Wert", "Güte")
    if drawing is Drawing.LINE:
        return ("Beginn", "Mittel", "kleinster", "größter", "Werte")
    return ("Beginn", "Summe" if drawing is Drawing.BARS else "Anteil in %", "Werte")


def _row(sample: Sample, series: Series, drawing: Drawing, decimals: int, time: LocalTime) -> Sequence[str]:
    value = number(sample.value, decimals)
    if not series.bucket:
        return (time.short(sample.at), value, mark(sample.quality, sample.rule).word)
    began, count = time.short(series.began(sample)), str(sample.count)
    if drawing is Drawing.LINE:
        return (began, value, number(sample.low, decimals), number(sample.high, decimals), count)
    return (began, value, count)
