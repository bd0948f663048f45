"""From a filter on Observations to what the store must read: Datastreams, a time, and a rest for numpy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from edge.wire.instants import EPOCH, microseconds
from udp.api.sensorthings.catalogue import Catalogue
from udp.api.sensorthings.evaluation import Judge
from udp.api.sensorthings.syntax import FALSE, TRUE, Call, Literal, Node, Path, compared, conjuncts
from udp.sensorthings import QualityRule
from udp.store.census import Census, everything
from udp.store.columns import Ints, Period
from udp.store.port import APART_US, SPREAD_US

_MICROSECOND = timedelta(microseconds=1)
_TIME = Path(("phenomenonTime",))
_IDS = (Path(("id",)), Path(("@iot.id",)))
_KEPT = Call("ne", (Path(("resultQuality", "rule")), Literal(QualityRule.WITHDRAWN.name.lower())))
_ID = re.compile(r"(\d{1,9})-(\d{1,16})(?:-([1-9]\d{0,9}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Bounds:
    """[start, end) in microseconds, perhaps one Datastream, and what remains to be asked of each row.

    noted: more is said of some rows than the store holds. wordy: of some even the result."""

    start: int
    end: int
    stream: int | None
    rest: Node
    noted: bool = False
    wordy: bool = False

    @property
    def period(self) -> Period:
        """The same as the store wants it; empty where end is before start."""
        start = EPOCH + self.start * _MICROSECOND
        return Period(start, max(start, EPOCH + self.end * _MICROSECOND))


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Datastreams ascending by id, one element each with its census and the number of its bounds.

    counts: how many Observations of each are meant, where that is known without reading them."""

    census: Census
    group: Ints
    bounds: tuple[Bounds, ...]
    counts: Ints | None = None

    @property
    def exact(self) -> bool:
        """Whether the census counts exactly the Observations that are meant."""
        return all(self.bounds[one].rest == TRUE for one in np.unique(self.group).tolist())

    @property
    def meant(self) -> Ints | None:
        """How many of each Datastream are meant, if that is known."""
        return self.census.count if self.exact else self.counts

    def only(self, streams: Iterable[int]) -> Chosen:
        """The same for some Datastreams."""
        keep = np.flatnonzero(np.isin(self.census.datastream, list(streams)))
        census = self.census
        return Chosen(
            Census(census.datastream[keep], census.count[keep], census.first[keep], census.last[keep]),
            self.group[keep],
            self.bounds,
            None if self.counts is None else self.counts[keep],
        )


def parse_id(written: str) -> tuple[int, int, int] | None:
    """Datastream, microseconds and lead of an Observation's id; None for what is none."""
    match = _ID.fullmatch(written)
    return None if match is None else (int(match[1]), int(match[2]), int(match[3] or 0))


def choose(
    judge: Judge,
    streams: Iterable[int],
    condition: Node | None,
    count: Callable[[Iterable[int], Period], Census],
) -> Chosen:
    """Datastreams for which the condition may hold, grouped by what it asks of their rows."""
    grouped = _grouped(judge, list(streams), condition)
    bounds = tuple(bounds_of(rest, noted=noted, wordy=wordy) for rest, noted, wordy in grouped)
    parts, groups = [Census.empty()], [np.empty(0, np.int64)]
    for number, (bound, members) in enumerate(zip(bounds, grouped.values(), strict=True)):
        wanted = members if bound.stream is None else [one for one in members if one == bound.stream]
        found = count(wanted, bound.period) if wanted else Census.empty()
        parts.append(found)
        groups.append(np.full(len(found), number))
    # No Datastream is in two groups, so merging only puts them in order.
    order = np.argsort(np.concatenate([one.datastream for one in parts]))
    return Chosen(Census.merge(parts), np.concatenate(groups)[order], bounds)


def _grouped(
    judge: Judge, streams: list[int], condition: Node | None
) -> dict[tuple[Node, bool, bool], list[int]]:
    """Datastreams by what is asked of their rows, and whether more (even other results) is noted of them;
    without those of which nothing can be meant."""
    if condition is None or not judge.reaches_out(condition):
        # It names no other entity and asks the same of every Datastream: it is folded once.
        rests = {TRUE if condition is None else judge.folded(condition): streams}
    else:
        rests = {}
        for stream in streams:
            rests.setdefault(_residual(judge, stream, condition), []).append(stream)
    known = judge.catalogue
    grouped: dict[tuple[Node, bool, bool], list[int]] = {}
    for rest, members in rests.items():
        plain = [one for one in members if one not in known.noted]
        if plain and rest != FALSE:
            grouped.setdefault((rest, False, False), []).extend(plain)
        for one in members if rest != FALSE and len(plain) < len(members) else ():
            if one in known.noted:
                asked = _standing(rest) if one in known.withdrawn else rest
                grouped.setdefault((asked, True, one in known.wordy), []).append(one)
    return grouped


def _residual(judge: Judge, stream: int, condition: Node) -> Node:
    catalogue: Catalogue = judge.catalogue
    feature = catalogue.of_series("FeatureOfInterest", stream)
    return judge.residual(condition, catalogue.of_series("Datastream", stream), feature)


def _standing(condition: Node) -> Node:
    """The condition, and that the Observation was not deleted."""
    return (
        Call("and", (*(one for one in conjuncts(condition) if one != TRUE), _KEPT))
        if condition != TRUE
        else _KEPT
    )


def bounds_of(condition: Node, *, noted: bool = False, wordy: bool = False) -> Bounds:
    """Conditions on phenomenonTime and id that hold for all rows become the store's part.

    Where times are noted, the store's are only near them (udp.api.sensorthings.observing), or the beginnings
    of intervals: the condition is asked again."""
    whole = everything()
    start, end = (microseconds(one) for one in (whole.start, whole.end))
    stream, rest = None, list[Node]()
    for one in conjuncts(condition):
        if (limits := _limits(one)) is not None:
            before, behind = (APART_US, SPREAD_US) if noted else (0, 0)
            start, end = max(start, limits[0] - before), min(end, limits[1] + behind)
            if not noted:
                continue
        if (found := _identified(one)) is not None:
            stream, start, end = found[0], max(start, found[1]), min(end, found[1] + 1)
        rest.append(one)
    left: Node = TRUE if not rest else (rest[0] if len(rest) == 1 else Call("and", tuple(rest)))
    return Bounds(start, end, stream, left, noted, wordy)


def _limits(node: Node) -> tuple[int, int] | None:
    comparison = compared(node, _TIME)
    # The other way round an interval is compared by its other end; rare enough to be left to numpy.
    if comparison is None or not isinstance(comparison[1], datetime):
        return None
    name, moment = comparison[0], microseconds(comparison[1])
    never, always = -(1 << 62), 1 << 62
    return {
        "gt": (moment + 1, always),
        "ge": (moment, always),
        "lt": (never, moment),
        "le": (never, moment + 1),
        "eq": (moment, moment + 1),
    }[name]


def _identified(node: Node) -> tuple[int, int, int] | None:
    if not isinstance(node, Call) or node.name != "eq":
        return None
    left, right = node.arguments
    if left in _IDS and isinstance(right, Literal) and isinstance(right.value, str):
        return parse_id(right.value)
    return None
