"""What a project measures, and how that compares with official neighbours the public may know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import anyio.to_thread
import numpy as np

from udp.api.desk import Desk
from udp.api.view import View
from udp.citizens.mounting import PROJECT
from udp.citizens.plausibility import Plausibility, Spot, judge
from udp.policy import PUBLIC
from udp.sensorthings import Datastream
from udp.store.columns import Function, Period
from udp.store.port import ObservationStore

COMPARED = timedelta(days=7)
_HOUR = timedelta(hours=1)
_MOST_NEIGHBOURS = 30


async def measured(desk: Desk, slug: str) -> list[Datastream]:
    """The public Datastreams of a project, by number."""
    view = await desk.view(PUBLIC)
    return [
        stream
        for _, stream in sorted(view.datastreams.items())
        if view.things[stream.thing].properties.get(PROJECT) == slug
    ]


async def plausibility_of(desk: Desk, streams: Sequence[Datastream]) -> dict[int, Plausibility]:
    """The comparison for each; an unreadable store says nothing."""
    view = await desk.view(PUBLIC)
    return {one.id: await plausibility(desk, view, one) for one in streams}


async def plausibility(desk: Desk, view: View, stream: Datastream) -> Plausibility:
    """Beside official Datastreams of `view` with the same property and unit, simulated ones apart."""
    others = [
        one
        for one in view.datastreams.values()
        if one.id not in view.citizens
        and one.id not in view.finest
        and one.observed_property.key == stream.observed_property.key
        and one.unit == stream.unit
        and view.things[one.thing].simulated == view.things[stream.thing].simulated
    ]
    spots = await anyio.to_thread.run_sync(_spots, desk.ports.store, view, [stream, *others], desk)
    return judge(stream.observed_property.key, spots[0], spots[1:])


def _spots(store: ObservationStore, view: View, streams: Sequence[Datastream], desk: Desk) -> list[Spot]:
    near = sorted(streams[1:], key=lambda one: _apart(view, streams[0], one))[:_MOST_NEIGHBOURS]
    chosen = [streams[0], *near]
    end = desk.now()
    found = store.aggregate([one.id for one in chosen], Period(end - COMPARED, end), _HOUR, [Function.MEAN])
    hours = found.bucket.astype("datetime64[h]").astype(np.int64)
    means = found.values[Function.MEAN]
    spots = []
    for one in chosen:
        own = found.datastream == one.id
        place = view.things[one.thing].location
        spots.append(Spot(place.latitude, place.longitude, place.elevation_m, hours[own], means[own]))
    return spots


def _apart(view: View, one: Datastream, other: Datastream) -> float:
    a, b = view.things[one.thing].location, view.things[other.thing].location
    return (a.latitude - b.latitude) ** 2 + (0.62 * (a.longitude - b.longitude)) ** 2
