"""A dataset's values of some days as one table: what is open as measured, the rest in its whole steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from edge.wire.instants import EPOCH
from udp.opendata.offer import Offered
from udp.sensorthings import CITIZEN_NOTICE, Datastream, Quality, QualityRule
from udp.store.columns import Function, Period
from udp.store.port import ObservationStore

_TIME = pa.timestamp("us", "UTC")
_TEXT = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("time", _TIME), ("datastream", pa.int64()), ("thing", _TEXT), ("thing_name", _TEXT),
        ("observed_property", _TEXT), ("value", pa.float64()), ("unit", _TEXT),
        ("minimum", pa.float64()), ("maximum", pa.float64()), ("count", pa.int64()), ("step_s", pa.int64()),
        ("quality", _TEXT), ("rule", _TEXT), ("result_time", _TIME),
        ("latitude", pa.float64()), ("longitude", pa.float64()), ("district", _TEXT),
        ("licence", _TEXT), ("simulated", pa.bool_()), ("notice", _TEXT),
    ]
)  # fmt: skip
"""`time` is phenomenon_time, or the beginning of a step of `step_s` seconds whose mean is `value`."""
_STEP = (Function.MEAN, Function.MINIMUM, Function.MAXIMUM, Function.COUNT)


def tables(store: ObservationStore, offer: Offered, period: Period, over: datetime) -> Iterator[pa.Table]:
    """One table of `SCHEMA` per Datastream that has values; steps that end after `over` are not in it."""
    for number, stream in sorted(offer.streams.items()):
        limit = offer.limits.get(number)
        columns = (
            _measured(store, number, period)
            if limit is None
            else _stepped(store, number, period, limit.time_step, over)
        )
        count = len(columns["time"])
        if count:
            yield _table(columns | _origin(offer, stream), count)


def _measured(store: ObservationStore, number: int, period: Period) -> dict[str, Any]:
    found = store.read([number], period)
    found = found.take(found.lead == 0)
    return {
        "time": found.phenomenon_time,
        "value": found.result,
        "quality": _words(found.quality, {int(one): one.name.lower() for one in Quality}),
        "rule": _words(found.rule, {int(one): one.name.lower() for one in QualityRule}),
        "result_time": found.result_time,
    }


def _stepped(
    store: ObservationStore, number: int, period: Period, step: timedelta, over: datetime
) -> dict[str, Any]:
    """A step belongs to the file in whose time it begins; part of one would tell more than the whole."""
    start, end = _up(period.start, step), _up(period.end, step)
    if end > over:
        end -= step
    whole = Period(start, max(start, end))
    found = store.aggregate([number], whole, step, _STEP)
    return {
        "time": found.bucket,
        "value": found.values[Function.MEAN],
        "minimum": found.values[Function.MINIMUM],
        "maximum": found.values[Function.MAXIMUM],
        "count": found.values[Function.COUNT].astype(np.int64),
        "step_s": np.full(len(found), int(step.total_seconds()), np.int64),
    }


def _origin(offer: Offered, stream: Datastream) -> dict[str, Any]:
    thing = offer.things[stream.thing]
    return {
        "datastream": stream.id, "thing": thing.key, "thing_name": thing.name,
        "observed_property": stream.observed_property.key, "unit": stream.unit.symbol,
        "latitude": thing.location.latitude, "longitude": thing.location.longitude,
        "district": thing.location.district, "licence": stream.licence, "simulated": thing.simulated,
        "notice": CITIZEN_NOTICE if stream.id in offer.citizens else "",
    }  # fmt: skip


def _table(columns: Mapping[str, Any], count: int) -> pa.Table:
    arrays = []
    for one in SCHEMA:
        values = columns.get(one.name)
        if isinstance(values, np.ndarray):
            array = pa.array(values)
        elif isinstance(values, pa.Array):
            array = values
        elif values is None:
            array = pa.nulls(count, one.type.value_type if one.type == _TEXT else one.type)
        else:
            array = pa.repeat(values, count)
        arrays.append(array.dictionary_encode() if one.type == _TEXT else array.cast(one.type))
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _words(flags: Any, names: Mapping[int, str]) -> pa.Array:
    return pa.array([names.get(one, str(one)) for one in flags.tolist()], pa.string())


def _up(moment: datetime, step: timedelta) -> datetime:
    return moment + (EPOCH - moment) % step
