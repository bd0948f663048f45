"""Describe the moment of issue to the statistical models: recent flow, rain past and ahead, the concept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from models.rainfall_runoff.concept import Concept, Weather
from models.rainfall_runoff.transform import FlowScale
from models.series import Booleans, Floats, Integers

# All in hours: changes of flow, decay of antecedent rain, edges of the rain-ahead segments.
CHANGE_HOURS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
# A paved catchment answers within a quarter of an hour.
MEMORY_HOURS = (0.3, 1.0, 3.0, 9.0, 36.0, 168.0)
MOIST_MEMORIES = 4
# What flows between storms tells how wet the ground is.
BASE_HOURS = 72.0
AHEAD_EDGES = (0.0, 0.5, 1.0, 2.0, 3.0, 4.5, 6.0, 9.0, 12.0)
# A plain autoregression counts in steps, not in hours: back in the flow, and over how many rain is summed.
LAG_STEPS = (1, 2, 4, 8)
WINDOW_STEPS = (1, 3, 6, 12, 24, 72)


@dataclass(frozen=True, slots=True)
class Moments:
    """Everything known on the grid, forward-filled where the gauge was briefly silent; all (n,) or (n, k)."""

    values: Floats
    age: Integers
    base: Floats
    weather: Weather
    memory: Floats
    windows: Floats
    simulated: Floats
    states: Floats


@dataclass(frozen=True, slots=True)
class Design:
    """Feature matrix (rows, columns) on one scale, which columns must not have a negative weight (more rain
    ahead), and the columns of each kind of model: `plain` gauge, fallen rain and rain ahead, `arx` also
    rain on wet soil, `concept` what the catchment model says and its present error, `hybrid` all these;
    `windows` gauge and rain as a textbook autoregression takes them, and rain ahead. ``base``: lowest flow
    of the last days, raw unit."""

    table: Floats
    base: Floats
    rising: Booleans
    kinds: Mapping[str, Booleans]

    def rows(self, chosen: slice | Integers | Booleans) -> Design:
        """Some rows only."""
        return replace(self, table=self.table[chosen], base=self.base[chosen])

    def columns(self, kind: str) -> Booleans:
        """Which columns a kind of model may use."""
        return self.kinds[kind]

    @property
    def recent_changes(self) -> Floats:
        """Changes of the gauge over the last hours, (rows, changes)."""
        return self.table[:, 1 : 1 + len(CHANGE_HOURS)]

    @property
    def past_rain(self) -> Floats:
        """Rain remembered over hours to a week, (rows, memories)."""
        start = 1 + len(CHANGE_HOURS)
        return self.table[:, start : start + len(MEMORY_HOURS)]


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
    base = _lowest(filled, max(1, round(BASE_HOURS / concept.step_hours)))
    windows = _sums(weather.water)
    return Moments(filled, age, base, weather, memory, windows, origin + concept.signal(runoff), states)


def _sums(rain: Floats) -> Floats:
    """Rain of the last WINDOW_STEPS at each step, (n, windows)."""
    total = np.concatenate([[0.0], np.cumsum(rain)])
    end = np.arange(1, len(rain) + 1)
    return np.stack([total[end] - total[np.maximum(end - back, 0)] for back in WINDOW_STEPS], axis=1)


def _lowest(values: Floats, window: int) -> Floats:
    """Least of the last ``window`` values at each step."""
    from scipy.ndimage import minimum_filter1d  # noqa: PLC0415 - heavy; only fits and forecasts need it

    solid = np.where(np.isfinite(values), values, np.inf)
    lowest = minimum_filter1d(solid, window, mode="constant", cval=np.inf, origin=(window - 1) // 2)
    return np.asarray(np.where(np.isfinite(lowest), lowest, np.nan))


def _decayed(rain: Floats, keep: float) -> Floats:
    from scipy.signal import lfilter  # noqa: PLC0415 - heavy; only fits and forecasts need it

    return np.asarray(lfilter([1.0], [1.0, -keep], rain))


@dataclass(frozen=True, slots=True)
class Outlook:
    """The part of the features that is the same on every scale: rain ahead and where the concept arrives.
    Rows are scenarios of the origins ``at`` (origins,); ``of`` (rows,) says which origin's."""

    at: Integers
    of: Integers
    coming: Floats
    then: Floats
    lead_steps: int
    hours: float


def outlook(
    known: Moments, concept: Concept, *, at: Integers, of: Integers, rain: Floats, lead_steps: int,
    origin: float,
) -> Outlook:  # fmt: skip
    """``rain`` (rows, known steps) is precipitation ahead, width zero allowed; none falls beyond it."""
    place = at[of]
    coming = np.maximum(np.nan_to_num(rain), 0.0) * known.weather.liquid[place, None]
    padded = np.zeros((len(of), lead_steps))
    padded[:, : coming.shape[1]] = coming[:, :lead_steps]
    runoff = concept.look(known.states[place], padded, known.weather.demand[place])[:, -1]
    return Outlook(at, of, coming, origin + concept.signal(runoff), lead_steps, concept.step_hours)


def design(known: Moments, concept: Concept, view: Outlook, scale: FlowScale) -> Design:
    """Features on one scale: flow and its changes, wetness, rain ahead by segment, the concept's move and
    its present error."""
    at, of, hours = view.at, view.of, view.hours
    z = scale.forward(known.values[at])
    changes = [z - scale.forward(known.values[before]) for before in _earlier(at, hours)]
    wet = known.memory[at] ** max(scale.flow_power, 0.35)
    moist = np.clip(known.states[at, 0] / concept.field_capacity, 0.0, 1.0)
    past = [z, *changes, *wet.T]
    damp = [*(known.memory[at, :MOIST_MEMORIES] * moist[:, None]).T]
    now = scale.forward(known.simulated[at])
    before = np.maximum(at - view.lead_steps, 0)
    earlier = scale.forward(known.values[before]) - scale.forward(known.simulated[before])
    error = [now, z - now, z - now - earlier]
    lags = [z - scale.forward(known.values[before]) for before in _lagged(at)]
    # What is known of an origin is worked out once, however many scenarios it has.
    told = np.stack([*past, *damp, *error, *lags, *known.windows[at].T], axis=1)[of]
    ahead, soaked = np.empty((len(of), 0)), np.empty((len(of), 0))
    if view.coming.shape[1]:
        segments = _segments(view.coming, hours)
        ahead = np.concatenate([segments, np.sqrt(view.coming.sum(axis=1, keepdims=True))], axis=1)
        soaked = segments * moist[of, None]
    move = (scale.forward(view.then) - now[of])[:, None]
    wide = len(past) + len(damp)
    table = np.concatenate(
        [told[:, : len(past)], ahead, told[:, len(past) : wide], soaked, move, told[:, wide:]], axis=1
    )
    place, plain = np.arange(table.shape[1]), len(past) + ahead.shape[1]
    arx = plain + len(damp) + soaked.shape[1]
    hybrid = arx + 1 + len(error)
    # More rain ahead never lowers the forecast: neither directly nor through the concept's move.
    rising = (place >= len(past)) & (place < plain)
    rising |= (place >= plain + MOIST_MEMORIES) & (place <= arx)
    kinds = {
        "plain": place < plain,
        "arx": place < arx,
        "concept": (place >= arx) & (place < hybrid),
        "hybrid": place < hybrid,
        "windows": (place == 0) | (place >= hybrid) | (place >= len(past)) & (place < plain - 1),
    }
    return Design(table, known.base[at][of], rising, kinds)


def inputs(known: Moments, at: Integers, lead_steps: int, hours: float) -> Floats:
    """All of ``known`` that `outlook` and `design` use for the origins ``at``, (origins, inputs): where it is
    equal, so are they."""
    before, weather = np.maximum(at - lead_steps, 0), known.weather
    flow = [known.values[place] for place in (at, before, *_earlier(at, hours), *_lagged(at))]
    catchment = [known.simulated[at], known.simulated[before], weather.liquid[at], weather.demand[at]]
    columns = np.stack([*flow, *catchment, known.base[at]], axis=1)
    return np.concatenate([columns, known.memory[at], known.windows[at], known.states[at]], axis=1)


def _earlier(at: Integers, hours: float) -> list[Integers]:
    """The positions that changes of the gauge are counted from."""
    return [np.maximum(at - max(1, round(length / hours)), 0) for length in CHANGE_HOURS]


def _lagged(at: Integers) -> list[Integers]:
    """The same for the plain autoregression."""
    return [np.maximum(at - back, 0) for back in LAG_STEPS]


def _segments(coming: Floats, hours: float) -> Floats:
    """Rain ahead (mm) per segment, only those that are reached."""
    width = coming.shape[1]
    edges = sorted({min(width, round(edge / hours)) for edge in AHEAD_EDGES} | {width})
    total = np.concatenate([np.zeros((len(coming), 1)), np.cumsum(coming, axis=1)], axis=1)
    return np.asarray(total[:, edges[1:]] - total[:, edges[:-1]])
