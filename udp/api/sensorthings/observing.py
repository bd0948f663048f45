"""Observations written by people and programs: into the store by its own rules, one per identity.

The store forgets single values only with their whole day (udp.store.port.Prunable). Deleting one
therefore writes a revision that withdraws it: this interface no longer knows it, aggregates leave it
out, and /api/v1 shows it as bad and withdrawn until retention deletes the day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from edge.wire.instants import EPOCH, instant, microseconds
from udp.api.problems import BadEntity
from udp.api.sensorthings.drafts import times
from udp.registry.port import Channel, Inventory
from udp.sensorthings import Quality, QualityRule
from udp.store.acceptance import LARGEST_LEAD_S
from udp.store.columns import Observations, Period
from udp.store.port import ObservationStore

_END = datetime(2262, 1, 1, tzinfo=UTC)
# As ingest judges clocks (ingest.quality); what lies far behind is history that somebody enters.
_CLOCK_AHEAD = timedelta(minutes=5)
_FEW = 20
_NOTED = ("resultQuality", "validTime", "parameters")


@dataclass(frozen=True, slots=True)
class Row:
    """One Observation as the store takes it. `note`: what it says beyond the store's columns."""

    series: int
    time: int
    lead: int
    result: float
    result_time: int
    note: Mapping[str, Any]

    @property
    def identity(self) -> tuple[int, int, int]:
        """What makes it this one."""
        return self.series, self.time, self.lead

    @property
    def id(self) -> str:
        """Its @iot.id."""
        return f"{self.series}-{self.time}-{self.lead}" if self.lead else f"{self.series}-{self.time}"


def row(series: int, said: Mapping[str, Any], now: datetime) -> Row:
    """BadEntity for what the store can never keep."""
    written = said.get("phenomenonTime")
    start, end = (now, None) if written is None else times("Observation/phenomenonTime", written)
    known = said.get("resultTime")
    known_at = now if known is None else times("Observation/resultTime", known)[0]
    for name, moment in (("phenomenonTime", start), ("resultTime", known_at)):
        if not EPOCH <= moment < _END:
            raise BadEntity(f"Observation/{name}: times from 1970 to 2261 can be kept")
    note = {name: said[name] for name in _NOTED if said.get(name) is not None}
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
    # Twelve digits, as ingest keeps them: what lies below is the noise of binary fractions.
    result = float(f"{said['result']:.12g}")
    return Row(series, microseconds(start), lead, result, microseconds(known_at), note)


def store_rows(
    store: ObservationStore, rows: Sequence[Row], inventory: Inventory, now: datetime
) -> Sequence[Row]:
    """Durable on return. What is there already with the same result stays as it is; with another one it is
    corrected by a new revision. The rows in effect, in order."""
    known = _stored(store, rows)
    limits = {one.datastream: one for one in channels(inventory)}
    fresh: dict[tuple[int, int, int], tuple[Row, int]] = {}
    for one in rows:
        before = known.get(one.identity)
        if before is None:
            fresh[one.identity] = (one, 0)
        elif before[1] != one.result or before[2] == QualityRule.WITHDRAWN:
            fresh[one.identity] = (one, before[0] + 1)
    if fresh:
        judged = [_judged(one, limits.get(one.series), now) for one, _ in fresh.values()]
        store.append(
            Observations.build(
                [one.series for one, _ in fresh.values()],
                [one.time for one, _ in fresh.values()],
                [one.result for one, _ in fresh.values()],
                result_time=[one.result_time for one, _ in fresh.values()],
                lead=[one.lead for one, _ in fresh.values()],
                quality=[quality for quality, _ in judged],
                rule=[rule for _, rule in judged],
                revision=[revision for _, revision in fresh.values()],
            )
        )
    return [one for one, _ in fresh.values()]


def withdraw(store: ObservationStore, rows: Observations, now: datetime) -> None:
    """A revision that takes them back."""
    if len(rows):
        store.append(
            Observations.build(
                rows.datastream, rows.phenomenon_time, rows.result,
                result_time=np.datetime64(now.replace(tzinfo=None), "us"), lead=rows.lead,
                quality=Quality.BAD, rule=QualityRule.WITHDRAWN, revision=rows.revision + 1,
            )
        )  # fmt: skip


def _judged(one: Row, channel: Channel | None, now: datetime) -> tuple[Quality, QualityRule]:
    """Range and clock as in ingest; step and stuck need the order of arrival and are left to it."""
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


def _stored(
    store: ObservationStore, rows: Sequence[Row]
) -> Mapping[tuple[int, int, int], tuple[int, float, int]]:
    """(revision, result, rule) of those that are there."""
    times_of: dict[int, set[int]] = {}
    for one in rows:
        times_of.setdefault(one.series, set()).add(one.time)
    parts = []
    for series, moments in times_of.items():
        spans = [(one, one) for one in moments] if len(moments) <= _FEW else [(min(moments), max(moments))]
        for first, last in spans:
            parts.append(store.read([series], Period(instant(first), instant(last + 1))))
    found = Observations.concatenate(parts)
    identities = zip(
        found.datastream.tolist(), found.phenomenon_time.astype(np.int64).tolist(), found.lead.tolist(),
        strict=True,
    )  # fmt: skip
    values = zip(found.revision.tolist(), found.result.tolist(), found.rule.tolist(), strict=True)
    return dict(zip(identities, values, strict=True))
