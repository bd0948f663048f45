"""Agree on what a product is, so that one cycle serves bins, streams, meters, ponds and trees alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import numpy as np

from models.forecaster import LEVELS
from models.jobs.inputs import Inputs
from models.jobs.outcome import Fitted, Outcome
from models.jobs.parallel import Runner
from models.series import Floats, Instant, Times
from udp.registry.port import Inventory


@dataclass(frozen=True, slots=True)
class Group:
    """What is learned together: a fleet of containers, or one gauge alone. ``targets`` are Datastreams.
    ``history``: how far back answers reach where fitted models remember the rest; None: all the product
    reads."""

    name: str
    targets: tuple[int, ...]
    history: timedelta | None = None


class Material(Protocol):
    """Everything one answer rests on; travels to other processes."""

    def fingerprint(self) -> str:
        """Equal for equal content."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to a fitted model."""

    of: int
    fitted: Fitted
    material: Any
    now: Instant


class Product(Protocol):
    """One kind of forecast. `fit` and `answer` are functions of their arguments only: what is gathered as of
    a moment gives the same answer whenever it is asked again."""

    @property
    def name(self) -> str:
        """Short German name, as on the command line."""

    @property
    def refit_every(self) -> timedelta:
        """How long a fit serves."""

    def groups(self, inventory: Inventory) -> list[Group]:
        """What there is to forecast, in a lasting order."""

    def gather(self, inputs: Inputs, group: Group, *, learning: bool) -> Mapping[int, Material]:
        """What is known at the issue time, by target; ``learning`` reads the longer history."""

    def fit(self, materials: Mapping[int, Any], run: Runner) -> Fitted:
        """Learn, measure on what was not learned from, and choose who speaks."""

    @staticmethod
    def answer(ask: Ask) -> Outcome:
        """The forecast, or why there is none; never raises for what the data hold."""


def silent(of: int, now: Instant, model: str, reason: str) -> Outcome:
    """No number is better than a number without basis."""
    return Outcome(of, now, model, reason=reason[:1].upper() + reason[1:])


def split_of(times: Times, share: float) -> Instant:
    """The moment after ``share`` of the span."""
    return np.datetime64(times[0] + (times[-1] - times[0]) * share, "us")


def below(seen: Floats, bands: Floats) -> dict[str, float]:
    """How often the truth (n,) stayed below each of LEVELS (n, levels): calibrated where they are equal."""
    keep = np.isfinite(seen) & np.isfinite(bands).all(axis=1)
    if not keep.any():
        return {}
    return {
        f"below_{level:g}": float((seen[keep] <= bands[keep, column]).mean())
        for column, level in enumerate(LEVELS)
    }


def finite_mean(values: Floats) -> float:
    """Mean of what is finite, NaN of nothing."""
    solid = values[np.isfinite(values)]
    return float(solid.mean()) if solid.size else float("nan")
