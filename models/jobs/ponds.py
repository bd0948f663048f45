"""Ponds: the oxygen left at sunrise, said in the evening while the aerator can still help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from models import metrics
from models.card import ModelCard
from models.forecaster import Forecast, NotCalibrated
from models.jobs.inputs import Inputs, fingerprint, moment, streams_of
from models.jobs.outcome import PUBLISHED, Chance, Fitted, Outcome
from models.jobs.parallel import Runner
from models.jobs.product import Ask, Group, silent
from models.jobs.rain import CityOutlook, RainDesk
from models.pond_oxygen import DAWN_HOUR_UTC, NightModel, learn_nights, night_minimum, nights
from models.report.wording import full, number
from models.series import HOUR, Series, hours
from udp.registry.port import Inventory

VERSION = "2"
NAME = "night balance"
_NAIVE = "last night"
LIMIT_MG_L = 3.0
_RAIN_THAT_MIXES_MM = 3.0
# Between dawn and the afternoon's end the night to come cannot be told from the water yet.
_EVENING = (15.0, DAWN_HOUR_UTC)


@dataclass(frozen=True, slots=True)
class PondMaterial:
    """Oxygen (mg/L) and water temperature of one pond. What is said of a night holds for the ``hour`` it is
    asked in: a sensor may have fallen silent since; "" for learning."""

    oxygen: Series
    temperature: Series
    ahead: CityOutlook | None = None
    hour: str = ""

    def fingerprint(self) -> str:
        """See Material."""
        issued = "" if self.ahead is None else self.ahead.issued.isoformat()
        return fingerprint([self.oxygen, self.temperature], VERSION, issued, self.hour)


@dataclass(frozen=True, slots=True)
class Ponds:
    """One group per pond."""

    history: timedelta = timedelta(days=2)
    learn: timedelta = timedelta(days=120)
    refit_every: timedelta = timedelta(days=1)
    rain: RainDesk | None = None
    name: str = "teich"

    def groups(self, inventory: Inventory) -> list[Group]:
        """See Product."""
        found = streams_of(inventory, ("oxygen_concentration",))
        return [Group(thing.key, (one.id,)) for thing, one in found]

    def gather(self, inputs: Inputs, group: Group, *, learning: bool) -> Mapping[int, PondMaterial]:
        """See Product."""
        of, history = group.targets[0], self.learn if learning else self.history
        place = inputs.inventory.datastreams[of].thing
        warm = next(
            (one.id for thing, one in inputs.streams("water_temperature") if thing.key == place), None
        )
        found = inputs.series([of] if warm is None else [of, warm], history)
        nothing = Series(np.array([], dtype="datetime64[us]"), np.array([]), "Cel")
        ahead = self.rain.city(inputs) if self.rain is not None and not learning else None
        hour = "" if learning else str(inputs.now.astype("datetime64[h]"))
        return {of: PondMaterial(found[of], nothing if warm is None else found[warm], ahead, hour)}

    def fit(self, materials: Mapping[int, Any], run: Runner) -> Fitted:
        """See Product."""
        del run
        (material,) = materials.values()
        model = learn_nights(material.oxygen, material.temperature)
        if isinstance(model, NotCalibrated):
            return Fitted(None, NAME, fallback=False, reason=model.reason.removeprefix("Teich: "), card=None)
        card = _card(material, model)
        if card.usable:
            return Fitted(model, NAME, fallback=False, reason="", card=card)
        errors = np.sort(np.diff(nights(material.oxygen, material.temperature)[:, 2]))
        return Fitted(errors, _NAIVE, fallback=True, reason="", card=card)

    @staticmethod
    def answer(ask: Ask) -> Outcome:
        """See Product."""
        material: PondMaterial = ask.material
        fitted = ask.fitted
        if fitted.speaker is None:
            return silent(ask.of, ask.now, fitted.name, fitted.reason)
        clock = float((ask.now - ask.now.astype("datetime64[D]")) / HOUR)
        if _EVENING[1] <= clock < _EVENING[0]:
            reason = "Die Vorhersage für die kommende Nacht beginnt am Nachmittag um 15 Uhr Weltzeit"
            return silent(ask.of, ask.now, fitted.name, reason)
        now = np.array([ask.now])
        oxygen, warm = material.oxygen.on_grid(now, HOUR)[0], material.temperature.on_grid(now, 3 * HOUR)[0]
        if not (np.isfinite(oxygen) and np.isfinite(warm)):
            return silent(ask.of, ask.now, fitted.name, "Sauerstoff oder Wassertemperatur fehlen")
        lead = np.array([hours((DAWN_HOUR_UTC - clock) % 24.0)])
        if isinstance(fitted.speaker, NightModel):
            seen = night_minimum(fitted.speaker, float(oxygen), float(warm), now=ask.now, limit=LIMIT_MG_L)
            point, errors = seen.minimum, fitted.speaker.errors * np.sqrt(float(lead[0] / HOUR) / 8.0)
        else:
            point, errors = (
                float(material.oxygen.between(ask.now - 24 * HOUR, ask.now).values.min()),
                fitted.speaker,
            )
        possible = np.clip(point + errors, 0.0, max(float(oxygen), 0.0))
        below = float((possible < LIMIT_MG_L).mean()) if oxygen >= LIMIT_MG_L else 1.0
        made = Forecast(
            ask.now, lead, np.array([point]), PUBLISHED, np.quantile(possible, PUBLISHED)[None, :], "mg/L"
        )
        remarks = (
            "Tiefster Wert bis Sonnenaufgang", *_rain_told(material.ahead, float(lead[0] / HOUR)),
            *((fitted.verdict,) if fitted.fallback else ()),
        )  # fmt: skip
        return Outcome(
            ask.of, ask.now, fitted.name, fitted.fallback, forecast=made, remarks=remarks,
            chance=Chance(LIMIT_MG_L, {float(lead[0] / HOUR): below}),
            summary={"minimum_mg_l": round(point, 2), "limit_mg_l": LIMIT_MG_L, "probability_below": below},
        )  # fmt: skip


def _rain_told(ahead: CityOutlook | None, hours_left: float) -> tuple[str, ...]:
    """Rain mixes the water and washes things into it; the balance of a quiet night does not know it."""
    if ahead is None:
        return ("Ohne Regenvorhersage gerechnet",)
    coming = float(np.nanmean(np.nansum(ahead.rain_by_hour[:, : max(1, round(hours_left))], axis=1)))
    where = f"Punktvorhersage von {full(ahead.issued)}"
    if coming < _RAIN_THAT_MIXES_MM:
        return (f"Kaum Regen bis Sonnenaufgang erwartet ({where})",)
    return (
        f"Bis Sonnenaufgang werden {number(coming, 0)} mm Regen erwartet ({where}): er mischt das Wasser und "
        "spült ein; die Bilanz einer ruhigen Nacht gilt dann nur bedingt",
    )


def _card(material: PondMaterial, model: NightModel) -> ModelCard:
    """Each night forecast by a model that had not seen it (leave one out), beside the night before."""
    table = nights(material.oxygen, material.temperature)
    naive = np.abs(np.diff(table[:, 2]))
    times = material.oxygen.times
    return ModelCard(
        name=NAME, target="Tiefster Sauerstoff der Nacht in mg/l", version=VERSION, seed=0,
        data_start=moment(times[0]), data_end=moment(times[-1]), split=moment(times[0]),
        scores={
            NAME: {"mae": metrics.mean_absolute_error(model.errors, np.zeros(len(model.errors)))},
            _NAIVE: {"mae": float(naive.mean())},
        },
        deciding_metric="mae",
        notes=(f"{len(table)} Nächte; jede mit einem Modell geprüft, das sie nicht kannte",),
    )  # fmt: skip
