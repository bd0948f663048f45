"""The entities of one caller's view with their ids and relations; made once per version of the register.

Ids. A Datastream keeps its number in the register. Things, Locations, Sensors, ObservedProperties and
FeaturesOfInterest have none there, but keys that are stable for ever: their id is a hash of kind and
key, 52 bits, so that it is the same after export and import, tells nothing of how many there are, and
passes through JavaScript unharmed (whole numbers are exact to 2^53). Two keys with one hash are kept
apart in the order of the keys of the whole register, so that every caller sees the same id.
An Observation is (datastream, phenomenon time, lead): together more than 53 bits, hence a text.

What was written through this interface keeps the id it got then. It is told to whoever may know its
Datastream or Thing as they are; whose place is rounded for them, to those it is told as if never written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

from udp.api.representations import derived
from udp.api.sensorthings.geometry import GeoJson, envelope
from udp.api.sensorthings.model import TYPES
from udp.api.sensorthings.words import (
    about_datastream,
    about_property,
    about_sensor,
    about_thing,
    at_place,
    content_of,
    place_of,
)
from udp.api.view import View
from udp.registry.port import Inventory
from udp.registry.written import NOTHING, Place, Written
from udp.sensorthings import Datastream, Thing

_ID_BITS = 52


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One entity but for Observations: its JSON properties and the ids it is linked with."""

    kind: str
    id: int
    properties: Mapping[str, Any]
    links: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """`records`: entity type -> id -> entity, ascending by id.

    `series`: Datastream or FeatureOfInterest -> what the store keeps its Observations under;
    `datastream_of`, `feature_of`: the ways back. `citizens`: series that citizens measure. `noted`,
    `withdrawn`, `wordy`, `spanning`: see
    udp.registry.written. `areas`: observedArea of Datastreams of which nobody has written one.
    """

    records: Mapping[str, Mapping[int, Record]]
    series: Mapping[tuple[str, int], tuple[int, ...]]
    datastream_of: Mapping[int, int]
    feature_of: Mapping[int, int]
    citizens: frozenset[int] = frozenset()
    noted: frozenset[int] = frozenset()
    withdrawn: frozenset[int] = frozenset()
    wordy: frozenset[int] = frozenset()
    spanning: frozenset[int] = frozenset()
    areas: Mapping[int, GeoJson] = field(default_factory=dict)

    def follow(self, record: Record, link: str) -> list[Record]:
        """What `link` leads to, ascending by id."""
        target = self.records[TYPES[record.kind].links[link][0]]
        return [target[number] for number in record.links.get(link, ()) if number in target]

    def of_series(self, kind: str, series: int) -> Record:
        """The Datastream or FeatureOfInterest of what the store keeps under `series`."""
        return self.records[kind][(self.datastream_of if kind == "Datastream" else self.feature_of)[series]]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Ids of everything that has a key in the register: (entity type, key) -> id."""

    of: Mapping[tuple[str, str], int]


def numbers(inventory: Inventory, written: Written = NOTHING) -> Numbers:
    """Given from the whole register, whoever asks."""
    streams = inventory.datastreams.values()
    keys = {
        *((kind, key) for key in inventory.things for kind in ("Thing", "Location", "FeatureOfInterest")),
        *(("Sensor", one.sensor) for one in streams),
        *(("ObservedProperty", one.observed_property.key) for one in streams),
        *(("Location", _place_key(one)) for places in written.places.values() for one in places),
        *(("Thing", one.key) for one in written.of_kind("Thing") if one.key),
    }
    given: dict[tuple[str, str], int] = {}
    taken: set[tuple[str, int]] = set()
    for kind, key in sorted(keys):
        number = number_of(kind, key)
        while (kind, number) in taken:
            number = (number + 1) % (1 << _ID_BITS)
        taken.add((kind, number))
        given[kind, key] = number
    return Numbers(MappingProxyType(given))


def number_of(kind: str, key: str) -> int:
    """The hash of a key."""
    return int.from_bytes(blake2b(f"{kind}\0{key}".encode(), digest_size=8).digest()) >> (64 - _ID_BITS)


def _place_key(place: Place) -> str:
    return f"{place.thing}@{place.latitude:.7f},{place.longitude:.7f}" if place.latitude is not None else ""


def build(
    view: View,
    ids: Numbers,
    written: Written = NOTHING,
    *,
    exact: Collection[str] = (),
    everything: bool = False,
) -> Catalogue:
    """All entities of what the caller may know as it was measured.

    A Datastream that may leave in coarse steps only is left out: this interface gives single values at
    their own times, and a filter on them would tell what rounding hides. /api/v1 gives its steps.
    `exact`: keys of the Things whose place the caller may know as it is. `everything`: also what hangs on
    no Datastream, for who runs the platform.
    """
    return _Building(_as_measured(view), ids, written, frozenset(exact), everything=everything).done()


class _Building:
    """One catalogue on its way: entities first, then what leads back to them."""

    def __init__(
        self, view: View, ids: Numbers, written: Written, exact: frozenset[str], *, everything: bool
    ) -> None:
        self._view, self._ids, self._written, self._exact = view, ids, written, exact
        self._everything = everything
        self._records: dict[str, dict[int, Record]] = {name: {} for name in TYPES if name != "Observation"}
        self._series: dict[tuple[str, int], list[int]] = {}
        self._datastream_of: dict[int, int] = {}
        self._feature_of: dict[int, int] = {}

    def done(self) -> Catalogue:
        """Everything of it."""
        for thing in self._view.things.values():
            self._thing(thing)
        parts: dict[int, list[Datastream]] = {}
        for stream in self._view.datastreams.values():
            whole = self._written.series.get(stream.id, (stream.id, None))[0]
            parts.setdefault(whole, []).append(stream)
        for number, streams in parts.items():
            if number in self._view.datastreams:
                self._datastream(self._view.datastreams[number])
                for one in streams:
                    self._observed(one.id, number, one.thing)
        if self._everything:
            self._rest()
        self._lead_back()
        return Catalogue(
            {kind: dict(sorted(of_kind.items())) for kind, of_kind in self._records.items()},
            {key: tuple(sorted(found)) for key, found in self._series.items()},
            self._datastream_of,
            self._feature_of,
            self._view.citizens,
            self._written.noted,
            self._written.withdrawn,
            self._written.wordy,
            self._written.spanning,
            self._areas(),
        )

    def _add(self, kind: str, number: int, properties: Mapping[str, Any], **links: Iterable[int]) -> None:
        if (kind, number) in self._written.gone:
            return
        entity = self._written.entities.get((kind, number))
        if entity is not None:
            properties = content_of(entity)
        self._records[kind][number] = Record(
            kind, number, properties, {name: tuple(found) for name, found in links.items()}
        )

    def _thing(self, thing: Thing) -> None:
        number, key = self._ids.of["Thing", thing.key], thing.key
        exact = key in self._exact
        streams = self._view.of_thing[key]
        about = about_thing(thing, citizen=any(one.id in self._view.citizens for one in streams))
        default = self._ids.of["Location", key]
        if not exact:
            self._records["Thing"][number] = Record("Thing", number, about, {"Locations": (default,)})
            self._records["Location"][default] = Record("Location", default, place_of(thing, "location"), {})
        else:
            self._add("Thing", number, about, Locations=self._places(thing, number, default))

    def _places(self, thing: Thing, number: int, default: int) -> tuple[int, ...]:
        """The Locations of now; those of before are told with the history."""
        places = self._written.places.get(thing.key, ())
        first = next((one for one in places if one.locations is None), None)
        now: tuple[int, ...] = (default,)
        for place in places:
            if place.locations is None:
                known = first is None or _place_key(place) == _place_key(first)
                now = (default if known else self._ids.of["Location", _place_key(place)],)
                self._add("Location", now[0], place_of(at_place(thing, place), "location"))
            else:
                now = tuple(one for one in place.locations if self._written_location(one))
            if not place.hidden and now:
                self._records["HistoricalLocation"][place.id] = Record(
                    "HistoricalLocation",
                    place.id,
                    {"time": datetime.fromisoformat(place.at)},
                    {"Thing": (number,), "Locations": now},
                )
        if not places:
            self._add("Location", default, place_of(thing, "location"))
        return now

    def _written_location(self, number: int) -> bool:
        entity = self._written.entities.get(("Location", number))
        if entity is not None:
            self._add("Location", number, entity.content)
        return entity is not None

    def _datastream(self, stream: Datastream) -> None:
        thing = self._view.things[stream.thing]
        exact = stream.thing in self._exact
        entity = self._written.entities.get(("Datastream", stream.id)) if exact else None
        links = dict(entity.links) if entity else {}
        sensor = links.get("Sensor") or (self._ids.of["Sensor", stream.sensor],)
        observed = stream.observed_property
        property_ = links.get("ObservedProperty") or (self._ids.of["ObservedProperty", observed.key],)
        about = about_datastream(
            stream,
            thing,
            citizen=stream.id in self._view.citizens,
            how=derived(stream.id, self._view.derived),
        )
        self._records["Datastream"][stream.id] = Record(
            "Datastream",
            stream.id,
            about if entity is None else content_of(entity),
            {
                "Thing": (self._ids.of["Thing", stream.thing],),
                "Sensor": sensor,
                "ObservedProperty": property_,
            },
        )
        self._add("Sensor", sensor[0], about_sensor(stream.sensor))
        self._add("ObservedProperty", property_[0], about_property(observed))

    def _observed(self, series: int, datastream: int, thing: str) -> None:
        """What the store keeps under `series` belongs to a Datastream and to a FeatureOfInterest."""
        feature = self._written.series.get(series, (0, None))[1]
        entity = self._written.entities.get(("FeatureOfInterest", feature)) if feature else None
        if entity is not None and thing in self._exact | self._unplaced():
            self._add("FeatureOfInterest", entity.id, entity.content)
            found = entity.id
        elif thing in self._view.things:
            found = self._ids.of["FeatureOfInterest", thing]
            self._add("FeatureOfInterest", found, place_of(self._view.things[thing], "feature"))
        else:
            return
        if datastream not in self._records["Datastream"] or found not in self._records["FeatureOfInterest"]:
            return
        self._series.setdefault(("Datastream", datastream), []).append(series)
        self._series.setdefault(("FeatureOfInterest", found), []).append(series)
        self._datastream_of[series], self._feature_of[series] = datastream, found

    def _areas(self) -> Mapping[int, GeoJson]:
        around: dict[int, list[GeoJson]] = {}
        for series, stream in self._datastream_of.items():
            feature = self._records["FeatureOfInterest"][self._feature_of[series]].properties.get("feature")
            if isinstance(feature, GeoJson):
                around.setdefault(stream, []).append(feature)
        return {number: envelope(features) for number, features in around.items()}

    def _unplaced(self) -> frozenset[str]:
        return frozenset(("",)) if self._everything else frozenset()

    def _rest(self) -> None:
        """What nothing in force leads to: written Things without a place or Datastream, all that is loose."""
        for (kind, number), entity in self._written.entities.items():
            if number in self._records[kind]:
                continue
            links = dict(entity.links)
            if kind == "Thing":
                places = self._written.places.get(entity.key or "", ())
                links["Locations"] = (places[-1].locations or ()) if places else ()
                for place in places:
                    if not place.hidden and place.locations:
                        self._records["HistoricalLocation"][place.id] = Record(
                            "HistoricalLocation",
                            place.id,
                            {"time": datetime.fromisoformat(place.at)},
                            {"Thing": (number,), "Locations": place.locations},
                        )
            self._add(kind, number, entity.content, **links)
        for series, (datastream, _) in self._written.series.items():
            if series not in self._datastream_of:
                self._observed(series, datastream, "")

    def _lead_back(self) -> None:
        """Links to many are what links to one say from the other side."""
        for kind, name, back in (
            ("Thing", "Locations", "Things"),
            ("HistoricalLocation", "Thing", "HistoricalLocations"),
            ("HistoricalLocation", "Locations", "HistoricalLocations"),
            ("Datastream", "Thing", "Datastreams"),
            ("Datastream", "Sensor", "Datastreams"),
            ("Datastream", "ObservedProperty", "Datastreams"),
        ):
            target = self._records[TYPES[kind].links[name][0]]
            found: dict[int, list[int]] = {}
            for record in self._records[kind].values():
                for number in record.links.get(name, ()):
                    found.setdefault(number, []).append(record.id)
            for number, sources in found.items():
                there = target.get(number)
                if there is not None:
                    target[number] = replace(there, links={**there.links, back: tuple(sorted(sources))})


def _as_measured(view: View) -> View:
    if not view.finest:
        return view
    kept = {number: one for number, one in view.datastreams.items() if number not in view.finest}
    groups = {
        key: tuple(one for one in group if one.id in kept)
        for key, group in view.of_thing.items()
        if any(one.id in kept for one in group)
    }
    things = {key: view.things[key] for key in groups}
    return replace(view, things=things, datastreams=kept, of_thing=groups, finest={})
