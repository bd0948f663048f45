"""Let rain that has not fallen yet come from one door, known to nobody, a nowcast or an ensemble.

A source answers for any issue time, also past ones: forecasts are judged on the rain forecast that was
valid then, so an operational source must keep its archive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.series import Floats, Instant, Series, Step, Times


class RainAhead(Protocol):
    """Rain of the coming steps as it was expected at each origin."""

    def table(self, origins: Times, step: Step, steps: int) -> Floats:
        """mm per step, shape (members, origins, steps); element k is the rain of (origin + k step, origin +
        (k+1) step]. NaN = not known. Answers depend on nothing issued after the origin."""


@dataclass(frozen=True, slots=True)
class NoRainAhead:
    """Nobody knows: one member, all unknown."""

    def table(self, origins: Times, _step: Step, steps: int) -> Floats:
        """All NaN."""
        return np.full((1, len(origins), steps), np.nan)


@dataclass(frozen=True, slots=True)
class MeasuredRain:
    """The rain that was measured later, up to ``horizon`` ahead: a perfect nowcast or forecast. For
    backtests only: it shows what better rain forecasts would be worth."""

    rain: Series
    horizon: Step

    def table(self, origins: Times, step: Step, steps: int) -> Floats:
        """One member, NaN beyond the horizon and where the gauge was silent."""
        offsets = np.arange(1, steps + 1) * step
        grid = self.rain.regular(step)
        place = ((origins - grid.times[0]) // step).astype(np.int64)[:, None] + np.arange(1, steps + 1)
        inside = (place >= 0) & (place < len(grid)) & (offsets <= self.horizon)[None, :]
        values = grid.values[np.clip(place, 0, len(grid) - 1)]
        return np.where(inside, values, np.nan)[None]


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
            raise ValueError(f"the archive holds steps of {self.step}, the model asks for {step}")
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
