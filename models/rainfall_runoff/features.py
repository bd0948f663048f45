"""Describe the moment of issue to the statistical models: recent flow, rain past and ahead, the concept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.rainfall_runoff.concept import Concept, Weather
from models.rainfall_runoff.transform import FlowScale
from models.series import Booleans, Floats, Integers

# All in hours: changes of flow, decay of antecedent rain, edges of the rain-ahead segments.
CHANGE_HOURS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
MEMORY_HOURS = (1.0, 3.0, 9.0, 36.0, 168.0)
AHEAD_EDGES = (0.0, 0.5, 1.0, 2.0, 3.0, 4.5, 6.0, 9.0, 12.0)


@dataclass(frozen=True, slots=True)
class Moments:
    """Everything known on the grid, forward-filled where the gauge was briefly silent; all (n,) or (n, k)."""

    values: Floats
    age: Integers
    weather: Weather
    memory: Floats
    simulated: Floats
    states: Floats


@dataclass(frozen=True, slots=True)
class Design:
    """Feature matrix (rows, columns) on one scale, which columns must not have a negative weight (more rain
    ahead), and which do not come from the concept."""

    table: Floats
    rising: Booleans
    arx: Booleans

    def rows(self, chosen: slice | Integers | Booleans) -> Design:
        """Some rows only."""
        return Design(self.table[chosen], self.rising, self.arx)


def forward_fill(values: Floats) -> tuple[Floats, Integers]:
    """Last known value and its age in steps (a large number before the first)."""
    index = np.where(np.isfinite(values), np.arange(len(values)), -1)
    last = np.maximum.accumulate(index) if len(index) else index
    age = np.where(last >= 0, np.arange(len(values)) - last, len(values) + 1)
    return np.where(last >= 0, values[np.maximum(last, 0)], np.nan), age


def moments(values: Floats, weather: Weather, concept: Concept, origin: float) -> Moments:
    """Run the concept once over the record; causal in every column. ``origin`` is the gauge's zero."""
    filled, age = forward_fill(values)
    runoff, states = concept.run(weather)
    memory = np.empty((len(values), len(MEMORY_HOURS)))
    for column, length in enumerate(MEMORY_HOURS):
        memory[:, column] = _decayed(weather.water, float(np.exp(-concept.step_hours / length)))
    return Moments(filled, age, weather, memory, origin + concept.signal(runoff), states)


def _decayed(rain: Floats, keep: float) -> Floats:
    from scipy.signal import lfilter  # noqa: PLC0415 - heavy; only fits and forecasts need it

    return np.asarray(lfilter([1.0], [1.0, -keep], rain))


@dataclass(frozen=True, slots=True)
class Outlook:
    """The part of the features that is the same on every scale: rain ahead and where the concept arrives."""

    at: Integers
    coming: Floats
    then: Floats
    lead_steps: int
    hours: float


def outlook(
    known: Moments, concept: Concept, *, at: Integers, rain: Floats, lead_steps: int, origin: float
) -> Outlook:
    """``rain`` (origins, known steps) is precipitation ahead, width zero allowed; none falls beyond it."""
    coming = np.maximum(np.nan_to_num(rain), 0.0) * known.weather.liquid[at, None]
    padded = np.zeros((len(at), lead_steps))
    padded[:, : coming.shape[1]] = coming[:, :lead_steps]
    runoff = concept.look(known.states[at], padded, known.weather.demand[at])[:, -1]
    return Outlook(at, coming, origin + concept.signal(runoff), lead_steps, concept.step_hours)


def design(known: Moments, concept: Concept, view: Outlook, scale: FlowScale) -> Design:
    """Features on one scale: flow and its changes, wetness, rain ahead by segment, the concept's move and
    its present error."""
    at, hours = view.at, view.hours
    z = scale.forward(known.values[at])
    changes = [
        z - scale.forward(known.values[np.maximum(at - max(1, round(h / hours)), 0)]) for h in CHANGE_HOURS
    ]
    wet = known.memory[at] ** max(scale.power, 0.35)
    moist = np.clip(known.states[at, 0] / concept.field_capacity, 0.0, 1.0)
    arx = [z, *changes, *wet.T, *(known.memory[at, :3] * moist[:, None]).T]
    rising: list[Floats] = []
    if view.coming.shape[1]:
        segments = _segments(view.coming, hours)
        rising = [*segments.T, *(segments * moist[:, None]).T, np.sqrt(view.coming.sum(axis=1))]
    now, then = scale.forward(known.simulated[at]), scale.forward(view.then)
    before = np.maximum(at - view.lead_steps, 0)
    earlier = scale.forward(known.values[before]) - scale.forward(known.simulated[before])
    table = np.stack([*arx, *rising, then - now, now, z - now, z - now - earlier], axis=1)
    place = np.arange(table.shape[1])
    must_rise = (place >= len(arx)) & (place <= len(arx) + len(rising))
    return Design(table, must_rise, place < len(arx) + len(rising))


def _segments(coming: Floats, hours: float) -> Floats:
    """Rain ahead (mm) per segment, only those that are reached."""
    width = coming.shape[1]
    edges = sorted({min(width, round(edge / hours)) for edge in AHEAD_EDGES} | {width})
    total = np.concatenate([np.zeros((len(coming), 1)), np.cumsum(coming, axis=1)], axis=1)
    return np.asarray(total[:, edges[1:]] - total[:, edges[:-1]])
