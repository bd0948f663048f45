"""Turn rain into runoff at any time step: an HBV-type catchment with a paved share and a very slow store.

Soil moisture and boxes after Bergstroem 1992 (SMHI RH 4) and Lindstroem et al. 1997 (J. Hydrol. 201); outflow
of linear stores in exact discrete form, so that 5 min and 1 day share one set of time constants; routing by
three equal linear reservoirs (Nash 1957, IAHS 45). The very slow store stands for chalk and deep ground
water that the two boxes cannot carry over a dry year.
"""

from __future__ import annotations

import numpy as np

from models.compiled import compiled
from models.series import Floats

PARAMETERS = (
    "field_capacity_mm", "beta", "evaporation_limit", "evaporation_factor", "fast_hours", "fast_threshold_mm",
    "middle_hours", "percolation_mm_per_day", "slow_hours", "deep_share", "deep_hours", "routing_hours",
    "paved_share",
)  # fmt: skip
# soil, upper box, lower box, deep store, three routing reservoirs
STATES = 7


@compiled
def _drain(hours: float, step_hours: float) -> float:
    return float(1.0 - np.exp(-step_hours / hours))


@compiled
def initial_state(p: Floats, start_flow: float, step_hours: float) -> Floats:
    """Half-full soil; lower box and deep store so full that together they deliver ``start_flow`` mm per
    step, shared like the recharge they receive."""
    state = np.zeros(STATES)
    state[0] = 0.5 * p[0]
    state[2] = (1.0 - p[9]) * start_flow / _drain(p[8], step_hours)
    state[3] = p[9] * start_flow / _drain(p[10], step_hours)
    return state


@compiled
def _step(water: float, demand: float, p: Floats, s: Floats, k: Floats) -> tuple[float, float]:
    """One step in place on state ``s``; ``k`` = drained shares per step. Runoff and evaporation, mm."""
    paved = p[12] * water
    soaked = water - paved
    wet = min(1.0, max(0.0, s[0] / p[0]))
    recharge = soaked * wet ** p[1]
    s[0] += soaked - recharge
    if s[0] > p[0]:
        recharge += s[0] - p[0]
        s[0] = p[0]
    used = min(s[0], p[3] * demand * min(1.0, s[0] / (p[2] * p[0])))
    s[0] -= used
    deep = p[9] * recharge
    s[3] += deep
    s[1] += recharge - deep + paved
    down = min(s[1], k[5])
    s[1] -= down
    s[2] += down
    quick = k[0] * max(0.0, s[1] - p[5])
    s[1] -= quick
    middle = k[1] * s[1]
    s[1] -= middle
    slow = k[2] * s[2]
    s[2] -= slow
    deepest = k[3] * s[3]
    s[3] -= deepest
    flow = quick + middle
    for j in range(4, 7):
        s[j] += flow
        flow = k[4] * s[j]
        s[j] -= flow
    return flow + slow + deepest, used


@compiled
def _shares(p: Floats, step_hours: float) -> Floats:
    k = np.empty(6)
    k[0], k[1], k[2] = _drain(p[4], step_hours), _drain(p[6], step_hours), _drain(p[8], step_hours)
    k[3], k[4] = _drain(p[10], step_hours), _drain(max(p[11] / 3.0, 1e-3), step_hours)
    k[5] = p[7] * step_hours / 24.0
    return k


@compiled
def hbv(
    water: Floats, evaporation: Floats, p: Floats, state: Floats, step_hours: float
) -> tuple[Floats, Floats, Floats]:
    """Runoff and actual evaporation (mm per step, (n,)) and the state after each step (n, STATES).

    ``water`` is rain + melt, ``evaporation`` potential, both mm per step. ``state`` is changed in place."""
    n = len(water)
    k = _shares(p, step_hours)
    runoff, used, states = np.empty(n), np.empty(n), np.empty((n, STATES))
    for i in range(n):
        runoff[i], used[i] = _step(water[i], evaporation[i], p, state, k)
        states[i] = state
    return runoff, used, states


@compiled
def ahead(states: Floats, rain_ahead: Floats, demand: Floats, p: Floats, step_hours: float) -> Floats:
    """Runoff of the coming steps (origins, steps) from each origin's state with that origin's rain ahead
    (origins, steps) and evaporation demand (origins,) held constant."""
    n, steps = rain_ahead.shape
    k = _shares(p, step_hours)
    out = np.empty((n, steps))
    for i in range(n):
        s = states[i].copy()
        for j in range(steps):
            out[i, j], _ = _step(rain_ahead[i, j], demand[i], p, s, k)
    return out
