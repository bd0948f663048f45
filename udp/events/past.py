"""What the past of one subject teaches: its rhythm, what stands still in it, how its battery does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from udp.events.charge import Charge, judge_charge
from udp.events.port import EventKind, Trouble
from udp.events.rhythm import Rhythm, learn, learn_wired
from udp.events.stuck import Standstill, standstill
from udp.events.subjects import SHORTEST, Subject
from udp.events.words import span
from udp.registry.batteries import Battery
from udp.registry.port import Inventory
from udp.sensorthings import Datastream
from udp.store.columns import Function, Observations, Period
from udp.store.port import ObservationStore
from udp.units import written_unit

WINDOW = timedelta(days=21)
_TREND = timedelta(days=60)
_DAY = timedelta(days=1)
EMPTY_PERCENT, EMPTY_DAYS = 15.0, 30.0
_FULL_PERCENT, _FULL_DAYS = 25.0, 60.0


@dataclass(frozen=True, slots=True)
class Past:
    """`rhythm`: None while too little is known; `troubles`: what stands still, what runs empty."""

    rhythm: Rhythm | None
    troubles: tuple[Trouble, ...] = ()
    charge: Charge | None = None

    @property
    def recovered(self) -> bool:
        """Whether an open battery event is over: clearly above where it opens."""
        one = self.charge
        return (
            one is not None and one.percent >= _FULL_PERCENT and (one.days is None or one.days > _FULL_DAYS)
        )


def study(
    subject: Subject, inventory: Inventory, store: ObservationStore, battery: Battery | None, now: datetime
) -> Past:
    """Read the last three weeks of all its Datastreams. StoreUnavailable if that is not possible now."""
    streams = [
        inventory.datastreams[c.datastream] for c in subject.channels if c.datastream in inventory.datastreams
    ]
    history = store.read([one.id for one in streams], Period(now - WINDOW, now))
    # Revised values were heard once before: only first revisions tell when somebody spoke.
    spoke = history.result_time[(history.revision == 0) & (history.lead == 0)]
    rhythm = (learn if subject.kind == "device" else learn_wired)(spoke, SHORTEST[subject.kind])
    charge = _charge(streams, store, battery, now)
    troubles = [*_stuck(subject, streams, history, now), *_low(subject, charge, now)]
    return Past(rhythm, tuple(troubles), charge)


def _stuck(
    subject: Subject, streams: list[Datastream], history: Observations, now: datetime
) -> Iterator[Trouble]:
    after = {one.datastream: one.stuck_after_s for one in subject.channels}
    for stream in streams:
        limit = after.get(stream.id)
        found = standstill(
            history.take(history.datastream == stream.id),
            stream.observed_property.key,
            None if limit is None else timedelta(seconds=limit),
            now,
        )
        if found is not None:
            yield Trouble(
                EventKind.STUCK, f"datastream:{stream.id}", _stuck_reason(stream, subject, found, now),
                found.since, stream.thing, stream.id, {"value": found.value},
            )  # fmt: skip


def _stuck_reason(stream: Datastream, subject: Subject, found: Standstill, now: datetime) -> str:
    value = f"{found.value:g}".replace(".", ",")
    text = (
        f"{subject.name}: {stream.name} steht seit {span(now - found.since, dative=True)} "
        f"unverändert auf {value} {written_unit(stream.unit.symbol)}".rstrip()
        + "."
    )
    return text if found.longest is None else f"{text} Bisher höchstens {span(found.longest)}."


def _charge(
    streams: list[Datastream], store: ObservationStore, battery: Battery | None, now: datetime
) -> Charge | None:
    by_property: Mapping[str, Datastream] = {one.observed_property.key: one for one in reversed(streams)}
    level, volts = by_property.get("battery_level"), by_property.get("battery_voltage")
    stream = level or (volts if battery is not None else None)
    if stream is None:
        return None
    found = store.aggregate([stream.id], Period(now - _TREND, now), _DAY, [Function.MEAN])
    values = found.values[Function.MEAN]
    if level is None and battery is not None:
        told = [battery.percent(float(one)) for one in values]
        values = np.array([np.nan if one is None else one for one in told], np.float64)
        if told and told[-1] is None:  # the voltage says nothing of a charge that is still good
            return Charge(100.0)
    return judge_charge(found.bucket.astype("datetime64[D]").astype(np.float64), values)


def _low(subject: Subject, charge: Charge | None, now: datetime) -> Iterator[Trouble]:
    if charge is None:
        return
    soon = charge.days is not None and charge.days <= EMPTY_DAYS
    if charge.percent > EMPTY_PERCENT and not soon:
        return
    text = f"{subject.name}: Batterie noch etwa {charge.percent:.0f} %"
    if charge.days is not None and charge.soonest is not None and charge.latest is not None:
        text += (
            f", voraussichtlich leer in {charge.days:.0f} Tagen "
            f"(zwischen {charge.soonest:.0f} und {charge.latest:.0f})"
        )
    detail = {"percent": charge.percent} | ({} if charge.days is None else {"days": charge.days})
    yield Trouble(EventKind.BATTERY, subject.subject, f"{text}.", now, subject.thing, detail=detail)
