"""Keep a picture of the catchment's wetness at any time step, also without rating curve, area or evaporation.

The conceptual model only has to be right up to a monotone mapping: what it says is compared with the gauge
by a linear fit on a power of its runoff, so a level serves as well as a discharge.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.rainfall_runoff.calibrate import Bound, evolve
from models.rainfall_runoff.hbv import ahead, hbv, initial_state
from models.rainfall_runoff.snow import cemaneige
from models.series import HOUR, Floats, Integers, Series, Step, Times

BOUNDS = (
    Bound(20, 500, True), Bound(0.7, 5), Bound(0.4, 1.0), Bound(0.3, 2.0), Bound(0.3, 40, True), Bound(0, 40),
    Bound(4, 300, True), Bound(0.2, 30, True), Bound(100, 4000, True), Bound(0.0, 0.8),
    Bound(2000, 30000, True), Bound(0.2, 48, True), Bound(0.0, 0.5),
)  # fmt: skip
DEGREE_DAY = 3.5
# Depth as a power of discharge: 3/8 in a triangular channel, 3/5 in a wide one, 2/3 over a weir (Chow 1959).
STAGE_POWER = Bound(0.3, 0.7)
FLOW_POWER = Bound(0.5, 1.3)


@dataclass(frozen=True, slots=True)
class Weather:
    """On the gauge's grid: precipitation, water reaching the ground and evaporation demand, mm per step, no
    gaps; and the share of coming precipitation that would fall as rain."""

    fallen: Floats
    water: Floats
    demand: Floats
    liquid: Floats

    def head(self, steps: int) -> Weather:
        """The first steps only."""
        return Weather(self.fallen[:steps], self.water[:steps], self.demand[:steps], self.liquid[:steps])

    def ahead_of(self, at: Integers, width: int) -> Floats:
        """Precipitation of the ``width`` steps after each position, (positions, width)."""
        return np.asarray(self.fallen[at[:, None] + np.arange(1, width + 1)])


def weather_on(
    grid: Times, step: Step, *, rain: Series, temperature: Series | None, evaporation: Series | None
) -> Weather:
    """Negative rain counts as none; rain measured at other moments is summed up to the end of each step.
    Unknown rain counts as none, unknown temperature as mild. Without measured evaporation a yearly wave of
    0.2 to 4 mm/d stands in; calibration scales it."""
    share = float(step / HOUR) / 24.0
    fallen = np.nan_to_num(fallen_until(grid, step, rain))
    if evaporation is not None:
        demand = np.maximum(np.nan_to_num(evaporation.on_grid(grid, 24 * HOUR)), 0.0)
    else:
        day = (grid - grid.astype("datetime64[Y]")).astype("timedelta64[D]").astype(np.float64)
        demand = share * (2.1 - 1.9 * np.cos(2 * np.pi * (day - 15) / 365.25))
    if temperature is None:
        return Weather(fallen, fallen, demand, np.ones(len(grid)))
    warmth = np.nan_to_num(temperature.on_grid(grid, 24 * HOUR), nan=10.0)
    solid = np.clip((3.0 - warmth) / 4.0, 0.0, 1.0)
    # Years of 365 days only scale the cover threshold; a record of weeks has its own snow as threshold.
    yearly = float((solid * fallen).mean()) / share * 365.25
    water, _ = cemaneige(fallen, warmth, 0.0, DEGREE_DAY * share, yearly)
    return Weather(fallen, water, demand, 1.0 - solid)


def fallen_until(grid: Times, step: Step, rain: Series) -> Floats:
    """Rain of (time - step, time], mm, at times of any shape; NaN where no gauge reported."""
    amount = np.maximum(np.nan_to_num(rain.values), 0.0)
    total = np.concatenate([[0.0], np.cumsum(amount)])
    end = np.searchsorted(rain.times, grid, side="right")
    start = np.searchsorted(rain.times, grid - step, side="right")
    # One reading is taken as it is: a difference of sums would lose its last digits.
    single = np.append(amount, 0.0)[np.maximum(end - 1, 0)]
    several = np.maximum(total[end] - total[start], 0.0)
    return np.asarray(np.where(end - start == 1, single, np.where(end > start, several, np.nan)))


@dataclass
class Concept:
    """Calibrated once; `run` gives the simulated signal and the states from which `look` goes ahead."""

    step_hours: float
    seed: int = 0
    stage: bool = False
    parameters: Floats | None = None
    power: float = 0.5
    offset: float = 0.0
    gain: float = 1.0
    _start_flow: float = field(default=0.01)

    def fit(self, weather: Weather, signal: Floats, *, generations: int = 40) -> float:
        """Search parameters whose runoff explains ``signal`` (gauge above its origin, NaN = gap). Returns the
        unexplained share of variance, 1 = useless."""
        keep = np.isfinite(signal)
        keep[: len(signal) // 20] = False
        root = np.sqrt(np.maximum(signal[keep], 0.0))

        def loss(extended: Floats) -> float:
            runoff = self._runoff(weather, extended[:-1])
            power = extended[-1]
            return 0.5 * (
                _unexplained(runoff[keep] ** (0.5 * power), root)
                + _unexplained(runoff[keep] ** power, signal[keep])
            )

        found = evolve(
            loss,
            (*BOUNDS, STAGE_POWER if self.stage else FLOW_POWER),
            seed=self.seed,
            generations=generations,
            population=5,
        )
        self.parameters, self.power = found.parameters[:-1], float(found.parameters[-1])
        shape = self._runoff(weather, self.parameters)[keep] ** self.power
        spread = float(shape.var())
        covariance = float(((shape - shape.mean()) * (signal[keep] - signal[keep].mean())).mean())
        self.gain = max(covariance / spread, 0.0) if spread > 0 else 0.0
        self.offset = float(signal[keep].mean()) - self.gain * float(shape.mean())
        return found.loss

    def run(self, weather: Weather) -> tuple[Floats, Floats]:
        """Runoff (mm per step, (n,)) and states (n, STATES). Raises RuntimeError before `fit`."""
        p = self._fitted()
        state = initial_state(p, self._start_flow * self.step_hours, self.step_hours)
        runoff, _, states = hbv(weather.water, weather.demand, p, state, self.step_hours)
        return runoff, states

    @property
    def field_capacity(self) -> float:
        """Soil store when full, mm."""
        return float(self._fitted()[0])

    def signal(self, runoff: Floats) -> Floats:
        """Simulated runoff as the gauge would show it above its origin."""
        return np.asarray(self.offset + self.gain * np.maximum(runoff, 0.0) ** self.power)

    def look(self, states: Floats, rain: Floats, demand: Floats) -> Floats:
        """Runoff ahead (origins, steps), rain (origins, steps) without NaN."""
        return np.asarray(ahead(states, rain, demand, self._fitted(), self.step_hours))

    def _runoff(self, weather: Weather, p: Floats) -> Floats:
        state = initial_state(p, self._start_flow * self.step_hours, self.step_hours)
        return np.asarray(hbv(weather.water, weather.demand, p, state, self.step_hours)[0])

    def _fitted(self) -> Floats:
        if self.parameters is None:
            raise RuntimeError("the catchment is not calibrated; call fit first")
        return self.parameters


def _unexplained(x: Floats, y: Floats) -> float:
    """1 - r^2 of a rising line; a falling one explains nothing."""
    a, b = x - x.mean(), y - y.mean()
    power = float((a * a).sum() * (b * b).sum())
    covariance = float((a * b).sum())
    return 1.0 - covariance * covariance / power if power > 0 and covariance > 0 else 1.0
