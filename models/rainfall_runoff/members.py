"""Say what each scenario of coming rain leads to, before experience speaks, and do not say it twice.

Intervals rest on the forecasts of the last two months, each of them made with the scenarios of its own time:
thousands of rows of which a new call adds one. What was made before is kept for the next call and taken again
where everything it rests on is still the same to the last bit, so that nothing depends on what is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from models.rainfall_runoff.features import Moments, design, inputs, outlook
from models.rainfall_runoff.gauge import Gauge
from models.rainfall_runoff.lead_model import POWERS
from models.rainfall_runoff.rain_ahead import GOLDEN, KnownRainAhead, RainAhead, mark
from models.series import Booleans, Floats, Integers, Times


@dataclass(frozen=True, slots=True)
class Raw:
    """Forecasts of origins ``at`` (rows,): center (members, rows), typical error, width known ahead."""

    at: Integers
    center: Floats
    spread: Floats
    width: Integers


@dataclass(frozen=True, slots=True)
class Members:
    """One lead on one record."""

    gauge: Gauge
    times: Times
    known: Moments
    steps: int
    rain_ahead: RainAhead

    def raw(self, at: Integers) -> Raw:
        """Points (members, rows) and spread with the widest rain ahead each origin has, and that width."""
        gauge = self.gauge
        rain = self.rain_ahead.table(self.times[at], gauge.step, self.steps)
        widths = gauge.widths(self.steps)
        reach = np.cumprod(np.isfinite(rain), axis=2).sum(axis=2)
        used = widths[np.searchsorted(widths, reach, side="right") - 1]
        # Where some member knows rain, members that know less of it are no equal witnesses.
        best = used.max(axis=0)
        speaks = (used == best) & ((best > 0) | (np.arange(len(used)) == 0)[:, None])
        center, spread = np.full(used.shape, np.nan), np.full(len(at), np.nan)
        for width in np.unique(best):
            rows = np.flatnonzero(best == width)
            of, member = np.nonzero(speaks[:, rows].T)
            made = self._at_width(at[rows], of, rain[member, rows[of], :width], int(width))
            center[member, rows[of]], spread[rows] = made
        return Raw(at, center, spread, best)

    def _at_width(self, at: Integers, of: Integers, rain: Floats, width: int) -> tuple[Floats, Floats]:
        """Points of scenarios ``rain`` (rows, width) of the origins ``at[of]``, and spread per origin."""
        gauge, scale = self.gauge, self.gauge.scale
        model = gauge.models[self.steps, width]
        # On most days most scenarios of an origin are the same: dry.
        one, own = _distinct(of, rain)
        view = outlook(
            self.known, gauge.concept, at=at, of=of[one], rain=rain[one], lead_steps=self.steps,
            origin=scale.origin,
        )  # fmt: skip
        made = {p: design(self.known, gauge.concept, view, scale.with_power(p)) for p in POWERS}
        point = model.point(made, self.known.values[at[of[one]]], scale)[own]
        shown = {model.spread_power: made[model.spread_power].rows(own)}
        return point, model.spread(shown, now=self.known.values[at[of]], point=point, scale=scale, of=of)

    def rests_on(self, at: Integers) -> Integers | None:
        """Bits (rows, inputs) that are equal where `raw` would be: its rain ahead and its moment. None where
        the source of rain cannot tell."""
        if not isinstance(self.rain_ahead, KnownRainAhead):
            return None
        rain = self.rain_ahead.basis(self.times[at], self.gauge.step, self.steps)
        state = inputs(self.known, at, self.steps, self.gauge.concept.step_hours)
        bits = np.ascontiguousarray(state).view(np.int64)
        return np.concatenate([self.times[at].astype(np.int64)[:, None], rain[:, None], bits], axis=1)


def _distinct(of: Integers, rain: Floats) -> tuple[Integers, Integers]:
    """One row of each kind, and of which kind every row is: same origin, same rain."""
    mixed = mark(rain) ^ (of * np.int64(GOLDEN - 2**64))
    _, first, kind = np.unique(mixed, return_index=True, return_inverse=True)
    return first, kind


@dataclass(slots=True)
class _Page:
    """What one lead said in the last call."""

    basis: Integers
    raw: Raw


@dataclass
class Memory:
    """Keeps the last call's raw forecasts of one calibrated gauge, by lead. Never travels: whoever unpickles
    one begins anew, and gets the same answers a little later."""

    _gauge: Gauge | None = None
    _pages: dict[int, _Page] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Callable[[], Memory], tuple[()]]:
        return Memory, ()

    def raw(self, members: Members, at: Integers) -> Raw:
        """`Members.raw`, computed only where something changed since the last call. ``at`` ascends."""
        if self._gauge is not members.gauge:
            self._gauge, self._pages = members.gauge, {}
        if (basis := members.rests_on(at)) is None:
            return members.raw(at)
        page = self._pages.get(members.steps)
        raw = members.raw(at) if page is None else _renewed(members, at, basis, page)
        self._pages[members.steps] = _Page(basis, raw)
        return raw


def _renewed(members: Members, at: Integers, basis: Integers, page: _Page) -> Raw:
    place = np.minimum(np.searchsorted(page.basis[:, 0], basis[:, 0]), len(page.basis) - 1)
    same: Booleans = (page.basis[place] == basis).all(axis=1)
    fresh = members.raw(at[~same]) if not same.all() else None
    if fresh is not None and len(fresh.center) != len(page.raw.center):
        return members.raw(at)
    # Laid out as when made at once: means over members add in the order of memory.
    center = np.ascontiguousarray(page.raw.center[:, place])
    spread, width = page.raw.spread[place], page.raw.width[place]
    if fresh is not None:
        center[:, ~same], spread[~same], width[~same] = fresh.center, fresh.spread, fresh.width
    return Raw(at, center, spread, width)
