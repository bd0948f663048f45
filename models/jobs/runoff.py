"""Stream gauges: levels from half an hour to half a day ahead, from the city's own rain gauges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import cos, radians
from typing import Any

import numpy as np

from models import metrics
from models.backtest import truth
from models.baselines import LinearArx, Persistence
from models.card import ModelCard
from models.forecaster import LEVELS, NotCalibrated
from models.jobs.inputs import Inputs, binned, fingerprint, mean_of, moment, streams_of
from models.jobs.outcome import PUBLISHED, Fitted, Outcome
from models.jobs.parallel import Runner
from models.jobs.product import Ask, Group, below, finite_mean, silent, split_of
from models.rainfall_runoff.forecast import RunoffForecaster
from models.rainfall_runoff.rain_ahead import NoRainAhead, RainAhead
from models.series import Floats, Instant, Record, Series, Step, Times, hours
from udp.registry.port import Inventory
from udp.sensorthings import Location

VERSION = "1"
LEADS = np.array([hours(h) for h in (0.5, 1, 3, 6, 12)])
SHARE = 0.6
RAIN = ("precipitation_total", "precipitation")
# A tipping bucket that reports more between two messages was reset or shaken.
_MOST_RAIN_MM = 60.0
_KM_PER_DEGREE = 111.2


@dataclass(frozen=True, slots=True)
class RunoffMaterial:
    """A gauge with its drivers on one grid; ``rain_ahead`` answers for past issue times too."""

    record: Record
    rain_ahead: RainAhead = field(default_factory=NoRainAhead)
    rain_ahead_name: str = "ohne Regenvorhersage"
    rain_mark: str = ""

    def fingerprint(self) -> str:
        """See Material."""
        return fingerprint([self.record.target, *self.record.drivers.values()], VERSION, self.rain_mark)


@dataclass(frozen=True, slots=True)
class RainSource:
    """Where rain ahead comes from, ready to be asked; ``mark`` changes with every new run."""

    ahead: RainAhead
    name: str
    mark: str


@dataclass(frozen=True, slots=True)
class Runoff:
    """One group per gauge. ``history`` warms the catchment, ``learn`` is what calibration may see."""

    history: timedelta = timedelta(days=120)
    learn: timedelta = timedelta(days=400)
    refit_every: timedelta = timedelta(days=1)
    rain_source: RainSource | None = None
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
        if self.rain_source is None:
            return {of: RunoffMaterial(record)}
        source = self.rain_source
        return {of: RunoffMaterial(record, source.ahead, source.name, source.mark)}

    def fit(self, materials: Mapping[int, Any], run: Runner) -> Fitted:
        """See Product."""
        (fitted,) = run.map(_Fit(self.seed, self.generations), list(materials.values()), "Abfluss")
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
        if isinstance(speaker, RunoffForecaster):
            speaker = replace(speaker, rain_ahead=material.rain_ahead)
        issued = min(material.record.target.times[-1], ask.now)
        made = speaker.predict(material.record, issued, LEADS, PUBLISHED)
        if isinstance(made, NotCalibrated):
            reason = "Der Pegel schweigt seit mehr als zwei Stunden" if fitted.fallback else made.reason
            return silent(ask.of, ask.now, fitted.name, reason)
        said = (material.rain_ahead_name,) if not fitted.fallback else (fitted.verdict,)
        return Outcome(
            ask.of, issued, fitted.name, fitted.fallback, forecast=made, remarks=(*said, *made.remarks)
        )


def city_rain(inputs: Inputs, place: Location, step: Step, history: timedelta) -> Series | None:
    """Rain per step at a place: nearer gauges weigh more (inverse square of the distance; Shepard 1968)."""
    places = {own.id: thing.location for thing, own in _rain_gauges(inputs)}
    weights = {of: 1.0 / max(_kilometres(place, where), 0.5) ** 2 for of, where in places.items()}
    return mean_of(rain_by_gauge(inputs, step, history), weights)


def rain_by_gauge(inputs: Inputs, step: Step, history: timedelta) -> dict[int, Series]:
    """Rain per step (mm) of every gauge, by its Datastream."""
    fallen: dict[int, Series] = {}
    for _, own in _rain_gauges(inputs):
        series = inputs.series([own.id], history)[own.id]
        amounts = _differences(series) if own.observed_property.key == "precipitation_total" else series
        fallen[own.id] = binned(amounts, step, inputs.now, total=True)
    return fallen


def _rain_gauges(inputs: Inputs) -> list[Any]:
    """One Datastream per Thing: the counter where there is one, because it forgets no lost message."""
    best: dict[str, Any] = {}
    for wanted in reversed(RAIN):
        best |= {thing.key: (thing, one) for thing, one in inputs.streams(wanted, kind="rain_gauge")}
    return list(best.values())


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


@dataclass(frozen=True, slots=True)
class _Fit:
    """Calibration and honest measurement of one gauge; runs in a process of its own."""

    seed: int
    generations: int

    def __call__(self, material: RunoffMaterial) -> Fitted:
        record = material.record
        model = RunoffForecaster(LEADS, material.rain_ahead, self.seed, self.generations)
        baselines: list[Any] = [Persistence(LEADS), LinearArx(LEADS)]
        if not np.isfinite(record.target.values).any():
            return Fitted(None, model.name, fallback=False, reason="Noch keine Messwerte", card=None)
        split = split_of(record.target.times, SHARE)
        scores, origins = self._scores([model, *baselines], record, split)
        card = _card(material, split, self.seed, scores, len(origins)) if scores else None
        for one in (model, *baselines):
            one.fit(record)
        if model.gauge is not None and card is not None and card.usable:
            return Fitted(model, model.name, fallback=False, reason="", card=card)
        rival = card.best_baseline if card is not None else None
        speaker = next((one for one in baselines if one.name == rival), None)
        reason = (
            ""
            if card is not None and model.name in scores and _known(scores[model.name])
            else (
                model.reason.removeprefix("Modell nicht kalibriert: ")
                if model.gauge is None
                else "noch kein Zeitraum, an dem das Modell geprüft werden konnte"
            )
        )
        name = speaker.name if speaker is not None else model.name
        return Fitted(speaker, name, fallback=speaker is not None, reason=reason, card=card)

    def _scores(
        self, forecasters: list[Any], record: Record, split: Instant
    ) -> tuple[dict[str, dict[str, float]], Times]:
        past = record.as_of(split)
        step = record.target.step
        if step is None or not len(past.target):
            return {}, record.target.times[:0]
        thin = max(1, round(float(hours(1) / step)))
        origins = record.target.times[(record.target.times > split)][::thin]
        origins = origins[origins + LEADS[-1] <= record.target.times[-1]]
        if not len(origins):
            return {}, origins
        seen, last = truth(record, origins, LEADS)
        scores: dict[str, dict[str, float]] = {}
        for one in forecasters:
            one.fit(past)
            made = one.hindcast(record, origins, LEADS)
            scores[one.name] = _score(seen, last, made)
        return scores, origins


def _score(seen: Floats, last: Floats, made: tuple[Floats, Floats] | None) -> dict[str, float]:
    if made is None:
        return {"crps": float("nan")}
    point, bands = made
    columns = range(seen.shape[1])
    rows = {
        "crps": finite_mean(np.array([metrics.crps(seen[:, k], bands[:, k], LEVELS) for k in columns])),
        "mae": finite_mean(np.array([metrics.mean_absolute_error(seen[:, k], point[:, k]) for k in columns])),
        "coverage90": finite_mean(
            np.array([metrics.coverage(seen[:, k], bands[:, k, 0], bands[:, k, -1]) for k in columns])
        ),
    }
    rows |= below(seen.ravel(), bands.reshape(-1, bands.shape[-1]))
    for k, lead in enumerate(LEADS):
        name = f"{float(lead / hours(1)):g}h"
        rows[f"nse_{name}"] = metrics.nash_sutcliffe(seen[:, k], point[:, k])
        rows[f"pi_{name}"] = metrics.persistence_index(seen[:, k], point[:, k], last[:, k])
    return rows


def _known(scores: Mapping[str, float]) -> bool:
    return bool(np.isfinite(scores.get("crps", float("nan"))))


def _card(
    material: RunoffMaterial, split: Instant, seed: int, scores: dict[str, dict[str, float]], origins: int
) -> ModelCard:
    record = material.record
    times = record.target.times
    return ModelCard(
        name="runoff hybrid",
        target=f"Wasserstand in {record.target.unit}",
        version=VERSION,
        seed=seed,
        data_start=moment(times[0]),
        data_end=moment(times[-1]),
        split=moment(split),
        scores=scores,
        deciding_metric="crps",
        notes=(
            f"Regen voraus: {material.rain_ahead_name}",
            f"{origins} Vorhersagen nach der Trennung geprüft, je eine pro Stunde",
        ),
    )
