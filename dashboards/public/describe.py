"""What a chart shows, in sentences: the equal of the picture for those who do not see it."""

from __future__ import annotations

from dashboards.public.quantities import Drawing, quantity
from dashboards.public.series import Sample, Series
from dashboards.public.snapshot import Stream
from dashboards.wording import LocalTime, counted, roughly, with_unit
from udp.sensorthings import Quality


def describe(series: Series, stream: Stream, span: str, time: LocalTime) -> str:
    """Lowest, highest, middle, gaps and what was left out. `span` is `In den letzten 7 Tagen`."""
    if not series.samples:
        return f"{span} gibt es keine gültigen Werte.{_hidden(series)}"
    kind = quantity(stream.observed_property).drawing
    text = {Drawing.LINE: _line, Drawing.BARS: _bars, Drawing.SHARE: _share}[kind](series, stream, span, time)
    return text + _gaps(series) + _doubts(series) + _hidden(series)


def _line(series: Series, stream: Stream, span: str, time: LocalTime) -> str:
    low = min(series.samples, key=lambda sample: sample.low)
    high = max(series.samples, key=lambda sample: sample.high)
    if low.low == high.high:
        return f"{span} lag der Wert unverändert bei {_written(stream, low.low)}."
    middle = sum(sample.value * sample.count for sample in series.samples) / sum(
        sample.count for sample in series.samples
    )
    return (
        f"{span} lagen die Werte zwischen {_written(stream, low.low)} ({_when(low, series, time)}) und "
        f"{_written(stream, high.high)} ({_when(high, series, time)}), "
        f"im Mittel bei {_written(stream, middle)}."
    )


def _bars(series: Series, stream: Stream, span: str, time: LocalTime) -> str:
    total = sum(sample.value for sample in series.samples)
    top = max(series.samples, key=lambda sample: sample.value)
    if not total:
        return f"{span} fiel nichts."
    return (
        f"{span} fielen zusammen {_written(stream, total)}, am meisten ({_written(stream, top.value)}) "
        f"um {_when(top, series, time)}."
    )


def _share(series: Series, stream: Stream, span: str, _: LocalTime) -> str:
    count = sum(sample.count for sample in series.samples)
    middle = sum(sample.value * sample.count for sample in series.samples) / count
    word = quantity(stream.observed_property).words[-1].word
    return f"{span} meldeten {with_unit(middle, 0, '%')} der Messungen „{word}“."


def _when(sample: Sample, series: Series, time: LocalTime) -> str:
    return time.short(series.began(sample))


def _written(stream: Stream, value: float) -> str:
    return with_unit(value, quantity(stream.observed_property).decimals, stream.unit)


def _gaps(series: Series) -> str:
    silences = [end - start for start, end in series.gaps()]
    if not silences:
        return ""
    gaps, longest = counted(len(silences), "Lücke", "Lücken"), roughly(max(silences))
    if len(silences) == 1:
        return f" {gaps} ohne Werte, Dauer rund {longest}."
    return f" {gaps} ohne Werte, die längste rund {longest}."


def _doubts(series: Series) -> str:
    doubtful = sum(sample.quality is Quality.SUSPECT for sample in series.samples)
    if not doubtful:
        return ""
    return f" {counted(doubtful, 'Wert ist', 'Werte sind')} als verdächtig gekennzeichnet (Dreieck)."


def _hidden(series: Series) -> str:
    if not series.hidden:
        return ""
    return f" {counted(series.hidden, 'fehlerhafter Wert ist', 'fehlerhafte Werte sind')} nicht gezeichnet."
