"""Meters: what a building should have used, and one open case per fault with its price and reason."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np

from models import metrics
from models.card import ModelCard
from models.consumption.cases import FAMILIES, Case, MeterModel, new_model, share_scales
from models.consumption.expected import Calendar
from models.consumption.outcomes import Fault, faults
from models.consumption.readings import energy_kwh
from models.consumption.school import SCHOOL_HOLIDAYS
from models.consumption.statistics import KINDS
from models.jobs.basis import Basis, fed_by
from models.jobs.inputs import Inputs, fingerprint, moment
from models.jobs.metering import by_medium, hourly_use
from models.jobs.outcome import Fitted, FoundCase, Outcome
from models.jobs.parallel import Runner
from models.jobs.product import Ask, Group, finite_mean, silent
from models.report.wording import local
from models.series import DAY, HOUR, Floats, Instant, Series, instant
from udp.forecasting.port import Told
from udp.registry.port import Inventory

VERSION = "3"
NAME = "cross-fitted load"
_NAIVE = "last week"
# The newest part is scored, not learned from: at most two months, at most three tenths of the record.
_SCORED = 60 * DAY
_SHARE = 0.3
# What is scored, the time to the next fit, and as much again for a service that did not run.
_REMEMBERED = timedelta(days=100)
# In its first week a fault fills the windows that look for it: of 113 alarms on open cases then 3 were of
# another fault, of 201 later ones 44 (faults put into real meters).
_GROWS_CLEARER = 7 * DAY


@dataclass(frozen=True, slots=True)
class Judged:
    """What a person said of a case of this meter: it was fine, or it was a fault from ``opened_at`` on."""

    kind: str
    opened_at: Instant
    until: Instant
    fine: bool


@dataclass(frozen=True, slots=True)
class MeterMaterial:
    """One meter: consumption per hour in its unit, outdoor temperature, and what people said of it."""

    name: str
    load: Series
    temperature: Series | None
    price: float
    water: bool
    threshold: float
    judged: tuple[Judged, ...] = ()
    remarks: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """See Material."""
        about = f"{self.name} {self.price} {self.water} {self.threshold} {self.judged}"
        return fingerprint([self.load, self.temperature], VERSION, about)


@dataclass(frozen=True, slots=True)
class Consumption:
    """One group per medium: meters share what the tails of their statistics look like. ``threshold`` is the
    strangeness (-log10 of times per month in a healthy meter, after the prior odds of its kind) from which a
    case opens. On four months of sixteen healthy meters that were not learned from, 2.5 gave 0.20 cases per
    meter-month (half the meters 0.15-0.25), 4.2 gave 0.1; where the season itself was new, 0.36 and 0.19.
    Prices in euro."""

    history: timedelta = timedelta(days=430)
    price_kwh: float = 0.30
    price_m3: float = 4.60
    threshold: float = 2.5
    refit_every: timedelta = timedelta(days=14)
    judged: Mapping[int, tuple[Judged, ...]] = field(default_factory=dict)
    name: str = "verbrauch"

    def groups(self, inventory: Inventory) -> list[Group]:
        """See Product."""
        return by_medium(inventory)

    def gather(self, inputs: Inputs, group: Group, *, learning: bool) -> Mapping[int, MeterMaterial]:
        """See Product; learning and answering rest on the same record, of which models remember what they
        learned from."""
        history = self.history if learning or group.history is None else group.history
        readings = inputs.series(group.targets, history)
        warmth = inputs.warmth(HOUR, history)
        return {of: self._material(inputs, of, series, warmth) for of, series in readings.items()}

    def basis(self, inputs: Inputs, group: Group, fitted: Fitted, told: Told) -> Basis:
        """See Based. Hours begin a new value: until then what came within one is not looked at."""
        del told
        devices = fed_by(inputs.inventory)
        prices = f"{VERSION} {self.price_kwh} {self.price_m3} {self.threshold}"
        about = {
            of: f"{prices} {_medium(inputs.inventory, of)} {self.judged.get(of)} {devices.get(of)}"
            for of in group.targets
        }
        until = inputs.issued_at.replace(minute=0, second=0, microsecond=0)
        return Basis(
            inputs, until, self._reach(inputs, group, fitted), {of: of for of in group.targets}, about,
            shared=inputs.outdoors(),
        )  # fmt: skip

    def _reach(self, inputs: Inputs, group: Group, fitted: Fitted) -> dict[int, timedelta]:
        """From the last hour each model learned from. Of meters that have long been silent all is read, so
        that the others need no long window."""
        models: Mapping[str, Any] = fitted.speaker if isinstance(fitted.speaker, dict) else {}
        ends = {of: _remembers_until(models.get(str(of))) for of in group.targets}
        far = instant(inputs.issued_at - _REMEMBERED)
        near = [end for end in ends.values() if end is not None and end > far]
        since = min(near, default=far).astype("datetime64[D]") - np.timedelta64(1, "D")
        reach = min(self.history, inputs.issued_at - moment(since))
        return {of: reach if end is None or end > far else self.history for of, end in ends.items()}

    def _material(self, inputs: Inputs, of: int, readings: Series, warmth: Series | None) -> MeterMaterial:
        medium = _medium(inputs.inventory, of)
        load, corrected = hourly_use(readings, inputs.now)
        if medium == "gas" and load.unit == "m3":
            load = energy_kwh(load)
        water = load.unit == "m3"
        price = self.price_m3 if water else self.price_kwh
        judged = self.judged.get(of, ())
        return MeterMaterial(str(of), load, warmth, price, water, self.threshold, judged, corrected[-5:])

    def fit(self, materials: Mapping[int, Any], run: Runner) -> Fitted:
        """See Product."""
        listed: list[MeterMaterial] = list(materials.values())
        made = run.map(_learn, listed, "Zähler lernen")
        models = {one.name: learned for one, (learned, _) in zip(listed, made, strict=True)}
        share_scales([one for one in models.values() if isinstance(one, MeterModel)])
        scores = [score for _, score in made if score]
        card = _card(listed, scores) if scores else None
        if card is None:
            reason = next((one for one in models.values() if isinstance(one, str)), "kein Zähler im Register")
            return Fitted(None, NAME, fallback=False, reason=reason.partition(": ")[2] or reason, card=None)
        return Fitted(models, NAME, fallback=not card.usable, reason="", card=card)

    @staticmethod
    def answer(ask: Ask) -> Outcome:
        """See Product."""
        material: MeterMaterial = ask.material
        fitted = ask.fitted
        model = fitted.speaker[material.name] if fitted.speaker is not None else fitted.reason
        if isinstance(model, str):
            return silent(ask.of, ask.now, fitted.name, model)
        if model.reference is None or not len(material.load):
            return silent(ask.of, ask.now, fitted.name, "Noch keine Messwerte")
        fresh = material.load.between(model.reference.times[-1] + HOUR, ask.now + HOUR)
        if not len(fresh):
            return silent(ask.of, ask.now, fitted.name, "Seit dem Lernen keine neuen Messwerte")
        model = _taught(model, material, fresh)
        strange, load = model.strangeness(fresh, material.temperature)
        found = faults(
            model, strange, load, material.threshold, trusted=not fitted.fallback,
            fine_until=[one.until for one in material.judged if one.fine],
        )  # fmt: skip
        remarks = (*material.remarks, *((fitted.verdict,) if fitted.fallback else ()))
        return Outcome(
            ask.of, ask.now, fitted.name, fitted.fallback, remarks=remarks,
            summary=_summary(load.times, load.measured, load.expected, fresh.unit),
            cases=tuple(_found(one, fresh.unit) for one in found if not _called_fine(one, material)),
        )  # fmt: skip


def _medium(inventory: Inventory, of: int) -> Any:
    return inventory.things[inventory.datastreams[of].thing].properties.get("medium")


def _remembers_until(model: Any) -> Instant | None:
    """The last hour the model knows the use of; None for a meter without a model, which says nothing."""
    if not isinstance(model, MeterModel) or model.reference is None:
        return None
    times = model.reference.times
    known = times[np.isfinite(model.reference.values)]
    last: Instant = known[-1] if len(known) else times[0]
    return last


def _taught(model: MeterModel, material: MeterMaterial, fresh: Series) -> MeterModel:
    """Whatever was strange when a person said it was fine belongs to the meter's health from now on. The fit
    itself stays as it is: it is asked again."""
    fine = [one for one in material.judged if one.fine]
    if fine:
        model = deepcopy(model)
    for one in fine:
        strange, load = model.strangeness(fresh, material.temperature)
        near = (load.times >= one.opened_at) & (load.times <= one.until)
        kinds = [kind for kind, values in strange.items() if (values[near] > material.threshold).any()]
        for kind in {one.kind, *kinds}:
            case = Case(material.name, kind, one.opened_at, 0.0, 0.0, 0.0, "")
            model.was_fine(case, fresh, material.temperature)
    return model


def _called_fine(fault: Fault, material: MeterMaterial) -> bool:
    """As long as what a person called fine goes on without a pause, it is no case again."""
    return any(
        one.fine and fault.case.opened_at <= one.until and fault.last_seen_at >= one.opened_at
        for one in material.judged
    )


def narrowed(fitted: Fitted, of: int) -> Fitted:
    """Only the model of one meter travels to another process."""
    if not isinstance(fitted.speaker, dict):
        return fitted
    name = str(of)
    own = fitted.speaker.get(name, "Der Zähler ist neu und wird mit dem nächsten Lernen aufgenommen")
    return Fitted({name: own}, fitted.name, fitted.fallback, fitted.reason, fitted.card)


def _learn(material: MeterMaterial) -> tuple[MeterModel | str, dict[str, dict[str, float]]]:
    """The meter's model or why there is none; scores on the part it did not learn from."""
    load = _without_faults(material)
    if len(load) < 2:
        return f"{material.name}: noch keine Messwerte", {}
    span = load.times[-1] - load.times[0]
    split = np.datetime64(load.times[-1] - min(np.timedelta64(span * _SHARE, "us"), _SCORED), "us")
    calendar = Calendar(school_holidays=SCHOOL_HOLIDAYS)
    model = new_model(material.name, calendar=calendar, price=material.price, water=material.water)
    refused = model.fit(load.between(load.times[0], split), material.temperature)
    if refused is not None:
        return refused.reason, {}
    test = load.between(split, load.times[-1] + HOUR)
    due = model.expected.predict(test.times, material.temperature)
    before = load.on_grid(test.times - 7 * DAY)
    level = max(float(np.nanmean(load.values)), 1e-9)
    # In units of the meter's own mean, so that a town hall does not outvote eleven kindergartens.
    scores = {
        NAME: {"mae": metrics.mean_absolute_error(test.values, due) / level},
        _NAIVE: {"mae": metrics.mean_absolute_error(test.values, before) / level},
    }
    return model, scores


def _without_faults(material: MeterMaterial) -> Series:
    """What a person called a fault is no example of health."""
    values = material.load.values.copy()
    for one in material.judged:
        if not one.fine:
            inside = (material.load.times >= one.opened_at - 7 * DAY) & (material.load.times <= one.until)
            values[inside] = np.nan
    return material.load.with_values(values)


def _card(listed: list[MeterMaterial], scores: list[dict[str, dict[str, float]]]) -> ModelCard:
    spans = [(one.load.times[0], one.load.times[-1]) for one in listed if len(one.load) > 1]
    start, end = min(a for a, _ in spans), max(b for _, b in spans)
    split = end - min(np.timedelta64((end - start) * _SHARE, "us"), _SCORED)
    together = {
        name: {"mae": finite_mean(np.array([one[name]["mae"] for one in scores]))} for name in (NAME, _NAIVE)
    }
    return ModelCard(
        name=NAME, target="Verbrauch je Stunde, in Anteilen seines Mittels", version=VERSION, seed=0,
        data_start=moment(start), data_end=moment(end), split=moment(split), scores=together,
        deciding_metric="mae", notes=(f"{len(scores)} von {len(listed)} Zählern haben genug Geschichte",),
    )  # fmt: skip


def _found(fault: Fault, unit: str) -> FoundCase:
    case = fault.case
    more = ""
    if case.cost >= 1:
        more = (
            f" Mehrverbrauch bisher {case.excess:.0f} {unit.replace('m3', 'm³')}, etwa {case.cost:.0f} Euro."
        )
    more += _news(fault)
    return FoundCase(
        fault.family, case.kind, case.opened_at, fault.last_seen_at, fault.closed_at, case.strangeness,
        case.excess, case.cost, case.reason + more,
    )  # fmt: skip


def _news(fault: Fault) -> str:
    """When an open case got clearly stranger, or shows in another way: it may hide another fault."""
    if fault.grown is None or fault.grown.opened_at - fault.case.opened_at <= _GROWS_CLEARER:
        return ""
    day = local(fault.grown.opened_at)
    if FAMILIES[fault.grown.kind] == FAMILIES[fault.case.kind]:
        return f" Am {day:%d.%m.%Y} noch deutlich auffälliger geworden: gewachsen, oder kam etwas dazu?"
    return f" Seit {day:%d.%m.%Y} außerdem: {KINDS[fault.grown.kind]}"


def _summary(times: Any, measured: Floats, expected: Floats, unit: str) -> dict[str, Any]:
    """The last whole week beside what was expected of the same hours."""
    week = times > times[-1] - 7 * DAY
    known = week & np.isfinite(measured)
    return {
        "unit": unit,
        "week_measured": round(float(measured[known].sum()), 1) if known.any() else None,
        "week_expected": round(float(expected[known].sum()), 1) if known.any() else None,
        "week_hours_known": int(known.sum()),
    }
