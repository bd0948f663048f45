"""Agree on what a forecast is, so that every model stands beside the same baselines in the same backtest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.series import Floats, Instant, Record, Times

LEVELS: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
Leads = NDArray[np.timedelta64]


@dataclass(frozen=True, slots=True)
class NotCalibrated:
    """No number is better than a number without basis; ``reason`` is shown where the number would stand."""

    reason: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """Issued at one moment for several leads: ``point`` (leads,), ``quantiles`` (leads, levels) ascending.

    ``point`` is the expected value (for squared-error scores), the quantiles carry the uncertainty.
    ``remarks`` say what a reader must know: extrapolation beyond anything seen, rain ahead missing ..."""

    issued_at: Instant
    leads: Leads
    point: Floats
    levels: tuple[float, ...]
    quantiles: Floats
    unit: str
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (
            self.quantiles.shape != (len(self.leads), len(self.levels))
            or self.point.shape != self.leads.shape
        ):
            raise ValueError(f"quantiles {self.quantiles.shape} do not fit {len(self.leads)} leads")

    @property
    def valid_times(self) -> Times:
        """Issue time + lead."""
        return np.asarray(self.issued_at + self.leads, dtype="datetime64[us]")


class Forecaster(Protocol):
    """Learns from a record, then answers from whatever record is known at the moment it is asked.

    `fit` estimates parameters and may be slow. `update` takes in what became known since, without
    re-estimating, and must be cheap. `predict` uses only rows of ``record`` known at ``issued_at`` and must
    give the identical answer on a record truncated there. It answers `NotCalibrated` instead of guessing.
    Deterministic given the data and the seed passed to the constructor."""

    @property
    def name(self) -> str:
        """Short name used in tables and model cards."""

    def fit(self, record: Record) -> None:
        """Estimate parameters; on unusable data stay uncalibrated, never raise for content."""

    def update(self, record: Record) -> None:
        """Assimilate new observations without new parameters."""

    def predict(
        self, record: Record, issued_at: Instant, leads: Leads, levels: tuple[float, ...] = LEVELS
    ) -> Forecast | NotCalibrated:
        """Forecast every lead; leads are positive and ascending."""


def ascending(quantiles: Floats) -> Floats:
    """Quantiles of separately estimated levels may cross; sorting never worsens the pinball loss
    (Chernozhukov, Fernandez-Val & Galichon 2010, Econometrica 78)."""
    return np.sort(quantiles, axis=-1)
