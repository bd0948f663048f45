"""Snow decides when winter rain becomes runoff: a degree-day store that works at any time step."""

from __future__ import annotations

import numpy as np

from models.compiled import compiled
from models.series import Floats

MELT_TEMPERATURE = 0.0
# CemaNeige smooths melt by the fraction of ground under snow; 0.9 of mean annual snowfall is its threshold.
COVER_SHARE = 0.9
MINIMUM_MELT_SHARE = 0.1


@compiled
def cemaneige(
    precipitation: Floats, temperature: Floats, inertia: float, degree_day: float, annual_snow: float
) -> tuple[Floats, float]:
    """Liquid water (rain + melt, mm per step) reaching the ground, and the snow left at the end (mm).

    CemaNeige, Valery, Andreassian & Perrin 2014, J. Hydrol. 517: thermal state of the pack by ``inertia``
    (0-1), melt ``degree_day`` mm per step and K, both scaled by the
    snow-covered fraction. One elevation band.
    """
    n = len(precipitation)
    out = np.empty(n)
    pack, thermal = 0.0, 0.0
    threshold = max(COVER_SHARE * annual_snow, 1e-6)
    for i in range(n):
        t = temperature[i]
        # USACE 1956: all snow below -1 degree, all rain above 3 degrees, linear between.
        solid = min(1.0, max(0.0, (3.0 - t) / 4.0))
        snow = precipitation[i] * solid
        pack += snow
        thermal = min(0.0, inertia * thermal + (1.0 - inertia) * t)
        melt = 0.0
        if thermal == 0.0 and t > MELT_TEMPERATURE:
            potential = min(pack, degree_day * (t - MELT_TEMPERATURE))
            cover = min(1.0, pack / threshold)
            melt = ((1.0 - MINIMUM_MELT_SHARE) * cover + MINIMUM_MELT_SHARE) * potential
            pack -= melt
        out[i] = precipitation[i] - snow + melt
    return out, pack
