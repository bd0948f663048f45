"""The one gate: whether, and how finely, a caller may know a Datastream. Every exit asks here.

What an exit does (the data API - and through it Grafana -, SensorThings over HTTP and MQTT, server-sent
events, CSV, open data and pages):

1. find out who asks: a `Caller`, `PUBLIC` for whoever brings nothing;
2. `Gate.admit(inventory, caller)` gives what this caller may know to exist, as it may be told: Datastreams
   with the access and licence in force, Things with places as round as they may be. Names, ids, counts,
   links, filters and orders are made from this and never from the inventory: what is not in it does not
   exist;
3. for each Datastream `admitted.limits.get(id)`: None leaves as measured. Else single values do not leave:
   history in buckets of whole `time_step` that are over, and now as `current_at_once` says;
4. what is made of several series (sums, counts of places) is made from admitted series only.

No policy entry, no publication. Open is only what the city file and the policy both open, with a licence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from udp.datasets.model import STRICTNESS, Policy, Rule, Series, series
from udp.registry.port import Inventory
from udp.roles import EVERYTHING, OPERATOR, PUBLIC, Caller, Role
from udp.sensorthings import LISTED, Access, Datastream, Location, ObservedProperty, Thing, Unit

__all__ = [
    "OPERATOR",
    "PUBLIC",
    "Admitted",
    "Caller",
    "Gate",
    "Limits",
    "Role",
    "figures_visible",
    "operates",
]

UNDECIDED = "undecided"
AS_AGREED = "place_as_agreed"
"""The property of a Thing whose owner has agreed to the place that stands there, be it round or exact."""
_METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How finely one Datastream may leave. Steps are aligned to the UTC epoch."""

    time_step: timedelta
    current_at_once: bool


@dataclass(frozen=True, slots=True)
class Admitted:
    """What one caller may know; `limits` holds those Datastreams that may not leave as measured,
    `datasets` the entries of the policy each belongs to."""

    things: Mapping[str, Thing]
    datastreams: Mapping[int, Datastream]
    limits: Mapping[int, Limits]
    datasets: Mapping[int, tuple[str, ...]]


class Gate:
    """One policy applied."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._judged: tuple[Inventory, Mapping[int, tuple[Series, Rule | None]]] | None = None

    def admit(self, inventory: Inventory, caller: Caller) -> Admitted:
        """Everything `caller` may know of `inventory`. A Thing without any such Datastream is not known."""
        streams: dict[int, Datastream] = {}
        limits: dict[int, Limits] = {}
        datasets: dict[int, tuple[str, ...]] = {}
        grids: dict[str, float] = {}
        for number, (one, rule) in self.rules(inventory).items():
            if not self._knows(one, rule, caller):
                continue
            streams[number] = effective(one, rule)
            datasets[number] = rule.datasets if rule else ()
            grid = 0.0
            if rule is not None and not _undiminished(one, rule, caller):
                grid = rule.outside.place_m
                if (step := rule.outside.time_step) is not None:
                    limits[number] = Limits(step, rule.outside.current_at_once)
            grids[one.thing.key] = max(grids.get(one.thing.key, 0.0), grid)
        things = {key: rounded(inventory.things[key], grid) for key, grid in grids.items()}
        return Admitted(things, streams, limits, datasets)

    def places(self, inventory: Inventory, caller: Caller) -> Mapping[str, Thing]:
        """Things where nothing is measured, of which `caller` may know where they stand: those the city
        file opens under a licence, in a dataset that is open or visible to the caller."""
        measured = {one.thing for one in inventory.datastreams.values()}
        found: dict[str, Thing] = {}
        for key, thing in inventory.things.items():
            licence = thing.properties.get(LISTED)
            if key in measured or not isinstance(licence, str) or not licence:
                continue
            one = Series(_nothing_measured(key, licence), thing, citizen=False)
            rule = self.policy.rule(one)
            if self._knows(one, rule, caller):
                exact = rule is None or _undiminished(one, rule, caller)
                found[key] = thing if exact else rounded(thing, rule.outside.place_m if rule else 0.0)
        return found

    def held(self, inventory: Inventory) -> Mapping[int, timedelta]:
        """Datastreams whose newest value nobody outside may know before its step is over."""
        found: dict[int, timedelta] = {}
        for number, (_, rule) in self.rules(inventory).items():
            if rule and rule.outside.time_step and not rule.outside.current_at_once:
                found[number] = rule.outside.time_step
        return found

    def rules(self, inventory: Inventory) -> Mapping[int, tuple[Series, Rule | None]]:
        """The rule of every Datastream, None where the policy has no entry; asked once per inventory."""
        judged = self._judged
        if judged is None or judged[0] is not inventory:
            found = judged_series(self.policy, inventory)
            self._judged = judged = (inventory, found)
        return judged[1]

    def agent_visible(self, agent: str, inventory: Inventory, caller: Caller) -> bool:
        """Whether `caller` may know that this agent exists: the public, if it carries something public."""
        if figures_visible(caller):
            return True
        known = self.admit(inventory, caller).datastreams
        return any(
            channel.datastream in known
            for (name, _), sensor in inventory.wired.items()
            if name == agent
            for channel in sensor.channels
        )

    def _knows(self, one: Series, rule: Rule | None, caller: Caller) -> bool:
        if caller.sees_all:
            return True
        if rule is None:
            return False
        if _undiminished(one, rule, caller):
            return True
        return _opened(one, rule) and users_of(one.thing) >= rule.outside.minimum_users


def judged_series(policy: Policy, inventory: Inventory) -> dict[int, tuple[Series, Rule | None]]:
    """Every Datastream with its rule. What is computed is as closed as the most closed of its inputs, by the
    city file and by the policy; where an input has no entry or is gone, it has none either."""
    known = series(inventory)
    found = {
        number: (one, policy.rule(one)) for number, one in known.items() if number not in inventory.derived
    }
    for number in inventory.derived.keys() & known.keys():
        one, inputs = known[number], inventory.derived[number].inputs
        from_ = [known[each] for each in inputs if each in known]
        if len(from_) != len(inputs) or not inputs:
            found[number] = (one, None)
            continue
        strictest = max((each.stream for each in from_), key=lambda each: STRICTNESS.index(each.access))
        stream = replace(
            one.stream,
            access=strictest.access,
            exemption=strictest.exemption,
            licence="" if any(not each.stream.licence for each in from_) else one.stream.licence,
        )
        found[number] = (replace(one, stream=stream), policy.rule_of_all(from_, among=(one,)))
    return found


def _nothing_measured(thing: str, licence: str) -> Datastream:
    """A Thing as selectors and access see it where it has no Datastream that could speak for it."""
    nothing = ObservedProperty("", "", "")
    return Datastream(0, "", "", thing, "", nothing, Unit("1", ""), Access.OPEN, None, licence, 0.0)


def _undiminished(one: Series, rule: Rule, caller: Caller) -> bool:
    """Whether a role of the caller sees it as measured; what the city file closes further, only operators."""
    if caller.sees_all:
        return True
    if caller.datasets is not None and not caller.datasets.issuperset(rule.datasets):
        return False
    if caller.roles & EVERYTHING:
        return True
    closed_further = STRICTNESS.index(one.stream.access) > STRICTNESS.index(rule.access)
    return bool(rule.visible_to & caller.roles) and not closed_further


def _opened(one: Series, rule: Rule) -> bool:
    both = (one.stream.access, rule.access)
    return both == (Access.OPEN, Access.OPEN) and bool(one.stream.licence and rule.licence)


def effective(one: Series, rule: Rule | None) -> Datastream:
    """The Datastream with the stricter word of city file and policy."""
    stream = one.stream
    if rule is None:
        access = max(stream.access, Access.INTERNAL, key=STRICTNESS.index)
        return replace(stream, access=access, exemption=stream.exemption or UNDECIDED, licence="")
    if STRICTNESS.index(stream.access) >= STRICTNESS.index(rule.access):
        # Between equals the city file knows the place better.
        # What a citizen measures leaves under the licence its owner has chosen.
        keep = stream.access is not Access.OPEN or one.citizen
        return stream if keep else _licensed(stream, rule.licence)
    return replace(stream, access=rule.access, exemption=rule.exemption, licence="")


def _licensed(stream: Datastream, licence: str) -> Datastream:
    return replace(stream, licence=licence) if stream.licence else stream


def users_of(thing: Thing) -> int:
    """How many people or devices stand behind a Thing, by its property `users`; 1 unless it says more."""
    said = thing.properties.get("users", 1)
    return max(1, int(said)) if isinstance(said, int | float) and math.isfinite(said) else 1


def rounded(thing: Thing, grid_m: float) -> Thing:
    """The Thing in the middle of its cell of a grid of `grid_m` metres, without what would tell more."""
    if not grid_m or thing.properties.get(AS_AGREED) is True:
        return thing
    place = thing.location
    step = grid_m / _METRES_PER_DEGREE
    latitude = _middle(place.latitude, step)
    # The cosine of the rounded latitude, so that the whole row of the grid has one width.
    longitude = _middle(place.longitude, step / max(0.01, math.cos(math.radians(latitude))))
    where = Location(round(latitude, 6), round(longitude, 6), place.district, place.district_name)
    kept = {key: value for key, value in thing.properties.items() if key == "simulated"}
    return replace(thing, location=where, description="", properties={**kept, "place_rounded_m": grid_m})


def _middle(degrees: float, step: float) -> float:
    return (math.floor(degrees / step) + 0.5) * step


def operates(caller: Caller) -> bool:
    """Whether `caller` runs the platform: sees what is wrong, approves, commands."""
    return caller.sees_all


def figures_visible(caller: Caller) -> bool:
    """Whether `caller` may know what the platform counts of itself: losses, gaps, quarantine, listeners."""
    return operates(caller) or Role.METRICS in caller.roles
