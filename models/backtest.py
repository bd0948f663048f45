"""Replay history as if it were today: every forecast sees only what was known at its issue time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models import metrics
from models.forecaster import LEVELS, Forecaster, Leads, NotCalibrated
from models.series import Floats, Instant, Record, Step, Times


@dataclass(frozen=True, slots=True)
class Backtest:
    """What was forecast and what came: ``point``/``observed``/``last`` (origins, leads), ``quantiles``
    (origins, leads, levels); rows the model refused stay NaN and are counted in ``refused``."""

    name: str
    origins: Times
    leads: Leads
    levels: tuple[float, ...]
    point: Floats
    quantiles: Floats
    observed: Floats
    last: Floats
    refused: int = 0

    def scores(self, lead: int) -> dict[str, float]:
        """NSE, PI, CRPS and 90 % coverage of one lead (by its position)."""
        seen, point, bands = self.observed[:, lead], self.point[:, lead], self.quantiles[:, lead]
        return {
            "nse": metrics.nash_sutcliffe(seen, point),
            "pi": metrics.persistence_index(seen, point, self.last[:, lead]),
            "mae": metrics.mean_absolute_error(seen, point),
            "crps": metrics.crps(seen, bands, self.levels),
            "coverage90": metrics.coverage(seen, bands[:, 0], bands[:, -1]),
        }


def truth(record: Record, origins: Times, leads: Leads) -> tuple[Floats, Floats]:
    """Observed at each valid time, and the value at issue repeated: both (origins, leads)."""
    seen = np.stack([record.target.on_grid(origins + lead) for lead in leads], axis=1)
    now = record.target.on_grid(origins)
    return seen, np.repeat(now[:, None], len(leads), axis=1)


def rolling_origin(
    forecaster: Forecaster,
    record: Record,
    *,
    origins: Times,
    leads: Leads,
    levels: tuple[float, ...] = LEVELS,
    refit_every: Step | None = None,
) -> Backtest:
    """Ask the forecaster at each origin with ``record.as_of(origin)`` (rolling origin; Tashman 2000,
    Int. J. Forecasting 16). It is fitted on the record as of the first origin, and again every
    ``refit_every``. Origins ascend."""
    point = np.full((len(origins), len(leads)), np.nan)
    quantiles = np.full((len(origins), len(leads), len(levels)), np.nan)
    refused = 0
    fitted_at: Instant | None = None
    for row, origin in enumerate(origins):
        known = record.as_of(origin)
        if fitted_at is None or (refit_every is not None and origin - fitted_at >= refit_every):
            forecaster.fit(known)
            fitted_at = origin
        else:
            forecaster.update(known)
        answer = forecaster.predict(known, origin, leads, levels)
        if isinstance(answer, NotCalibrated):
            refused += 1
            continue
        point[row], quantiles[row] = answer.point, answer.quantiles
    observed, last = truth(record, origins, leads)
    return Backtest(forecaster.name, origins, leads, levels, point, quantiles, observed, last, refused)
