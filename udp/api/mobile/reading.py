"""What is known now of every Thing, as one caller may know it, and until when it may be believed."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from udp.api.current import (
    MISSED_INTERVALS,
    SHORTEST_INTERVAL_S,
    Snapshot,
    coarsened,
    judge,
)
from udp.api.mobile.weekly import Weeks
from udp.api.view import View
from udp.forecasting.port import Told
from udp.sensorthings import Datastream, Quality, Thing

# What shows how a device is, is no state of the place it stands at.
_UNSURE = (Quality.SUSPECT, Quality.BAD)


@dataclass(frozen=True, slots=True)
class Reading:
    """A fresh value: when it was measured, and when it turns unknown if nothing follows."""

    stream: Datastream
    value: float
    stand: datetime
    until: datetime
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Present:
    """Fresh values by Thing and observed property; what is late or bad is not here. `places` are Things
    without any sensor that may be told of; `weeks`: fill levels of containers by the hour, some weeks."""

    view: View
    places: Mapping[str, Thing]
    told: Told
    now: datetime
    readings: Mapping[tuple[str, str], Reading]
    weeks: Weeks | None = None

    def things(self, *kinds: str) -> list[Thing]:
        """Those of these kinds, with and without sensor, in the order of their keys."""
        both = {**self.places, **self.view.things}
        return [thing for _, thing in sorted(both.items()) if thing.kind in kinds]

    def all_things(self) -> Iterable[Thing]:
        """Everything that may be told of."""
        yield from self.view.things.values()
        yield from self.places.values()

    def of(self, thing: Thing, observed_property: str) -> Reading | None:
        """None where nothing fresh is known."""
        return self.readings.get((thing.key, observed_property))

    def sure(self, thing: Thing, observed_property: str) -> Reading | None:
        """The same, without doubtful values: a word is shown without its quality beside it."""
        found = self.of(thing, observed_property)
        return None if found is None or found.doubtful else found

    def measures(self, thing: Thing, observed_property: str) -> bool:
        """Whether a sensor for this hangs there, fresh or not."""
        streams = self.view.of_thing.get(thing.key, ())
        return any(one.observed_property.key == observed_property for one in streams)


def present(
    view: View,
    snapshot: Snapshot,
    now: datetime,
    wanted: Collection[str],
    *,
    places: Mapping[str, Thing],
    told: Told,
    weeks: Weeks | None = None,
) -> Present:
    """The observed properties `wanted` of everything the view knows."""
    streams = {number: one for number, one in view.datastreams.items() if one.observed_property.key in wanted}
    found = snapshot.known(view)
    found = coarsened(view, found.take(np.isin(found.datastream, list(streams))))
    _, late = judge(view, found, now)
    readings: dict[tuple[str, str], Reading] = {}
    columns = zip(
        found.datastream.tolist(),
        found.result.tolist(),
        found.phenomenon_time.tolist(),
        found.quality.tolist(),
        late,
        strict=True,
    )
    for number, value, moment, quality, stale in columns:
        stand = moment.replace(tzinfo=UTC)
        # A stamp of a fast clock would be believed until its time has come.
        ahead = stand - now > timedelta(seconds=SHORTEST_INTERVAL_S)
        if stale or ahead or quality == Quality.BAD or not math.isfinite(value):
            continue
        stream = streams[number]
        one = Reading(stream, value, stand, stand + _patience(view, stream), quality in _UNSURE)
        key = (stream.thing, stream.observed_property.key)
        before = readings.get(key)
        if before is None or (one.doubtful, -one.stand.timestamp()) < (
            before.doubtful,
            -before.stand.timestamp(),
        ):
            readings[key] = one
    return Present(view, places, told, now, readings, weeks)


def _patience(view: View, stream: Datastream) -> timedelta:
    """The time after which `judge` calls the value stale."""
    seconds = MISSED_INTERVALS * max(stream.expected_interval_s, SHORTEST_INTERVAL_S)
    step = view.finest.get(stream.id, timedelta(0))
    return timedelta(seconds=seconds) + (2 if stream.id in view.held else 1) * step
