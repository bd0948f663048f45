"""Fit linear models that cannot go wrong in known ways: scaled ridge, signs where physics knows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear, nnls

from models.series import Booleans, Floats

# Independent events at which a combination is believed by half.
HALF_BELIEVED = 2.0


@dataclass(frozen=True, slots=True)
class Linear:
    """y = x @ weights + intercept, x in its own units (weights for unused columns are zero)."""

    weights: Floats
    intercept: float

    def __call__(self, x: Floats) -> Floats:
        """Row by row, so that one row alone gives the identical figure as within many."""
        return np.asarray((x * self.weights).sum(axis=1) + self.intercept)


def ridge(
    x: Floats, y: Floats, *, strengths: Sequence[float], rising: Booleans | None = None
) -> list[Linear]:
    """Ridge regressions (Hoerl & Kennard 1970, Technometrics 12) on standardised columns, one per strength;
    weights of ``rising`` columns are kept >= 0 (bounded least squares; Stark & Parker 1995)."""
    center, spread, mean = x.mean(axis=0), x.std(axis=0), float(y.mean())
    alive = spread > 1e-9
    divisor = np.where(alive, spread, 1.0)
    scaled = np.where(alive, (x - center) / divisor, 0.0)
    gram, moment = scaled.T @ scaled / len(y), scaled.T @ (y - mean) / len(y)
    made = []
    for strength in strengths:
        solution = _bounded(gram + strength * np.eye(x.shape[1]), moment, rising)
        weights = np.where(alive, solution / divisor, 0.0)
        made.append(Linear(weights, mean - float(weights @ center)))
    return made


def _bounded(gram: Floats, moment: Floats, rising: Booleans | None) -> Floats:
    free = np.asarray(np.linalg.solve(gram, moment))
    if rising is None or not (free[rising] < 0).any():
        return free
    root = np.linalg.cholesky(gram).T
    lower = np.where(rising, 0.0, -np.inf)
    found = lsq_linear(root, np.linalg.solve(root.T, moment), (lower, np.inf), method="bvls")
    return np.asarray(found.x)


def stack(changes: Floats, truth: Floats, *, evidence: float) -> Floats:
    """Non-negative weights of candidate changes (rows, candidates) that explain the true change, for as much
    as ``evidence`` independent events can tell them apart.

    Stacking (Breiman 1996, Mach. Learn. 24) overfits on few events, where a plain average is hard to beat
    (Claeskens et al. 2016, Int. J. Forecasting 32). So the weights are pulled, with one event's force, to
    the average of the skilful candidates, and that average in turn to no change at all: by half when two
    events are known, hardly when ten are. Sum at most 1.1."""
    count = changes.shape[1]
    energy = (changes**2).sum(axis=0) + 1e-300
    still = float((truth**2).sum()) + 1e-300
    agreement = np.maximum(truth @ changes, 0.0)
    skill = (agreement**2 / (energy * still)) ** 2
    if not skill.any():
        return np.zeros(count)
    average = changes @ (skill / skill.sum())
    power = float((average**2).sum())
    amount = float(average @ truth) / (power * (1.0 + (HALF_BELIEVED / max(evidence, 1.0)) ** 2))
    center = np.clip(amount, 0.0, 1.1) * skill / skill.sum()
    pull = np.sqrt(energy / max(evidence, 1.0))
    weights = nnls(np.vstack([changes, np.diag(pull)]), np.concatenate([truth, pull * center]))[0]
    total = float(weights.sum())
    return np.asarray(weights if total <= 1.1 else weights * 1.1 / total)


def effective_events(errors: Floats, block: int) -> float:
    """How many independent blocks carry the squared error: (sum e)^2 / sum e^2 over block sums (Kish 1965).
    One flood in a quiet record is one event however many rows it has."""
    padded = np.append(errors**2, np.zeros(-len(errors) % block))
    sums = padded.reshape(-1, block).sum(axis=1)
    return float(sums.sum() ** 2 / (sums**2).sum()) if (sums > 0).any() else 1.0
