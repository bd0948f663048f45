"""Forecast a stream from minutes to half a day ahead, whoever knows the coming rain.

A concept keeps the catchment's wetness, recent flow enters as input (the cheapest good updating), candidates
are weighed by blocked validation, and intervals are conformal on the model's own past errors: those of the
validation and those that have matured since.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from models.forecaster import LEVELS, Forecast, Leads, NotCalibrated
from models.rainfall_runoff.concept import Concept, Weather, weather_on
from models.rainfall_runoff.features import Design, design, forward_fill, moments, outlook
from models.rainfall_runoff.gauge import Gauge
from models.rainfall_runoff.issue import answer
from models.rainfall_runoff.lead_model import POWERS, LeadModel, Sample
from models.rainfall_runoff.members import Memory
from models.rainfall_runoff.rain_ahead import NoRainAhead, RainAhead
from models.rainfall_runoff.transform import FlowScale
from models.series import DAY, HOUR, Floats, Instant, Integers, Record, Series, Step, Times, hours
from models.threads import one_thread

NOWCAST = hours(2)
LEAST_DAYS = 14.0
ROWS_INSTEAD_OF_DAYS = 2000
# A gauge set from metres to centimetres says a hundred times as much, a flood hardly ever a day long.
OTHER_UNIT = 30.0
RAIN_SILENCE = hours(12)


@dataclass
class RunoffForecaster:
    """``rain_ahead`` must answer for past origins too. Target: discharge or level on a regular step. Whoever
    holds every forecast against persistence may ask for fewer than ``least_days``."""

    leads: Leads
    rain_ahead: RainAhead = field(default_factory=NoRainAhead)
    seed: int = 0
    generations: int = 40
    name: str = "runoff hybrid"
    reason: str = "Modell nicht kalibriert"
    gauge: Gauge | None = None
    least_days: float = LEAST_DAYS
    memory: Memory = field(default_factory=Memory, repr=False, compare=False)

    def fit(self, record: Record) -> None:
        """Calibrate; on unusable data `reason` says what is missing and `predict` repeats it."""
        self.gauge = None
        self.reason = _unusable(record, self.least_days)
        step = record.target.step
        if self.reason or step is None:
            return
        regular = record.target.without_strays().regular(step)
        learning = _Learning(regular.times, regular.values, step, self.seed, self.generations)
        weather = weather_of(record, regular.times, step)
        with one_thread():
            self.gauge = learning.gauge(weather, self.leads, record.target.unit)

    def update(self, record: Record) -> None:
        """The state is a function of the record; what `predict` keeps only saves time."""

    def predict(
        self, record: Record, issued_at: Instant, leads: Leads, levels: tuple[float, ...] = LEVELS
    ) -> Forecast | NotCalibrated:
        """Uses all rain for the state and the last 30 days of matured forecasts for the intervals."""
        if self.gauge is None:
            return NotCalibrated(self.reason)
        known, now = record.as_of(issued_at), np.array([issued_at], dtype="datetime64[us]")
        made = self._answers(known, now, leads, levels, self.memory)
        if made is None or not np.isfinite(made[0]).all():
            return NotCalibrated("Der Pegel schweigt, oder dieser Vorhersagezeitraum ist nicht gelernt")
        point, quantiles = made
        remarks = tuple(_remarks(self.gauge, known, issued_at, quantiles[0]))
        return Forecast(issued_at, leads, point[0], levels, quantiles[0], self.gauge.unit, remarks)

    def hindcast(
        self, record: Record, origins: Times, leads: Leads, levels: tuple[float, ...] = LEVELS
    ) -> tuple[Floats, Floats] | None:
        """Forecasts of many origins at once: points (origins, leads), quantiles (origins, leads, levels), NaN
        where refused. Each equals what `predict` gives on the record truncated at its origin."""
        return self._answers(record, origins, leads, levels, None)

    def _answers(
        self, record: Record, origins: Times, leads: Leads, levels: tuple[float, ...], memory: Memory | None
    ) -> tuple[Floats, Floats] | None:
        if self.gauge is None or not len(record.target) or not len(origins):
            return None
        # What lies in the future of all origins cannot outvote the present.
        regular = record.target.as_of(origins.max()).without_strays().regular(self.gauge.step)
        weather = weather_of(record, regular.times, self.gauge.step)
        with one_thread():
            return answer(
                self.gauge,
                regular,
                weather,
                origins=origins,
                leads=leads,
                levels=levels,
                rain_ahead=self.rain_ahead,
                memory=memory,
            )


def _remarks(gauge: Gauge, known: Record, issued_at: Instant, quantiles: Floats) -> Iterator[str]:
    """What a reader must know of these numbers."""
    if (quantiles > gauge.highest).any():
        yield "oberhalb alles bisher Gemessenen: Extrapolation"
    lately = known.target.between(issued_at - DAY, issued_at + HOUR).values
    if np.isfinite(lately).any() and np.nanmedian(lately) > OTHER_UNIT * gauge.highest > 0:
        yield f"Pegel seit einem Tag mehr als {OTHER_UNIT:.0f}-mal so hoch wie je gelernt: Einheit prüfen"
    rain = known.driver("precipitation")
    heard = rain.times[np.isfinite(rain.values)] if rain is not None else np.array([], "datetime64[us]")
    if not heard.size or issued_at - heard[-1] > RAIN_SILENCE:
        yield "Der Regenmesser schweigt: gefallener Regen ist unbekannt und fehlt in der Vorhersage"


def weather_of(record: Record, grid: Times, step: Step) -> Weather:
    """The record's drivers on the gauge's grid."""
    return weather_on(
        grid,
        step,
        rain=record.driver("precipitation") or Series(grid[:0], np.array([]), "mm"),
        temperature=record.driver("temperature"),
        evaporation=record.driver("evaporation"),
    )


def _unusable(record: Record, least_days: float) -> str:
    """Why this record cannot calibrate anything; empty when it can."""
    target, rain = record.target, record.driver("precipitation")
    solid = np.isfinite(target.values)
    if solid.sum() < 2 or target.step is None:
        return "Modell nicht kalibriert: zu wenige Messwerte"
    days = float(target.step / DAY) * float(solid.sum())
    if days < least_days and solid.sum() < ROWS_INSTEAD_OF_DAYS:
        return f"Modell nicht kalibriert: {int(days)} volle Tage Messung, nötig sind {least_days:.0f}"
    if float(target.step / HOUR) * float(solid.sum()) < least_days * 24 / 2:
        return "Modell nicht kalibriert: Aufzeichnung zu kurz"
    if rain is None or not (np.nan_to_num(rain.values) > 0).any():
        return "Modell nicht kalibriert: kein Regen im Lernzeitraum"
    if np.ptp(target.values[solid]) <= 0:
        return "Modell nicht kalibriert: der Pegel ändert sich nie"
    return ""


@dataclass(frozen=True, slots=True)
class _Learning:
    """One calibration: concepts cross-fitted by halves, then every lead and width of known rain."""

    grid: Times
    values: Floats
    step: Step
    seed: int
    generations: int

    def gauge(self, weather: Weather, leads: Leads, unit: str) -> Gauge:
        scale = FlowScale.learn(self.values, unit)
        half = len(self.values) // 2
        parts = [
            self._concept(weather, scale, keep) for keep in (slice(0, half), slice(half, None), slice(None))
        ]
        models: dict[tuple[int, int], LeadModel] = {}
        for lead in leads:
            steps = max(1, round(float(lead / self.step)))
            nowcast = max(1, round(float(NOWCAST / self.step)))
            for width in sorted({0, min(steps, nowcast), steps}):
                models[steps, width] = self._lead(weather, scale, parts, steps, width)
        highest = float(np.nanmax(self.values))
        return Gauge(self.step, unit, scale, parts[2], models, self.grid[-1], highest)

    def _concept(self, weather: Weather, scale: FlowScale, keep: slice) -> Concept:
        """Calibrated on some of the record but run over all of it, so that its stores are always warm."""
        concept = Concept(float(self.step / HOUR), self.seed, stage=scale.bend > 1.0)
        signal = np.full(len(self.values), np.nan)
        signal[keep] = self.values[keep] - scale.origin
        if np.isfinite(signal).sum() < 2 or np.nanstd(signal) == 0:
            signal = self.values - scale.origin
        concept.fit(weather, signal, generations=self.generations)
        return concept

    def _lead(
        self, weather: Weather, scale: FlowScale, concepts: list[Concept], steps: int, width: int
    ) -> LeadModel:
        thin = max(1, round(float(hours(0.25) / self.step)))
        filled, age = forward_fill(self.values)
        at = np.arange(len(self.grid) // 50, len(self.grid) - steps, thin)
        at = at[(age[at] == 0) & np.isfinite(self.values[at + steps])]
        samples = [
            Sample(
                self._designs(weather, concept, scale=scale, at=at, steps=steps, width=width),
                filled[at],
                self.values[at + steps],
                scale,
            )
            for concept in concepts
        ]
        # A row of the first half is described by the concept of the second half, and the reverse.
        early = at < len(self.grid) // 2
        model = LeadModel(self.seed)
        per_day = max(1, round(float(DAY / (thin * self.step))))
        model.fit(
            _joined(samples[1], samples[0], early),
            samples[2],
            block=2 * per_day,
            gap=steps // thin + per_day // 2,
        )
        return model

    def _designs(
        self, weather: Weather, concept: Concept, *, scale: FlowScale, at: Integers, steps: int, width: int
    ) -> dict[float, Design]:
        known = moments(self.values, weather, concept, scale.origin)
        rain = weather.ahead_of(at, width)
        every = np.arange(len(at))
        view = outlook(known, concept, at=at, of=every, rain=rain, lead_steps=steps, origin=scale.origin)
        return {power: design(known, concept, view, scale.with_power(power)) for power in POWERS}


def _joined(first: Sample, second: Sample, use_first: Floats) -> Sample:
    """Row by row from one of two samples of the same moments."""
    designs = {}
    for power, one in first.designs.items():
        table = np.where(use_first[:, None], one.table, second.designs[power].table)
        designs[power] = replace(one, table=table)
    return Sample(designs, first.now, first.then, first.scale)
