"""Warn in the evening of the oxygen a pond will have left at sunrise, while the aerator can help."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.forecaster import NotCalibrated
from models.series import DAY, HOUR, Floats, Instant, Series

LEAST_NIGHTS = 10
DAWN_HOUR_UTC = 4.0
# Respiration doubles with 10 K (Q10 = 2), the usual figure (Kirschbaum 1995, Soil Biol. Biochem. 27).
Q10 = 2.0


def saturation_mg_l(temperature_c: Floats) -> Floats:
    """Oxygen of air-saturated fresh water at sea level, mg/L (Benson & Krause 1984, in the form of
    APHA Standard Methods 4500-O)."""
    t = np.asarray(temperature_c, dtype=np.float64) + 273.15
    return np.asarray(
        np.exp(-139.34411 + 1.575701e5 / t - 6.642308e7 / t**2 + 1.2438e10 / t**3 - 8.621949e11 / t**4)
    )


@dataclass(frozen=True, slots=True)
class NightModel:
    """dC/dt = -respiration x 2^((T-20)/10) + reaeration x (saturation - C), mg/L per hour and 1/h; ``errors``
    are the sorted errors of the nights it was learned from (each night left out in turn)."""

    respiration: float
    reaeration: float
    errors: Floats

    def minimum(self, oxygen: float, temperature: float, hours: float) -> float:
        """Lowest oxygen reached within ``hours``, exact solution of the linear equation."""
        drain = float(self.respiration * Q10 ** ((temperature - 20.0) / 10.0))
        full = float(saturation_mg_l(np.array([temperature]))[0])
        if self.reaeration < 1e-6:
            return max(oxygen - drain * hours, 0.0)
        rest = full - drain / self.reaeration
        end = rest + (oxygen - rest) * np.exp(-self.reaeration * hours)
        return float(max(min(end, oxygen), 0.0))


@dataclass(frozen=True, slots=True)
class NightForecast:
    """Middle and 90 % interval of the minimum (mg/L) and the probability to fall below the limit."""

    minimum: float
    low: float
    high: float
    probability: float


def learn_nights(oxygen: Series, temperature: Series) -> NightModel | NotCalibrated:
    """From evenings (three hours after noon's end) to dawn; nights with gaps are left out."""
    rows = nights(oxygen, temperature)
    if len(rows) < LEAST_NIGHTS:
        return NotCalibrated(f"Teich: {len(rows)} vollständige Nächte, nötig sind {LEAST_NIGHTS}")
    if np.ptp(rows[:, [0, 2]]) == 0 or (rows[:, 0] < 0).any():
        return NotCalibrated("Teich: der Sauerstoff ändert sich nie oder ist negativ; Sonde prüfen")
    whole = _estimate(rows)
    errors = [
        rows[i, 2] - NightModel(*_estimate(np.delete(rows, i, 0)), np.array([])).minimum(*rows[i, [0, 1, 3]])
        for i in range(len(rows))
    ]
    return NightModel(*whole, np.sort(np.array(errors)))


def nights(oxygen: Series, temperature: Series) -> Floats:
    """(nights, 4): oxygen and water temperature at 20 UTC, minimum until dawn, hours in between."""
    if not len(oxygen):
        return np.zeros((0, 4))
    first = oxygen.times[0].astype("datetime64[D]").astype("datetime64[us]")
    rows = []
    for evening in np.arange(first + 20 * HOUR, oxygen.times[-1] - 9 * HOUR, DAY):
        night = oxygen.between(evening, evening + 9 * HOUR)
        start, warm = (
            oxygen.on_grid(np.array([evening]), HOUR)[0],
            temperature.on_grid(np.array([evening]), 2 * HOUR)[0],
        )
        solid = np.isfinite(night.values)
        if np.isfinite(start) and np.isfinite(warm) and solid.sum() >= 6:
            rows.append((start, warm, float(night.values[solid].min()), 8.0))
    return np.array(rows).reshape(-1, 4)


def _estimate(rows: Floats) -> tuple[float, float]:
    """Least squares over a grid of reaeration; respiration follows in closed form."""
    best = (np.inf, 0.0, 0.0)
    warm = Q10 ** ((rows[:, 1] - 20.0) / 10.0)
    full = saturation_mg_l(rows[:, 1])
    for k in np.concatenate([[1e-6], np.geomspace(0.003, 0.3, 25)]):
        decay = np.exp(-k * rows[:, 3])
        effect = -warm * (1 - decay) / k
        base = full + (rows[:, 0] - full) * decay
        respiration = max(float(effect @ (rows[:, 2] - base) / (effect @ effect)), 0.0)
        loss = float(((rows[:, 2] - base - respiration * effect) ** 2).sum())
        best = min(best, (loss, respiration, float(k)))
    return best[1], best[2]


def night_minimum(
    model: NightModel, oxygen: float, temperature: float, *, now: Instant, limit: float = 3.0
) -> NightForecast:
    """Forecast issued any time in the evening or night, until the next dawn."""
    clock = float((now - now.astype("datetime64[D]")) / HOUR)
    hours = (DAWN_HOUR_UTC - clock) % 24.0
    middle = model.minimum(oxygen, temperature, hours)
    possible = np.clip(middle + model.errors * np.sqrt(hours / 8.0), 0.0, max(oxygen, 0.0))
    low, high = np.quantile(possible, [0.05, 0.95])
    below = float((possible < limit).mean()) if oxygen >= limit else 1.0
    return NightForecast(middle, float(low), float(high), below)
