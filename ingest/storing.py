"""Bring a batch's values into the store: what does not stand there afterwards is told of, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edge.wire.messages import GatewayStatus, Reading, Uplink
from ingest import quarantine
from ingest.decode import Item
from ingest.heard import Unusable
from ingest.moments import Behind, put_behind
from ingest.notes import Notes
from ingest.outlived import misdated, outlived
from ingest.quality import Verdict
from udp.errors import StoreRejected
from udp.store.columns import Ints, Mask, Observations
from udp.store.port import MOST_AT_ONCE, ObservationStore


def store_values(
    store: ObservationStore, verdict: Verdict, items: Sequence[Item], now_us: int, notes: Notes
) -> None:
    """Durable on return. Messages with values that find no place are set aside, their neighbours are kept.

    `items`: the messages, by the numbers of `verdict.source`; `now_us`: about now, by our clock.
    """
    values = verdict.observations
    rejected, ignored = _offer(store, values, verdict.source)
    for number, reason in rejected:
        problem = Unusable(f"the store refuses it: {reason}", "see the reason; replay after the correction")
        notes.set_aside(quarantine.message(items[number], problem))
    gone = outlived(store, values, now_us)
    behind = put_behind(store, values.take(ignored))
    homeless = np.zeros(len(values), bool)
    homeless[ignored] = behind.homeless
    for number, problem in (*misdated(verdict, gone), *crowded(verdict, homeless, items)):
        notes.set_aside(quarantine.message(items[number], problem))
    refused = np.isin(verdict.source, [number for number, _ in rejected])
    _count(notes, int((~refused).sum()), gone, behind)


def crowded(verdict: Verdict, homeless: Mask, items: Sequence[Item]) -> Iterator[tuple[int, Unusable]]:
    """The messages (by number) whose values find their moment full, and what to do about each."""
    values, rows = verdict.observations, np.flatnonzero(homeless)
    for row in {int(verdict.source[row]): row for row in rows[::-1].tolist()}.values():
        number = int(verdict.source[row])
        moment = np.datetime_as_string(values.phenomenon_time[row], "us").replace("T", " ")
        yield (
            number,
            Unusable(
                f"{_sender(items[number])}: its clock stands still: Datastream {values.datastream[row]} has "
                f"{MOST_AT_ONCE} different values of {moment} UTC already",
                "set the clock of the device or the gateway; the values are in these bytes, under a time "
                "that is not theirs",
            ),
        )


def _sender(item: Item) -> str:
    heard = item.heard
    if isinstance(heard, Uplink):
        return f"device {heard.dev_eui}"
    if isinstance(heard, Reading):
        return f"sensor {heard.sensor!r} of agent {item.agent}"
    return f"gateway {heard.gateway}" if isinstance(heard, GatewayStatus) else f"agent {item.agent}"


def _count(notes: Notes, values: int, gone: Mask, behind: Behind) -> None:
    """Every value drawn is in one of observations, values_outlived, values_repeated and the quarantine."""
    repeated = int(behind.repeated.sum())
    notes.counters["values_outlived"] += int(gone.sum())
    notes.counters["values_moved"] += int(behind.moved.sum())
    notes.counters["values_repeated"] += repeated
    notes.counters["observations"] += values - int(gone.sum()) - repeated - int(behind.homeless.sum())


def _offer(store: ObservationStore, values: Observations, source: Ints) -> tuple[list[tuple[int, str]], Ints]:
    """Messages (by number) the store refuses for good, and positions of what it ignored as known."""
    if not len(values):
        return [], np.empty(0, np.int64)
    try:
        return [], store.append(values)
    except StoreRejected as error:
        first, last = int(source[0]), int(source[-1])
        if first == last:
            return [(first, str(error))], np.empty(0, np.int64)
        upper = source > (first + last) // 2
        rejected: list[tuple[int, str]] = []
        ignored: list[Ints] = []
        for half in (~upper, upper):
            refused, known = _offer(store, values.take(half), source[half])
            rejected += refused
            ignored.append(np.flatnonzero(half)[known])
        return rejected, np.concatenate(ignored)
