"""Hold forecasts near what the record has seen: beyond it a line is no knowledge.

A catchment drier than at any storm it learned from answers less, and what lies outside the range of the gauge
is believed in part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.rainfall_runoff.transform import FlowScale
from models.series import Floats, Integers

# A forecast beyond everything seen is believed by three quarters: point rain exaggerates what falls on a
# catchment, and a river leaves its bed; but of seven real gauges four saw a flood far above all they had
# learned from, and half was too little. Held-out floods above the rest of the record may say otherwise,
# against a prior as strong as a quarter of a day at a fifth of the gauge's range above.
REACH = 0.75
REACH_DAYS = 0.25
REACH_RANGE = 0.2
# A river falls to a new low over weeks, never within the hours of a forecast.
REACH_DOWN = 0.1
# Nor does it fall faster than it ever did, in percent: the recession belongs to the catchment.
STEEPEST = 0.002
PERCENT = 0.2
# This share of all changes learned from began on drier ground. Below, moves shrink with the flow between
# storms, which tells the wetness: five weeks with a flood, then a drought, made forecasts worse than
# persistence by a factor of three before.
DRY_SHARE = 0.05
DRY_LEAST = 0.3
# A record of many events has seen what its ground does when dry; there the rule cost up to a tenth of the
# skill.
DRY_EVENTS = 5.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Raw unit: highest and lowest value seen, flow between storms where learning began, steepest fall on the
    scale of percents, the share of a forecast above the highest to believe, and how strictly moves shrink on
    drier ground (exponent; 0 = not at all)."""

    highest: float
    lowest: float
    driest: float
    steepest: float
    reach: float
    damping: float

    @classmethod
    def learn(
        cls, scale: FlowScale, *, now: Floats, then: Floats, base: Floats, move: Floats, fold: Integers,
        block: int, evidence: float,
    ) -> tuple[Bounds, Floats]:  # fmt: skip
        """From validated moves; ``block`` = rows of two days. Also the validation's points so bounded, each
        with the other folds' highest as limit."""
        seen = np.maximum(now, then)
        own = scale.with_power(PERCENT)
        steepest = min(float(np.quantile(own.forward(then) - own.forward(now), STEEPEST)), 0.0)
        driest = _driest(base, (then - now) ** 2)
        damping = 1.0 / (1.0 + (evidence / DRY_EVENTS) ** 4)
        point = now + move * _damping(base, driest, scale) ** damping
        rest = np.array([seen[fold != number].max() for number in range(int(fold.max()) + 1)])
        limit = np.maximum(rest[fold], now)
        over = np.maximum(point - limit, 0.0)
        prior = REACH_DAYS * block / 2.0 * (REACH_RANGE * np.ptp(seen)) ** 2
        came = float((over * (then - limit)).sum())
        reach = float(np.clip((came + REACH * prior) / max((over**2).sum() + prior, 1e-300), 0.0, 1.0))
        lowest = float(np.minimum(now, then).min())
        made = cls(float(seen.max()), lowest, driest, steepest, reach, damping)
        return made, np.asarray(np.minimum(point, limit) + reach * over)

    def then(self, now: Floats, move: Floats, base: Floats, scale: FlowScale) -> Floats:
        """Where a predicted move leads, never falling with the move: more rain stays more."""
        move = move * _damping(base, self.driest, scale) ** self.damping
        own = scale.with_power(PERCENT)
        then = np.maximum(now + move, own.back(own.forward(now) + self.steepest, now))
        top, bottom = np.maximum(self.highest, now), np.minimum(self.lowest, now)
        beyond = self.reach * np.maximum(then - top, 0.0) - REACH_DOWN * np.maximum(bottom - then, 0.0)
        return np.asarray(np.maximum(np.clip(then, bottom, top) + beyond, scale.floor))


def _driest(base: Floats, energy: Floats) -> float:
    order = np.argsort(base, kind="stable")
    total = np.cumsum(energy[order])
    return float(base[order][np.searchsorted(total, DRY_SHARE * total[-1])])


def _damping(base: Floats, driest: float, scale: FlowScale) -> Floats:
    share = scale.wetness(base) / scale.wetness(np.array([driest]))
    return np.asarray(np.clip(share, DRY_LEAST, 1.0))
