"""Fill at the container's own mean pace: what a person with a pencil would forecast, with honest errors.

The comparison every other fill model has to beat, and what is published while none does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.fill_level.cleaning import Cleaned
from models.fill_level.forecast import HORIZON_HOURS, Outlook
from models.fill_level.rate import inflow_of
from models.forecaster import LEVELS, Forecast, Leads, NotCalibrated, ascending
from models.series import HOUR, Floats, Instant

LEAST_ERRORS = 100
_LEARN_HOURS = (24, 48, 72)
_DENSE = tuple(np.linspace(0.01, 0.99, 99).tolist())


@dataclass
class NaiveRate:
    """Mean inflow per hour of each container; errors of the whole fleet, grown with the root of the lead."""

    name: str = "mean pace"
    rates: dict[str, float] = field(default_factory=dict)
    usual: float = float("nan")
    errors: Floats = field(default_factory=lambda: np.array([]))

    def fit(self, cleaned: Mapping[str, Cleaned]) -> NotCalibrated | None:
        """Says why when the fleet has too few matured forecasts."""
        self.rates = {name: _mean(inflow_of(one).percent) for name, one in cleaned.items()}
        known = [rate for rate in self.rates.values() if np.isfinite(rate)]
        self.usual = float(np.mean(known)) if known else float("nan")
        parts = [_errors(one, self.rate(name)) for name, one in cleaned.items()]
        self.errors = np.sort(np.concatenate(parts)) if parts else np.array([])
        if len(self.errors) < LEAST_ERRORS:
            return NotCalibrated(
                f"Füllstand: {len(self.errors)} gereifte Vorhersagen, nötig sind {LEAST_ERRORS}"
            )
        return None

    def rate(self, name: str) -> float:
        """Percent per hour; the fleet's for a container without its own."""
        own = self.rates.get(name, float("nan"))
        return max(own if np.isfinite(own) else self.usual, 0.0)

    def predict(
        self, name: str, fill: float, *, issued_at: Instant, leads: Leads, spread: float = 0.0,  # noqa: ARG002
        levels: tuple[float, ...] = LEVELS,
    ) -> Forecast | NotCalibrated:  # fmt: skip
        """Fill (%) at each lead if not emptied."""
        if len(self.errors) < LEAST_ERRORS or not np.isfinite(self.usual):
            return NotCalibrated("Füllstandsmodell nicht kalibriert")
        if not np.isfinite(fill):
            return NotCalibrated("Der Sensor hat noch keinen Füllstand gemeldet")
        made = self._table(name, fill, np.asarray(leads / HOUR, dtype=np.float64), levels)
        point = np.clip(fill + self.rate(name) * np.asarray(leads / HOUR, dtype=np.float64), 0.0, 100.0)
        return Forecast(issued_at, leads, point, levels, made, "%")

    def outlook(
        self, name: str, fill: float, *, issued_at: Instant, critical: float = 80.0, spread: float = 0.0,
        horizons: Sequence[int] = (24, 48, 72, 168),
    ) -> Outlook | NotCalibrated:  # fmt: skip
        """Probability to reach ``critical`` (%) within each horizon, and when."""
        hours = np.concatenate([np.arange(1, 73), np.arange(76, HORIZON_HOURS + 1, 4)]).astype(np.float64)
        leads = (hours * 3600).astype("timedelta64[s]").astype("timedelta64[us]")
        asked = self.predict(name, fill, issued_at=issued_at, leads=leads, spread=spread, levels=_DENSE)
        if isinstance(asked, NotCalibrated):
            return asked
        chance = np.array(
            [1.0 - np.interp(critical, row, _DENSE, left=0.0, right=1.0) for row in asked.quantiles]
        )
        chance = np.maximum.accumulate(chance if fill < critical else np.ones(len(hours)))
        when = [
            float(hours[int(np.argmax(chance >= p))]) if chance[-1] >= p else np.inf for p in (0.1, 0.5, 0.9)
        ]
        by_horizon = {h: float(np.interp(h, hours, chance)) for h in horizons}
        return Outlook(fill, by_horizon, when[1], (when[0], when[2]))

    def _table(self, name: str, fill: float, hours: Floats, levels: tuple[float, ...]) -> Floats:
        stray = np.quantile(self.errors, levels)[None, :] * np.sqrt(hours)[:, None]
        middle = fill + self.rate(name) * hours
        return ascending(np.clip(np.maximum(middle[:, None] + stray, fill - 2.0), 0.0, 100.0))


def _mean(percent: Floats) -> float:
    solid = percent[np.isfinite(percent)]
    return float(solid.mean()) if len(solid) >= 72 else float("nan")


def _errors(cleaned: Cleaned, rate: float) -> Floats:
    """(real - forecast) / root of hours, of forecasts every six hours that no crew disturbed."""
    visits = np.cumsum(cleaned.emptied)
    found = []
    for hours in _LEARN_HOURS:
        i = np.arange(0, len(cleaned.times) - hours, 6)
        real = np.minimum(cleaned.smoothed[i + hours], 100.0) - np.minimum(cleaned.filtered[i], 100.0)
        keep = (visits[i + hours] == visits[i]) & (cleaned.smoothed[i] < 95.0)
        found.append((real[keep] - rate * hours) / np.sqrt(hours))
    errors = np.concatenate(found) if found else np.array([])
    return np.asarray(errors[np.isfinite(errors)])
