"""Find catchment parameters without a starting guess: differential evolution on a robust objective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, differential_evolution

from models.series import Floats


@dataclass(frozen=True, slots=True)
class Bound:
    """Range of one parameter; searched in its logarithm where it spans orders of magnitude."""

    low: float
    high: float
    logarithmic: bool = False

    def at(self, share: float) -> float:
        """Value at a share (0-1) of the range."""
        if self.logarithmic:
            return float(self.low * (self.high / self.low) ** share)
        return self.low + share * (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Best parameters and the loss they reached on the calibration data."""

    parameters: Floats
    loss: float


def runoff_loss(observed: Floats, simulated: Floats) -> float:
    """Mean of 1 - NSE, 1 - NSE of square roots and 1 - KGE: floods, mid flows and water balance each have a
    vote, so that neither one flood nor a long drought decides alone (Thirel et al. 2015, Hydrol. Sci. J. 60;
    Gupta et al. 2009). Capped at 10 to keep the search away from nonsense. Gaps are left out."""
    keep = np.isfinite(observed)
    o, p = observed[keep], simulated[keep]
    if o.size < 2 or not np.isfinite(p).all():
        return 10.0
    root_o, root_p = np.sqrt(np.maximum(o, 0)), np.sqrt(np.maximum(p, 0))
    plain = float(((o - p) ** 2).sum() / max(((o - o.mean()) ** 2).sum(), 1e-12))
    root = float(((root_o - root_p) ** 2).sum() / max(((root_o - root_o.mean()) ** 2).sum(), 1e-12))
    if p.std() == 0 or o.std() == 0 or o.mean() == 0:
        return 10.0
    r = float(np.corrcoef(o, p)[0, 1])
    kge = float(np.sqrt((r - 1) ** 2 + (p.std() / o.std() - 1) ** 2 + (p.mean() / o.mean() - 1) ** 2))
    return min(10.0, (plain + root + kge) / 3.0)


def evolve(
    loss: Callable[[Floats], float],
    bounds: Sequence[Bound],
    *,
    seed: int,
    generations: int = 60,
    population: int = 8,
) -> Calibrated:
    """Differential evolution (Storn & Price 1997, J. Glob. Optim. 11), rand-to-best with dithered weight.
    ``loss`` receives real parameters. Deterministic given the seed."""

    def real(shares: Floats) -> Floats:
        return np.array([bound.at(float(x)) for bound, x in zip(bounds, shares, strict=True)])

    def loss_of_shares(shares: Floats) -> float:
        return loss(real(shares))

    found = differential_evolution(
        loss_of_shares,
        Bounds(np.zeros(len(bounds)), np.ones(len(bounds))),
        rng=np.random.default_rng(seed),
        strategy="currenttobest1bin",
        mutation=(0.4, 0.9),
        recombination=0.8,
        maxiter=generations,
        popsize=population,
        init="sobol",
        polish=False,
        tol=1e-4,
    )
    return Calibrated(real(found.x), float(found.fun))
