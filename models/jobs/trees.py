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
from models.jobs.rain import CityOutlook, RainDesk
from models.jobs.runoff import city_rain
from models.report.wording import full, number
from models.series import DAY, HOUR, Floats, Instant, Series
from models.soil_moisture import DaysToDry, DryingModel, days_to_dry, learn_drying
from udp.registry.port import Inventory

VERSION = "2"
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
    ahead: CityOutlook | None = None

    def fingerprint(self) -> str:
        """See Material."""
        issued = "" if self.ahead is None else self.ahead.issued.isoformat()
        return fingerprint([self.dryness, self.rain, self.temperature], VERSION, str(self.critical), issued)


@dataclass(frozen=True, slots=True)
class Trees:
    """One group per tree pit. ``dry_percent`` is the moisture from which a tree counts as dry."""

    history: timedelta = timedelta(days=120)
    dry_percent: float = DRY_PERCENT
    refit_every: timedelta = timedelta(days=1)
    rain: RainDesk | None = None
    name: str = "boden"

    def groups(self, inventory: Inventory) -> list[Group]:
        """See Product."""
        found = streams_of(inventory, ("soil_tension", "soil_moisture"), kind="tree_pit")
        return [Group(f"{thing.key}-{one.key}", (one.id,)) for thing, one in found]

    def gather(self, inputs: Inputs, group: Group, *, learning: bool) -> Mapping[int, TreeMaterial]:
        """See Product."""
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
        ahead = self.rain.city(inputs) if self.rain is not None and not learning else None
        dryness = measured.with_values(values)
        return {of: TreeMaterial(dryness, rain or nothing, warmth or nothing, critical, ahead)}

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
        made = _days(model, float(now), material, ask.now)
        if isinstance(made, NotCalibrated):
            return silent(ask.of, ask.now, NAME, made.reason)
        return Outcome(
            ask.of, ask.now, NAME, remarks=(_said(material.ahead),),
            summary={
                "days_to_dry": _finite(made.days),
                "days_to_dry_10": _finite(made.earliest),
                "days_to_dry_90": _finite(made.latest),
            },
        )  # fmt: skip


def _days(
    model: DryingModel, now: float, material: TreeMaterial, issued: Instant
) -> DaysToDry | NotCalibrated:
    """With rain ahead: the middle over its scenarios, from the driest tenth to the wettest."""
    ahead = material.ahead
    if ahead is None or not np.isfinite(ahead.rain_by_day).all():
        return days_to_dry(
            model, now, rain_ahead=np.array([]), temperature_ahead=_warmth(material, issued),
            critical_kpa=material.critical,
        )  # fmt: skip
    air = ahead.air_by_day[np.isfinite(ahead.air_by_day)]
    many = [
        days_to_dry(
            model, now, rain_ahead=rain, critical_kpa=material.critical,
            temperature_ahead=air if len(air) else _warmth(material, issued),
        )
        for rain in ahead.rain_by_day
    ]  # fmt: skip
    told = [one for one in many if isinstance(one, DaysToDry)]
    if not told:
        return many[0]
    # Quantiles of days that may be infinite: in order of size, never interpolated.
    days = np.sort([one.days for one in told])
    first, last = np.sort([one.earliest for one in told]), np.sort([one.latest for one in told])
    tenth = round(0.1 * (len(told) - 1))
    return DaysToDry(float(days[len(days) // 2]), float(first[tenth]), float(last[-1 - tenth]))


def _said(ahead: CityOutlook | None) -> str:
    if ahead is None:
        return "Ohne Regenvorhersage: solange es trocken bleibt"
    low, high = np.quantile(ahead.rain_by_day.sum(axis=1), (0.1, 0.9))
    days = ahead.rain_by_day.shape[1]
    return (
        f"Mit {number(float(low), 0)} bis {number(float(high), 0)} mm Regen in {days} Tagen gerechnet "
        f"(Punktvorhersage von {full(ahead.issued)})"
    )


def _warmth(material: TreeMaterial, now: Instant) -> Floats:
    """As warm as yesterday."""
    seen = material.temperature.between(now - DAY, now).values
    seen = seen[np.isfinite(seen)]
    return np.array([seen.mean()]) if seen.size else np.array([])


def _finite(value: float) -> float | None:
    return round(value, 1) if isfinite(value) else None
