"""What a client may subscribe to (OGC 18-088, 14.2), and under which topics a change is told.

A topic without wildcards is a resource path, perhaps with $select. Wildcards match what is told of each
change: its entity set, the entity, its changed properties, and of an Observation also the collections of
its Datastream and FeatureOfInterest. One subscription hears of one change once, by the first that matches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from udp.api.problems import BadQuery, TooLong
from udp.api.sensorthings.links import self_link
from udp.api.sensorthings.model import TYPES
from udp.api.sensorthings.options import Limits, read
from udp.api.sensorthings.syntax import Options
from udp.errors import NotFound, PlatformError

ROOT = "v1.1"
_LONGEST = 2_000
_MOST_LEVELS = 30
# Reasons of MQTT 5 (table 2-6); 3.1.1 is told 0x80 for all of them.
NOT_AUTHORIZED, INVALID, NOT_SHARED = 0x87, 0x8F, 0x9E


class TopicRefused(PlatformError):
    """Nothing is told under this topic; says why."""

    def __init__(self, text: str, reason: int = INVALID) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Wish:
    """One subscription. `pattern`: its levels, where there are wildcards in it; else `path` and `query`
    below v1.1. `written`: as the client wrote it; `topic`: the same within the city."""

    topic: str
    path: str = ""
    query: str = ""
    pattern: tuple[str, ...] = ()
    written: str = ""

    @property
    def scope(self) -> str:
        """The address a key must be good for."""
        if not self.pattern:
            return f"/{ROOT}/{self.path}"
        fixed = []
        for level in self.pattern[1:]:
            if level in ("+", "#"):
                break
            fixed.append(level)
        return "/".join(["", ROOT, *fixed])

    def matches(self, topic: str) -> bool:
        """Whether the pattern means this topic (MQTT 5.0, 4.7.1)."""
        levels = topic.split("/")
        for at, wanted in enumerate(self.pattern):
            if wanted == "#":
                return True
            if at >= len(levels) or wanted not in ("+", levels[at]):
                return False
        return len(levels) == len(self.pattern)

    def first(self, topics: Iterable[str]) -> str | None:
        """The first of them that the pattern means; `Things/#` also means `Things`."""
        return next((topic for topic in topics if self.matches(topic)), None)


def outside(topic: str, city: str) -> str:
    """A topic as clients know it: resource paths begin with the city's, where there are several."""
    return f"{city}/{topic}" if city else topic


def within(topic: str, city: str) -> str | None:
    """A topic or filter of clients as it is written within the city; None for what means none of it."""
    if not city or topic == "#":
        return topic
    first, _, rest = topic.partition("/")
    return rest if rest and first in (city, "+") else None


def wish(topic: str, city: str = "") -> Wish:
    """TopicRefused for what is no topic of SensorThings, or of another city."""
    inner = within(topic, city)
    if inner is None:
        here = outside(ROOT, city)
        raise TopicRefused(f"topics here begin with {here}/, e.g. {here}/Observations", NOT_AUTHORIZED)
    return replace(_wish(inner), written=topic)


def _wish(topic: str) -> Wish:
    if len(topic) > _LONGEST or topic.count("/") > _MOST_LEVELS:
        raise TopicRefused(f"a topic has {_LONGEST} characters and {_MOST_LEVELS} levels at most")
    if topic.startswith("$share/"):
        raise TopicRefused("shared subscriptions are not offered; subscribe to the topic itself", NOT_SHARED)
    path, _, query = topic.partition("?")
    levels = tuple(path.split("/"))
    if levels[0] not in (ROOT, "+", "#"):
        raise TopicRefused(f"topics here begin with {ROOT}/, e.g. {ROOT}/Observations", NOT_AUTHORIZED)
    if not any("+" in level or "#" in level for level in levels):
        if "+" in query or "#" in query:
            raise TopicRefused("a wildcard stands for a whole level")
        return Wish(topic, path.removeprefix(f"{ROOT}/") if len(levels) > 1 else "", query)
    if query or "?" in topic:
        raise TopicRefused("$select goes with a topic without wildcards, e.g. v1.1/Things?$select=name")
    if any(("+" in one or "#" in one) and len(one) > 1 for one in levels) or "#" in levels[:-1]:
        raise TopicRefused("a wildcard stands for a whole level, and # at the end only")
    return Wish(topic, pattern=levels)


def options(wanted: Wish, kind: str, *, collection: bool, value: bool) -> Options:
    """What $select says; TopicRefused for any other option, which the standard has over HTTP only."""
    for name in (part.partition("=")[0] for part in wanted.query.split("&") if part):
        if value or name not in ("$select", "%24select"):
            offered = "takes no options" if value else "takes $select only; ask over HTTP for the rest"
            raise TopicRefused(f"{name[:40]}: this topic {offered}")
    try:
        return read(wanted.query, kind, Limits(), collection=collection)
    except (BadQuery, TooLong) as error:
        raise TopicRefused(str(error)) from error


def publish_path(topic: str, city: str = "") -> str:
    """The path an Observation is published to. NotFound for all other topics."""
    root = outside(ROOT, city)
    path = topic.removeprefix(f"{root}/")
    if path == topic or "?" in path or path.rpartition("/")[2] != "Observations":
        raise NotFound(
            f"{topic[:100]!r}: Observations are published to {root}/Observations or "
            f"{root}/Datastreams(ID)/Observations, nothing else is taken here"
        )
    return path


def of_entity(kind: str, identifier: int) -> tuple[str, str]:
    """The topics of a new or changed entity, its set first."""
    return f"{ROOT}/{TYPES[kind].set}", self_link(ROOT, kind, identifier)


def of_properties(kind: str, identifier: int, names: Iterable[str]) -> list[tuple[str, str]]:
    """Topic and name of each changed property."""
    entity = self_link(ROOT, kind, identifier)
    return [(f"{entity}/{name}", name) for name in names]


def of_observation(datastream: int, feature: int) -> tuple[str, str, str]:
    """The collections a new or changed Observation is in, the set of all first."""
    return (
        f"{ROOT}/Observations",
        f"{self_link(ROOT, 'Datastream', datastream)}/Observations",
        f"{self_link(ROOT, 'FeatureOfInterest', feature)}/Observations",
    )
