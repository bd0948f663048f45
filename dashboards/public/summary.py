"""Sentences and short tables made from many values; nothing is claimed that no value carries."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup, escape

from dashboards.public.quantities import Drawing, order, quantity
from dashboards.public.snapshot import Snapshot, Stream
from dashboards.public.views import shown
from dashboards.wording import NBSP, LocalTime, counted, listed, number, with_unit

# The town hall stands in Rauxel: its air is the city's where there is a choice.
_FIRST_DISTRICT = "rauxel"


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One observed property over several places: its middle, its span, and who contributed."""

    name: str
    middle: str
    detail: str
    stand: str
    iso: str
    points: str


def rows(snapshot: Snapshot, streams: Iterable[Stream], now: datetime, time: LocalTime) -> list[SummaryRow]:
    """A row per observed property; technical ones and what citizens measure are left out."""
    groups: defaultdict[tuple[int, str, str], list[Stream]] = defaultdict(list)
    for stream in streams:
        if stream.official and not quantity(stream.observed_property).technical:
            groups[order(stream.observed_property), stream.property_name, stream.unit].append(stream)
    return [_row(snapshot, group, now, time) for _, group in sorted(groups.items())]


def _row(snapshot: Snapshot, streams: Sequence[Stream], now: datetime, time: LocalTime) -> SummaryRow:
    name = streams[0].property_name
    current = [stream for stream in streams if shown(snapshot.values.get(stream.id), stream, now)]
    if not current:
        return SummaryRow(name, "", "keine aktuellen Daten", "", "", _points(0, len(streams)))
    results = [snapshot.values[stream.id].result for stream in current]
    newest = max(snapshot.values[stream.id].phenomenon_time for stream in current)
    middle, detail = _described(streams[0], results)
    return SummaryRow(
        name,
        middle,
        detail,
        time.stand(newest, now),
        newest.isoformat().replace("+00:00", "Z"),
        _points(len(current), len(streams)),
    )


def _described(stream: Stream, results: Sequence[float]) -> tuple[str, str]:
    known = quantity(stream.observed_property)
    words = Counter(known.word(result) for result in results)
    if known.drawing is Drawing.SHARE:
        first = known.words[0].word
        return f"{words[first]} von {len(results)} {first}", ""
    if stream.unit == "deg":
        # The middle of 350 and 10 degrees is not 180: directions are only counted.
        word, _ = words.most_common(1)[0]
        return f"meist {word}" if len(results) > 1 else word, ""
    if len(results) == 1:
        return with_unit(results[0], known.decimals, stream.unit), known.word(results[0])
    low, high = number(min(results), known.decimals), with_unit(max(results), known.decimals, stream.unit)
    middle = with_unit(statistics.median(results), known.decimals, stream.unit)
    if len(known.words) <= 3 and known.words:
        counts = [f"{words[entry.word]} {entry.word}" for entry in known.words if words[entry.word]]
        return middle, listed(counts)
    # Where all agree, a span from 0,0 to 0,0 says nothing.
    return middle, "" if min(results) == max(results) else f"{low} bis {high}"


def _points(current: int, known: int) -> str:
    if current == known:
        return counted(known, "Messpunkt", "Messpunkte")
    return f"{current} von {counted(known, 'Messpunkt', 'Messpunkten')} aktuell"


def sentence(snapshot: Snapshot, now: datetime, time: LocalTime) -> Markup:
    """The city in one sentence: air first, then what a citizen may act on today."""
    current = [
        stream
        for stream in snapshot.streams.values()
        if stream.official and shown(snapshot.values.get(stream.id), stream, now)
    ]
    if not current:
        return Markup("Zurzeit liegen keine aktuellen Messwerte vor.")
    parts = [_air(snapshot, current, now, time), _parking(snapshot, current), _bins(snapshot, current)]
    found = [part for part in parts if part]
    if found:
        return Markup(" ").join(found)
    newest = max(snapshot.values[stream.id].phenomenon_time for stream in current)
    return Markup("{}: {} liegen vor.").format(
        time.of_day(newest, now), counted(len(current), "aktueller Messwert", "aktuelle Messwerte")
    )


def _of(streams: Sequence[Stream], observed_property: str) -> list[Stream]:
    return [stream for stream in streams if stream.observed_property == observed_property]


def _air(snapshot: Snapshot, current: Sequence[Stream], now: datetime, time: LocalTime) -> Markup:
    streams = _of(current, "air_temperature")
    if not streams:
        return Markup()

    def rank(stream: Stream) -> tuple[bool, datetime]:
        first = snapshot.place_of(stream).district == _FIRST_DISTRICT
        return first, snapshot.values[stream.id].phenomenon_time

    best = max(streams, key=rank)
    value, results = snapshot.values[best.id], [snapshot.values[stream.id].result for stream in streams]
    where = escape(_where(snapshot, best))
    text = Markup("{}: <strong>{}</strong> in {}").format(
        time.of_day(value.phenomenon_time, now), with_unit(value.result, 1, best.unit), where
    )
    if len(streams) == 1:
        return text + "."
    return text + Markup(", im Stadtgebiet {} bis {}.").format(
        number(min(results), 1), with_unit(max(results), 1, best.unit)
    )


def _where(snapshot: Snapshot, stream: Stream) -> str:
    place = snapshot.place_of(stream)
    return place.district_name or place.name


def _parking(snapshot: Snapshot, current: Sequence[Stream]) -> Markup:
    streams = _of(current, "parking_occupied")
    if not streams:
        return Markup()
    free = sum(snapshot.values[stream.id].result < 0.5 for stream in streams)
    return Markup("{} von {} beobachteten Stellplätzen {} frei.").format(
        free, len(streams), "ist" if free == 1 else "sind"
    )


def _bins(snapshot: Snapshot, current: Sequence[Stream]) -> Markup:
    streams = _of(current, "fill_level")
    if not streams:
        return Markup()
    full = sum(quantity("fill_level").word(snapshot.values[stream.id].result) == "voll" for stream in streams)
    if not full:
        return Markup("Kein Behälter ist voll.")
    return Markup("{}{}von {} Behältern {} voll.").format(
        full, NBSP, len(streams), "ist" if full == 1 else "sind"
    )
