"""What a template may know about one value: finished words, nothing left to compute."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboards.public.freshness import Freshness, freshness
from dashboards.public.marks import Mark, mark
from dashboards.public.quantities import Drawing, order, quantity
from dashboards.public.snapshot import Place, Snapshot, Stream, Value
from dashboards.wording import LocalTime, age, with_unit
from udp.sensorthings import Quality


@dataclass(frozen=True, slots=True)
class ValueView:
    """A value as it is shown. `text` is empty when there is nothing that may be shown as current."""

    href: str
    name: str
    text: str
    word: str
    absent: str
    stand: str
    iso: str
    age: str
    freshness: Freshness
    mark: Mark | None
    technical: bool


@dataclass(frozen=True, slots=True)
class PlaceView:
    """A measuring point with its values, the technical ones apart."""

    name: str
    simulated: bool
    citizen: bool
    values: Sequence[ValueView]
    technical: Sequence[ValueView]


@dataclass(frozen=True, slots=True)
class GroupView:
    """Places under one heading; `key` is the anchor."""

    key: str
    name: str
    places: Sequence[PlaceView]


def shown(value: Value | None, stream: Stream, now: datetime) -> bool:
    """Whether `value` may stand on a page as current: not too old and not bad."""
    if value is None or value.quality is Quality.BAD:
        return False
    return freshness(value.phenomenon_time, now, stream.interval) is not Freshness.GONE


def written(stream: Stream, result: float) -> tuple[str, str]:
    """Value with unit, and its word; a yes-or-no value is its word alone."""
    known = quantity(stream.observed_property)
    word = known.word(result)
    if known.drawing is Drawing.SHARE and word:
        return word, ""
    return with_unit(result, known.decimals, stream.unit), word


def value_view(snapshot: Snapshot, stream: Stream, now: datetime, time: LocalTime) -> ValueView:
    """The newest value of `stream` in words, as old and as good as it is."""
    value = snapshot.values.get(stream.id)
    href, technical = f"/messwert/{stream.id}/", quantity(stream.observed_property).technical
    if value is None:
        return ValueView(
            href,
            stream.property_name,
            "",
            "",
            "noch keine Daten",
            "",
            "",
            "",
            Freshness.GONE,
            None,
            technical,
        )
    state = freshness(value.phenomenon_time, now, stream.interval)
    text, word = written(stream, value.result) if shown(value, stream, now) else ("", "")
    absent = "keine aktuellen Daten" if state is Freshness.GONE else "kein gültiger Wert"
    return ValueView(
        href=href,
        name=stream.property_name,
        text=text,
        word=word,
        absent="" if text else absent,
        stand=time.stand(value.phenomenon_time, now),
        iso=value.phenomenon_time.isoformat().replace("+00:00", "Z"),
        age="" if state is Freshness.FRESH else age(now - value.phenomenon_time),
        freshness=state,
        # How good a value was that is not shown any more tells nothing.
        mark=None if state is Freshness.GONE else mark(value.quality, value.rule),
        technical=technical,
    )


def place_views(
    snapshot: Snapshot, streams: Iterable[Stream], now: datetime, time: LocalTime
) -> list[PlaceView]:
    """The places of `streams` by name, each with its values."""
    by_place: defaultdict[str, list[ValueView]] = defaultdict(list)
    for stream in sorted(
        streams, key=lambda stream: (order(stream.observed_property), stream.property_name, stream.name)
    ):
        by_place[stream.place].append(value_view(snapshot, stream, now, time))
    places = sorted((snapshot.places[key] for key in by_place), key=_by_name)
    return [
        PlaceView(
            place.name,
            place.simulated,
            place.citizen,
            [view for view in by_place[place.key] if not view.technical],
            [view for view in by_place[place.key] if view.technical],
        )
        for place in places
    ]


def _by_name(place: Place) -> tuple[list[tuple[int, str]], str]:
    """Papierkorb 9 before Papierkorb 10."""
    parts = re.split(r"(\d+)", place.name)
    return [(int(part), "") if part.isdecimal() else (0, part.casefold()) for part in parts], place.key
