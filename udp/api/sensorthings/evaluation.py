"""Filters and orders over the entities of the catalogue, and what a filter leaves for one Datastream.

A condition on a collection (`Datastreams/name eq 'x'`) holds if it holds for one choice of related
entities; within one filter the same path always means the same choice, as in a join.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from udp.api.problems import TooMuch
from udp.api.sensorthings import functions
from udp.api.sensorthings.catalogue import Catalogue, Record
from udp.api.sensorthings.model import Reference, refer
from udp.api.sensorthings.syntax import FALSE, TRUE, Call, Interval, Literal, Node, Order, Path

Links: TypeAlias = tuple[str, ...]
Choice: TypeAlias = dict[Links, Record | None]


@dataclass(slots=True)
class Work:
    """How many parts of filters one request may still evaluate."""

    left: int

    def take(self, amount: int) -> None:
        """TooMuch when nothing is left."""
        self.left -= amount
        if self.left < 0:
            raise TooMuch("this filter needs too much work; ask fewer conditions over related entities")


@dataclass(frozen=True, slots=True)
class Judge:
    """Evaluates for one request. `extents` gives the phenomenonTime of a Datastream, read when needed."""

    catalogue: Catalogue
    now: datetime
    work: Work
    extents: Callable[[int], Interval | None]
    _references: dict[tuple[str, Path], Reference] = field(default_factory=dict)

    def select(self, condition: Node, records: Sequence[Record]) -> list[Record]:
        """Those of one entity type for which `condition` is true."""
        if not records:
            return []
        kind = records[0].kind
        links = self._links(condition, kind)
        return [
            one
            for one in records
            if any(
                self._value(condition, kind, choice) is True
                for choice in self.choices(one, links, condition.size)
            )
        ]

    def sort(self, records: list[Record], orders: Sequence[Order]) -> list[Record]:
        """By `orders`, then by id; the last key first, because sorting keeps what was equal."""
        found = sorted(records, key=lambda one: one.id)
        for order in reversed(orders):
            found.sort(key=lambda one: sort_key(self._reach(one, order.path)), reverse=order.descending)
        return found

    def residual(self, condition: Node, stream: Record, feature: Record) -> Node:
        """What `condition` on Observations asks of those of one Datastream; TRUE or FALSE if nothing."""
        links = self._links(condition, "Observation")
        wanted = {one[0] for one in links}
        firsts = {"Datastream": stream, "FeatureOfInterest": feature}
        start: Choice = {(name,): firsts[name] for name in wanted}
        left: list[Node] = []
        for choice in self._extended(start, [one for one in links if len(one) > 1]):
            self.work.take(condition.size)
            folded = self._fold(condition, choice)
            if folded == TRUE:
                return TRUE
            if folded not in left and not isinstance(folded, Literal):
                left.append(folded)
        if not left:
            return FALSE
        return left[0] if len(left) == 1 else Call("or", tuple(left))

    def reaches_out(self, condition: Node) -> bool:
        """Whether a condition on Observations names other entities."""
        return bool(self._links(condition, "Observation"))

    def folded(self, condition: Node) -> Node:
        """`residual` of a condition that does not, the same for every Datastream."""
        self.work.take(condition.size)
        found = self._fold(condition, {})
        return found if found == TRUE or not isinstance(found, Literal) else FALSE

    def of_stream(self, stream: Record, feature: Record, path: Path) -> Any:
        """The value of a path of Observations that is the same for a whole Datastream."""
        first, rest = path.segments[0], Path(path.segments[1:])
        return self._reach(stream if first == "Datastream" else feature, rest)

    def _reach(self, record: Record, path: Path) -> Any:
        reference = self._refer(record.kind, path)
        at: Record | None = record
        for link in reference.links:
            at = next(iter(self.catalogue.follow(at, link)), None) if at else None
        return self.property(at, reference)

    def _links(self, condition: Node, kind: str) -> list[Links]:
        """Every path of links the condition walks, with all their beginnings, shortest first."""
        return self.beginnings([self._refer(kind, path).links for path in paths_of(condition)])

    @staticmethod
    def beginnings(walked: Iterable[Links]) -> list[Links]:
        """The same with all that leads there, shortest first."""
        found = {links[: end + 1] for links in walked for end in range(len(links))}
        return sorted(found, key=lambda one: (len(one), one))

    def choices(self, record: Record, links: list[Links], size: int) -> Iterator[Choice]:
        """Every way to choose one entity for each of `links`; None where there is none."""
        for choice in self._extended({(): record}, links):
            self.work.take(size)
            yield choice

    def _extended(self, start: Choice, links: list[Links]) -> Iterator[Choice]:
        if not links:
            yield start
            return
        origin = start.get(links[0][:-1])
        targets: Sequence[Record | None] = self.catalogue.follow(origin, links[0][-1]) if origin else ()
        for target in targets or (None,):
            yield from self._extended({**start, links[0]: target}, links[1:])

    def _value(self, node: Node, kind: str, choice: Choice) -> Any:
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, Path):
            reference = self._refer(kind, node)
            return self.property(choice[reference.links], reference)
        if node.name in ("and", "or"):
            return self._junction(node, kind, choice)
        return functions.apply(
            node.name, tuple(self._value(one, kind, choice) for one in node.arguments), self.now
        )

    def _junction(self, node: Call, kind: str, choice: Choice) -> Any:
        """Stops at the first argument that decides: lists of alternatives are long."""
        decisive, unknown = node.name == "or", False
        for one in node.arguments:
            value = self._value(one, kind, choice)
            if value is decisive:
                return decisive
            unknown = unknown or not isinstance(value, bool)
        return None if unknown else not decisive

    def _fold(self, node: Node, choice: Choice) -> Node:
        if isinstance(node, Literal):
            return node
        if isinstance(node, Path):
            reference = self._refer("Observation", node)
            if not reference.links:
                return node
            return Literal(self.property(choice[reference.links], reference))
        arguments = tuple(self._fold(one, choice) for one in node.arguments)
        values = [one.value for one in arguments if isinstance(one, Literal)]
        if len(values) == len(arguments):
            return Literal(functions.apply(node.name, tuple(values), self.now))
        if node.name in ("and", "or"):
            return junction(node.name, arguments)
        return Call(node.name, arguments)

    def property(self, record: Record | None, reference: Reference) -> Any:
        """What the path ends at; None where there is nobody."""
        if record is None:
            return None
        if reference.name == "id":
            return float(record.id)
        if record.kind == "Datastream" and reference.name == "phenomenonTime":
            return self.extents(record.id)
        value = record.properties.get(reference.name)
        if value is None and (record.kind, reference.name) == ("Datastream", "observedArea"):
            value = self.catalogue.areas.get(record.id)
        for key in reference.keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def _refer(self, kind: str, path: Path) -> Reference:
        if (known := self._references.get((kind, path))) is None:
            known = self._references[kind, path] = refer(kind, path)
        return known


def paths_of(node: Node) -> Iterator[Path]:
    """Every property the expression reads."""
    if isinstance(node, Path):
        yield node
    elif isinstance(node, Call):
        for one in node.arguments:
            yield from paths_of(one)


def junction(name: str, arguments: tuple[Node, ...]) -> Node:
    """`and`/`or` without the arguments that cannot change it."""
    decisive, neutral = (FALSE, TRUE) if name == "and" else (TRUE, FALSE)
    if decisive in arguments:
        return decisive
    left = tuple(one for one in arguments if one != neutral)
    # A lone property must stay under its operator, which asks whether it is true or false at all.
    return left[0] if len(left) == 1 and isinstance(left[0], Call) else Call(name, left)


_RANKS = {"null": 0, "bool": 1, "number": 2, "text": 3, "moment": 4, "date": 5, "clock": 6, "duration": 7}


def sort_key(value: Any) -> tuple[Any, ...]:
    """Null first, then by kind: values of different kinds have an order among answers, not in filters."""
    kind = functions.kind_of(value)
    rank = _RANKS.get(kind, 8)
    if kind == "moment":
        return (rank, *functions.ends(value))
    return (rank, value) if 0 < rank < 8 else (rank,)
