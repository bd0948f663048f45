"""Meters ahead: what a building will probably use in each hour of the next two days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from models import metrics
from models.backtest import truth
from models.baselines import SeasonalNaive
from models.card import ModelCard
from models.consumption.expected import Calendar
from models.consumption.outlook import LoadForecaster
from models.consumption.school import SCHOOL_HOLIDAYS
from models.forecaster import LEVELS, Forecast, NotCalibrated
from models.jobs.inputs import Inputs, fingerprint, moment
from models.jobs.metering import by_medium, hourly_use
from models.jobs.outcome import PUBLISHED, Fitted, Outcome
from models.jobs.parallel import Runner
from models.jobs.product import Ask, Group, below, finite_mean, silent
from models.series import DAY, HOUR, Floats, Instant, Record, Times
from udp.registry.port import Inventory

VERSION = "1"
NAME = "expected load"
LEADS = np.arange(1, 49) * HOUR
_SEASONS = (7 * DAY, DAY)
# Two days of hours in five quantiles per meter: four issues a day say all that is new, and fill no store.
_EVERY_H = 6
# The newest part is for the exam: at most two months, at most three tenths of the record.
_EXAM, _SHARE = 60 * DAY, 0.3
_LEAST_JUDGED = 7 * 24
_TOLD = "Verbrauch je Stunde, die zur genannten Zeit endet; gerechnet, als bliebe das Wetter wie gestern"


@dataclass(frozen=True, slots=True)
class LoadMaterial:
    """One meter as known at ``issued``: use per hour in the counter's unit, outdoor temperature."""

    name: str
    record: Record
    issued: Instant

    def fingerprint(self) -> str:
        """See Material."""
        series = [self.record.target, *self.record.drivers.values()]
        return fingerprint(series, VERSION, f"{self.name} {self.issued}")


@dataclass(frozen=True, slots=True)
class _Voice:
    """Who speaks for one meter; ``why`` says why it is the simple comparison."""

    speaker: LoadForecaster | SeasonalNaive
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Learned:
    """One meter: the model, the best simple comparison and how both did on what they had not seen."""

    model: LoadForecaster
    naive: SeasonalNaive | None
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def voice(self, *, trusted: bool) -> _Voice | str:
        """The model only where it is better; a German reason where nobody can speak."""
        if not self.model.calibrated or not self.scores:
            reason = "noch nicht geprüft"
            if not self.model.calibrated:
                reason = self.model.reason.removeprefix("Lastprognose nicht kalibriert: ")
            return reason if self.naive is None else _Voice(self.naive, reason)
        own = self.scores[NAME]["crps"]
        rival = min(row["crps"] for name, row in self.scores.items() if name != NAME)
        if own <= rival and trusted:
            return _Voice(self.model)
        why = "an diesem Zähler war der einfache Vergleich besser"
        return why if self.naive is None else _Voice(self.naive, why)


@dataclass(frozen=True, slots=True)
class Loads:
    """One group and one card per medium; each meter has a model of its own, and is left to the simple
    comparison where that was better."""

    history: timedelta = timedelta(days=45)
    learn: timedelta = timedelta(days=430)
    refit_every: timedelta = timedelta(days=14)
    seed: int = 0
    name: str = "last"

    def groups(self, inventory: Inventory) -> list[Group]:
        """See Product."""
        return by_medium(inventory)

    def gather(self, inputs: Inputs, group: Group, *, learning: bool) -> Mapping[int, LoadMaterial]:
        """See Product; all of it as known at the last issue hour."""
        then = Inputs(inputs.store, inputs.inventory, _issue_hour(inputs.issued_at))
        history = self.learn if learning else self.history
        warmth = then.warmth(HOUR, history)
        drivers = {} if warmth is None else {"temperature": warmth}
        return {
            of: LoadMaterial(str(of), Record(hourly_use(one, then.now)[0], drivers), then.now)
            for of, one in then.series(group.targets, history).items()
        }

    def fit(self, materials: Mapping[int, Any], run: Runner) -> Fitted:
        """See Product."""
        listed: list[LoadMaterial] = list(materials.values())
        made = run.map(_Learner(self.seed), listed, "Lastgänge lernen")
        card = _card(listed, made, self.seed)
        trusted = card is not None and card.usable
        voices = {one.name: learned.voice(trusted=trusted) for one, learned in zip(listed, made, strict=True)}
        why = "" if card is not None else "noch kein Zeitraum, an dem das Modell geprüft werden konnte"
        if not any(isinstance(one, _Voice) for one in voices.values()):
            reason = next(iter(voices.values()), "kein Zähler im Register")
            return Fitted(None, NAME, fallback=False, reason=str(reason), card=card)
        return Fitted(voices, NAME, fallback=not trusted, reason=why, card=card)

    @staticmethod
    def answer(ask: Ask) -> Outcome:
        """See Product."""
        material: LoadMaterial = ask.material
        voice = ask.fitted.speaker[material.name] if ask.fitted.speaker is not None else ask.fitted.reason
        if isinstance(voice, str):
            return silent(ask.of, material.issued, NAME, voice)
        if len(material.record.target) < 2:
            return silent(ask.of, material.issued, voice.speaker.name, "Noch keine Messwerte")
        made = voice.speaker.predict(material.record, material.issued, LEADS, PUBLISHED)
        if isinstance(made, NotCalibrated):
            reason = "Der Zähler hat zuletzt nichts gemeldet" if voice.why else made.reason
            return silent(ask.of, material.issued, voice.speaker.name, reason)
        # A counter does not run backwards, whatever the errors of past weeks say.
        made = replace(made, quantiles=np.maximum(made.quantiles, 0.0), point=np.maximum(made.point, 0.0))
        remarks = (_TOLD, f"Einfacher Vergleich: {voice.why}") if voice.why else (_TOLD,)
        return Outcome(
            ask.of, material.issued, voice.speaker.name, bool(voice.why), forecast=made, remarks=remarks,
            summary=_summary(made), per_hour=True,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Learner:
    """Runs in processes of their own."""

    seed: int

    def __call__(self, material: LoadMaterial) -> _Learned:
        record = material.record
        calendar = Calendar(school_holidays=SCHOOL_HOLIDAYS)
        model = LoadForecaster(LEADS, calendar, self.seed)
        naive = [SeasonalNaive(LEADS, season) for season in _SEASONS]
        contenders: list[Any] = [model, *naive]
        scores = _exam(record, contenders)
        for one in contenders:
            one.fit(record)
        able = [one for one in naive if one.calibrated]
        best = min(able, key=lambda one: scores.get(one.name, {}).get("crps", 0.0), default=None)
        return _Learned(model, best, scores)


def _exam(record: Record, forecasters: list[Any]) -> dict[str, dict[str, float]]:
    """All taught on what was known at the split and asked at the same hours; errors in shares of the mean
    use, so that a town hall does not outvote eleven kindergartens. Empty where nothing can be judged."""
    if np.isfinite(record.target.values).sum() < _LEAST_JUDGED:
        return {}
    split, origins = _after_split(record)
    if not len(origins):
        return {}
    past = record.as_of(split)
    made = {}
    for one in forecasters:
        one.fit(past)
        made[one.name] = one.hindcast(record, origins, LEADS)
    tables = {name: table for name, table in made.items() if table is not None}
    seen, _ = truth(record, origins, LEADS)
    fair = np.isfinite(seen)
    for point, _ in tables.values():
        fair &= np.isfinite(point)
    level = float(np.nanmean(np.abs(record.target.values)))
    if NAME not in tables or len(tables) < 2 or fair.sum() < _LEAST_JUDGED or not level > 0:
        return {}
    return {
        name: _score(seen[fair] / level, point[fair] / level, bands[fair] / level)
        for name, (point, bands) in tables.items()
    }


def _after_split(record: Record) -> tuple[Instant, Times]:
    """Where learning ends, and the issue hours after it whose last lead has come."""
    times = record.target.times
    span = np.timedelta64((times[-1] - times[0]) * _SHARE, "us")
    split = np.datetime64(times[-1] - min(span, _EXAM), "us")
    late = times[(times > split) & (times + LEADS[-1] <= times[-1])]
    return split, late[late.astype("datetime64[h]").astype(np.int64) % _EVERY_H == 0]


def _score(seen: Floats, point: Floats, bands: Floats) -> dict[str, float]:
    return {
        "crps": metrics.crps(seen, bands, LEVELS),
        "mae": metrics.mean_absolute_error(seen, point),
        "coverage80": metrics.coverage(seen, bands[:, LEVELS.index(0.1)], bands[:, LEVELS.index(0.9)]),
        "coverage90": metrics.coverage(seen, bands[:, 0], bands[:, -1]),
        **below(seen, bands),
    }


def _card(listed: list[LoadMaterial], made: list[_Learned], seed: int) -> ModelCard | None:
    """Means over the meters that could be judged; None without any."""
    judged = [(one, learned.scores) for one, learned in zip(listed, made, strict=True) if learned.scores]
    if not judged:
        return None
    names = list(dict.fromkeys(name for _, scores in judged for name in scores))
    scores = {}
    for name in names:
        rows = [one[name] for _, one in judged if name in one]
        scores[name] = {key: finite_mean(np.array([row[key] for row in rows])) for key in rows[0]}
    spans = [(one.record.target.times[0], one.record.target.times[-1]) for one, _ in judged]
    worse = sum(
        one[NAME]["crps"] > min(row["crps"] for name, row in one.items() if name != NAME) for _, one in judged
    )
    end = max(last for _, last in spans)
    notes = [f"{len(judged)} von {len(listed)} Zählern haben genug Geschichte, um geprüft zu werden"]
    if worse:
        notes.append(f"bei {worse} davon war der einfache Vergleich besser; dort wird er gezeigt")
    return ModelCard(
        name=NAME, target="Verbrauch je Stunde bis 48 Stunden voraus, in Anteilen seines Mittels",
        version=VERSION, seed=seed, data_start=moment(min(first for first, _ in spans)),
        data_end=moment(end), split=moment(min(_after_split(one.record)[0] for one, _ in judged)),
        scores=scores, deciding_metric="crps", notes=tuple(notes),
    )  # fmt: skip


def _issue_hour(at: datetime) -> datetime:
    seconds = _EVERY_H * 3600
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)


def _summary(made: Forecast) -> dict[str, Any]:
    """The sum of expected values is the expected value of the sum; of quantiles no such thing is true."""
    return {
        "unit": made.unit,
        "expected_24h": round(float(made.point[:24].sum()), 1),
        "expected_48h": round(float(made.point.sum()), 1),
    }
