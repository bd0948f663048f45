"""Calibrate one gauge and measure it on what it has not seen: beside simple comparisons, without rain ahead,
and as a source of warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from models import metrics
from models.backtest import truth
from models.baselines import LinearArx, Persistence
from models.card import ModelCard
from models.forecaster import LEVELS
from models.jobs.inputs import fingerprint, moment
from models.jobs.outcome import Fitted, Trial
from models.jobs.product import below, finite_mean, split_of
from models.jobs.warning_trials import try_warnings
from models.rainfall_runoff.forecast import RunoffForecaster
from models.rainfall_runoff.rain_ahead import NoRainAhead, RainAhead
from models.series import Booleans, Floats, Instant, Record, Times, hours

VERSION = "4"
LEADS = np.array([hours(h) for h in (0.5, 1, 3, 6, 12)])
SHARE = 0.6
# A gauge of a fortnight is examined like every other: taught on its first part, held against persistence on
# the rest. A week is the least that may be taught.
LEAST_DAYS = 7.0
NO_RAIN_AHEAD = "Ohne Regenvorhersage gerechnet"
# On fewer past forecasts of rain nobody can say whether they help.
_JUDGED = 100
Made = tuple[Floats, Floats] | None


@dataclass(frozen=True, slots=True)
class RunoffMaterial:
    """A gauge with its drivers on one grid; ``rain_ahead`` answers for past issue times too."""

    record: Record
    rain_ahead: RainAhead = field(default_factory=NoRainAhead)
    rain_told: tuple[str, ...] = (NO_RAIN_AHEAD,)
    rain_mark: str = ""

    def fingerprint(self) -> str:
        """See Material."""
        return fingerprint([self.record.target, *self.record.drivers.values()], VERSION, self.rain_mark)


@dataclass(frozen=True, slots=True)
class Calibration:
    """One gauge; runs in a process of its own."""

    seed: int
    generations: int

    def __call__(self, material: RunoffMaterial) -> Fitted:
        record = material.record
        model = RunoffForecaster(
            LEADS, material.rain_ahead, self.seed, self.generations, least_days=LEAST_DAYS
        )
        baselines: list[Any] = [Persistence(LEADS), LinearArx(LEADS)]
        if not np.isfinite(record.target.values).any():
            return Fitted(None, model.name, fallback=False, reason="Noch keine Messwerte", card=None)
        exam = _Exam.of(record)
        scores = exam.scores([model, *baselines])
        worth = exam.worth_of_rain(model) if scores else _Worth()
        if worth.deaf:
            scores[model.name] = worth.without
        card = _card(material, exam, self.seed, scores, worth) if scores else None
        trials = exam.trials(model, deaf=worth.deaf) if scores else ()
        usable = card is not None and card.usable
        # What has failed its exam is not taught again; what had none says why.
        for one in (*([model] if usable or not _known(scores.get(model.name, {})) else []), *baselines):
            one.fit(record)
        if model.gauge is not None and card is not None and usable:
            # What it learned, without the rain of then: that comes with every question.
            heard = replace(model, rain_ahead=NoRainAhead())
            return Fitted(heard, model.name, False, "", card, without_rain=worth.deaf, trials=trials)
        rival = card.best_baseline if card is not None else None
        speaker = next((one for one in baselines if one.name == rival), None)
        name = speaker.name if speaker is not None else model.name
        why = _why_not(model, scores)
        return Fitted(speaker, name, fallback=speaker is not None, reason=why, card=card)


def _why_not(model: RunoffForecaster, scores: Mapping[str, Mapping[str, float]]) -> str:
    if _known(scores.get(model.name, {})):
        return ""
    if model.gauge is None:
        return model.reason.removeprefix("Modell nicht kalibriert: ")
    return "noch kein Zeitraum, an dem das Modell geprüft werden konnte"


@dataclass(frozen=True, slots=True)
class _Worth:
    """Scores without rain ahead where past forecasts of rain were at hand, and the CRPS of both there."""

    origins: int = 0
    crps_with: float = float("nan")
    crps_without: float = float("nan")
    without: Mapping[str, float] = field(default_factory=dict)

    @property
    def deaf(self) -> bool:
        """Whether the model does better when it does not listen to the rain forecast."""
        return self.origins >= _JUDGED and self.crps_without < self.crps_with


@dataclass(slots=True)
class _Exam:
    """Hourly origins of the last part of a record, and what every forecaster made of them."""

    record: Record
    split: Instant
    origins: Times
    made: dict[str, Made] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Record) -> _Exam:
        split = split_of(record.target.times, SHARE)
        step = record.target.step
        if step is None or not len(record.as_of(split).target):
            return cls(record, split, record.target.times[:0])
        thin = max(1, round(float(hours(1) / step)))
        origins = record.target.times[record.target.times > split][::thin]
        return cls(record, split, origins[origins + LEADS[-1] <= record.target.times[-1]])

    def scores(self, forecasters: list[Any]) -> dict[str, Mapping[str, float]]:
        """Each taught on what was known at the split."""
        if not len(self.origins):
            return {}
        past = self.record.as_of(self.split)
        for one in forecasters:
            one.fit(past)
            self.made[one.name] = one.hindcast(self.record, self.origins, LEADS)
        return {name: self._score(made) for name, made in self.made.items()}

    def worth_of_rain(self, model: RunoffForecaster) -> _Worth:
        """The same calibrated model with and without the rain forecasts of then."""
        made = self.made[model.name]
        if isinstance(model.rain_ahead, NoRainAhead) or made is None or self.record.target.step is None:
            return _Worth()
        known = model.rain_ahead.table(self.origins, self.record.target.step, 1)
        told: Booleans = np.asarray(np.isfinite(known).any(axis=(0, 2)))
        if not told.any():
            return _Worth()
        dry = replace(model, rain_ahead=NoRainAhead()).hindcast(self.record, self.origins, LEADS)
        self.made["without rain ahead"] = dry
        both = [self._score(one, told).get("crps", float("nan")) for one in (made, dry)]
        return _Worth(int(told.sum()), both[0], both[1], self._score(dry))

    def trials(self, model: RunoffForecaster, *, deaf: bool) -> tuple[Trial, ...]:
        """What warnings of a high level would have been worth."""
        made = self.made["without rain ahead" if deaf else model.name]
        if made is None:
            return ()
        learned = self.record.as_of(self.split).target
        return try_warnings(learned, self.record.target, self.origins, LEADS, made[1])

    def _score(self, made: Made, keep: Booleans | None = None) -> dict[str, float]:
        if made is None:
            return {"crps": float("nan")}
        which = slice(None) if keep is None else keep
        seen, last = truth(self.record, self.origins[which], LEADS)
        return _score(seen, last, made[0][which], made[1][which])


def _score(seen: Floats, last: Floats, point: Floats, bands: Floats) -> dict[str, float]:
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
    material: RunoffMaterial, exam: _Exam, seed: int, scores: Mapping[str, Mapping[str, float]], worth: _Worth
) -> ModelCard:
    record = material.record
    times = record.target.times
    notes = [
        *material.rain_told,
        f"{len(exam.origins)} Vorhersagen nach der Trennung geprüft, je eine pro Stunde",
    ]
    if worth.origins:
        figures = [f"{one:.3g}".replace(".", ",") for one in (worth.crps_with, worth.crps_without)]
        notes.append(
            f"zu {worth.origins} davon lag eine Regenvorhersage vor: CRPS mit ihr {figures[0]}, ohne sie "
            f"{figures[1]}" + ("; sie wird deshalb nicht benutzt" if worth.deaf else "")
        )
    return ModelCard(
        name="runoff hybrid",
        target=f"Wasserstand in {record.target.unit}",
        version=VERSION,
        seed=seed,
        data_start=moment(times[0]),
        data_end=moment(times[-1]),
        split=moment(exam.split),
        scores=scores,
        deciding_metric="crps",
        notes=tuple(notes),
    )
