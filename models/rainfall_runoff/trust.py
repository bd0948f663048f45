"""Believe predicted moves as far as moves of their size came true lately."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.rainfall_runoff.transform import FlowScale
from models.series import Floats

# Each class spans a factor of two, so that false small rises are not outvoted by one true flood.
MOVE_CLASSES = 9
TRUST_POWER = 0.7
# An event fills some ten rows of a class: the first that failed must be heard. On real records of weeks a
# prior of 30 left twice the loss of 7, on those of years the two are alike.
PRIOR_ROWS = 7.0
EVENTS_FOR_PRIOR = 12.0
EVENTS_FOR_CLASSES = 20.0
VALIDATION_ROWS = 500.0
# On records of weeks a model that overdrew its first small rises overdrew the greater ones after them. What
# reaches further than one class makes a drought's noise a verdict on floods.
NEIGHBOURS = 0.25


@dataclass(frozen=True, slots=True)
class Trust:
    """How far predicted moves of each size come true in operation, beginning with full trust in validation.

    A model that learned floods may wander in a drought it has never seen; there its small moves lose their
    weight as soon as matured forecasts show it, while its say about floods stays as validated."""

    edges: Floats
    prior: Floats

    @classmethod
    def learn(cls, scale: FlowScale, *, now: Floats, point: Floats, then: Floats, evidence: float) -> Trust:
        """Classes by size of the predicted move between litres and percents (TRUST_POWER). The trust in
        what validation weighed counts as PRIOR_ROWS rows of each class."""
        own = scale.with_power(TRUST_POWER)
        move = own.forward(point) - own.forward(now)
        came = own.forward(then) - own.forward(now)
        edges = np.quantile(np.abs(move), 0.5) * 2.0 ** np.arange(MOVE_CLASSES - 1)
        # The size a class stands for; every move is believed fully until experience says otherwise.
        typical = (1.4 * np.concatenate([edges[:1] / 2, edges])) ** 2
        # What rests on few events gives way sooner to what is seen in operation.
        rows = PRIOR_ROWS * min(1.0, evidence / EVENTS_FOR_PRIOR)
        prior = rows * np.stack([typical, typical], axis=1)
        kind = np.searchsorted(edges, np.abs(move))
        # Rows of few events repeat each other: then validation by class says little.
        share = min(1.0, evidence / EVENTS_FOR_CLASSES) ** 2
        for number in range(MOVE_CLASSES):
            inside = kind == number
            if inside.any():
                rows = share * min(float(inside.sum()), VALIDATION_ROWS)
                prior[number] += rows * np.array([(move * came)[inside].mean(), (move**2)[inside].mean()])
        return cls(edges, prior)

    def told(self, move: Floats, came: Floats) -> Floats:
        """What each row says of every class, (rows, classes, 2), move * came and move^2: all of its own, and
        NEIGHBOURS of the next smaller and larger, as if the move had been half or twice as large."""
        own = np.stack([move * came, move**2], axis=1)
        rows, kind = np.arange(len(move)), np.searchsorted(self.edges, np.abs(move))
        told = np.zeros((len(move), MOVE_CLASSES + 2, 2))
        for place, share in ((kind, NEIGHBOURS / 4.0), (kind + 1, 1.0), (kind + 2, NEIGHBOURS * 4.0)):
            told[rows, place] = share * own
        return told[:, 1:-1]

    def factor(self, move: Floats, experience: Floats) -> Floats:
        """Share (0-1) of each predicted move to believe; ``experience`` (rows, classes, 2) are the sums of
        move * came and move^2 since. Never falling with the size of the move: more rain stays more."""
        rows = np.arange(len(move))
        total = np.cumsum(
            np.concatenate([np.zeros((len(move), 1, 2)), self.prior + experience], axis=1), axis=1
        )
        kind = np.searchsorted(self.edges, np.abs(move))
        # Isotonic regression as max over starts of min over ends (Barlow et al. 1972, ch. 1).
        best = np.zeros(len(move))
        for start in range(MOVE_CLASSES):
            share = _share(total[:, start + 1 :] - total[:, start, None])
            least = np.minimum.accumulate(share[:, ::-1], axis=1)[:, ::-1]
            best = np.where(kind >= start, np.maximum(best, least[rows, np.maximum(kind - start, 0)]), best)
        return np.asarray(np.minimum(best, 1.0))


def _share(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1e-300))
