"""Things as NGSI-LD entities, made from what one caller may know now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from udp.api import columns_json
from udp.api.current import Snapshot, coarsened
from udp.api.ngsild.mapping import UNITS, Word, type_of, word_for
from udp.api.view import View
from udp.errors import NotFound
from udp.sensorthings import Datastream, Quality, Thing
from udp.store.columns import Observations

_PREFIX = "urn:ngsi-ld"
Entity = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """What a caller may know: Things as entities to be, and the newest values by Datastream. `city`: its
    prefix where there are several, for identifiers are unique in the whole world."""

    view: View
    newest: Mapping[int, tuple[str, float, str]]
    city: str = ""

    def type_of(self, thing: Thing) -> str:
        """Its NGSI-LD type."""
        measures = (one.observed_property.key for one in self.view.of_thing[thing.key])
        return type_of(thing.kind, measures)[0]

    def id_of(self, thing: Thing) -> str:
        """Stable as long as the Thing measures what it measures."""
        space = f"{self.city}:" if self.city else ""
        return f"{_PREFIX}:{self.type_of(thing)}:{space}{thing.key}"

    def thing(self, identifier: str) -> Thing:
        """NotFound for what is not there or not to be known."""
        key = identifier.rpartition(":")[2]
        found = self.view.things.get(key)
        if found is None or self.id_of(found) != identifier:
            raise NotFound(f"entity {identifier[:120]!r} is not known")
        return found

    def words(self, thing: Thing) -> list[tuple[Datastream, Word]]:
        """Every Datastream of a Thing and its attribute; two never share a name."""
        taken: set[str] = set()
        found = []
        for one in sorted(
            self.view.of_thing[thing.key], key=lambda one: one.key != one.observed_property.key
        ):
            word = word_for(one.observed_property.key, one.key)
            if word.name in taken:
                word = Word(f"{word.name}{one.id}")
            taken.add(word.name)
            found.append((one, word))
        return found


def known(view: View, snapshot: Snapshot, city: str = "") -> Known:
    """Newest values as `view` may have them: times rounded where they must be."""
    rows = coarsened(view, snapshot.known(view))
    rows = rows.take(np.isin(rows.datastream, list(view.datastreams)))
    times = columns_json.times(rows.phenomenon_time)
    quality = columns_json.quality_words(rows.quality.tolist())
    return Known(
        view,
        {
            number: (time, value, word)
            for number, time, value, word in zip(
                rows.datastream.tolist(), times, rows.result.tolist(), quality, strict=True
            )
            if np.isfinite(value) and word != Quality.BAD.name.lower()
        },
        city,
    )


def entity(told: Known, thing: Thing, attrs: Sequence[str], *, simplified: bool) -> Entity | None:
    """Normalised or simplified; None where it has none of `attrs`."""
    attributes: dict[str, Any] = {}
    for stream, word in told.words(thing):
        newest = told.newest.get(stream.id)
        if newest is None or (attrs and word.name not in attrs):
            continue
        attributes[word.name] = _property(stream, word, *newest)
    if attrs and not attributes:
        return None
    plain = {} if attrs else _about(told, thing)
    if simplified:
        attributes = {name: one["value"] for name, one in attributes.items()}
        plain = {name: one["value"] for name, one in plain.items()}
    return {"id": told.id_of(thing), "type": told.type_of(thing), **plain, **attributes}


def _about(told: Known, thing: Thing) -> dict[str, Any]:
    place = thing.location
    licences = sorted({one.licence for one in told.view.of_thing[thing.key] if one.licence})
    return {
        "name": {"type": "Property", "value": thing.name},
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [place.longitude, place.latitude]},
        },
        "district": {"type": "Property", "value": place.district_name},
        "simulated": {"type": "Property", "value": thing.simulated},
        **({"licence": {"type": "Property", "value": ", ".join(licences)}} if licences else {}),
    }


def _property(stream: Datastream, word: Word, time: str, value: float, quality: str) -> dict[str, Any]:
    said: Any = _value(word, value)
    told = {"type": "Property", "value": said, "observedAt": time}
    unit = word.unit or UNITS.get(stream.unit.symbol)
    if unit and not isinstance(said, str):
        told["unitCode"] = unit
    told["quality"] = {"type": "Property", "value": quality}
    told["datastream"] = {"type": "Property", "value": stream.id}
    return told


def _value(word: Word, value: float) -> float | str:
    if word.told_as is not None:
        return word.told_as.get(value, "unknown")
    return value if word.factor == 1.0 else float(f"{value * word.factor:.12g}")


def history(told: Known, thing: Thing, rows: Observations, attrs: Sequence[str], *, most: int) -> Entity:
    """The temporal representation: per attribute its newest `most` values, newest first."""
    found: Entity = {"id": told.id_of(thing), "type": told.type_of(thing)}
    quality = columns_json.quality_words(rows.quality.tolist())
    times = columns_json.times(rows.phenomenon_time)
    for stream, word in told.words(thing):
        if attrs and word.name not in attrs:
            continue
        at = np.flatnonzero(rows.datastream == stream.id)[::-1][:most]
        if len(at):
            found[word.name] = [
                _property(stream, word, times[one], float(rows.result[one]), quality[one]) for one in at
            ]
    return found


def terms(told: Known) -> Iterable[str]:
    """Names of all attributes that stand in answers."""
    return {word.name for thing in told.view.things.values() for _, word in told.words(thing)}
