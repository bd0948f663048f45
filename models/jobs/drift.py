"""Sensors that wander: air temperature against its neighbours, carbon dioxide against fresh air."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from models.forecaster import NotCalibrated
from models.jobs.inputs import Inputs, binned, fingerprint, streams_of
from models.jobs.outcome import Fitted, Outcome
from models.jobs.parallel import Runner
from models.jobs.product import Ask, Group, silent
from models.sensor_drift import co2_baseline, drift_against_neighbours
from models.series import HOUR, Series
from udp.registry.port import Inventory

VERSION = "1"
NAME = "drift"
COMPARED = ("air_temperature", "relative_humidity", "air_pressure")
# A trend smaller than this over the whole record is within what places differ by, per unit of the property.
WORTH_SAYING = {"air_temperature": 0.5, "relative_humidity": 5.0, "air_pressure": 1.0}


@dataclass(frozen=True, slots=True)
class DriftMaterial:
    """One sensor per hour, and its neighbours; without neighbours it is measured against fresh air."""

    sensor: Series
    neighbours: tuple[Series, ...]
    worth: float

    def fingerprint(self) -> str:
        """See Material."""
        # Drift is a matter of weeks: it is looked at again when a day has passed.
        days = {str(self.sensor.times[-1].astype("datetime64[D]"))} if len(self.sensor) else set()
        return fingerprint([], VERSION, str(len(self.neighbours)), *days)


@dataclass(frozen=True, slots=True)
class Drift:
    """One group per property; nothing is learned, everything is compared."""

    history: timedelta = timedelta(days=120)
    refit_every: timedelta = timedelta(days=3650)
    name: str = "drift"

    def groups(self, inventory: Inventory) -> list[Group]:
        """See Product."""
        found = []
        for key in (*COMPARED, "co2"):
            targets = tuple(one.id for _, one in streams_of(inventory, (key,)))
            if targets:
                found.append(Group(key, targets))
        return found

    def gather(self, inputs: Inputs, group: Group, *, learning: bool) -> Mapping[int, DriftMaterial]:
        """See Product."""
        if learning:
            return {}
        raw = inputs.series(group.targets, self.history)
        hourly = {of: binned(one, HOUR, inputs.now) for of, one in raw.items()}
        if group.name == "co2":
            return {of: DriftMaterial(one, (), 0.0) for of, one in raw.items()}
        worth = WORTH_SAYING[group.name]
        return {
            of: DriftMaterial(
                one, tuple(other for at, other in hourly.items() if at != of and len(other)), worth
            )
            for of, one in hourly.items()
        }

    def fit(self, materials: Mapping[int, Any], run: Runner) -> Fitted:
        """See Product."""
        del materials, run
        return Fitted(None, NAME, fallback=False, reason="", card=None)

    @staticmethod
    def answer(ask: Ask) -> Outcome:
        """See Product."""
        material: DriftMaterial = ask.material
        if not material.neighbours:
            checked = co2_baseline(material.sensor)
            if isinstance(checked, NotCalibrated):
                return silent(ask.of, ask.now, NAME, checked.reason)
            summary = {"offset": round(checked.offset_ppm, 0), "drifting": not checked.plausible}
            return Outcome(ask.of, ask.now, NAME, summary=summary)
        made = drift_against_neighbours(material.sensor, material.neighbours)
        if isinstance(made, NotCalibrated):
            return silent(ask.of, ask.now, NAME, made.reason)
        summary = {
            "per_month": round(made.per_month, 3), "per_month_low": round(made.low, 3),
            "per_month_high": round(made.high, 3), "total": round(made.total, 3),
            "drifting": made.proven and abs(made.total) >= material.worth,
        }  # fmt: skip
        return Outcome(ask.of, ask.now, NAME, summary=summary)
