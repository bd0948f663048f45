"""Conditions on the Observations of other entities: `Datastreams?$filter=Observations/result gt 30`.

As with all relations to many, an entity is meant if the condition holds for one choice of what hangs on it.
What the condition asks of Observations is the same question for most entities, so the store is asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from udp.api.problems import NotOffered
from udp.api.sensorthings import functions
from udp.api.sensorthings.catalogue import Record
from udp.api.sensorthings.evaluation import Choice, Judge, junction, paths_of
from udp.api.sensorthings.model import Reference, refer
from udp.api.sensorthings.syntax import NULL, TRUE, Call, Literal, Node, Path

OBSERVATIONS = "Observations"
Holding: TypeAlias = Callable[[Sequence[int], Node | None], Collection[int]]
"""Which of these series hold an Observation for which a condition is true; any at all for None."""
_Asked: TypeAlias = Mapping[Node, list[tuple[Record, tuple[int, ...]]]]


def reaches(condition: Node, kind: str) -> bool:
    """Whether a condition on entities of this type names their Observations."""
    return any(OBSERVATIONS in refer(kind, path, observations=True).links for path in paths_of(condition))


def select(judge: Judge, condition: Node, records: Sequence[Record], holding: Holding) -> list[Record]:
    """Those for which the condition is true. NotOffered for Observations by two ways at once."""
    kind = records[0].kind
    found = {path: refer(kind, path, observations=True) for path in paths_of(condition)}
    way = _way(list(found.values()))
    links = judge.beginnings(
        [one.links if one.links != way else way[:-1] for one in found.values()] + [way[:-1]]
    )
    meant, asked = set[int](), dict[Node, list[tuple[Record, tuple[int, ...]]]]()
    for record in records:
        for choice in judge.choices(record, links, condition.size):
            left = _Folding(judge, choice, found, way).of(condition)
            if left == TRUE:
                meant.add(record.id)
            elif not isinstance(left, Literal):
                at = choice[way[:-1]]
                series = judge.catalogue.series.get((at.kind, at.id), ()) if at is not None else ()
                asked.setdefault(left, []).append((record, series))
    meant |= _holding(judge, asked, holding)
    return [one for one in records if one.id in meant]


def _way(references: Sequence[Reference]) -> tuple[str, ...]:
    ways = {one.links for one in references if OBSERVATIONS in one.links}
    if len(ways) > 1:
        raise NotOffered("conditions on Observations by two ways in one $filter are not offered; ask twice")
    return ways.pop()


def _holding(judge: Judge, asked: _Asked, holding: Holding) -> set[int]:
    meant: set[int] = set()
    for left, pairs in asked.items():
        series = sorted({one for _, group in pairs for one in group})
        judge.work.take(len(series))
        there = set(holding(series, left)) if series else set()
        meant |= {record.id for record, group in pairs if not there.isdisjoint(group)}
        if _of_nothing(left, judge):
            # As in an outer join: who has no Observation has one of which everything is null.
            full = set(holding(series, None)) if series else set()
            meant |= {record.id for record, group in pairs if full.isdisjoint(group)}
    return meant


def _of_nothing(left: Node, judge: Judge) -> bool:
    if isinstance(left, Path):
        return False
    return isinstance(left, Call) and _value_of_nothing(left, judge) == TRUE


def _value_of_nothing(node: Node, judge: Judge) -> Literal:
    if isinstance(node, Call):
        values = tuple(_value_of_nothing(one, judge).value for one in node.arguments)
        return Literal(functions.apply(node.name, values, judge.now))
    return node if isinstance(node, Literal) else NULL


@dataclass(frozen=True, slots=True)
class _Folding:
    """Everything but the Observations' own properties becomes what it is."""

    judge: Judge
    choice: Choice
    known: Mapping[Path, Reference]
    way: tuple[str, ...]

    def of(self, node: Node) -> Node:
        """A literal, or a condition on Observations."""
        if isinstance(node, Literal):
            return node
        if isinstance(node, Path):
            reference = self.known[node]
            if reference.links == self.way:
                return Path((reference.name, *reference.keys))
            return Literal(self.judge.property(self.choice[reference.links], reference))
        arguments = tuple(self.of(one) for one in node.arguments)
        values = [one.value for one in arguments if isinstance(one, Literal)]
        if len(values) == len(arguments):
            return Literal(functions.apply(node.name, tuple(values), self.judge.now))
        return junction(node.name, arguments) if node.name in ("and", "or") else Call(node.name, arguments)
