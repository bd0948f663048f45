"""What is new or different between two states of what one caller may know.

A subscription is told what its caller's own catalogue says: what the gate hides is in neither state, so
nothing can be told of it, whatever the topic. An entity that policy opens is new to whom it is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from udp.api.sensorthings.catalogue import Catalogue, Record
from udp.api.sensorthings.model import TYPES

_ENTITIES = tuple(name for name in TYPES if name != "Observation")


@dataclass(frozen=True, slots=True)
class Changes:
    """`new`: entity type -> ids. `different`: entity type -> id -> names of the changed properties."""

    new: Mapping[str, frozenset[int]]
    different: Mapping[str, Mapping[int, frozenset[str]]]

    def __bool__(self) -> bool:
        return any(self.new.values()) or any(self.different.values())

    def of(self, kind: str, number: int) -> frozenset[str]:
        """Names of the changed properties of one entity."""
        return self.different[kind].get(number, frozenset())

    def touched(self, kind: str) -> frozenset[int]:
        """New and changed entities of a type."""
        return self.new[kind] | self.different[kind].keys()

    def everything(self) -> Iterator[tuple[str, int]]:
        """All new and changed entities, ascending by id within their type."""
        for kind in _ENTITIES:
            for number in sorted(self.touched(kind)):
                yield kind, number


def between(before: Catalogue, after: Catalogue) -> Changes:
    """Some ten milliseconds per ten thousand entities."""
    new: dict[str, frozenset[int]] = {}
    different: dict[str, dict[int, frozenset[str]]] = {}
    for kind in _ENTITIES:
        old, now = before.records[kind], after.records[kind]
        new[kind] = frozenset(now.keys() - old.keys())
        different[kind] = {
            number: names
            for number, record in now.items()
            if number in old
            and old[number] is not record
            and (names := _different(kind, old[number], record))
        }
    return Changes(new, different)


def _different(kind: str, before: Record, after: Record) -> frozenset[str]:
    return frozenset(
        name for name in TYPES[kind].properties if before.properties.get(name) != after.properties.get(name)
    )
