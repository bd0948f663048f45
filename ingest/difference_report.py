"""What a replay changes, Datastream by Datastream, before anybody lets it write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from edge.wire.instants import instant
from ingest.difference import Example
from udp.registry.port import Inventory


@dataclass(slots=True)
class _Kind:
    """Places of one kind (changed, added, lost) in one Datastream: how many, and the ones to look at."""

    count: int = 0
    first: Example | None = None
    last: Example | None = None
    extreme: Example | None = None

    def add(self, one: Example) -> None:
        self.count += 1
        if self.first is None or one.place < self.first.place:
            self.first = one
        if self.last is None or one.place > self.last.place:
            self.last = one
        if self.extreme is None or _size(one) > _size(self.extreme):
            self.extreme = one


@dataclass(slots=True)
class DifferenceReport:
    """Grows with every batch of the journal; its size depends on the number of Datastreams only."""

    _streams: dict[int, dict[str, _Kind]] = field(default_factory=dict)

    def add(self, examples: Iterable[Example]) -> None:
        """Take note of places that differ."""
        for one in examples:
            kind = "added" if one.before is None else "lost" if one.after is None else "changed"
            self._streams.setdefault(one.place[0], {}).setdefault(kind, _Kind()).add(one)

    def text(self, inventory: Inventory) -> str:
        """For people: one block per Datastream, with first, last and most extreme example of each kind."""
        return "\n".join(line for number in sorted(self._streams) for line in self._block(number, inventory))

    def _block(self, number: int, inventory: Inventory) -> Iterator[str]:
        stream = inventory.datastreams.get(number)
        unit = "" if stream is None else stream.unit.symbol
        named = "" if stream is None else f": {_thing(stream.thing, inventory)}, {stream.name} ({stream.key})"
        yield f"Datastream {number}{named}{f' in {unit}' if unit else ''}"
        for kind in ("changed", "added", "lost"):
            found = self._streams[number].get(kind)
            if found is None or found.first is None or found.last is None or found.extreme is None:
                continue
            yield f"{found.count:>10} {kind}"
            shown: list[Example] = []
            for what, one in (("first", found.first), ("last", found.last), ("most extreme", found.extreme)):
                if one not in shown:
                    shown.append(one)
                    yield f"{'':>13}{what:<12} {_moment(one)}  {_values(one, unit)}"


def _thing(key: str, inventory: Inventory) -> str:
    thing = inventory.things.get(key)
    return key if thing is None else thing.name


def _size(one: Example) -> float:
    return abs((one.after or 0.0) - (one.before or 0.0))


def _moment(one: Example) -> str:
    return instant(one.place[1]).isoformat(timespec="seconds")


def _values(one: Example, unit: str) -> str:
    before = "nothing" if one.before is None else f"{one.before:.10g}"
    after = "nothing" if one.after is None else f"{one.after:.10g}"
    return f"{before} -> {after}{f' {unit}' if unit else ''}"
