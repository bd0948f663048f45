"""From when to when a dataset reaches, where, how fresh and how good it is now, for catalogue and page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from edge.wire.instants import EPOCH, instant
from udp.opendata.dumping import Dumps
from udp.opendata.offer import Offered
from udp.opendata.packing import Note
from udp.store import census
from udp.store.columns import Period
from udp.store.port import ObservationStore

_LATE_AFTER = 3


@dataclass(frozen=True, slots=True)
class Coverage:
    """One dataset now. `first`, `last`: in whole steps where it leaves in steps; None without values.
    `box`: west, south, east, north in degrees. `timely`: Datastreams whose newest value is younger than three
    times its expected interval (or step). `quality`: values by word in the newest month's dump."""

    offer: Offered
    observations: int
    first: datetime | None
    last: datetime | None
    box: tuple[float, float, float, float]
    timely: int
    quality: Mapping[str, int]
    notes: Sequence[Note]

    @property
    def good(self) -> float | None:
        """Share of values judged good among all judged; None if none was."""
        judged = sum(count for word, count in self.quality.items() if word != "unchecked")
        return self.quality.get("good", 0) / judged if judged else None

    @property
    def months(self) -> list[Note]:
        """Newest first."""
        return [note for note in reversed(self.notes) if len(note.name) == len("2026-11")]

    @property
    def days(self) -> list[Note]:
        """Newest first."""
        return [note for note in reversed(self.notes) if len(note.name) == len("2026-11-21")]


def cover(store: ObservationStore, dumps: Dumps, offer: Offered, now: datetime) -> Coverage:
    """Blocking. Values of the future (a wrong clock) do not count."""
    found = census.take(store, offer.streams, Period(EPOCH, now))
    first: list[datetime] = []
    last: list[datetime] = []
    timely = 0
    for number, early, late in zip(found.datastream, found.first, found.last, strict=True):
        limit = offer.limits.get(int(number))
        step = limit.time_step if limit else timedelta(0)
        first.append(_down(instant(int(early)), step))
        last.append(_down(instant(int(late)), step))
        expected = timedelta(seconds=offer.streams[int(number)].expected_interval_s)
        timely += now - last[-1] <= _LATE_AFTER * max(expected, step)
    notes = dumps.notes(offer)
    monthly = [note for note in notes if len(note.name) == len("2026-11")]
    return Coverage(
        offer,
        found.total,
        min(first, default=None),
        max(last, default=None),
        _box(offer),
        timely,
        Counter(monthly[-1].quality) if monthly else {},
        notes,
    )


def _box(offer: Offered) -> tuple[float, float, float, float]:
    places = [one.location for one in offer.things.values()]
    longitudes, latitudes = [one.longitude for one in places], [one.latitude for one in places]
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


def _down(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - EPOCH) % step if step else moment
