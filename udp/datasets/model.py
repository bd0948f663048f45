"""What a policy says, as values: datasets with selectors, and the rule where several meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import cached_property

from udp.registry.port import Inventory
from udp.roles import Role
from udp.sensorthings import Access, Datastream, Thing

STRICTNESS = (Access.OPEN, Access.INTERNAL, Access.RESTRICTED)


@dataclass(frozen=True, slots=True)
class Series:
    """A Datastream with what selectors ask about."""

    stream: Datastream
    thing: Thing
    citizen: bool


@dataclass(frozen=True, slots=True)
class Selector:
    """Everything it names must fit; lists of patterns (`*` stands for anything), empty for no wish."""

    kind: tuple[str, ...] = ()
    theme: tuple[str, ...] = ()
    observed_property: tuple[str, ...] = ()
    thing: tuple[str, ...] = ()
    citizen: bool | None = None

    def fits(self, one: Series) -> bool:
        """Whether `one` is meant."""
        asked = (
            (self.kind, one.thing.kind),
            (self.theme, one.thing.theme),
            (self.observed_property, one.stream.observed_property.key),
            (self.thing, one.thing.key),
        )
        return self.citizen in (None, one.citizen) and all(
            not patterns or any(fnmatchcase(value, pattern) for pattern in patterns)
            for patterns, value in asked
        )


@dataclass(frozen=True, slots=True)
class Outside:
    """How finely the public may know it. `time_step`: None as measured. `current_at_once`: the newest value
    leaves immediately with its time rounded; else the mean of the last step that is over. `place_m`:
    places on a grid of so many metres, 0 as they are. `minimum_users`: fewer people or devices behind
    one series, and it stays closed."""

    time_step: timedelta | None = None
    current_at_once: bool = True
    place_m: float = 0.0
    minimum_users: int = 1


@dataclass(frozen=True, slots=True)
class Retention:
    """How long bytes as they came, single values, and aggregates are kept; None is without limit."""

    raw: timedelta | None = None
    values: timedelta | None = None
    aggregates: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Funding:
    """Who paid, as the grant asks to be named. `link` is https, `logo` a path on this site; either may be
    empty."""

    text: str
    link: str = ""
    logo: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """One entry of the file. `visible_to`: roles that see it as measured, whatever `access` says."""

    key: str
    title: str
    description: str
    select: tuple[Selector, ...]
    owner: str
    purpose: str
    legal_basis: str
    access: Access
    exemption: str | None
    licence: str
    visible_to: frozenset[Role] = frozenset()
    outside: Outside = Outside()
    retention: Retention = Retention()
    funding: Funding | None = None

    def holds(self, one: Series) -> bool:
        """Whether the Datastream belongs to it."""
        return any(selector.fits(one) for selector in self.select)


@dataclass(frozen=True, slots=True)
class Rule:
    """What counts for one Datastream: of all its datasets the strictest word on each question."""

    datasets: tuple[str, ...]
    access: Access
    exemption: str | None
    licence: str
    visible_to: frozenset[Role]
    outside: Outside
    retention: Retention


# Models judge rain forecasts by those of 60 days; the service itself can say what it said before.
WEATHER_KEPT = timedelta(days=90)


@dataclass(frozen=True)
class Policy:
    """The datasets in the order of the file; `raw` is how long the journal is kept, `audit_kept` the log of
    who did what, `weather_kept` what weather services said; None without limit. `weather_open`: the
    public may know what they expect of the next days."""

    datasets: tuple[Dataset, ...]
    raw: timedelta | None = None
    audit_kept: timedelta | None = None
    weather_kept: timedelta | None = WEATHER_KEPT
    weather_open: bool = False
    name: str = "policy"
    digest: str = ""
    _rules: dict[tuple[str, ...], Rule] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def by_key(self) -> Mapping[str, Dataset]:
        """Every dataset by its key."""
        return {one.key: one for one in self.datasets}

    def rule(self, one: Series) -> Rule | None:
        """None for what has no entry: it is not published."""
        return self.rule_of_all((one,))

    def rule_of_all(self, together: Iterable[Series], *, among: Iterable[Series] = ()) -> Rule | None:
        """The strictest word of all that any of `together` or `among` belongs to, as it counts for what is
        computed from them. None where one of `together` has no entry."""
        required = list(together)
        if not all(any(dataset.holds(one) for dataset in self.datasets) for one in required):
            return None
        everything = [*required, *among]
        found = tuple(dataset for dataset in self.datasets if any(dataset.holds(one) for one in everything))
        if not found:
            return None
        keys = tuple(dataset.key for dataset in found)
        if keys not in self._rules:
            self._rules[keys] = strictest(found)
        return self._rules[keys]

    def journal_kept(self) -> timedelta | None:
        """The journal mixes all datasets, so the shortest time of any counts for the whole of it."""
        return shortest([self.raw, *(one.retention.raw for one in self.datasets)])


def strictest(datasets: tuple[Dataset, ...]) -> Rule:
    """Two entries meet in one Datastream: on each question the stricter one counts."""
    first = max(datasets, key=lambda one: STRICTNESS.index(one.access))
    outsides = [one.outside for one in datasets]
    steps = [one.time_step for one in outsides if one.time_step is not None]
    # Two licences: the one that asks to be named asks for more.
    licences = sorted({one.licence for one in datasets if one.licence}, key=lambda text: "zero" in text)
    return Rule(
        datasets=tuple(one.key for one in datasets),
        access=first.access,
        exemption=first.exemption,
        licence=licences[0] if licences and first.access is Access.OPEN else "",
        visible_to=frozenset.intersection(*(one.visible_to for one in datasets)),
        outside=Outside(
            max(steps, default=None),
            all(one.current_at_once for one in outsides),
            max(one.place_m for one in outsides),
            max(one.minimum_users for one in outsides),
        ),
        retention=Retention(
            shortest(one.retention.raw for one in datasets),
            shortest(one.retention.values for one in datasets),
            shortest(one.retention.aggregates for one in datasets),
        ),
    )


def shortest(times: Iterable[timedelta | None]) -> timedelta | None:
    """The shortest of those that have an end."""
    return min((one for one in times if one is not None), default=None)


def series(inventory: Inventory) -> Mapping[int, Series]:
    """Every Datastream of the register as selectors see it."""
    citizens = {
        channel.datastream
        for device in inventory.devices.values()
        if device.citizen
        for channel in device.channels
    }
    citizens |= {number for number, one in inventory.derived.items() if citizens.intersection(one.inputs)}
    return {
        number: Series(one, inventory.things[one.thing], number in citizens)
        for number, one in inventory.datastreams.items()
        if one.thing in inventory.things
    }
