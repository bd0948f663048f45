"""Observations written by people and programs: into the store by its own rules, each at a place of its own.

A place is (series, microsecond, lead). The same Observation said again finds its place; another one of the
same phenomenonTime stands a millisecond behind, and its note says the time it has; so does the note of one
whose time the engine cuts off.

The store forgets single values only with their whole day (udp.store.port.Prunable). Deleting one
therefore writes a revision that withdraws it: this interface no longer knows it, aggregates leave it
out, and /api/v1 shows it as bad and withdrawn until retention deletes the day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from edge.wire.instants import EPOCH, instant, microseconds
from udp.api.problems import BadEntity, Conflict
from udp.api.sensorthings.drafts import times
from udp.api.sensorthings.noted import Notes, identities, time_of
from udp.registry.port import Channel, Inventory
from udp.registry.written import Identity
from udp.sensorthings import Quality, QualityRule
from udp.store.acceptance import LARGEST_LEAD_S
from udp.store.census import StandsFor
from udp.store.columns import Observations, Period
from udp.store.port import APART_US, MOST_AT_ONCE, SPREAD_US, ObservationStore, Prunable, resolution_us

_END = datetime(2262, 1, 1, tzinfo=UTC)
# As ingest judges clocks (ingest.quality); what lies far behind is history that somebody enters.
_CLOCK_AHEAD = timedelta(minutes=5)
_FEW = 20
ROUNDS = 100
"""So often others may be quicker at a place before the request is refused."""
_NOTED = ("resultQuality", "validTime", "parameters")


@dataclass(frozen=True, slots=True)
class Row:
    """One Observation as the store takes it. `note`: what it says beyond the store's columns; `dated`:
    whether its result_time was said; `numeric`: whether the result is one; `revision`: the one to write,
    None if it stands there already."""

    series: int
    time: int
    lead: int
    result: float
    result_time: int
    note: Mapping[str, Any]
    dated: bool = True
    numeric: bool = True
    revision: int | None = 0

    @property
    def identity(self) -> Identity:
        """What makes it this one."""
        return self.series, self.time, self.lead

    @property
    def id(self) -> str:
        """Its @iot.id."""
        return f"{self.series}-{self.time}-{self.lead}" if self.lead else f"{self.series}-{self.time}"


@dataclass(frozen=True, slots=True)
class _Held:
    """What the store has at a place."""

    revision: int
    result: float
    rule: int
    result_time: int


def row(series: int, said: Mapping[str, Any], now: datetime) -> Row:
    """BadEntity for what the store can never keep."""
    written = said.get("phenomenonTime")
    start, end = (now, None) if written is None else times("Observation/phenomenonTime", written)
    known = said.get("resultTime")
    known_at = now if known is None else times("Observation/resultTime", known)[0]
    for name, moment in (("phenomenonTime", start), ("resultTime", known_at)):
        if not EPOCH <= moment < _END:
            raise BadEntity(f"Observation/{name}: times from 1970 to 2261 can be kept")
    note: dict[str, Any] = {name: said[name] for name in _NOTED if said.get(name) is not None}
    lead = 0
    parameters = note.get("parameters")
    if isinstance(parameters, dict) and isinstance(parameters.get("lead_s"), int):
        lead = parameters["lead_s"]
        if not 0 <= lead <= LARGEST_LEAD_S:
            raise BadEntity("Observation/parameters: lead_s is seconds from issue to phenomenonTime")
        if len(parameters) == 1:
            del note["parameters"]
    if end is not None:
        note["phenomenonTime"] = written
    number = _number(said["result"])
    if number is None or isinstance(said["result"], bool | str):
        note["result"] = said["result"]
    return Row(
        series, microseconds(start), lead, number or 0.0, microseconds(known_at), note,
        dated=known is not None, numeric=number is not None,
    )  # fmt: skip


def _number(said: Any) -> float | None:
    """What the store can hold of a result: truth as 0 and 1, a number in a text as that number."""
    try:
        # Fifteen digits: what lies below is the noise of binary fractions.
        found = float(f"{float(said):.15g}") if isinstance(said, bool | int | float | str) else None
    except (ValueError, OverflowError):
        return None
    return found if found is not None and np.isfinite(found) else None


def placed(
    store: ObservationStore, rows: Sequence[Row], notes: Notes, own: Mapping[Identity, int] | None = None
) -> list[Row]:
    """Each where the store has room for it, with the revision it needs there: a new one corrects what is said
    again otherwise, or is `own` (place and revision of what is changed). Conflict where there is no room."""
    own = own or {}
    fine = resolution_us(store)
    rows = [_cut(one, fine) for one in rows]
    _require_kept(store, rows)
    held = _stored(store, (one.identity for one in rows))
    crowded = {one.series for one in rows if one.identity in held}
    told = dict(notes(key for key in held if key[0] in crowded)) if crowded else {}
    made = []
    for one in rows:
        found = _place(one, held, told, own)
        rule = QualityRule.NONE if found.numeric else QualityRule.NO_NUMBER
        held[found.identity] = _Held(found.revision or 0, found.result, rule, found.result_time)
        told[found.identity] = found.note
        made.append(found)
    return made


def _require_kept(store: ObservationStore, rows: Sequence[Row]) -> None:
    """Conflict for days whose values retention has deleted: the store would take none of them again."""
    engine = store.engine if isinstance(store, StandsFor) else store
    limits = engine.pruned() if isinstance(engine, Prunable) else {}
    for one in rows:
        if (limit := limits.get(one.series)) is not None and one.time < microseconds(limit):
            raise Conflict(
                f"Observations of this Datastream before {limit.date()} were deleted when their time of "
                f"retention was over; one of {instant(one.time).isoformat()} cannot be kept"
            )


def _cut(one: Row, fine: int) -> Row:
    """At a time the engine tells apart."""
    time = one.time // fine * fine
    if time == one.time:
        return one
    return replace(one, time=time, note={"phenomenonTime": _written(instant(one.time)), **one.note})


def _place(
    one: Row,
    held: Mapping[Identity, _Held],
    told: Mapping[Identity, Mapping[str, Any]],
    own: Mapping[Identity, int],
) -> Row:
    moment, said = instant(one.time), one.note.get("phenomenonTime")
    for behind in range(MOST_AT_ONCE):
        moved = {**one.note, "phenomenonTime": said or _written(moment)} if behind else one.note
        here = replace(one, time=one.time + behind * APART_US, note=moved)
        there, note = held.get(here.identity), told.get(here.identity, {})
        free = there is None or _withdrawn(there) or here.identity in own
        if there is None or free or _same(one, there, note, moment):
            return replace(here, revision=_revision(here, there, own))
    raise Conflict(f"{MOST_AT_ONCE} Observations of {moment.isoformat()} are in this Datastream already")


def _revision(here: Row, there: _Held | None, own: Mapping[Identity, int]) -> int | None:
    if there is None:
        return 0
    if not _corrects(here, there):
        return None
    return own.get(here.identity, there.revision) + 1


def _same(one: Row, there: _Held, note: Mapping[str, Any], moment: datetime) -> bool:
    """Whether it is the Observation that stands there, said again."""
    when = one.note.get("phenomenonTime")
    then = note.get("phenomenonTime")
    return (
        there.result == one.result
        and note.get("result") == one.note.get("result")
        and (not one.dated or there.result_time == one.result_time)
        and (time_of(when) if when else moment) == (time_of(then) if then else moment)
    )


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def store_rows(
    store: ObservationStore, rows: Sequence[Row], inventory: Inventory, now: datetime
) -> tuple[set[Identity], Observations]:
    """Durable on return. The places at which somebody else was quicker, and what was taken."""
    limits = {one.datastream: one for one in channels(inventory)}
    fresh = {one.identity: one for one in rows if one.revision is not None}
    if not fresh:
        return set(), Observations.concatenate([])
    judged = [_judged(one, limits.get(one.series), now) for one in fresh.values()]
    batch = Observations.build(
        [one.series for one in fresh.values()],
        [one.time for one in fresh.values()],
        [one.result for one in fresh.values()],
        result_time=[one.result_time for one in fresh.values()],
        lead=[one.lead for one in fresh.values()],
        quality=[quality for quality, _ in judged],
        rule=[rule for _, rule in judged],
        revision=[one.revision or 0 for one in fresh.values()],
    )
    ignored = store.append(batch)
    return set(identities(batch.take(ignored))), batch.take(np.delete(np.arange(len(batch)), ignored))


def _corrects(one: Row, before: _Held) -> bool:
    return (
        before.result != one.result
        or _withdrawn(before)
        or (before.rule == QualityRule.NO_NUMBER) == one.numeric
        or (one.dated and before.result_time != one.result_time)
    )


def withdraw(store: ObservationStore, rows: Observations, now: datetime) -> None:
    """A revision that takes them back; also what others correct meanwhile. Conflict if they do not stop."""
    for _ in range(ROUNDS):
        if not len(rows):
            return
        ignored = store.append(
            Observations.build(
                rows.datastream, rows.phenomenon_time, rows.result,
                result_time=np.datetime64(now.replace(tzinfo=None), "us"), lead=rows.lead,
                quality=Quality.BAD, rule=QualityRule.WITHDRAWN, revision=rows.revision + 1,
            )
        )  # fmt: skip
        rows = _still_there(store, rows.take(ignored))
    raise Conflict("what is to be deleted is corrected by others again and again; repeat it later")


def _still_there(store: ObservationStore, rows: Observations) -> Observations:
    """What stands at these places now, unless it is withdrawn."""
    held = _stored(store, identities(rows)) if len(rows) else {}
    left = {key: one for key in identities(rows) if (one := held.get(key)) and not _withdrawn(one)}
    return Observations.build(
        [series for series, _, _ in left], [time for _, time, _ in left],
        [one.result for one in left.values()], lead=[lead for _, _, lead in left],
        revision=[one.revision for one in left.values()],
    ) if left else rows.take(np.zeros(len(rows), bool))  # fmt: skip


def _withdrawn(one: _Held) -> bool:
    return one.rule == QualityRule.WITHDRAWN


def _judged(one: Row, channel: Channel | None, now: datetime) -> tuple[Quality, QualityRule]:
    """Range and clock as in ingest; step and stuck need the order of arrival and are left to it."""
    if not one.numeric:
        # The store's number stands for nothing: out of all sums, and marked so where raw values are given.
        return Quality.BAD, QualityRule.NO_NUMBER
    quality, rule = Quality.UNCHECKED, QualityRule.NONE
    if channel is not None and (channel.minimum, channel.maximum) != (None, None):
        quality, rule = Quality.GOOD, QualityRule.PASSED
        low = -np.inf if channel.minimum is None else channel.minimum
        high = np.inf if channel.maximum is None else channel.maximum
        if not low <= one.result <= high:
            quality, rule = Quality.BAD, QualityRule.RANGE
    if one.lead == 0 and one.time > microseconds(now + _CLOCK_AHEAD):
        quality, rule = max(quality, Quality.SUSPECT), QualityRule.CLOCK
    return quality, rule


def channels(inventory: Inventory) -> list[Channel]:
    """How devices feed Datastreams, everywhere in the register."""
    found = [channel for one in inventory.devices.values() for channel in one.channels]
    return found + [channel for one in inventory.wired.values() for channel in one.channels]


def _stored(store: ObservationStore, places: Iterable[Identity]) -> dict[Identity, _Held]:
    """Those that are there, and what stands behind them."""
    times_of: dict[int, set[int]] = {}
    for stream, time, _ in places:
        times_of.setdefault(stream, set()).add(time)
    parts = []
    for series, moments in times_of.items():
        spans = [(one, one) for one in moments] if len(moments) <= _FEW else [(min(moments), max(moments))]
        for first, last in spans:
            parts.append(store.read([series], Period(instant(first), instant(last + SPREAD_US))))
    found = Observations.concatenate(parts)
    values = zip(
        found.revision.tolist(), found.result.tolist(), found.rule.tolist(),
        found.result_time.astype(np.int64).tolist(), strict=True,
    )  # fmt: skip
    return dict(zip(identities(found), (_Held(*one) for one in values), strict=True))
