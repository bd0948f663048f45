"""Tree pits: in how many days the soil is dry, so that water comes when it is needed and not before rain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import Any

import numpy as np

from models.forecaster import NotCalibrated
from models.jobs.inputs import Inputs, binned, fingerprint, streams_of
from models.jobs.outcome import Fitted, Outcome
from models.jobs.parallel import Runner
from models.jobs.product import Ask, Group, silent
from models.jobs.runoff import city_rain
from models.series import DAY, HOUR, Floats, Instant, Series
from models.soil_moisture import DryingModel, days_to_dry, learn_drying
from udp.registry.port import Inventory

VERSION = "1"
NAME = "drying"
DRY_PERCENT = 12.0
DRY_KPA = 80.0
# Soil dries like a decay: log(1000 / moisture) rises by its rate just as log(tension) does, so that a probe
# for per cent by volume serves as well as a tensiometer (the curve between both is the soil's own).
_FROM_MOISTURE = 1000.0


@dataclass(frozen=True, slots=True)
class TreeMaterial:
    """Dryness of one pit (kPa, or 1000 / per cent by volume), rain (mm) and air temperature per hour."""

    dryness: Series
    rain: Series
    temperature: Series
    critical: float

    def fingerprint(self) -> str:
        """See Material."""
        return fingerprint([self.dryness, self.rain, self.temperature], VERSION, str(self.critical))


@dataclass(frozen=True, slots=True)
class Trees:
    """One group per tree pit. ``dry_percent`` is the moisture from which a tree counts as dry."""

    history: timedelta = timedelta(days=120)
    dry_percent: float = DRY_PERCENT
    refit_every: timedelta = timedelta(days=1)
    name: str = "boden"

    def groups(self, inventory: Inventory) -> list[Group]:
        """See Product."""
        found = streams_of(inventory, ("soil_tension", "soil_moisture"), kind="tree_pit")
        return [Group(f"{thing.key}-{one.key}", (one.id,)) for thing, one in found]

    def gather(self, inputs: Inputs, group: Group, *, learning: bool) -> Mapping[int, TreeMaterial]:
        """See Product."""
        del learning
        of = group.targets[0]
        stream = inputs.inventory.datastreams[of]
        place = inputs.inventory.things[stream.thing].location
        measured = binned(inputs.series([of], self.history)[of], HOUR, inputs.now)
        tension = stream.observed_property.key == "soil_tension"
        values = measured.values if tension else _FROM_MOISTURE / np.maximum(measured.values, 0.1)
        warmth = inputs.warmth(HOUR, self.history)
        rain = city_rain(inputs, place, HOUR, self.history)
        nothing = Series(np.array([], dtype="datetime64[us]"), np.array([]), "")
        critical = DRY_KPA if tension else _FROM_MOISTURE / self.dry_percent
        return {of: TreeMaterial(measured.with_values(values), rain or nothing, warmth or nothing, critical)}

    def fit(self, materials: Mapping[int, Any], run: Runner) -> Fitted:
        """See Product."""
        del run
        (material,) = materials.values()
        if not np.isfinite(material.dryness.values).any():
            return Fitted(None, NAME, fallback=False, reason="Noch keine Messwerte", card=None)
        model = learn_drying(material.dryness, material.rain, material.temperature)
        if isinstance(model, NotCalibrated):
            return Fitted(
                None, NAME, fallback=False, reason=model.reason.removeprefix("Bodenfeuchte: "), card=None
            )
        return Fitted(model, NAME, fallback=False, reason="", card=None)

    @staticmethod
    def answer(ask: Ask) -> Outcome:
        """See Product."""
        material: TreeMaterial = ask.material
        model = ask.fitted.speaker
        if not isinstance(model, DryingModel):
            return silent(ask.of, ask.now, NAME, ask.fitted.reason)
        solid = np.isfinite(material.dryness.values)
        known = Series(material.dryness.times[solid], material.dryness.values[solid], "")
        now = known.on_grid(np.array([ask.now]), DAY)[0] if len(known) else float("nan")
        made = days_to_dry(
            model, float(now), rain_ahead=np.array([]), temperature_ahead=_warmth(material, ask.now),
            critical_kpa=material.critical,
        )  # fmt: skip
        if isinstance(made, NotCalibrated):
            return silent(ask.of, ask.now, NAME, made.reason)
        return Outcome(
            ask.of, ask.now, NAME, remarks=("Ohne Regenvorhersage: solange es trocken bleibt",),
            summary={
                "days_to_dry": _finite(made.days),
                "days_to_dry_10": _finite(made.earliest),
                "days_to_dry_90": _finite(made.latest),
            },
        )  # fmt: skip


def _warmth(material: TreeMaterial, now: Instant) -> Floats:
    """As warm as yesterday."""
    seen = material.temperature.between(now - DAY, now).values
    seen = seen[np.isfinite(seen)]
    return np.array([seen.mean()]) if seen.size else np.array([])


def _finite(value: float) -> float | None:
    return round(value, 1) if isfinite(value) else None
