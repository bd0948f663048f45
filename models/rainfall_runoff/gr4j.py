"""Turn daily rain into daily runoff with four parameters: GR4J, the yardstick of daily hydrology."""

from __future__ import annotations

import numpy as np

from models.compiled import compiled
from models.series import Floats

MAX_UNIT_HYDROGRAPH_DAYS = 20


@compiled
def _s_curve_1(t: float, x4: float) -> float:
    if t <= 0:
        return 0.0
    return float((t / x4) ** 2.5) if t < x4 else 1.0


@compiled
def _s_curve_2(t: float, x4: float) -> float:
    if t <= 0:
        return 0.0
    if t <= x4:
        return float(0.5 * (t / x4) ** 2.5)
    return float(1.0 - 0.5 * (2.0 - t / x4) ** 2.5) if t < 2.0 * x4 else 1.0


@compiled
def initial_state(x1: float, x3: float, start_flow: float) -> Floats:
    """Production store 30 % full, routing store so full that it delivers ``start_flow`` mm/d, unit
    hydrographs empty."""
    state = np.zeros(2 + 3 * MAX_UNIT_HYDROGRAPH_DAYS)
    low, high = 0.0, 2.0 * x3
    for _ in range(50):
        r = 0.5 * (low + high)
        if r * (1.0 - (1.0 + (r / x3) ** 4) ** -0.25) < start_flow:
            low = r
        else:
            high = r
    state[0], state[1] = 0.3 * x1, min(low, x3)
    return state


@compiled
def gr4j(
    water: Floats, evaporation: Floats, parameters: Floats, state: Floats
) -> tuple[Floats, Floats, Floats]:
    """Runoff (mm per day), groundwater exchange (mm per day, signed) and actual evaporation (mm per day).

    Perrin, Michel & Andreassian 2003, J. Hydrol. 279. ``parameters`` = x1 production store mm, x2 exchange
    mm/d, x3 routing store mm, x4 unit hydrograph days (0.5-10). ``state`` is changed in place, so that a run
    may be split anywhere: [S, R, UH1 (20), UH2 (40)].
    """
    x1, x2, x3, x4 = parameters[0], parameters[1], parameters[2], parameters[3]
    m = MAX_UNIT_HYDROGRAPH_DAYS
    ord1, ord2 = np.zeros(m), np.zeros(2 * m)
    for k in range(m):
        ord1[k] = _s_curve_1(k + 1.0, x4) - _s_curve_1(float(k), x4)
    for k in range(2 * m):
        ord2[k] = _s_curve_2(k + 1.0, x4) - _s_curve_2(float(k), x4)
    n = len(water)
    runoff, exchanged, evaporated = np.empty(n), np.empty(n), np.empty(n)
    s, r = state[0], state[1]
    uh1, uh2 = state[2 : 2 + m], state[2 + m : 2 + 3 * m]
    for i in range(n):
        p, e = water[i], evaporation[i]
        net_rain, used = 0.0, min(p, e)
        if p >= e:
            w = np.tanh(min((p - e) / x1, 13.0))
            fill = x1 * (1.0 - (s / x1) ** 2) * w / (1.0 + s / x1 * w)
            net_rain = p - e - fill
            s += fill
        else:
            w = np.tanh(min((e - p) / x1, 13.0))
            drawn = s * (2.0 - s / x1) * w / (1.0 + (1.0 - s / x1) * w)
            s -= drawn
            used += drawn
        evaporated[i] = used
        percolation = s * (1.0 - (1.0 + (s / x1 * 4.0 / 9.0) ** 4) ** -0.25)
        s -= percolation
        effective = net_rain + percolation
        for k in range(m - 1):
            uh1[k] = uh1[k + 1] + ord1[k] * 0.9 * effective
        uh1[m - 1] = ord1[m - 1] * 0.9 * effective
        for k in range(2 * m - 1):
            uh2[k] = uh2[k + 1] + ord2[k] * 0.1 * effective
        uh2[2 * m - 1] = ord2[2 * m - 1] * 0.1 * effective
        potential = x2 * (max(r, 0.0) / x3) ** 3.5
        before = r
        r = max(0.0, r + uh1[0] + potential)
        gained = r - before - uh1[0]
        outflow = r * (1.0 - (1.0 + (r / x3) ** 4) ** -0.25)
        r -= outflow
        direct = max(0.0, uh2[0] + potential)
        gained += direct - uh2[0]
        runoff[i] = outflow + direct
        uh1[0], uh2[0] = 0.0, 0.0
        exchanged[i] = gained
    state[0], state[1] = s, r
    return runoff, exchanged, evaporated
