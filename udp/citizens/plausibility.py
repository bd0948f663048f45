"""How a citizen's values compare with official ones nearby: a robust z-score, or no word at all.

Per hour t the reference r(t) is the weighted median of the neighbours' hourly means; weights fall with
distance (e-folding 3 km) and, where both heights are known, with the difference in height (100 m).
d(t) = x(t) - r(t). The spread s is 1.4826 * MAD of each neighbour against the reference of the others:
how much official sensors differ among themselves at this time and in this town. It is never taken for
smaller than what good sensors differ by (`_AGREE`). The score is z = |median d| / s; 1.4826 * MAD of d / s
tells how restless the difference is. Robust statistics: Rousseeuw and Croux, J. Am. Stat. Assoc. 88 (1993).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RADIUS_KM = 10.0
LEAST_NEIGHBOURS = 2
LEAST_HOURS = 24
_DISTANCE_KM, _HEIGHT_M = 3.0, 100.0
_LAPSE_K_PER_M = 0.0065  # ICAO standard atmosphere
# What two good sensors side by side may differ by, in the Datastream's unit (WMO-No. 8, part I, annex 1.A).
_AGREE: Mapping[str, float] = {
    "air_temperature": 0.5, "relative_humidity": 4.0, "air_pressure": 0.5, "pm10": 5.0, "pm2_5": 4.0,
    "no2": 8.0, "wind_speed": 1.0, "solar_radiation": 40.0, "soil_temperature": 1.0, "soil_moisture": 5.0,
    "water_temperature": 0.5,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a series was measured and its hourly means; `hours` ascending, whole hours since 1970."""

    latitude: float
    longitude: float
    elevation_m: float | None
    hours: NDArray[np.int64]
    means: Floats


@dataclass(frozen=True, slots=True)
class Plausibility:
    """`score` is z, None where nothing can be said and `word` says why. `difference`: median, in the unit."""

    word: str
    sentence: str
    score: float | None = None
    unrest: float | None = None
    difference: float | None = None
    neighbours: int = 0
    nearest_km: float | None = None
    hours: int = 0


def judge(observed_property: str, own: Spot, others: Sequence[Spot]) -> Plausibility:
    """The comparison over all hours that `own` and at least two of `others` have in common."""
    agree = _AGREE.get(observed_property)
    if agree is None:
        return _silent("Für diese Messgröße gibt es keinen sinnvollen Vergleich mit der Nachbarschaft.")
    near = [(distance_km(own, one), one) for one in others]
    near = sorted((pair for pair in near if pair[0] <= RADIUS_KM), key=lambda pair: pair[0])
    if len(near) < LEAST_NEIGHBOURS:
        return _silent(
            f"Es gibt zu wenige amtliche Messpunkte im Umkreis von {RADIUS_KM:.0f} km "
            f"({len(near)} von mindestens {LEAST_NEIGHBOURS})."
        )
    table = np.array([_aligned(own, one, observed_property) for _, one in near])
    weights = np.array([_weight(own, distance, one) for distance, one in near])
    enough = (np.isfinite(table).sum(axis=0) >= LEAST_NEIGHBOURS) & np.isfinite(own.means)
    hours = int(enough.sum())
    if hours < LEAST_HOURS:
        return _silent(
            f"Es gibt noch zu wenige gemeinsame Stunden mit den Nachbarn ({hours} von mindestens "
            f"{LEAST_HOURS})."
        )
    table, values = table[:, enough], own.means[enough]
    difference = values - weighted_median(table, weights)
    spread = max(agree, _spread(table, weights))
    middle = float(np.median(difference))
    score = abs(middle) / spread
    unrest = 1.4826 * float(np.median(np.abs(difference - middle))) / spread
    word = _word(max(score, unrest))
    basis = (
        f"Grundlage: {len(near)} amtliche Messpunkte, der nächste {_german(near[0][0])} km entfernt, "
        f"{hours} gemeinsame Stunden."
    )
    return Plausibility(
        word=word,
        sentence=f"Die Werte {_VERB[word]}. {basis}",
        score=round(score, 2),
        unrest=round(unrest, 2),
        difference=round(middle, 3),
        neighbours=len(near),
        nearest_km=round(near[0][0], 2),
        hours=hours,
    )


def distance_km(one: Spot, other: Spot) -> float:
    """Great circle on a sphere of 6371 km: off by half a per cent at most."""
    a, b = math.radians(one.latitude), math.radians(other.latitude)
    half = (
        math.sin((b - a) / 2) ** 2
        + math.cos(a) * math.cos(b) * math.sin(math.radians(other.longitude - one.longitude) / 2) ** 2
    )
    return 2 * 6371.0 * math.asin(math.sqrt(half))


def weighted_median(table: Floats, weights: Floats) -> Floats:
    """Per column of (series, hour): the value at which half of the weight is reached; NaN counts nothing."""
    order = np.argsort(table, axis=0, kind="stable")  # NaN last
    sorted_ = np.take_along_axis(table, order, axis=0)
    heavy = np.where(np.isfinite(sorted_), weights[order], 0.0)
    reached = np.cumsum(heavy, axis=0) >= heavy.sum(axis=0) / 2
    first = np.argmax(reached, axis=0)
    found: Floats = sorted_[first, np.arange(table.shape[1])]
    return found


def _spread(table: Floats, weights: Floats) -> float:
    """How far each neighbour is from the reference of the others, over all hours and neighbours."""
    apart = []
    for left_out in range(len(table)):
        rest = np.delete(np.arange(len(table)), left_out)
        others = weighted_median(table[rest], weights[rest])
        apart.append(table[left_out] - others)
    known = np.concatenate(apart)
    known = known[np.isfinite(known)]
    return 1.4826 * float(np.median(np.abs(known - np.median(known)))) if len(known) else 0.0


def _aligned(own: Spot, other: Spot, observed_property: str) -> Floats:
    """The other's means at own's hours, NaN where it has none; air temperature brought to own's height."""
    place = np.searchsorted(other.hours, own.hours)
    inside = np.minimum(place, max(len(other.hours) - 1, 0))
    if not len(other.hours):
        return np.full(len(own.hours), np.nan)
    found = np.where(other.hours[inside] == own.hours, other.means[inside], np.nan)
    if (
        observed_property == "air_temperature"
        and own.elevation_m is not None
        and other.elevation_m is not None
    ):
        found = found - _LAPSE_K_PER_M * (own.elevation_m - other.elevation_m)
    return found


def _weight(own: Spot, distance: float, other: Spot) -> float:
    weight = math.exp(-distance / _DISTANCE_KM)
    if own.elevation_m is not None and other.elevation_m is not None:
        weight *= math.exp(-abs(own.elevation_m - other.elevation_m) / _HEIGHT_M)
    return max(weight, 1e-6)


FITS, DIFFERS, CONTRADICTS, NOTHING = "passt", "weicht ab", "widerspricht", "keine Aussage"
_VERB = {
    FITS: "passen zu den amtlichen Nachbarn",
    DIFFERS: "weichen von den amtlichen Nachbarn ab; Standort und Gerät prüfen (Sonne, Hauswand, Eichung)",
    CONTRADICTS: "widersprechen den amtlichen Nachbarn; wahrscheinlich stimmt etwas am Gerät oder Ort nicht",
}


def _word(z: float) -> str:
    return FITS if z < 2.0 else DIFFERS if z < 4.0 else CONTRADICTS


def _silent(why: str) -> Plausibility:
    return Plausibility(NOTHING, why)


def _german(value: float) -> str:
    return f"{value:.1f}".replace(".", ",")
