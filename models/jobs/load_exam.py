"""Teach load forecasts on what was known, and examine them on what came: beside last week, yesterday, and the
same forecast without a weather service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models import metrics
from models.backtest import truth
from models.baselines import SeasonalNaive
from models.card import ModelCard
from models.consumption.expected import Calendar
from models.consumption.outlook import LoadForecaster
from models.consumption.school import SCHOOL_HOLIDAYS
from models.consumption.warmth import NoWarmthAhead
from models.forecaster import LEVELS
from models.jobs.inputs import fingerprint, moment
from models.jobs.product import below, finite_mean
from models.jobs.warmth import AS_YESTERDAY, WarmthRuns, no_runs
from models.report.wording import number
from models.series import DAY, HOUR, Booleans, Floats, Instant, Record, Times

VERSION = "2"
NAME = "expected load"
LEADS = np.arange(1, 49) * HOUR
_SEASONS = (7 * DAY, DAY)
# The newest part is for the exam: at most two months, at most three tenths of the record.
_EXAM, _SHARE = 60 * DAY, 0.3
_LEAST_JUDGED = 7 * 24
# Forecasts of a week, before temperature forecasts are given up as useless.
_LEAST_TOLD = 28
Made = tuple[Floats, Floats]


@dataclass(frozen=True, slots=True)
class LoadMaterial:
    """One meter as known at ``issued``: use per hour in the counter's unit, outdoor temperature, and
    ``ahead`` what was expected of it, then and at each moment before."""

    name: str
    record: Record
    issued: Instant
    ahead: WarmthRuns = field(default_factory=no_runs)

    def fingerprint(self) -> str:
        """See Material."""
        series = [self.record.target, *self.record.drivers.values()]
        return fingerprint(series, VERSION, f"{self.name} {self.issued} {self.ahead.mark()}")


@dataclass(frozen=True, slots=True)
class Worth:
    """What temperature forecasts were worth at one meter: ``told`` of ``asked`` issues had one; CRPS of these
    with it, and with yesterday's weather."""

    asked: int = 0
    told: int = 0
    crps_with: float = float("nan")
    crps_without: float = float("nan")

    @property
    def deaf(self) -> bool:
        """Whether this meter is foreseen better without listening."""
        return self.told >= _LEAST_TOLD and self.crps_without < self.crps_with


@dataclass(frozen=True, slots=True)
class Learned:
    """One meter: the model, the best simple comparison and how both did on what they had not seen."""

    model: LoadForecaster
    naive: SeasonalNaive | None
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    worth: Worth = field(default_factory=Worth)

    @property
    def wins(self) -> bool:
        """Whether no simple comparison was better than the examined model."""
        rival = min(row["crps"] for name, row in self.scores.items() if name != NAME)
        return self.scores[NAME]["crps"] <= rival


@dataclass(frozen=True, slots=True)
class Learner:
    """Runs in processes of their own. ``every``: hours of the day that are issue hours, as their distance."""

    seed: int
    every: int

    def __call__(self, material: LoadMaterial) -> Learned:
        record = material.record
        calendar = Calendar(school_holidays=SCHOOL_HOLIDAYS)
        model = LoadForecaster(LEADS, calendar, self.seed, material.ahead)
        naive = [SeasonalNaive(LEADS, season) for season in _SEASONS]
        contenders: list[Any] = [model, *naive]
        scores, worth = _exam(record, contenders, self.every)
        if worth.deaf:
            model.warmth = NoWarmthAhead()
        for one in contenders:
            one.fit(record)
        able = [one for one in naive if one.calibrated]
        best = min(able, key=lambda one: scores.get(one.name, {}).get("crps", 0.0), default=None)
        # What it learned, without the forecasts of then: those come with every question.
        return Learned(model.listening(NoWarmthAhead()), best, scores, worth)


def _exam(record: Record, forecasters: list[Any], every: int) -> tuple[dict[str, dict[str, float]], Worth]:
    """All taught on what was known at the split and asked at the same hours; errors in shares of the mean
    use, so that a town hall does not outvote eleven kindergartens. Empty where nothing can be judged."""
    if np.isfinite(record.target.values).sum() < _LEAST_JUDGED:
        return {}, Worth()
    split, origins = _after_split(record, every)
    if not len(origins):
        return {}, Worth()
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
        return {}, Worth()
    (model,) = [one for one in forecasters if one.name == NAME]
    worth, still = _worth(model, record, origins, tables[NAME], np.where(fair, seen, np.nan), level=level)
    if worth.deaf and still is not None:
        tables[NAME] = still
    scores = {
        name: _score(seen[fair] / level, point[fair] / level, bands[fair] / level)
        for name, (point, bands) in tables.items()
    }
    return scores, worth


def _worth(
    model: LoadForecaster, record: Record, origins: Times, made: Made, seen: Floats, *, level: float
) -> tuple[Worth, Made | None]:
    """The same fitted model with and without the temperature forecasts of then, where ``seen`` is finite;
    errors in shares of ``level``."""
    told: Booleans = np.asarray(np.isfinite(model.warmth.table(origins, LEADS)).all(axis=1))
    keep = told[:, None] & np.isfinite(seen)
    if record.driver("temperature") is None or not keep.any():
        return Worth(len(origins)), None
    still = model.listening(NoWarmthAhead()).hindcast(record, origins, LEADS)
    if still is None:
        return Worth(len(origins)), None
    both = [metrics.crps(seen[keep] / level, bands[keep] / level, LEVELS) for _, bands in (made, still)]
    return Worth(len(origins), int(told.sum()), both[0], both[1]), still


def _after_split(record: Record, every: int) -> tuple[Instant, Times]:
    """Where learning ends, and the issue hours after it whose last lead has come."""
    times = record.target.times
    span = np.timedelta64((times[-1] - times[0]) * _SHARE, "us")
    split = np.datetime64(times[-1] - min(span, _EXAM), "us")
    late = times[(times > split) & (times + LEADS[-1] <= times[-1])]
    return split, late[late.astype("datetime64[h]").astype(np.int64) % every == 0]


def _score(seen: Floats, point: Floats, bands: Floats) -> dict[str, float]:
    return {
        "crps": metrics.crps(seen, bands, LEVELS),
        "mae": metrics.mean_absolute_error(seen, point),
        "coverage80": metrics.coverage(seen, bands[:, LEVELS.index(0.1)], bands[:, LEVELS.index(0.9)]),
        "coverage90": metrics.coverage(seen, bands[:, 0], bands[:, -1]),
        **below(seen, bands),
    }


def card_of(listed: list[LoadMaterial], made: list[Learned], seed: int, every: int) -> ModelCard | None:
    """Means over the meters that could be judged; None without any."""
    judged = [(one, learned) for one, learned in zip(listed, made, strict=True) if learned.scores]
    if not judged:
        return None
    names = list(dict.fromkeys(name for _, learned in judged for name in learned.scores))
    scores = {}
    for name in names:
        rows = [learned.scores[name] for _, learned in judged if name in learned.scores]
        scores[name] = {key: finite_mean(np.array([row[key] for row in rows])) for key in rows[0]}
    times = [one.record.target.times for one, _ in judged]
    worse = sum(not learned.wins for _, learned in judged)
    notes = [f"{len(judged)} von {len(listed)} Zählern haben genug Geschichte, um geprüft zu werden"]
    if worse:
        notes.append(f"bei {worse} davon war der einfache Vergleich besser; dort wird er gezeigt")
    notes += _weather([learned.worth for _, learned in judged])
    return ModelCard(
        name=NAME, target="Verbrauch je Stunde bis 48 Stunden voraus, in Anteilen seines Mittels",
        version=VERSION, seed=seed, data_start=moment(min(one[0] for one in times)),
        data_end=moment(max(one[-1] for one in times)),
        split=moment(min(_after_split(one.record, every)[0] for one, _ in judged)),
        scores=scores, deciding_metric="crps", notes=tuple(notes),
    )  # fmt: skip


def _weather(worth: list[Worth]) -> list[str]:
    """Which temperature to come was used, and what it was worth."""
    told = [one for one in worth if one.told]
    if not told:
        return [f"{AS_YESTERDAY}: für die geprüften Stunden lag keine Temperaturvorhersage vor"]
    share = sum(one.told for one in told) / sum(one.asked for one in worth)
    with_it, without = (
        finite_mean(np.array([getattr(one, name) for one in told])) for name in ("crps_with", "crps_without")
    )
    said = [
        f"bei {number(100 * share, 0)} % der geprüften Vorhersagen lag eine Temperaturvorhersage vor: CRPS "
        f"dort mit ihr {number(with_it, 3)}, mit dem Wetter vom Vortag {number(without, 3)}"
    ]
    if deaf := sum(one.deaf for one in told):
        said.append(f"bei {deaf} Zählern war sie kein Gewinn und wird nicht benutzt")
    return said
