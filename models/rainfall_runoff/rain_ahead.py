"""Let rain that has not fallen yet come from one door, known to nobody, a nowcast or an ensemble.

A source answers for any issue time, also past ones: forecasts are judged on the rain forecast that was
valid then, so an operational source must keep its archive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Protocol, runtime_checkable

import numpy as np

from models.rainfall_runoff.concept import fallen_until
from models.series import Floats, Instant, Integers, Series, Step, Times

# 2^64 over the golden ratio, odd: multiples of it lie far apart (Knuth 1998, sec. 6.4).
GOLDEN = 0x9E3779B97F4A7C15


class RainAhead(Protocol):
    """Rain of the coming steps as it was expected at each origin."""

    def table(self, origins: Times, step: Step, steps: int) -> Floats:
        """mm per step, shape (members, origins, steps); element k is the rain of (origin + k step, origin +
        (k+1) step]. NaN = not known. Answers depend on nothing issued after the origin."""


@runtime_checkable
class KnownRainAhead(RainAhead, Protocol):
    """A source that tells whether its answer is still the same; of others nothing is kept between calls."""

    def basis(self, origins: Times, step: Step, steps: int) -> Integers:
        """A number per origin (origins,) that is another one where `table` answers otherwise; cheaper."""


def mark(content: Floats) -> Integers:
    """A number per row (rows, ...) that differs where rows differ in any bit: 64 bits, each value spread over
    them (splitmix64; Steele et al. 2014, OOPSLA) and weighed by an odd number of its place."""
    bits = np.ascontiguousarray(content.reshape(len(content), prod(content.shape[1:]))).view(np.uint64)
    bits = bits + np.uint64(GOLDEN)  # or nothing but zeros, a known drought, would leave no mark
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    weights = np.random.default_rng(0).integers(0, 2**63, bits.shape[1], dtype=np.uint64) * np.uint64(2)
    return np.asarray((bits * (weights + np.uint64(1))).sum(axis=1, dtype=np.uint64).view(np.int64))


@dataclass(frozen=True, slots=True)
class NoRainAhead:
    """Nobody knows: one member, all unknown."""

    def table(self, origins: Times, _step: Step, steps: int) -> Floats:
        """All NaN."""
        return np.full((1, len(origins), steps), np.nan)

    def basis(self, origins: Times, _step: Step, _steps: int) -> Integers:
        """Always the same."""
        return np.zeros(len(origins), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class MeasuredRain:
    """The rain that was measured later, up to ``horizon`` ahead: a perfect nowcast or forecast. For
    backtests only: it shows what better rain forecasts would be worth."""

    rain: Series
    horizon: Step

    def table(self, origins: Times, step: Step, steps: int) -> Floats:
        """One member, NaN beyond the horizon and where the gauge was silent. Rain measured more often than
        ``step`` is summed; of rain measured less often, steps without a report are not known."""
        offsets = np.arange(1, steps + 1) * step
        solid = np.isfinite(self.rain.values)
        heard = Series(self.rain.times[solid], self.rain.values[solid], self.rain.unit)
        fallen = fallen_until(origins[:, None] + offsets, step, heard)
        return np.where(offsets <= self.horizon, fallen, np.nan)[None]

    def basis(self, origins: Times, step: Step, steps: int) -> Integers:
        """From the answer itself."""
        return mark(self.table(origins, step, steps).swapaxes(0, 1))


@dataclass(frozen=True, slots=True)
class ArchivedEnsemble:
    """Forecast runs as they were issued: issue time -> (members, steps) of mm per ``step``, from the issue
    time on. The newest run not younger than the origin is used; after ``too_old`` it says nothing."""

    runs: Mapping[Instant, Floats]
    step: Step
    too_old: Step

    def table(self, origins: Times, step: Step, steps: int) -> Floats:
        """NaN where no run was at hand. Raises ValueError for another step than the archive's."""
        if step != self.step:
            own, asked = (int(one // np.timedelta64(60_000_000, "us")) for one in (self.step, step))
            raise ValueError(
                f"the archive holds steps of {own} min, the gauge asks for {asked}: bring its runs to those"
            )
        issued = np.array(sorted(self.runs), dtype="datetime64[us]")
        members = max((run.shape[0] for run in self.runs.values()), default=1)
        out = np.full((members, len(origins), steps), np.nan)
        for row, origin in enumerate(origins):
            newest = int(np.searchsorted(issued, origin, side="right")) - 1
            if newest < 0 or origin - issued[newest] > self.too_old:
                continue
            run = self.runs[issued[newest]]
            skip = int((origin - issued[newest]) // step)
            part = run[:, skip : skip + steps]
            out[: run.shape[0], row, : part.shape[1]] = part
        return out

    def basis(self, origins: Times, step: Step, steps: int) -> Integers:
        """From the answer itself."""
        return mark(self.table(origins, step, steps).swapaxes(0, 1))
