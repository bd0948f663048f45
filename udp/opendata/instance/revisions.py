"""Every revision of a Datastream, newest and superseded, through nothing but the store port.

A superseded value is readable with an `as_of` before the result time of what superseded it. So the newest
rows come by one read, and what each revised row replaced by further reads backwards in time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from udp.store.columns import Observations, Period
from udp.store.port import ObservationStore

_TICK = np.timedelta64(1, "us")


def every_revision(store: ObservationStore, datastream: int, period: Period) -> Observations:
    """All revisions in `period`, ascending by phenomenon_time, lead, revision."""
    newest = store.read([datastream], period)
    layers = [newest]
    pending = newest.take(newest.revision > 0)
    while len(pending):
        found = _replaced(store, datastream, pending)
        layers.append(found)
        pending = found.take(found.revision > 0)
    rows = Observations.concatenate(layers)
    return rows.take(np.lexsort((rows.revision, rows.lead, rows.phenomenon_time)))


def months(first: datetime, last: datetime) -> Iterator[tuple[str, Period]]:
    """Name (2026-11) and period of every UTC month from `first` to `last`, both included."""
    start = first.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while start <= last:
        end = (start + timedelta(days=32)).replace(day=1)
        yield f"{start:%Y-%m}", Period(start, end)
        start = end


def _replaced(store: ObservationStore, datastream: int, pending: Observations) -> Observations:
    """The direct predecessor of every row of `pending` that the engine still has.

    One look just before the earliest correction serves all rows that show their revision less one then,
    which is the usual case of one correction of many values; the others are asked for one by one.
    """
    span = Period(_aware(pending.phenomenon_time.min()), _aware(pending.phenomenon_time.max() + _TICK))
    early = store.read([datastream], span, _aware(pending.result_time.min() - _TICK))
    by_identity = {_identity(early, at): at for at in range(len(early))}
    direct: list[int] = []
    single: list[Observations] = []
    for at in range(len(pending)):
        held = by_identity.get(_identity(pending, at))
        if held is not None and early.revision[held] == pending.revision[at] - 1:
            direct.append(held)
        else:
            single.append(_one(store, datastream, pending, at))
    return Observations.concatenate([early.take(np.asarray(direct, np.int64)), *single])


def _one(store: ObservationStore, datastream: int, pending: Observations, at: int) -> Observations:
    time, lead = pending.phenomenon_time[at], pending.lead[at]
    span = Period(_aware(time), _aware(time + _TICK))
    rows = store.read([datastream], span, _aware(pending.result_time[at] - _TICK))
    return rows.take((rows.lead == lead) & (rows.revision < pending.revision[at]))


def _identity(rows: Observations, at: int) -> tuple[int, int]:
    return int(rows.phenomenon_time[at].astype(np.int64)), int(rows.lead[at])


def _aware(time: Any) -> datetime:
    moment: datetime = time.astype("datetime64[us]").astype(datetime)
    return moment.replace(tzinfo=UTC)
