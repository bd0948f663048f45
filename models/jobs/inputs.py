"""Read series out of the store exactly as they were known at one moment."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from models.series import Instant, Series, Step, instant
from udp.registry.port import Inventory
from udp.sensorthings import Datastream, Quality, Thing
from udp.store.columns import Observations, Period
from udp.store.port import ObservationStore

TICK = timedelta(microseconds=1)
# A row of the store's columns is 50 bytes, held several times while it is sorted: a year of a fleet of 500
# containers would be more than a small server has.
ROWS_AT_ONCE = 1_000_000
# A classroom is as warm in January as in May.
_INDOORS = frozenset({"school_room"})


@dataclass(frozen=True, slots=True)
class Inputs:
    """The store as of ``issued_at`` (aware UTC): later values, later knowledge and later corrections do not
    exist. Bad values are gaps of nothing: they are left out."""

    store: ObservationStore
    inventory: Inventory
    issued_at: datetime
    _read: dict[tuple[int, timedelta], Series] = field(default_factory=dict)
    _warmth: dict[tuple[int, timedelta], Series | None] = field(default_factory=dict)
    _earlier: dict[datetime, Inputs] = field(default_factory=dict)

    @property
    def now(self) -> Instant:
        """The issue time as the models' instant."""
        return instant(self.issued_at)

    def series(self, datastreams: Collection[int], history: timedelta) -> dict[int, Series]:
        """Measurements of the last ``history``, one series per Datastream, empty ones included. Each is read
        once: thirty trees share six rain gauges."""
        missing = [number for number in datastreams if (number, history) not in self._read]
        if missing:
            self._read.update(
                {(number, history): one for number, one in self._fetch(missing, history).items()}
            )
        return {number: self._read[number, history] for number in datastreams}

    def warmth(self, step: Step, history: timedelta) -> Series | None:
        """Air temperature over the city, mean of all stations outdoors; None without any."""
        key = (int(step.astype("timedelta64[s]").astype(np.int64)), history)
        if key not in self._warmth:
            air = self.series(self.outdoors(), history)
            self._warmth[key] = mean_of({number: binned(one, step, self.now) for number, one in air.items()})
        return self._warmth[key]

    def outdoors(self) -> tuple[int, ...]:
        """The Datastreams of `warmth`."""
        found = self.streams("air_temperature")
        return tuple(one.id for thing, one in found if thing.kind not in _INDOORS)

    def earlier(self, issued_at: datetime) -> Inputs:
        """The same store and register as of a moment before; one for all who ask, so that it reads once."""
        if issued_at not in self._earlier:
            self._earlier[issued_at] = Inputs(self.store, self.inventory, issued_at)
        return self._earlier[issued_at]

    def window(self, history: timedelta) -> Period:
        """What `series` reads. From midnight: a window that slid with every minute would make everything look
        changed."""
        start = (self.issued_at - history).replace(hour=0, minute=0, second=0, microsecond=0)
        return Period(start, self.issued_at + TICK)

    def pieces(
        self, datastreams: Collection[int], period: Period
    ) -> Iterator[tuple[list[int], Observations, Observations]]:
        """As many Datastreams as memory should hold, all that is visible of them now, and of what is not
        visible yet the newest revisions."""
        for some in self._portions(datastreams, period.end - period.start):
            found = self.store.read(some, period)
            hidden = found.take(found.result_time > self.now)
            if len(hidden):
                late = np.unique(hidden.datastream)
                known = self.store.read(late.tolist(), period, as_of=self.issued_at)
                rest = found.take(~np.isin(found.datastream, late))
                found = Observations.concatenate([rest, known])
                found = found.take(np.argsort(found.datastream, kind="stable"))
            yield some, found, hidden

    def keep(self, datastreams: Collection[int], history: timedelta, found: Observations) -> None:
        """What was read of a whole window and is measured: `series` does not read it again."""
        self._read.update({(number, history): one for number, one in self._split(datastreams, found).items()})

    def forget(self, datastreams: Collection[int], history: timedelta) -> None:
        """The next `series` of this window is read anew."""
        for number in datastreams:
            self._read.pop((number, history), None)
        for key in [one for one in self._warmth if one[1] == history]:
            del self._warmth[key]

    def _fetch(self, datastreams: Collection[int], history: timedelta) -> dict[int, Series]:
        period, found = self.window(history), dict[int, Series]()
        for some in self._portions(datastreams, history):
            found |= self._split(some, measured(self.store.read(some, period, as_of=self.issued_at)))
        return found

    def _portions(self, datastreams: Collection[int], history: timedelta) -> Iterator[list[int]]:
        """As many Datastreams as memory should hold rows of at once, by how often they are to report."""
        some, rows = [], 0.0
        for number in datastreams:
            some.append(number)
            rows += history.total_seconds() / max(1.0, self._interval_s(number))
            if rows >= ROWS_AT_ONCE:
                yield some
                some, rows = [], 0.0
        if some:
            yield some

    def _interval_s(self, number: int) -> float:
        """Of what is not measured here (a weather forecast) an hour."""
        stream = self.inventory.datastreams.get(number)
        return 3600.0 if stream is None else float(stream.expected_interval_s)

    def _split(self, datastreams: Collection[int], found: Observations) -> dict[int, Series]:
        numbers, starts = np.unique(found.datastream, return_index=True)
        parts = {
            int(number): found.take(slice(int(start), int(end)))
            for number, start, end in zip(numbers, starts, np.append(starts[1:], len(found)), strict=False)
        }
        nothing = Observations.empty()
        return {number: self._series(number, parts.get(number, nothing)) for number in datastreams}

    def _series(self, number: int, part: Observations) -> Series:
        unit = self.inventory.datastreams[number].unit.symbol
        return Series.tidy(part.phenomenon_time, part.result, unit, known_at=part.result_time, now=self.now)

    def streams(self, *properties: str, kind: str | None = None) -> list[tuple[Thing, Datastream]]:
        """Datastreams of these observed properties in the order of their numbers, with their Things."""
        return streams_of(self.inventory, properties, kind)


def measured(found: Observations) -> Observations:
    """What is no forecast and not bad."""
    return found.take((found.lead == 0) & (found.quality != Quality.BAD))


def streams_of(
    inventory: Inventory, properties: Collection[str], kind: str | None = None
) -> list[tuple[Thing, Datastream]]:
    """Datastreams of these observed properties (of Things of one kind), by number."""
    found = [
        (inventory.things[one.thing], one)
        for _, one in sorted(inventory.datastreams.items())
        if one.observed_property.key in properties and one.thing in inventory.things
    ]
    return [(thing, one) for thing, one in found if kind is None or thing.kind == kind]


def fingerprint(series: Iterable[Series | None], *more: str) -> str:
    """Equal for equal content: what was computed from it need not be computed again."""
    digest = hashlib.blake2b(digest_size=16)
    for one in series:
        if one is None:
            digest.update(b"none")
            continue
        digest.update(one.unit.encode() + len(one).to_bytes(8, "big"))
        digest.update(one.times.astype("datetime64[us]").tobytes())
        digest.update(one.values.tobytes())
    for text in more:
        digest.update(b"\0" + text.encode())
    return digest.hexdigest()


def binned(series: Series, step: Step, now: Instant, *, total: bool = False) -> Series:
    """On the grid of ``step`` that ends at or before ``now``: the last value (or the sum) of (t - step, t],
    stamped t, so that nothing is used before it was. Gaps are NaN."""
    if not len(series):
        return series
    size = int(step.astype("timedelta64[us]").astype(np.int64))
    ticks = series.times.astype(np.int64)
    slot = -(-ticks // size)
    last = int(now.astype("datetime64[us]").astype(np.int64)) // size
    keep = (slot <= last) & np.isfinite(series.values)
    if not keep.any():
        return Series(series.times[:0], series.values[:0], series.unit)
    slot, values = slot[keep], series.values[keep]
    first = int(slot[0])
    grid = np.arange(first, last + 1)
    out = np.full(len(grid), np.nan)
    if total:
        place, inverse = np.unique(slot - first, return_inverse=True)
        out[place] = np.bincount(inverse, weights=values)
    else:
        out[slot - first] = values
    return Series((grid * size).astype("datetime64[us]"), out, series.unit)


def moment(when: Instant) -> datetime:
    """An instant as an aware datetime."""
    plain: datetime = when.astype("datetime64[us]").astype(datetime)
    return plain.replace(tzinfo=UTC)


def mean_of(many: Mapping[int, Series], weights: Mapping[int, float] | None = None) -> Series | None:
    """Weighted mean over series on one grid, of those that have a value; None without any."""
    filled = {number: one for number, one in many.items() if len(one)}
    if not filled:
        return None
    first = min(one.times[0] for one in filled.values())
    last = max(one.times[-1] for one in filled.values())
    some = next(iter(filled.values()))
    step = min((one.step for one in filled.values() if one.step is not None), default=None)
    if step is None:
        return None
    grid = np.arange(first, last + step, step)
    total, weight = np.zeros(len(grid)), np.zeros(len(grid))
    for number, one in filled.items():
        values = one.on_grid(grid)
        share = (weights or {}).get(number, 1.0)
        solid = np.isfinite(values)
        total[solid] += share * values[solid]
        weight[solid] += share
    return Series(grid, np.where(weight > 0, total / np.maximum(weight, 1e-12), np.nan), some.unit)
