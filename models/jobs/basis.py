"""Say what answers rest on without gathering it: what rests on nothing new is not asked again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

import numpy as np

from models.jobs.inputs import TICK, Inputs, fingerprint, measured, moment
from models.jobs.outcome import Fitted
from models.jobs.product import Group
from models.jobs.trace import Trace
from models.series import instant
from udp.forecasting.port import Told
from udp.registry.port import Inventory
from udp.store.changes import Part, parts
from udp.store.columns import Observations, Period

Rows = Iterator[tuple[Observations, Observations]]


@dataclass(frozen=True, slots=True)
class Basis:
    """By target: how far back its answer reaches, the Datastream ``own`` it is measured by, and ``about``,
    all that is no measurement: register, settings, what people said. ``shared`` are Datastreams all rest on,
    ``expected`` those of a weather service, asked ``ahead`` of the issue. What is measured after ``until``
    does not enter yet. Without news a forecast ``stands`` so long; then it is asked again."""

    inputs: Inputs
    until: datetime
    history: Mapping[int, timedelta]
    own: Mapping[int, int]
    about: Mapping[int, str]
    shared: tuple[int, ...] = ()
    expected: tuple[int, ...] = ()
    ahead: timedelta = timedelta(0)
    stands: timedelta = timedelta.max


@runtime_checkable
class Based(Protocol):
    """A product that can say it; of others all is gathered to see whether it changed."""

    def basis(self, inputs: Inputs, group: Group, fitted: Fitted, told: Told) -> Basis:
        """Of every target of the group, and of what ``fitted`` does not remember by itself."""


def marks(basis: Basis, trace_of: Callable[[str], Trace]) -> dict[int, str]:
    """By target: equal as long as all it rests on is. ``trace_of`` remembers by name what was read."""
    found = {}
    for place, history in enumerate(sorted(set(basis.history.values()))):
        targets = [of for of, reach in basis.history.items() if reach == history]
        numbers = {basis.own[of] for of in targets} | set(basis.shared)
        was = _measured_sums(basis, trace_of(f"measured {place}"), numbers, history)
        will = _expected_sums(basis, trace_of(f"expected {place}"), history)
        shared = [_said(basis, was, number) for number in basis.shared]
        shared += [f"{number} {total:x}" for number, total in sorted(will.items())]
        for of in targets:
            found[of] = fingerprint([], basis.about[of], _said(basis, was, basis.own[of]), *shared)
    return found


def fed_by(inventory: Inventory) -> dict[int, str]:
    """Which devices and wired sensors measure each Datastream, and how: another one is another meter."""
    found: dict[int, str] = {}
    devices = [(str(eui), one.profile, one.channels) for eui, one in inventory.devices.items()]
    wired = [(*name, one.channels) for name, one in inventory.wired.items()]
    for of, what, channels in (*devices, *wired):
        for channel in channels:
            found[channel.datastream] = f"{found.get(channel.datastream, '')} {of} {what} {channel}"
    return found


def _said(basis: Basis, sums: Mapping[int, int], number: int) -> str:
    return f"{number} {basis.inputs.inventory.datastreams[number].unit.symbol} {sums[number]:x}"


def _measured_sums(
    basis: Basis, trace: Trace, datastreams: Collection[int], history: timedelta
) -> dict[int, int]:
    inputs = basis.inputs
    numbers, window = tuple(sorted(datastreams)), inputs.window(history)
    # What was read a moment ago for learning may be older than what stands there now.
    inputs.forget(numbers, history)

    def rows(period: Period | None) -> Rows:
        for some, visible, hidden in inputs.pieces(numbers, period or window):
            if period is None:  # kept for whoever gathers, so that nothing is read twice
                inputs.keep(some, history, measured(visible))
            yield visible.take(visible.lead == 0), hidden.take(hidden.lead == 0)

    end = max(window.start, min(window.end, basis.until + TICK))
    return _sums(inputs, trace, numbers, Period(window.start, end), rows)


def _expected_sums(basis: Basis, trace: Trace, history: timedelta) -> dict[int, int]:
    inputs, numbers = basis.inputs, tuple(sorted(basis.expected))
    if not numbers:
        return {}
    window = Period(inputs.window(history).start, inputs.issued_at + basis.ahead)

    def rows(period: Period | None) -> Rows:
        for _, visible, hidden in inputs.pieces(numbers, period or window):
            yield visible.take(visible.lead > 0), hidden.take(hidden.lead > 0)

    return _sums(inputs, trace, numbers, window, rows)


def _sums(
    inputs: Inputs, trace: Trace, numbers: tuple[int, ...], period: Period,
    rows: Callable[[Period | None], Rows],
) -> dict[int, int]:  # fmt: skip
    """``rows`` reads a part of the window, or (None) all of it."""
    known = parts(inputs.store, period)
    if known is None:
        known, trace = [Part(_us(period.start), _us(period.end), "")], Trace()
    runs = trace.stale(known, numbers, _us(inputs.issued_at))
    if runs and not trace.seen:
        trace.note([part for run in runs for part in run], rows(None))
    else:
        for run in runs:
            trace.note(run, rows(Period(_moment(run[0].start), _moment(run[-1].end))))
    return trace.total()


def _us(when: datetime) -> int:
    return int(instant(when).astype(np.int64))


def _moment(us: int) -> datetime:
    return moment(np.datetime64(us, "us"))
