"""Say in how many days a tree pit is dry, so that water comes when it is needed and not before rain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.forecaster import NotCalibrated
from models.series import DAY, Floats, Instant, Series

LEAST_DRY_DAYS = 10
HORIZON_DAYS = 30


@dataclass(frozen=True, slots=True)
class DryingModel:
    """log(tension) rises by ``rate`` + ``warmth`` x (temperature - 15) per dry day and falls by ``wetting``
    per mm of rain; ``spread`` is the standard deviation of a day's change. Soil tension in kPa."""

    rate: float
    warmth: float
    wetting: float
    spread: float
    highest: float

    def path(self, tension_kpa: float, rain_mm: Floats, temperature_c: Floats) -> Floats:
        """Expected tension at the end of each coming day (kPa), from 1 kPa to 1.5 x the highest measured."""
        change = self.rate + self.warmth * (temperature_c - 15.0) - self.wetting * np.maximum(rain_mm, 0.0)
        level, out = float(np.log(max(tension_kpa, 1.0))), np.empty(len(change))
        for i, step in enumerate(change):
            level = float(np.clip(level + step, 0.0, np.log(1.5 * self.highest)))
            out[i] = np.exp(level)
        return out


@dataclass(frozen=True, slots=True)
class DaysToDry:
    """Days until the threshold is passed: middle and 80 % interval; infinite when not within a month."""

    days: float
    earliest: float
    latest: float


def learn_drying(tension: Series, rain: Series, temperature: Series) -> DryingModel | NotCalibrated:
    """Regression of daily changes of log tension on weather; a fall without rain is a watering, left out."""
    begin = (
        tension.times[0].astype("datetime64[D]").astype("datetime64[us]")
        if len(tension)
        else np.datetime64("1970-01-01", "us")
    )
    days = np.arange(begin, tension.times[-1] if len(tension) else begin, DAY)
    ends = np.asarray(days + DAY, dtype="datetime64[us]")
    level = np.log(np.maximum(tension.on_grid(ends, DAY), 1.0))
    fallen = np.array([np.nansum(np.maximum(rain.between(d, d + DAY).values, 0.0)) for d in days])
    warm = np.array([_mean(temperature.between(d, d + DAY).values) for d in days])
    change = np.append(np.nan, np.diff(level)) if len(level) else level
    watered = (change < -0.3) & (fallen < 1.0)
    keep = np.isfinite(change) & np.isfinite(warm) & ~watered
    if (keep & (fallen < 0.5)).sum() < LEAST_DRY_DAYS:
        return NotCalibrated(f"Bodenfeuchte: weniger als {LEAST_DRY_DAYS} trockene Tage gemessen")
    # How fast it dries comes from dry days alone: rain on wet soil changes nothing and would blur the rate.
    # A sensor at the end of its range no longer moves.
    ended = level > np.nanmax(level) + np.log(0.9)
    dry, wet = keep & (fallen < 0.5) & ~ended, keep & (fallen >= 2.0)
    if dry.sum() < LEAST_DRY_DAYS // 2:
        return NotCalibrated("Bodenfeuchte: kaum trockene Tage innerhalb des Messbereichs")
    x = np.stack([np.ones(dry.sum()), warm[dry] - 15.0], axis=1)
    rate, warmth = np.linalg.lstsq(np.vstack([x, [[0.0, 1.0]]]), np.append(change[dry], 0.0), rcond=None)[0]
    rest = change[dry] - x @ np.array([rate, warmth])
    due = rate + warmth * (warm[wet] - 15.0)
    amount = np.minimum(fallen[wet], 30.0)
    wetting = float(np.median((due - change[wet]) / amount)) if wet.any() else 0.05
    highest = float(np.nanmax(np.exp(level)))
    return DryingModel(float(rate), float(warmth), max(wetting, 0.0), float(rest.std()), highest)


def _mean(values: Floats) -> float:
    solid = values[np.isfinite(values)]
    return float(solid.mean()) if solid.size else float("nan")


def days_to_dry(
    model: DryingModel,
    tension_kpa: float,
    *,
    rain_ahead: Floats,
    temperature_ahead: Floats,
    critical_kpa: float = 80.0,
) -> DaysToDry | NotCalibrated:
    """Rain and temperature by coming day; beyond the forecast it stays dry and as warm as on its last day."""
    if not np.isfinite(tension_kpa):
        return NotCalibrated("Bodenfeuchte: kein aktueller Messwert")
    if tension_kpa >= critical_kpa:
        return DaysToDry(0.0, 0.0, 0.0)
    rain = np.zeros(HORIZON_DAYS)
    rain[: len(rain_ahead)] = np.nan_to_num(rain_ahead)[:HORIZON_DAYS]
    last = float(temperature_ahead[-1]) if len(temperature_ahead) else 15.0
    warm = np.full(HORIZON_DAYS, last)
    warm[: len(temperature_ahead)] = temperature_ahead[:HORIZON_DAYS]
    middle = np.log(model.path(tension_kpa, rain, warm))
    # Daily errors add up like a random walk.
    wide = 1.2816 * model.spread * np.sqrt(np.arange(1, HORIZON_DAYS + 1))
    goal = np.log(critical_kpa)
    return DaysToDry(*(_crossing(middle + shift, goal) for shift in (0.0 * wide, wide, -wide)))


def _crossing(path: Floats, goal: float) -> float:
    over = np.flatnonzero(path >= goal)
    return float(over[0] + 1) if over.size else float("inf")


def watering_due(tension: Series, now: Instant, *, critical_kpa: float, rain_ahead_mm: float) -> bool:
    """True when the tension was above critical for 24 h and less than 10 mm of rain are announced."""
    last = tension.as_of(now).between(now - DAY, now + np.timedelta64(1, "us"))
    solid = last.values[np.isfinite(last.values)]
    return bool(solid.size >= 3 and (solid > critical_kpa).all() and rain_ahead_mm < 10.0)
