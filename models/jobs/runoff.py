"""Stream gauges: levels from half an hour to half a day ahead, from the rain that fell and is expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from math import cos, radians
from typing import Any

import numpy as np

from models.forecaster import NotCalibrated
from models.jobs.inputs import Inputs, binned, mean_of, streams_of
from models.jobs.outcome import PUBLISHED, Fitted, Outcome
from models.jobs.parallel import Runner
from models.jobs.product import Ask, Group, silent
from models.jobs.rain import RainDesk
from models.jobs.runoff_fit import LEADS, NO_RAIN_AHEAD, Calibration, RunoffMaterial
from models.rainfall_runoff.forecast import RunoffForecaster
from models.series import Record, Series, Step
from udp.registry.port import Inventory
from udp.sensorthings import Location
from udp.weather.archive import rain_gauges

# A tipping bucket that reports more between two messages was reset or shaken.
_MOST_RAIN_MM = 60.0
_KM_PER_DEGREE = 111.2
_SEEN_MUCH = timedelta(days=28)


@dataclass(frozen=True, slots=True)
class Runoff:
    """One group per gauge. ``history`` warms the catchment, ``learn`` is what calibration may see."""

    history: timedelta = timedelta(days=120)
    learn: timedelta = timedelta(days=400)
    refit_every: timedelta = timedelta(days=1)
    rain: RainDesk | None = None
    seed: int = 0
    generations: int = 40
    name: str = "abfluss"

    def groups(self, inventory: Inventory) -> list[Group]:
        """See Product."""
        found = streams_of(inventory, ("water_level",), kind="stream_gauge")
        return [Group(f"{thing.key}-{one.key}", (one.id,)) for thing, one in found]

    def gather(self, inputs: Inputs, group: Group, *, learning: bool) -> Mapping[int, RunoffMaterial]:
        """See Product."""
        of, history = group.targets[0], self.learn if learning else self.history
        stream = inputs.inventory.datastreams[of]
        seconds = max(300, round(stream.expected_interval_s / 300) * 300)
        step = np.timedelta64(seconds * 1_000_000, "us")
        raw = inputs.series([of], history)[of]
        place = inputs.inventory.things[stream.thing].location
        drivers: dict[str, Series | None] = {"precipitation": city_rain(inputs, place, step, history)}
        drivers["temperature"] = inputs.warmth(step, history)
        record = Record(binned(raw, step, inputs.now), {k: v for k, v in drivers.items() if v is not None})
        if self.rain is None:
            return {of: RunoffMaterial(record)}
        ahead = self.rain.expected(inputs, gauge_weights(inputs, place))
        told = self.rain.told(ahead, inputs.now)
        return {of: RunoffMaterial(record, ahead, told, ahead.mark(inputs.now))}

    def fit(self, materials: Mapping[int, Any], run: Runner) -> Fitted:
        """See Product."""
        (fitted,) = run.map(Calibration(self.seed, self.generations), list(materials.values()), "Abfluss")
        return fitted

    @staticmethod
    def answer(ask: Ask) -> Outcome:
        """See Product."""
        material: RunoffMaterial = ask.material
        fitted = ask.fitted
        if fitted.speaker is None:
            return silent(ask.of, ask.now, fitted.name, fitted.reason)
        if not len(material.record.target):
            return silent(ask.of, ask.now, fitted.name, "Der Pegel hat im Vorlauf nichts gemessen")
        speaker = fitted.speaker
        told: tuple[str, ...] = ()
        if isinstance(speaker, RunoffForecaster):
            told = (f"{NO_RAIN_AHEAD}: sie brachte bisher keinen Gewinn",)
            if not fitted.without_rain:
                speaker, told = replace(speaker, rain_ahead=material.rain_ahead), material.rain_told
        issued = min(material.record.target.times[-1], ask.now)
        made = speaker.predict(material.record, issued, LEADS, PUBLISHED)
        if isinstance(made, NotCalibrated):
            reason = "Der Pegel schweigt seit mehr als zwei Stunden" if fitted.fallback else made.reason
            return silent(ask.of, ask.now, fitted.name, reason)
        said = (*told, *_young(fitted)) if not fitted.fallback else (fitted.verdict,)
        return Outcome(
            ask.of, issued, fitted.name, fitted.fallback, forecast=made, remarks=(*said, *made.remarks)
        )


def _young(fitted: Fitted) -> tuple[str, ...]:
    """A model that has seen little says so, though it passed its exam."""
    if fitted.card is None or (seen := fitted.card.data_end - fitted.card.data_start) >= _SEEN_MUCH:
        return ()
    return (f"Aus erst {seen.days} Tagen gelernt: vorläufig",)


def city_rain(inputs: Inputs, place: Location, step: Step, history: timedelta) -> Series | None:
    """Rain per step at a place: nearer gauges weigh more (inverse square of the distance; Shepard 1968)."""
    return mean_of(rain_by_gauge(inputs, step, history), gauge_weights(inputs, place))


def gauge_weights(inputs: Inputs, place: Location) -> dict[int, float]:
    """What each rain gauge says of a place, by its Datastream."""
    places = {own.id: thing.location for thing, own in rain_gauges(inputs.inventory)}
    return {of: 1.0 / max(_kilometres(place, where), 0.5) ** 2 for of, where in places.items()}


def rain_by_gauge(inputs: Inputs, step: Step, history: timedelta) -> dict[int, Series]:
    """Rain per step (mm) of every gauge, by its Datastream."""
    fallen: dict[int, Series] = {}
    for _, own in rain_gauges(inputs.inventory):
        series = inputs.series([own.id], history)[own.id]
        amounts = _differences(series) if own.observed_property.key == "precipitation_total" else series
        fallen[own.id] = binned(amounts, step, inputs.now, total=True)
    return fallen


def _differences(counter: Series) -> Series:
    """Rain since the last message; a counter that falls or leaps says nothing about that interval."""
    solid = np.isfinite(counter.values)
    times, values = counter.times[solid], counter.values[solid]
    if len(times) < 2:
        return Series(times[:0], values[:0], counter.unit)
    amount = np.diff(values)
    amount[(amount < 0) | (amount > _MOST_RAIN_MM)] = np.nan
    return Series(times[1:], amount, counter.unit)


def _kilometres(a: Location, b: Location) -> float:
    north = (a.latitude - b.latitude) * _KM_PER_DEGREE
    east = (a.longitude - b.longitude) * _KM_PER_DEGREE * cos(radians(a.latitude))
    return float(np.hypot(north, east))
