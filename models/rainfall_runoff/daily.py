"""Simulate a basin's daily runoff with whichever catchments proved best on years they had not seen.

GR4J and two HBV types are calibrated on the first part of the calibration years and weighed by what they
reach on the last part; then all are calibrated again on all of these years. Nobody chooses by hand, so a
flashy mountain river and a chalk river each get the structure that suits them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize

from models.forecaster import NotCalibrated
from models.rainfall_runoff.calibrate import Bound, evolve, runoff_loss
from models.rainfall_runoff.features import forward_fill
from models.rainfall_runoff.gr4j import gr4j
from models.rainfall_runoff.gr4j import initial_state as gr4j_state
from models.rainfall_runoff.hbv import hbv
from models.rainfall_runoff.hbv import initial_state as hbv_state
from models.rainfall_runoff.snow import cemaneige
from models.series import Floats

WARM_UP_DAYS = 365
MINIMUM_DAYS = 3 * 365
VALIDATION_SHARE = 0.35
SNOW_BOUNDS = (Bound(0.0, 0.99), Bound(1.0, 10.0))


@dataclass(frozen=True, slots=True)
class Forcing:
    """Daily rain (mm), air temperature (Cel) and potential evaporation (mm), equally long. NaN = gap: unknown
    or negative rain counts as none, else the last value known goes on."""

    precipitation: Floats
    temperature: Floats
    evaporation: Floats

    def __post_init__(self) -> None:
        rain = np.asarray(self.precipitation, dtype=np.float64)
        object.__setattr__(self, "precipitation", np.where(np.isfinite(rain) & (rain > 0), rain, 0.0))
        object.__setattr__(self, "temperature", _carried(self.temperature))
        object.__setattr__(self, "evaporation", np.maximum(_carried(self.evaporation), 0.0))

    def head(self, days: int) -> Forcing:
        """The first days only."""
        return Forcing(self.precipitation[:days], self.temperature[:days], self.evaporation[:days])

    @property
    def annual_snow(self) -> float:
        """Mean annual solid precipitation, mm."""
        solid = np.clip((3.0 - self.temperature) / 4.0, 0.0, 1.0) * self.precipitation
        return float(solid.mean() * 365.25)


def _carried(values: Floats) -> Floats:
    """Gaps filled by the last value before them; before the first value, by the first; 0 without any."""
    values = np.asarray(values, dtype=np.float64)
    solid = values[np.isfinite(values)]
    return np.nan_to_num(forward_fill(values)[0], nan=solid[0] if solid.size else 0.0)


@dataclass(frozen=True, slots=True)
class Basin:
    """What is known of the place before any parameter: mean annual snow (mm), runoff at the start (mm/d)."""

    annual_snow: float = 0.0
    start_flow: float = 1.0


@dataclass(frozen=True, slots=True)
class Structure:
    """One catchment type: its search ranges (snow first) and its simulation."""

    name: str
    bounds: tuple[Bound, ...]
    simulate: Callable[[Forcing, Floats, Basin], Floats]


def _gr4j_with_snow(forcing: Forcing, p: Floats, basin: Basin) -> Floats:
    water, _ = cemaneige(forcing.precipitation, forcing.temperature, p[0], p[1], basin.annual_snow)
    return gr4j(water, forcing.evaporation, p[2:], gr4j_state(p[2], p[4], basin.start_flow))[0]


def _hbv_with_snow(forcing: Forcing, p: Floats, basin: Basin) -> Floats:
    water, _ = cemaneige(forcing.precipitation, forcing.temperature, p[0], p[1], basin.annual_snow)
    inner = np.append(p[2:], 0.0)
    return hbv(water, forcing.evaporation, inner, hbv_state(inner, basin.start_flow, 24.0), 24.0)[0]


def _hbv_two_boxes(forcing: Forcing, p: Floats, basin: Basin) -> Floats:
    return _hbv_with_snow(forcing, np.concatenate([p[:11], [0.0, 1e4], p[11:]]), basin)


_BOXES = (
    Bound(50, 700), Bound(0.8, 6), Bound(0.3, 1.0), Bound(0.7, 1.3), Bound(12, 120, True), Bound(0, 80),
    Bound(48, 1500, True), Bound(0.05, 6, True), Bound(500, 8000, True),
)  # fmt: skip
STRUCTURES = (
    Structure(
        "gr4j",
        (*SNOW_BOUNDS, Bound(20, 4000, True), Bound(-8, 4), Bound(5, 1500, True), Bound(0.6, 8, True)),
        _gr4j_with_snow,
    ),
    Structure("hbv", (*SNOW_BOUNDS, *_BOXES, Bound(2, 96, True)), _hbv_two_boxes),
    Structure(
        "hbv with deep store",
        (*SNOW_BOUNDS, *_BOXES, Bound(0.0, 0.95), Bound(2000, 40000, True), Bound(2, 96, True)),
        _hbv_with_snow,
    ),
)


@dataclass
class DailyCatchment:
    """Fit once on the calibration years, then `simulate` any continuous forcing that starts where they do."""

    seed: int = 0
    generations: int = 60
    parameters: dict[str, Floats] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    validation_loss: dict[str, float] = field(default_factory=dict)
    basin: Basin = field(default_factory=Basin)

    def fit(self, forcing: Forcing, runoff: Floats) -> NotCalibrated | None:
        """Calibrate on ``runoff`` (mm per day, NaN = gap). Says why when it cannot."""
        usable = int(np.isfinite(runoff[WARM_UP_DAYS:]).sum())
        if usable < MINIMUM_DAYS - WARM_UP_DAYS:
            return NotCalibrated(
                f"{usable} Tage Abfluss nach dem Warmlauf; nötig sind {MINIMUM_DAYS - WARM_UP_DAYS}"
            )
        if np.nanstd(runoff) == 0:
            return NotCalibrated("Der gemessene Abfluss ändert sich nie; Pegel prüfen")
        if not (forcing.precipitation > 0).any():
            return NotCalibrated("Kein Regen im Lernzeitraum")
        self.basin = Basin(forcing.annual_snow, _start_flow(runoff))
        cut = WARM_UP_DAYS + int((len(runoff) - WARM_UP_DAYS) * (1 - VALIDATION_SHARE))
        unseen: dict[str, Floats] = {}
        for structure in STRUCTURES:
            early = self._calibrate(structure, forcing.head(cut), runoff[:cut])
            unseen[structure.name] = structure.simulate(forcing, early, self.basin)[cut:]
            self.validation_loss[structure.name] = runoff_loss(runoff[cut:], unseen[structure.name])
        self.weights = _blend(runoff[cut:], unseen)
        for structure in STRUCTURES:
            if structure.name in self.weights:
                self.parameters[structure.name] = self._calibrate(structure, forcing, runoff)
        return None

    def simulate(self, forcing: Forcing) -> Floats | NotCalibrated:
        """Runoff, mm per day, (n,)."""
        if not self.weights:
            return NotCalibrated("Modell nicht kalibriert")
        total = np.zeros(len(forcing.precipitation))
        for structure in STRUCTURES:
            weight = self.weights.get(structure.name, 0.0)
            if weight > 0:
                total += weight * structure.simulate(forcing, self.parameters[structure.name], self.basin)
        return total

    def _calibrate(self, structure: Structure, forcing: Forcing, runoff: Floats) -> Floats:
        def loss(p: Floats) -> float:
            simulated = structure.simulate(forcing, p, self.basin)
            return runoff_loss(runoff[WARM_UP_DAYS:], simulated[WARM_UP_DAYS:])

        return evolve(loss, structure.bounds, seed=self.seed, generations=self.generations).parameters


def _start_flow(runoff: Floats) -> float:
    """Base flow of the first measured season: what the slow stores were delivering when the record began."""
    first = runoff[np.isfinite(runoff)][:90]
    return float(max(np.quantile(first, 0.25), 1e-3))


def _blend(observed: Floats, simulated: dict[str, Floats]) -> dict[str, float]:
    """Weights on the simplex that minimise the loss on unseen years; a member under 10 % is dropped, since
    what it adds is within the noise of a few validation years."""
    names = list(simulated)
    table = np.stack([simulated[name] for name in names])

    def loss(raw: Floats) -> float:
        return runoff_loss(observed, np.asarray(_simplex(raw) @ table))

    starts = [np.eye(len(names))[i] * 0.8 + 0.1 for i in range(len(names))] + [np.full(len(names), 1 / 3)]
    best = min(
        (minimize(loss, start, method="Nelder-Mead") for start in starts), key=lambda found: float(found.fun)
    )
    weight = _simplex(best.x)
    weight = np.where(weight < 0.1, 0.0, weight)
    weight = weight / weight.sum()
    return {name: float(w) for name, w in zip(names, weight, strict=True) if w > 0}


def _simplex(raw: Floats) -> Floats:
    positive = np.abs(raw) + 1e-12
    return np.asarray(positive / positive.sum(), dtype=np.float64)
