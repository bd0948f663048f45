"""Pages and counts of Observations: reads as little of the store as order and filter allow.

In the order of ids the census says where a page begins; in the order of time a window grows from
the near end until the page is full; any other order looks at everything that is meant, in parts,
and keeps the best. What is looked at is counted, and too much is refused before it is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from edge.wire.instants import instant
from udp.api.problems import BadQuery, TooMuch
from udp.api.sensorthings import columns
from udp.api.sensorthings.evaluation import Judge
from udp.api.sensorthings.narrowing import extremes, there
from udp.api.sensorthings.noted import Notes, Told, no_notes
from udp.api.sensorthings.ordering import ordered
from udp.api.sensorthings.selection import Chosen
from udp.api.sensorthings.syntax import TRUE, Order
from udp.store.census import Census
from udp.store.columns import Ints, Observations, Period
from udp.store.port import ObservationStore
from udp.store.sieve import Sifts, sifting
from udp.store.statistics import DAY_US, HOUR_US

_MOST_AT_ONCE = 262_144
_LEAST_AT_ONCE = 200
_FEWEST_OF_BEST = 8_192
_TOKEN = re.compile(r"(\d{1,9})\.(\d{1,16})\.(\d{1,10})", re.ASCII)
_TIME = "phenomenonTime"


class Place(NamedTuple):
    """Where a page ended: the identity of its last Observation."""

    stream: int
    time: int
    lead: int

    def __str__(self) -> str:
        return f"{self.stream}.{self.time}.{self.lead}"


@dataclass(slots=True)
class Rows:
    """How many Observations one request may still look at."""

    left: int

    def require(self, count: int) -> None:
        """TooMuch when that many are not left."""
        if count > self.left:
            raise TooMuch(
                f"{count} Observations would have to be looked at; ask for a shorter phenomenonTime, "
                "fewer Datastreams, or order by phenomenonTime"
            )


@dataclass(frozen=True, slots=True)
class Page:
    """`more`: whether others follow; `place`: where to go on, if that needs no counting."""

    rows: Observations
    more: bool
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Harvest:
    """Reads for one request."""

    store: ObservationStore
    judge: Judge
    budget: Rows = field(default_factory=lambda: Rows(8_000_000))
    notes: Notes = no_notes

    def count(self, chosen: Chosen) -> int:
        """How many Observations are meant."""
        meant = chosen.meant
        if meant is not None:
            return int(meant.sum())
        return sum(len(part) for part in self._everything(chosen))

    def holding(self, chosen: Chosen) -> set[int]:
        """The series in which any Observation is meant."""
        meant = chosen.meant
        if meant is not None:
            return set(chosen.census.datastream[meant > 0].tolist())
        return {one for part in self._everything(chosen) for one in np.unique(part.datastream).tolist()}

    def page(self, chosen: Chosen, orders: Sequence[Order], token: str | None, skip: int, size: int) -> Page:
        """`size` Observations behind `token` and `skip`. BadQuery for a token that fits no such order."""
        by_place = not orders or _is_time(orders)
        after = _place(token, by_place) if token is not None else None
        if size == 0 or not len(chosen.census):
            return Page(Observations.empty(), more=False)
        if not orders:
            known = skip if chosen.meant is not None and after is None else 0
            skip -= known
            parts = self._by_id(chosen, after, known, skip + size + 1)
        elif orders[0].path.segments == (_TIME,):
            parts = self._by_time(chosen, orders, after, skip + size + 1)
        else:
            parts = iter([self._best(chosen, orders, skip + size + 1)])
        rows = _first(parts, skip + size + 1)
        page = rows.take(slice(skip, skip + size))
        more = len(rows) > skip + size
        return Page(page, more, place_of(page, len(page) - 1) if more and by_place else None)

    def pages(
        self, chosen: Chosen, parents: Sequence[Sequence[int]], orders: Sequence[Order], skip: int, size: int
    ) -> list[Page]:
        """One page for each parent, which stands for some Datastreams."""
        if size == 1 and skip == 0 and _is_time(orders) and orders[0].descending and chosen.exact:
            return self._newest(chosen, parents, orders)
        if chosen.census.total <= _MOST_AT_ONCE and len(chosen.census):
            census = chosen.census
            rows = self._read(
                chosen, np.arange(len(census)), int(census.first.min()), int(census.last.max()) + 1
            )
            return [self._cut(rows, streams, orders, skip, size) for streams in parents]
        return [self.page(chosen.only(streams), orders, None, skip, size) for streams in parents]

    def _newest(
        self, chosen: Chosen, parents: Sequence[Sequence[int]], orders: Sequence[Order]
    ) -> list[Page]:
        """By what the store keeps ready, where no forecast and no limit of time stands before it."""
        census = chosen.census
        latest = self.store.latest(census.datastream.tolist())
        times = dict(
            zip(latest.datastream.tolist(), latest.phenomenon_time.astype(np.int64).tolist(), strict=True)
        )
        where = {stream: at for at, stream in enumerate(latest.datastream.tolist())}
        known = {
            stream: (last, count)
            for stream, last, count in zip(
                census.datastream.tolist(), census.last.tolist(), census.count.tolist(), strict=True
            )
        }
        pages = []
        for streams in parents:
            last, count = known.get(streams[0], (None, 0)) if len(streams) == 1 else (None, 0)
            # Later than the census is newer than the census: ingest goes on meanwhile.
            if last is not None and times.get(streams[0], -1) >= last:
                at = where[streams[0]]
                row = latest.take(slice(at, at + 1))
                more = count > 1 or times[streams[0]] > last
                pages.append(Page(row, more, place_of(row, 0) if more else None))
            else:
                pages.append(self.page(chosen.only(streams), orders, None, 0, 1))
        return pages

    def _cut(
        self, rows: Observations, streams: Sequence[int], orders: Sequence[Order], skip: int, size: int
    ) -> Page:
        low, high = (np.searchsorted(rows.datastream, list(streams), side) for side in ("left", "right"))
        at = np.concatenate([np.arange(a, b) for a, b in zip(low, high, strict=True)] or [np.empty(0, int)])
        own = rows.take(at.astype(np.int64))
        ordered = own.take(self._order(own, orders)) if orders else own
        page, more = ordered.take(slice(skip, skip + size)), bool(size) and len(ordered) > skip + size
        by_place = not orders or _is_time(orders)
        return Page(page, more, place_of(page, len(page) - 1) if more and by_place else None)

    def _by_id(self, chosen: Chosen, after: Place | None, skip: int, need: int) -> Iterator[Observations]:
        census, at, meant = chosen.census, 0, chosen.meant
        if after is not None:
            at = int(np.searchsorted(census.datastream, after.stream))
        elif skip and meant is not None:
            before = np.cumsum(meant)
            at = int(np.searchsorted(before, skip, "right"))
            skip -= int(before[at - 1]) if at else 0
        size = min(max(2 * need, _LEAST_AT_ONCE), _MOST_AT_ONCE)
        while at < len(census):
            end = at + max(1, int(np.searchsorted(np.cumsum(census.count[at:]), size, "right")))
            if chosen.counts is not None:
                # It is known how many each holds: as many Datastreams as fill the page, and no more rows.
                enough = at + 1 + int(np.searchsorted(np.cumsum(chosen.counts[at:]), need + skip))
                most = at + max(1, int(np.searchsorted(np.cumsum(census.count[at:]), _MOST_AT_ONCE, "right")))
                end = min(enough, most, len(census))
            for rows in self._in_time(chosen, at, end, size, after):
                yield rows.take(slice(min(skip, len(rows)), None))
                skip -= min(skip, len(rows))
            at, after, size = end, None, min(2 * size, _MOST_AT_ONCE)

    def _in_time(
        self, chosen: Chosen, at: int, end: int, size: int, after: Place | None
    ) -> Iterator[Observations]:
        """Datastreams [at, end): several at once, or one in windows of about `size`."""
        census = chosen.census
        first, last = int(census.first[at:end].min()), int(census.last[at:end].max()) + 1
        if after is not None and int(census.datastream[at]) == after.stream:
            # The Datastream where the last page ended is read alone, from there on.
            yield from self._behind(chosen, at, size, after)
            at += 1
            if at == end:
                return
        if end - at > 1 or int(census.count[at]) <= size:
            yield self._read(chosen, np.arange(at, end), first, last)
            return
        yield from self._windows(chosen, at, first, last, size)

    def _behind(self, chosen: Chosen, at: int, size: int, after: Place) -> Iterator[Observations]:
        last = int(chosen.census.last[at]) + 1
        for rows in self._windows(chosen, at, max(after.time, int(chosen.census.first[at])), last, size):
            time = rows.phenomenon_time.astype(np.int64)
            yield rows.take((time > after.time) | ((time == after.time) & (rows.lead > after.lead)))

    def _windows(self, chosen: Chosen, at: int, first: int, last: int, size: int) -> Iterator[Observations]:
        width = _width(last - first, int(chosen.census.count[at]), size)
        while first < last:
            yield self._read(chosen, np.array([at]), first, min(first + width, last))
            first += width

    def _by_time(
        self, chosen: Chosen, orders: Sequence[Order], after: Place | None, need: int
    ) -> Iterator[Observations]:
        census, descending = chosen.census, orders[0].descending
        first, last = int(census.first.min()), int(census.last.max()) + 1
        if after is not None:
            first, last = (first, min(last, after.time + 1)) if descending else (max(first, after.time), last)
        engine = sifting(self.store) if chosen.counts is not None else None
        total = census.total if engine is None or chosen.counts is None else int(chosen.counts.sum())
        width = _width(last - first, total, 2 * need)
        widest = _width(last - first, census.total, _MOST_AT_ONCE)
        while first < last:
            window = _window(first, last, width, descending=descending)
            among = np.flatnonzero((census.first < window.end) & (census.last >= window.start))
            if engine is not None:
                among = there(chosen, engine, among, *window)
                if width > widest and _expected(census, among, window) > _MOST_AT_ONCE:
                    width = max(widest, width // 4)
                    continue
            rows = self._read(chosen, among, *window)
            rows = rows.take(self._order(rows, orders))
            yield rows if after is None else rows.take(_behind(rows, after, descending=descending))
            first, last = (first, window.start) if descending else (window.end, last)
            # Silence must not cost a thousand small windows.
            width = min(2 * width, max(width, widest) if len(rows) else 4 * max(width, widest))

    def _best(self, chosen: Chosen, orders: Sequence[Order], need: int) -> Observations:
        self.budget.require(need)
        best = Observations.empty()
        engine = sifting(self.store)
        if engine is not None and orders[0].path.segments == ("result",):
            return self._best_results(chosen, orders, need, engine)
        for part in self._everything(chosen):
            joined = Observations.concatenate([best, part])
            best = joined.take(self._order(joined, orders)[:need])
        return best

    def _best_results(
        self, chosen: Chosen, orders: Sequence[Order], need: int, engine: Sifts
    ) -> Observations:
        """Datastreams in the order of their best result, until no other can be among the best."""
        census, descending = chosen.census, orders[0].descending
        limits = extremes(chosen, engine, descending=descending)
        order = np.argsort(-limits if descending else limits, kind="stable")
        first, last = int(census.first.min()), int(census.last.max()) + 1
        best, at, size = Observations.empty(), 0, max(4 * need, _FEWEST_OF_BEST)
        while at < len(order):
            if len(best) == need:
                worst, following = float(best.result[-1]), float(limits[order[at]])
                if worst > following if descending else worst < following:
                    break
            end = at + max(1, int(np.searchsorted(np.cumsum(census.count[order[at:]]), size, "right")))
            joined = Observations.concatenate([best, self._read(chosen, np.sort(order[at:end]), first, last)])
            best = joined.take(self._order(joined, orders)[:need])
            at, size = end, min(2 * size, _MOST_AT_ONCE)
        return best

    def _everything(self, chosen: Chosen) -> Iterator[Observations]:
        census = chosen.census
        self.budget.require(
            census.total * max((columns.weight(one.rest) for one in chosen.bounds), default=1)
        )
        at = 0
        while at < len(census):
            end = at + max(1, int(np.searchsorted(np.cumsum(census.count[at:]), _MOST_AT_ONCE, "right")))
            yield from self._in_time(chosen, at, end, _MOST_AT_ONCE, None)
            at = end

    def _read(self, chosen: Chosen, at: Ints, start: int, end: int) -> Observations:
        """Rows of the Datastreams at these positions within [start, end), filtered, ascending."""
        parts = []
        for number in np.unique(chosen.group[at]).tolist():
            bounds = chosen.bounds[number]
            low, high = max(start, bounds.start), min(end, bounds.end)
            if low >= high:
                continue
            ids = chosen.census.datastream[at[chosen.group[at] == number]]
            rows = self.store.read(ids.tolist(), Period(instant(low), instant(high)))
            cost = len(rows) * columns.weight(bounds.rest)
            self.budget.require(cost)
            self.budget.left -= cost
            if bounds.rest != TRUE:
                told = Told(rows, self.notes) if bounds.noted else None
                rows = rows.take(columns.holds(bounds.rest, rows, self.judge.now, told))
            parts.append(rows)
        if len(parts) == 1:
            return parts[0]
        joined = Observations.concatenate(parts)
        return joined.take(np.lexsort((joined.lead, joined.phenomenon_time, joined.datastream)))

    def _order(self, rows: Observations, orders: Sequence[Order]) -> Ints:
        return ordered(rows, orders, self.judge, self.notes)


def place_of(rows: Observations, at: int) -> Place:
    """Identity of one row."""
    return Place(int(rows.datastream[at]), int(rows.phenomenon_time[at].astype(np.int64)), int(rows.lead[at]))


def _is_time(orders: Sequence[Order]) -> bool:
    return len(orders) == 1 and orders[0].path.segments == (_TIME,)


def _behind(rows: Observations, after: Place, *, descending: bool) -> Any:
    time = rows.phenomenon_time.astype(np.int64)
    later = time < after.time if descending else time > after.time
    same = (rows.datastream > after.stream) | ((rows.datastream == after.stream) & (rows.lead > after.lead))
    return later | ((time == after.time) & same)


def _place(token: str, by_place: bool) -> Place:
    match = _TOKEN.fullmatch(token)
    if match is None or not by_place:
        raise BadQuery("$skiptoken: only from @iot.nextLink, unchanged; ask for the first page again")
    return Place(*(int(one) for one in match.groups()))


def _first(parts: Iterator[Observations], size: int) -> Observations:
    found: list[Observations] = []
    count = 0
    for part in parts:
        found.append(part)
        count += len(part)
        if count >= size:
            break
    return Observations.concatenate(found).take(slice(0, size))


class _Window(NamedTuple):
    """[start, end) in microseconds."""

    start: int
    end: int


def _window(first: int, last: int, width: int, *, descending: bool) -> _Window:
    """`width` or a little more at the near end; up to a whole day or hour, which engines know best."""
    step = next((one for one in (DAY_US, HOUR_US) if width > 2 * one), 1)
    if descending:
        return _Window(max(first, (last - width) // step * step), last)
    return _Window(first, min(last, -(-(first + width) // step) * step))


def _expected(census: Census, at: Ints, window: _Window) -> int:
    """About how many Observations of the Datastreams at these positions a window holds."""
    span = census.last[at] - census.first[at] + 1
    return int((census.count[at] * np.minimum(1.0, (window.end - window.start) / span)).sum())


def _width(span: int, total: int, size: int) -> int:
    """Microseconds that hold about `size` of `total` rows spread over `span`; at least a second."""
    return max(1_000_000, int(span * min(1.0, size / max(total, 1))) + 1)
