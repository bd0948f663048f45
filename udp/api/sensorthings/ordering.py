"""The order of Observations: by their own columns, by what is noted of them, and by their Datastream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from udp.api.sensorthings import columns
from udp.api.sensorthings.evaluation import Judge, sort_key
from udp.api.sensorthings.model import refer
from udp.api.sensorthings.noted import Notes, Told
from udp.api.sensorthings.syntax import Order
from udp.store.columns import Ints, Observations


def ordered(rows: Observations, orders: Sequence[Order], judge: Judge, notes: Notes) -> Ints:
    """Positions of `rows` in the wanted order; what is equal stands by id."""
    keys: list[Any] = [rows.lead, rows.phenomenon_time.astype(np.int64), rows.datastream]
    for order in reversed(orders):
        ranks = _ranks(rows, order, judge, notes)
        keys.append(-ranks if order.descending else ranks)
    return np.lexsort(keys)


def _ranks(rows: Observations, order: Order, judge: Judge, notes: Notes) -> Any:
    reference = refer("Observation", order.path)
    if reference.links:
        return _stream_ranks(rows, order, judge)
    if reference.name == "id":
        # In the order of identity, not of its text: 2-... comes before 10-...
        found = np.empty(len(rows), np.int64)
        found[np.lexsort((rows.lead, rows.phenomenon_time, rows.datastream))] = np.arange(len(rows))
        return found
    noted = judge.catalogue.noted
    more = noted and not noted.isdisjoint(rows.datastream.tolist())
    column = columns.own(rows, reference, Told(rows, notes) if more else None)
    if column.kind in ("number", "moment"):
        values: Any = np.unique(column.values, return_inverse=True)[1] + 1
    elif column.kind == "text":
        values = np.unique(column.values.astype(str), return_inverse=True)[1] + 1
    else:
        values = np.array(_places([sort_key(one) for one in column.values.tolist()]), np.int64)
    return np.where(column.null, 0, values)


def _stream_ranks(rows: Observations, order: Order, judge: Judge) -> Ints:
    catalogue = judge.catalogue
    streams, inverse = np.unique(rows.datastream, return_inverse=True)
    values = []
    for stream in streams.tolist():
        feature = catalogue.of_series("FeatureOfInterest", stream)
        record = catalogue.of_series("Datastream", stream)
        values.append(sort_key(judge.of_stream(record, feature, order.path)))
    ranks: Ints = np.array(_places(values), np.int64)[inverse]
    return ranks


def _places(keys: Sequence[Any]) -> list[int]:
    places = {key: number for number, key in enumerate(sorted(set(keys)), 1)}
    return [places[key] for key in keys]
