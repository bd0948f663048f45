"""From numbers to classes: one place for the limits, whether a class is told or kept as a value."""

from __future__ import annotations

import math
from bisect import bisect_right

FILL_LIMITS = (20.0, 80.0)
"""Per cent: below 20 a bin counts as emptied, from 80 it is emptied in practice (Hattersheim am Main)."""
FILL_VERSION = "1"

LQI_VERSION = "UBA-Luftqualitätsindex, neue Fassung, Stundenmittel"
# Highest whole ug/m3 of the classes 1 (sehr gut) to 4 (schlecht); above is 5 (sehr schlecht).
# Umweltbundesamt, Luftqualitätsindex, new edition.
LQI_LIMITS = {
    "pm10": (9, 27, 54, 90),
    "pm2_5": (5, 15, 30, 50),
    "o3": (24, 72, 144, 240),
    "no2": (10, 30, 60, 100),
    "so2": (10, 30, 60, 100),
}

# kPa. Berliner Methode (Stadt und Grün 2023): good up to 32 kPa (pF 2.5), moderate up to 80 kPa (pF 2.9).
TENSION_LIMITS = (32.0, 80.0)
# Per cent by volume, from dry to wet. The soil is not known: assumed as the drying model does (12 % is dry).
MOISTURE_LIMITS = (12.0, 20.0)


def fill_class(percent: float) -> int | None:
    """0 empty, 1 half, 2 full; None for what is no fill level."""
    return bisect_right(FILL_LIMITS, percent) if math.isfinite(percent) else None


def lqi_class(observed_property: str, hourly_mean: float) -> int | None:
    """1 (very good) to 5 (very bad) of one pollutant's hourly mean in ug/m3, rounded to whole as UBA does."""
    if not math.isfinite(hourly_mean) or observed_property not in LQI_LIMITS:
        return None
    whole = math.floor(hourly_mean + 0.5)
    return 1 + sum(whole > limit for limit in LQI_LIMITS[observed_property])


def tension_class(kilopascals: float) -> int | None:
    """0 moist enough, 1 moderate, 2 dry."""
    if not math.isfinite(kilopascals):
        return None
    return sum(kilopascals > limit for limit in TENSION_LIMITS)


def moisture_class(percent: float) -> int | None:
    """The same from per cent by volume."""
    if not math.isfinite(percent):
        return None
    return sum(percent < limit for limit in MOISTURE_LIMITS)
