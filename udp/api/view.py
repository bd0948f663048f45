"""What one caller may know: the inventory after the gate. Routes see nothing else of the registry."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from udp.api.problems import InvalidRequest
from udp.datasets.model import series
from udp.errors import NotFound
from udp.policy import Caller, Gate
from udp.registry.city_file import THEMES
from udp.registry.port import Derivation, Inventory, Registry
from udp.sensorthings import CITIZEN_NOTICE, Datastream, Thing


@dataclass(frozen=True, slots=True)
class Filter:
    """What a caller wants to see of it; None is no wish."""

    theme: str | None = None
    district: str | None = None
    kind: str | None = None
    thing: str | None = None
    observed_property: str | None = None

    def wants(self, thing: Thing, stream: Datastream | None = None) -> bool:
        """Whether Thing (and Datastream, where one is asked about) are meant."""
        return (
            self.theme in (None, thing.theme)
            and self.district in (None, thing.location.district)
            and self.kind in (None, thing.kind)
            and self.thing in (None, thing.key)
            and (stream is None or self.observed_property in (None, stream.observed_property.key))
        )


@dataclass(frozen=True, slots=True)
class View:
    """Things and Datastreams one caller may know. A Thing without any visible Datastream is not known.

    `labels` holds, per Datastream, the unchanging members of its JSON in lists of values; `finest`,
    the finest step of time of those that the caller may not know as they were measured; `held`, those
    of them whose newest value is the mean of the last step that is over; `datasets`, where each belongs;
    `citizens`, those that citizens measure; `derived`, how those that are computed are.
    """

    things: Mapping[str, Thing]
    datastreams: Mapping[int, Datastream]
    of_thing: Mapping[str, tuple[Datastream, ...]]
    labels: Mapping[int, str]
    finest: Mapping[int, timedelta]
    held: frozenset[int] = frozenset()
    datasets: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    citizens: frozenset[int] = frozenset()
    derived: Mapping[int, Derivation] = field(default_factory=dict)

    def thing(self, key: str) -> Thing:
        """NotFound for what does not exist or is not to be known."""
        if key not in self.things:
            raise NotFound(f"thing {key!r} is not known; see /api/v1/things for all of them")
        return self.things[key]

    def datastream(self, number: int) -> Datastream:
        """NotFound for what does not exist or is not to be known."""
        if number not in self.datastreams:
            raise NotFound(f"datastream {number} is not known; see /api/v1/datastreams for all of them")
        return self.datastreams[number]

    def require_known(self, wish: Filter) -> None:
        """InvalidRequest for a theme, district or kind nothing here can have; what is hidden is not known."""
        if not self.things:
            return
        places = self.things.values()
        known = {
            "theme": {*THEMES},
            "district": {one.location.district for one in places},
            "kind": {one.kind for one in places},
        }
        for name, values in known.items():
            asked = getattr(wish, name)
            if asked is not None and asked not in values:
                raise InvalidRequest(f"{name}: {asked!r} is not known; known are {', '.join(sorted(values))}")

    def select_things(self, wish: Filter) -> Iterator[Thing]:
        """In the order of their keys."""
        return (thing for _, thing in sorted(self.things.items()) if wish.wants(thing))

    def select(self, wish: Filter) -> Iterator[Datastream]:
        """In the order of their ids."""
        return (one for _, one in sorted(self.datastreams.items()) if wish.wants(self.things[one.thing], one))


_MOST_CALLERS = 64


@dataclass(frozen=True, slots=True)
class Views:
    """One inventory as each caller may know it; `held` as `Gate.held`."""

    inventory: Inventory
    gate: Gate
    held: Mapping[int, timedelta]
    _made: dict[Caller, View] = field(default_factory=dict)
    _places: dict[Caller, Mapping[str, Thing]] = field(default_factory=dict)

    def places(self, caller: Caller) -> Mapping[str, Thing]:
        """Things without sensors that `caller` may know (`Gate.places`)."""
        if (found := self._places.get(caller)) is None:
            if len(self._places) >= _MOST_CALLERS:
                self._places.clear()
            found = self._places.setdefault(caller, self.gate.places(self.inventory, caller))
        return found

    def of(self, caller: Caller) -> View:
        """The same object for callers who may know the same, while nothing changes."""
        made = self._made.get(caller)
        if made is None:
            if len(self._made) >= _MOST_CALLERS:
                self._made.clear()
            made = self._made.setdefault(caller, view_of(self.inventory, self.gate, caller))
        return made


def read_views(registry: Registry, gate: Gate, before: Views | None) -> Views:
    """The views of now; those from before while neither register nor policy has changed."""
    version = registry.version()
    if before is not None and version == before.inventory.version:
        if gate.policy is before.gate.policy:
            return before
        return _views(before.inventory, gate)
    return _views(registry.inventory(), gate)


def _views(inventory: Inventory, gate: Gate) -> Views:
    return Views(inventory, gate, gate.held(inventory))


def view_of(inventory: Inventory, gate: Gate, caller: Caller) -> View:
    """The inventory after the gate."""
    known = gate.admit(inventory, caller)
    citizens = frozenset(
        number for number, one in series(inventory).items() if one.citizen and number in known.datastreams
    )
    grouped: dict[str, list[Datastream]] = {}
    for one in known.datastreams.values():
        grouped.setdefault(one.thing, []).append(one)
    return View(
        things=known.things,
        datastreams=known.datastreams,
        of_thing={key: tuple(group) for key, group in grouped.items()},
        labels=dict(_labels(known.things, known.datastreams.values(), citizens)),
        finest={number: one.time_step for number, one in known.limits.items()},
        held=frozenset(number for number, one in known.limits.items() if not one.current_at_once),
        datasets=known.datasets,
        citizens=citizens,
        derived={
            number: how
            for number, how in inventory.derived.items()
            if number in known.datastreams and known.datastreams.keys() >= set(how.inputs)
        },
    )


def _labels(
    things: Mapping[str, Thing], streams: Iterable[Datastream], citizens: frozenset[int]
) -> Iterator[tuple[int, str]]:
    for one in streams:
        thing = things[one.thing]
        members = {
            "datastream": one.id,
            "key": one.key,
            "name": one.name,
            "thing": thing.key,
            "thing_name": thing.name,
            "kind": thing.kind,
            "theme": thing.theme,
            "district": thing.location.district,
            "simulated": thing.simulated,
            "citizen": one.id in citizens,
            "notice": CITIZEN_NOTICE if one.id in citizens else "",
            "observed_property": one.observed_property.key,
            "unit": one.unit.symbol,
            "licence": one.licence,
            "expected_interval_s": one.expected_interval_s,
        }
        yield one.id, json.dumps(members, ensure_ascii=False, separators=(",", ":"))[1:-1]
