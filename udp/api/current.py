"""All current values at once: read once per second for everybody, rendered once per wish."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edge.wire.instants import EPOCH
from udp.api import columns_json
from udp.api.view import Filter, View
from udp.store.columns import Floats, Function, Ints, Observations, Period, Times
from udp.store.port import ObservationStore

# The public pages judge by the same rule: two intervals missed, and five minutes are never late.
SHORTEST_INTERVAL_S = 300.0
MISSED_INTERVALS = 2.0
_MOST_WISHES = 256
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The newest measurement of every Datastream; the same object as long as nothing changed.

    `stepped`: for Datastreams whose newest value must not leave, the mean of the last step that is over.
    """

    observations: Observations
    stepped: Observations = field(default_factory=Observations.empty)

    def known(self, view: View) -> Observations:
        """As `view` may know it, but for rounded times; ascending by Datastream."""
        if not view.held:
            return self.observations
        held = list(view.held)
        plain = self.observations.take(~np.isin(self.observations.datastream, held))
        steps = self.stepped.take(np.isin(self.stepped.datastream, held))
        both = Observations.concatenate([plain, steps])
        return both.take(np.argsort(both.datastream, kind="stable"))


def read_snapshot(
    store: ObservationStore,
    before: Snapshot | None,
    held: Mapping[int, timedelta] = MappingProxyType({}),
    now: datetime | None = None,
) -> Snapshot:
    """What the store holds now; `held` are Datastreams with the step they leave in."""
    found = store.latest()
    stepped = read_stepped(store, held, now) if held and now else Observations.empty()
    if before is not None and _same(before.observations, found) and _same(before.stepped, stepped):
        return before
    return Snapshot(found, stepped)


def read_stepped(store: ObservationStore, held: Mapping[int, timedelta], now: datetime) -> Observations:
    """One mean per Datastream, of the last whole step before `now`; its time is where the step began."""
    parts = []
    for step in sorted(set(held.values())):
        end = now - (now - EPOCH) % step
        members = [number for number, one in held.items() if one == step]
        found = store.aggregate(members, Period(end - step, end), step, [Function.MEAN])
        known = np.full(len(found), columns_json.micros(end))
        parts.append(
            Observations.build(found.datastream, found.bucket, found.values[Function.MEAN], result_time=known)
        )
    joined = Observations.concatenate([one for one in parts if len(one)])
    return joined.take(np.argsort(joined.datastream, kind="stable"))


def changes(old: Observations, new: Observations) -> Observations:
    """The Observations of `new` that `old` does not hold."""
    place = np.searchsorted(old.datastream, new.datastream)
    inside = np.minimum(place, max(len(old) - 1, 0))
    if len(old) == 0:
        return new
    same = old.datastream[inside] == new.datastream
    for name in ("phenomenon_time", "quality", "rule", "revision"):
        same &= getattr(old, name)[inside] == getattr(new, name)
    same &= _equal(old.result[inside], new.result)
    return new.take(~same)


@dataclass(frozen=True, slots=True)
class Rendered:
    """One answer of /latest. `etag` moves with the data and with what has become stale, not with age."""

    etag: str
    body: bytes
    compressed: bytes


class LatestAnswers:
    """Answers by wish, kept while snapshot and view stay the same and `now` is the same second."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, Filter], tuple[View, Snapshot, int, Rendered]] = {}

    def render(self, view: View, snapshot: Snapshot, wish: Filter, now: datetime) -> Rendered:
        """Blocking for some milliseconds per thousand values."""
        second = int(now.timestamp())
        key = (id(view), wish)
        kept = self._kept.get(key)
        if kept is not None and kept[0] is view and kept[1] is snapshot and kept[2] == second:
            return kept[3]
        rendered = render(view, snapshot, wish, now)
        if len(self._kept) >= _MOST_WISHES:
            self._kept.clear()
        self._kept[key] = (view, snapshot, second, rendered)
        return rendered


def render(view: View, snapshot: Snapshot, wish: Filter, now: datetime) -> Rendered:
    """`{"now": ..., "values": [...]}` of everything `view` and `wish` let through."""
    observations = chosen(view, snapshot.known(view), wish)
    ages, stale = judge(view, observations, now)
    heads = items(view, observations)
    digest = blake2b(digest_size=12)
    for head, late in zip(heads, stale, strict=True):
        digest.update(head.encode())
        digest.update(b"\1" if late else b"\0")
    values = ",\n".join(tails(heads, ages, stale))
    body = f'{{"now":"{columns_json.time(now)}","count":{len(heads)},"values":[\n{values}\n]}}\n'.encode()
    return Rendered(f'W/"{digest.hexdigest()}"', body, gzip.compress(body, compresslevel=4, mtime=0))


def chosen(view: View, observations: Observations, wish: Filter) -> Observations:
    """What the view knows and the wish means, as finely as the view may know it."""
    known = np.fromiter((one.id for one in view.select(wish)), dtype=np.int64)
    return coarsened(view, observations.take(np.isin(observations.datastream, known)))


def coarsened(view: View, observations: Observations) -> Observations:
    """Both times rounded down to the finest step of their Datastream, where it has one."""
    step = _steps(view, observations)
    if not step.any():
        return observations
    whole = np.maximum(step, 1)

    def down(moments: Times) -> Times:
        microseconds = moments.astype(np.int64)
        return (microseconds - microseconds % whole).astype("datetime64[us]")

    return replace(
        observations,
        phenomenon_time=down(observations.phenomenon_time),
        result_time=down(observations.result_time),
    )


def _steps(view: View, observations: Observations) -> Ints:
    """In microseconds, one per Observation; 0 where times stay as they are."""
    if not view.finest:
        return np.zeros(len(observations), np.int64)
    steps = {number: step // _MICROSECOND for number, step in view.finest.items()}
    return np.fromiter(
        (steps.get(number, 0) for number in observations.datastream.tolist()),
        dtype=np.int64,
        count=len(observations),
    )


def judge(view: View, observations: Observations, now: datetime) -> tuple[list[int], list[bool]]:
    """Age in whole seconds, and whether two expected intervals have been missed.

    A rounded time may be younger by its whole step, and nobody shall be able to compute by how much:
    such a value turns stale up to one step later, never earlier. The mean of a step is told by the
    step's beginning and stands until the next one is over: two steps.
    """
    microseconds = (columns_json.micros(now) - observations.phenomenon_time).astype(np.int64)
    age_s = microseconds / 1e6
    interval = np.fromiter(
        (view.datastreams[number].expected_interval_s for number in observations.datastream.tolist()),
        dtype=np.float64,
        count=len(observations),
    )
    patience_s = MISSED_INTERVALS * np.maximum(interval, SHORTEST_INTERVAL_S)
    steps = np.where(np.isin(observations.datastream, list(view.held)), 2, 1)
    stale = age_s > patience_s + steps * _steps(view, observations) / 1e6
    return np.floor(age_s).astype(np.int64).tolist(), stale.tolist()


def items(view: View, observations: Observations) -> list[str]:
    """One JSON object per Observation, still open at its end: what changes only with the data."""
    columns = zip(
        observations.datastream.tolist(),
        columns_json.numbers(observations.result),
        columns_json.times(observations.phenomenon_time),
        columns_json.times(observations.result_time),
        columns_json.quality_words(observations.quality.tolist()),
        columns_json.rule_words(observations.rule.tolist()),
        strict=True,
    )
    return [
        f'{{{view.labels[number]},"value":{value},"phenomenon_time":"{measured}","result_time":"{known}",'
        f'"quality":"{quality}","rule":"{rule}"'
        for number, value, measured, known, quality, rule in columns
    ]


def tails(heads: Iterable[str], ages: Iterable[int], stale: Iterable[bool]) -> list[str]:
    """The objects closed with what changes with time."""
    return [
        f'{head},"age_s":{age},"stale":{"true" if late else "false"}}}'
        for head, age, late in zip(heads, ages, stale, strict=True)
    ]


def _same(one: Observations, other: Observations) -> bool:
    return (
        len(one) == len(other)
        and all(
            np.array_equal(getattr(one, name), getattr(other, name))
            for name in ("datastream", "phenomenon_time", "quality", "rule", "revision")
        )
        and bool(np.all(_equal(one.result, other.result)))
    )


def _equal(one: Floats, other: Floats) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (one == other) | (np.isnan(one) & np.isnan(other))
    return same
