"""Hold what calibration left behind of one gauge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.rainfall_runoff.concept import Concept
from models.rainfall_runoff.lead_model import LeadModel
from models.rainfall_runoff.transform import FlowScale
from models.series import Instant, Integers, Step


@dataclass(frozen=True, slots=True)
class Gauge:
    """Models by (lead steps, steps of known rain ahead)."""

    step: Step
    unit: str
    scale: FlowScale
    concept: Concept
    models: Mapping[tuple[int, int], LeadModel]
    learned_until: Instant
    highest: float

    def widths(self, steps: int) -> Integers:
        """Widths of known rain this lead was learned for, ascending from 0; empty for an unknown lead."""
        return np.array(sorted(width for lead, width in self.models if lead == steps), dtype=np.int64)
