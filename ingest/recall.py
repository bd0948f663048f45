"""Ask the store what quality rules must know of the past: after a restart, and where a replay begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import numpy as np

from edge.wire.instants import instant
from ingest.quality import LastValue
from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Observations, Period
from udp.store.port import ObservationStore


def recall_latest(
    store: ObservationStore, look_back: timedelta
) -> Callable[[Sequence[int]], dict[int, LastValue]]:
    """The newest values there are; `look_back` bounds the search for since when they are the same."""

    def recall(datastreams: Sequence[int]) -> dict[int, LastValue]:
        latest = _usable(store.latest(datastreams))
        if not len(latest):
            return {}
        newest = instant(int(latest.phenomenon_time.astype(np.int64).max()))
        return _lasts(
            store.read(datastreams, Period(newest - look_back, newest + timedelta(microseconds=1))), latest
        )

    return recall


def recall_before(
    store: ObservationStore, moment: datetime, look_back: timedelta
) -> Callable[[Sequence[int]], dict[int, LastValue]]:
    """The newest values before `moment`, as far as `look_back` reaches."""

    def recall(datastreams: Sequence[int]) -> dict[int, LastValue]:
        return _lasts(store.read(datastreams, Period(moment - look_back, moment)), Observations.empty())

    return recall


def _usable(values: Observations) -> Observations:
    """Without what quality rules do not compare with: impossible values, and wrong clocks."""
    return values.take(
        (values.lead == 0) & (values.quality != Quality.BAD) & (values.rule != QualityRule.CLOCK)
    )


def _lasts(history: Observations, latest: Observations) -> dict[int, LastValue]:
    """Per Datastream the last of `history` and since when; `latest` fills in what is older than that."""
    found = {
        stream: LastValue(time, value, time)
        for stream, time, value in zip(
            latest.datastream.tolist(),
            latest.phenomenon_time.astype(np.int64).tolist(),
            latest.result.tolist(),
            strict=True,
        )
    }
    history = _usable(history)
    if not len(history):
        return found
    stream, time = history.datastream, history.phenomenon_time.astype(np.int64)
    changed = np.r_[True, (stream[1:] != stream[:-1]) | (history.result[1:] != history.result[:-1])]
    since = time[np.maximum.accumulate(np.where(changed, np.arange(len(stream)), 0))]
    ends = np.flatnonzero(np.r_[stream[1:] != stream[:-1], True])
    for end in ends.tolist():
        found[int(stream[end])] = LastValue(int(time[end]), float(history.result[end]), int(since[end]))
    return found
