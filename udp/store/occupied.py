"""Find what a server holds already: it would overwrite a value without being asked, and tell nobody.

Asked is only about what may be there: rows that are not newer than everything their Datastream has.
Several processes may write one server. None knows what another has just written: two values of one
moment that two of them write within KNOWN_FOR_S may be one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from time import monotonic

import numpy as np

from udp.store.columns import Ints, Mask, Observations, Period
from udp.store.currency import doubted
from udp.store.far_apart import day_by_day

Place = tuple[int, int]
"""(datastream, phenomenon_time in microseconds)"""

KNOWN_FOR_S = 1.0
"""Seconds after which the server is asked again for the newest row of a Datastream: others write too."""


class OccupiedPlaces:
    """What one server is known to hold; forecasts (lead > 0) are written as they come.

    LineServer asks and tells it within one lock: what is asked must still be so when it is written.
    """

    def __init__(
        self,
        read: Callable[[Collection[int], Period], Observations],
        latest: Callable[[Collection[int]], Observations],
        resolution_us: int,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`resolution_us`: times nearer than this are one to the server."""
        self._read = read
        self._latest = latest
        self._resolution = resolution_us
        self._clock = clock
        self._newest: dict[int, int] = {}
        self._asked: set[int] = set()
        self._asked_until = 0.0

    def refused(self, batch: Observations) -> Mask:
        """Rows whose identity the server has with an equal or higher revision, or a row before them."""
        time = self._rounded(batch)
        keys = np.column_stack([batch.datastream, time, batch.lead, batch.revision])
        refused = np.ones(len(batch), bool)
        refused[np.unique(keys, axis=0, return_index=True)[1]] = False
        measured = np.flatnonzero(~refused & (batch.lead == 0))
        if not len(measured):
            return refused
        streams, of = np.unique(batch.datastream[measured], return_inverse=True)
        corrects = (batch.revision[measured] > 0) | doubted(batch.take(measured))
        asked = measured[corrects | (time[measured] <= self._newest_of(streams)[of])]
        if len(asked):
            refused[asked] = self._held(batch.take(asked), time[asked])
        return refused

    def written(self, batch: Observations) -> None:
        """The server has confirmed these."""
        measured = np.flatnonzero((batch.lead == 0) & ~doubted(batch))
        if not len(measured):
            return
        streams, of = np.unique(batch.datastream[measured], return_inverse=True)
        newest = np.full(len(streams), -1, np.int64)
        np.maximum.at(newest, of, self._rounded(batch)[measured])
        self._learn(zip(streams.tolist(), newest.tolist(), strict=True))

    def _newest_of(self, streams: Ints) -> Ints:
        now = self._clock()
        if now >= self._asked_until:
            self._asked.clear()
            self._asked_until = now + KNOWN_FOR_S
        missing = set(streams.tolist()) - self._asked
        if missing:
            found = self._latest(missing)
            self._learn(zip(found.datastream.tolist(), self._rounded(found).tolist(), strict=True))
            self._asked |= missing
        return np.array([self._newest.get(one, -1) for one in streams.tolist()], np.int64)

    def _learn(self, newest: Iterable[Place]) -> None:
        # What this process wrote a moment ago a server need not show yet: it stays known.
        for stream, time in newest:
            self._newest[stream] = max(time, self._newest.get(stream, -1))

    def _held(self, rows: Observations, time: Ints) -> Mask:
        held: dict[Place, int] = {}
        for found in day_by_day(self._read, rows.datastream, time, self._resolution):
            measured = found.take(found.lead == 0)
            places = zip(measured.datastream.tolist(), self._rounded(measured).tolist(), strict=True)
            held.update(zip(places, measured.revision.tolist(), strict=True))
        own = zip(rows.datastream.tolist(), time.tolist(), rows.revision.tolist(), strict=True)
        return np.array([held.get((stream, at), -1) >= revision for stream, at, revision in own], bool)

    def _rounded(self, rows: Observations) -> Ints:
        time = rows.phenomenon_time.astype(np.int64)
        return time // self._resolution * self._resolution
