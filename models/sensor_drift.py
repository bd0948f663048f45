"""Find sensors that wander away from the truth while their values stay plausible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.forecaster import NotCalibrated
from models.series import DAY, HOUR, Booleans, Floats, Series, Times

LEAST_DAYS = 42
OUTDOOR_CO2_PPM = 425.0


@dataclass(frozen=True, slots=True)
class Drift:
    """Trend of the difference to a reference, unit per 30 days, with its 95 % interval and how far it
    has come over the record."""

    per_month: float
    low: float
    high: float
    total: float

    @property
    def proven(self) -> bool:
        """The interval excludes no drift."""
        return self.low > 0 or self.high < 0


def drift_against_neighbours(sensor: Series, neighbours: Sequence[Series]) -> Drift | NotCalibrated:
    """Trend of weekly medians of sensor minus median of neighbours (Theil-Sen slope, interval by Kendall's
    rank; Sen 1968, JASA 63). The median of neighbours is not moved by one other bad sensor."""
    if len(neighbours) < 2 or len(sensor) < 2:
        return NotCalibrated("Drift: mindestens zwei Nachbarn und eigene Werte nötig")
    grid = np.arange(sensor.times[0], sensor.times[-1], HOUR)
    around = np.stack([one.on_grid(grid, 2 * HOUR) for one in neighbours])
    enough = np.isfinite(around).sum(axis=0) >= 2
    middle = np.full(len(grid), np.nan)
    middle[enough] = np.nanmedian(around[:, enough], axis=0)
    return _trend(grid, sensor.on_grid(grid, 2 * HOUR) - middle)


def _trend(times: Times, difference: Floats) -> Drift | NotCalibrated:
    week = ((times - times[0]) // (7 * DAY)).astype(np.int64)
    numbers, medians = [], []
    for number in np.unique(week):
        inside = difference[(week == number) & np.isfinite(difference)]
        if len(inside) >= 24:
            numbers.append(float(number))
            medians.append(float(np.median(inside)))
    if len(numbers) * 7 < LEAST_DAYS:
        return NotCalibrated(f"Drift: {len(numbers)} vergleichbare Wochen, nötig sind {LEAST_DAYS // 7}")
    x, y = np.array(numbers), np.array(medians)
    i, j = np.triu_indices(len(x), 1)
    slopes = np.sort((y[j] - y[i]) / (x[j] - x[i]))
    n = len(x)
    # Weekly medians still remember each other: the effective number is smaller by the lag-one correlation.
    rest = y - np.median(y) - np.median(slopes) * (x - np.median(x))
    memory = float(np.clip((rest[1:] @ rest[:-1]) / max(float(rest @ rest), 1e-12), 0.0, 0.9))
    wide = 1.96 * np.sqrt(n * (n - 1) * (2 * n + 5) / 18.0 * (1 + memory) / (1 - memory))
    low = slopes[int(np.clip((len(slopes) - wide) / 2, 0, len(slopes) - 1))]
    high = slopes[int(np.clip((len(slopes) + wide) / 2, 0, len(slopes) - 1))]
    month = 30.0 / 7.0
    middle = float(np.median(slopes))
    return Drift(middle * month, float(low) * month, float(high) * month, middle * float(x[-1] - x[0]))


@dataclass(frozen=True, slots=True)
class BaselineCheck:
    """What an automatic self-calibration (ABC) did to a CO2 sensor: weekly lowest levels (ppm), steps where
    it was pulled, and whether the lowest level is still fresh air."""

    weekly_lowest: Floats
    steps: Booleans
    offset_ppm: float
    plausible: bool


def co2_baseline(
    co2: Series, *, outdoor_ppm: float = OUTDOOR_CO2_PPM, tolerance_ppm: float = 60.0
) -> BaselineCheck | NotCalibrated:
    """The fifth lowest of a thousand values each week should be outdoor air when a room is aired or empty. A
    sensor that calibrates itself in a room that never sees fresh air takes stale air for outdoor air, reads
    too low for ever after; one that drifts up never comes down to it. A step of the weekly lowest by more
    than ``tolerance_ppm`` that stays is such a self-calibration."""
    if len(co2) < 2 or float((co2.times[-1] - co2.times[0]) / DAY) < 21:
        return NotCalibrated("CO2: mindestens drei Wochen nötig")
    solid = co2.values[np.isfinite(co2.values)]
    if len(solid) and np.ptp(solid) == 0:
        return NotCalibrated("CO2: der Wert ändert sich nie; Sensor prüfen")
    week = ((co2.times - co2.times[0]) // (7 * DAY)).astype(np.int64)
    lowest = np.array([_low(co2.values[week == number]) for number in range(int(week[-1]) + 1)])
    known = lowest[np.isfinite(lowest)]
    if len(known) < 3:
        return NotCalibrated("CO2: zu wenige Werte je Woche")
    steps = np.zeros(len(lowest), dtype=bool)
    for k in range(1, len(lowest) - 1):
        jump = lowest[k] - lowest[k - 1]
        steps[k] = bool(abs(jump) > tolerance_ppm and abs(lowest[k + 1] - lowest[k]) < 0.5 * abs(jump))
    offset = float(np.median(known[-3:])) - outdoor_ppm
    return BaselineCheck(lowest, steps, offset, abs(offset) <= tolerance_ppm and not steps[-4:].any())


def _low(values: Floats) -> float:
    solid = values[np.isfinite(values)]
    return float(np.quantile(solid, 0.005)) if len(solid) >= 50 else float("nan")
