"""From the store to a sheet: which counters there are, and their lines one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from udp.energy import obis, sheet
from udp.energy.intervals import BRIDGED, intervals
from udp.energy.sheet import Counter
from udp.sensorthings import Datastream, Thing
from udp.store.columns import Period
from udp.store.port import ObservationStore

STEPS: Mapping[str, timedelta | None] = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "readings": None,
}
"""What may be asked for; `readings`: every reading as it was measured."""


def counters(things: Mapping[str, Thing], streams: Iterable[Datastream]) -> list[Counter]:
    """Every counter among `streams`, by place and key."""
    by_thing: dict[str, dict[str, Datastream]] = {}
    for one in streams:
        by_thing.setdefault(one.thing, {})[one.key] = one
    return [
        Counter(one, things[key], code)
        for key, beside in sorted(by_thing.items())
        for _, one in sorted(beside.items())
        if (code := obis.code(one, things[key], beside)) is not None
    ]


def csv_text(
    store: ObservationStore, wanted: Iterable[Counter], asked: Period, step: timedelta | None
) -> str:
    """The whole sheet."""
    head = sheet.READINGS if step is None else sheet.PROFILE
    return sheet.text(head, _lines(store, wanted, asked, step))


def _lines(
    store: ObservationStore, wanted: Iterable[Counter], asked: Period, step: timedelta | None
) -> Iterator[list[str]]:
    for one in wanted:
        if step is None:
            rows = store.read([one.stream.id], asked)
            yield from sheet.reading_lines(one, rows.take(rows.lead == 0))
        else:
            rows = store.read([one.stream.id], Period(asked.start - BRIDGED, asked.end + BRIDGED))
            yield from sheet.profile_lines(one, intervals(rows, asked, step))
