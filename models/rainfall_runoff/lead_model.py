"""Forecast one lead: candidates on several scales, weighed by blocked validation and shrunk to persistence.

Errors count in the river (raw unit) when candidates are weighed and on the Box-Cox scale when their spread
is learned, so that neither floods nor dry weeks are sacrificed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from models.metrics import pinball
from models.rainfall_runoff.features import Design
from models.rainfall_runoff.transform import FlowScale
from models.regression import Linear, effective_events, proven_share, ridge, stack
from models.series import Booleans, Floats, Integers

POWERS = (0.2, 0.5, 1.0)
# Errors are counted in percent or nearer to litres, whichever made the better intervals in validation.
SPREAD_POWERS = POWERS[:2]
JUDGED_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
STRENGTHS = (1e-3, 1e-2, 1e-1, 0.3, 1.0)
FOLDS = 6
SPREAD_FOLDS = 3
# Each class spans a factor of two, so that false small rises are not outvoted by one true flood.
MOVE_CLASSES = 9
PRIOR_ROWS = 100.0
TRUST_POWER = 0.6
EVENTS_FOR_PRIOR = 8.0
EVENTS_FOR_CLASSES = 20.0
VALIDATION_ROWS = 500.0
# A forecast beyond everything seen is believed by half: point rain exaggerates what falls on a catchment,
# and a river leaves its bed. Held-out floods above the rest of the record may say otherwise, against a prior
# as strong as a quarter of a day at a fifth of the gauge's range above.
REACH = 0.5
REACH_DAYS = 0.25
REACH_RANGE = 0.2
# A river falls to a new low over weeks, never within the hours of a forecast.
REACH_DOWN = 0.1
# Nor does it fall faster than it ever did, in percent: the recession belongs to the catchment.
STEEPEST = 0.002
# After a month of own errors the validation is the smaller voice.
POOL = 300
# Boosting needs many floods before it knows more than a line does.
ROWS_FOR_BOOSTING = 3000
EVENTS_FOR_BOOSTING = 8.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows to learn from in time order: features by power, value now and then (raw)."""

    designs: Mapping[float, Design]
    now: Floats
    then: Floats
    scale: FlowScale

    def change(self, power: float) -> Floats:
        """Change on the scale of a power."""
        scale = self.scale.with_power(power)
        return scale.forward(self.then) - scale.forward(self.now)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One linear model: its scale, the columns it uses (see `Design`), whether boosting corrects it."""

    power: float
    kind: str
    boosted: bool = False

    @property
    def name(self) -> str:
        """As shown on the model card."""
        return f"{self.kind}^{self.power}{' boosted' if self.boosted else ''}"


# From few parameters to many: on a short record the few win, on a long one the many. The line of the past is
# the usual ARX: knowing rain ahead must not make a forecast worse than not knowing it.
CANDIDATES = (
    Candidate(1.0, "past"), Candidate(1.0, "plain"), Candidate(0.5, "concept"), Candidate(1.0, "concept"),
    *(Candidate(power, kind) for kind in ("arx", "hybrid") for power in POWERS),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fitted:
    """A candidate after fitting."""

    candidate: Candidate
    line: Linear
    booster: HistGradientBoostingRegressor | None
    limit: float

    def value(self, design: Design, now: Floats, scale: FlowScale) -> Floats:
        """Value then, raw unit; the boosted correction is bounded to what was seen."""
        own = scale.with_power(self.candidate.power)
        change = self.line(design.table)
        if self.booster is not None:
            change = change + np.clip(self.booster.predict(design.table), -self.limit, self.limit)
        return own.back(own.forward(now) + change)


def fit_candidate(
    candidate: Candidate, sample: Sample, rows: Booleans, strengths: Sequence[float], seed: int
) -> list[Fitted]:
    """One candidate on some rows, once per ridge strength."""
    design = sample.designs[candidate.power]
    use = design.columns(candidate.kind)
    table = np.where(use, design.table[rows], 0.0)
    change = sample.change(candidate.power)[rows]
    lines = ridge(table, change, strengths=strengths, rising=design.rising)
    if not candidate.boosted:
        return [Fitted(candidate, line, None, 0.0) for line in lines]
    rest = change - lines[0](table)
    booster = HistGradientBoostingRegressor(
        max_iter=80, learning_rate=0.07, max_leaf_nodes=10, min_samples_leaf=60, l2_regularization=5.0,
        max_bins=64, monotonic_cst=design.rising.astype(np.int8), random_state=seed,
    )  # fmt: skip
    booster.fit(design.table[rows], rest)
    return [Fitted(candidate, lines[0], booster, float(np.quantile(np.abs(rest), 0.995)))]


@dataclass(frozen=True, slots=True)
class Trust:
    """How far predicted moves of each size come true in operation, beginning with full trust in validation.

    A model that learned floods may wander in a drought it has never seen; there its small moves lose their
    weight as soon as matured forecasts show it, while its say about floods stays as validated."""

    edges: Floats
    prior: Floats

    @classmethod
    def learn(cls, sample: Sample, point: Floats, evidence: float) -> Trust:
        """Classes by size of the predicted move between litres and percents (TRUST_POWER). The trust in
        what validation weighed counts as PRIOR_ROWS rows of each class."""
        scale = sample.scale.with_power(TRUST_POWER)
        move = scale.forward(point) - scale.forward(sample.now)
        came = scale.forward(sample.then) - scale.forward(sample.now)
        edges = np.quantile(np.abs(move), 0.5) * 2.0 ** np.arange(MOVE_CLASSES - 1)
        # The size a class stands for; every move is believed fully until experience says otherwise.
        typical = (1.4 * np.concatenate([edges[:1] / 2, edges])) ** 2
        # What rests on few events gives way sooner to what is seen in operation.
        rows = PRIOR_ROWS * min(1.0, evidence / EVENTS_FOR_PRIOR)
        prior = rows * np.stack([typical, typical], axis=1)
        kind = np.searchsorted(edges, np.abs(move))
        # Rows of few events repeat each other: then validation by class says little.
        share = min(1.0, evidence / EVENTS_FOR_CLASSES) ** 2
        for number in range(MOVE_CLASSES):
            inside = kind == number
            if inside.any():
                rows = share * min(float(inside.sum()), VALIDATION_ROWS)
                prior[number] += rows * np.array([(move * came)[inside].mean(), (move**2)[inside].mean()])
        return cls(edges, prior)

    def factor(self, move: Floats, experience: Floats) -> Floats:
        """Share (0-1) of each predicted move to believe; ``experience`` (rows, classes, 2) are the sums of
        move * came and move^2 since. Never falling with the size of the move: more rain stays more."""
        total = np.cumsum(
            np.concatenate([np.zeros((len(move), 1, 2)), self.prior + experience], axis=1), axis=1
        )
        rising = np.empty((len(move), MOVE_CLASSES))
        for k in range(MOVE_CLASSES):
            # Isotonic regression as max over starts of min over ends (Barlow et al. 1972, ch. 1).
            starts = [
                np.min([_share(total[:, j + 1] - total[:, i]) for j in range(k, MOVE_CLASSES)], axis=0)
                for i in range(k + 1)
            ]
            rising[:, k] = np.clip(np.max(starts, axis=0), 0.0, 1.0)
        kind = np.searchsorted(self.edges, np.abs(move))
        return np.asarray(rising[np.arange(len(move)), kind])


def _share(sums: Floats) -> Floats:
    return np.asarray(sums[:, 0] / np.maximum(sums[:, 1], 1e-300))


class LeadModel:
    """Point and quantiles of one lead for one width of known rain ahead."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.weights: dict[str, float] = {}
        self.evidence = 0.0
        self.reach = REACH
        self.highest, self.lowest, self.steepest = np.inf, -np.inf, -np.inf
        self.trust = Trust(np.zeros(MOVE_CLASSES - 1), np.zeros((MOVE_CLASSES, 2)))
        self.pool: Floats = np.array([])
        self.spread_power = SPREAD_POWERS[0]
        self._parts: list[tuple[float, Fitted]] = []
        self._spread: HistGradientBoostingRegressor | None = None
        self._floor = 1e-6

    def fit(self, honest: Sample, final: Sample, *, block: int, gap: int) -> None:
        """Weigh candidates on ``honest`` (each row's concept was calibrated without it), then fit them on
        ``final``. ``block`` rows make one event; ``gap`` rows beside each validation block are left out of
        training because their outcome or memory overlaps it."""
        n = len(honest.now)
        self.evidence = effective_events(honest.then - honest.now, block)
        ahead = honest.designs[POWERS[0]].knows_ahead
        options = [one for one in CANDIDATES if ahead or one.kind != "plain"]
        if n >= ROWS_FOR_BOOSTING and self.evidence >= EVENTS_FOR_BOOSTING:
            options.append(Candidate(0.5, "hybrid", boosted=True))
        fold = np.arange(n) * FOLDS // n
        chosen = [self._cross_fitted(option, honest, fold, gap) for option in options]
        values = np.stack([guess for _, guess in chosen], axis=1)
        changes = values - honest.now[:, None]
        weights = stack(changes, honest.then - honest.now, evidence=self.evidence)
        gain = (honest.then - honest.now) ** 2 - (honest.then - honest.now - changes @ weights) ** 2
        weights = weights * proven_share(gain, block)
        self.weights = {option.name: float(w) for option, w in zip(options, weights, strict=True)}
        everything = np.ones(n, dtype=bool)
        self._parts = [
            (float(w), fit_candidate(option, final, everything, (strength,), self.seed)[0])
            for option, (strength, _), w in zip(options, chosen, weights, strict=True)
            if w > 0
        ]
        point = self._within_reach(honest, honest.now + changes @ weights, fold, block)
        self.trust = Trust.learn(honest, point, self.evidence)
        self._learn_spread(honest, point)

    def _within_reach(self, sample: Sample, point: Floats, fold: Integers, block: int) -> Floats:
        """Learn how far forecasts above all that their training had seen came true; ``block`` = rows of two
        days. Returns the validation's points so bounded."""
        seen = np.maximum(sample.now, sample.then)
        rest = np.array([seen[fold != number].max() for number in range(FOLDS)])
        limit = np.maximum(rest[fold], sample.now)
        over = np.maximum(point - limit, 0.0)
        prior = REACH_DAYS * block / 2.0 * (REACH_RANGE * np.ptp(seen)) ** 2
        came = float((over * (sample.then - limit)).sum())
        self.reach = float(np.clip((came + REACH * prior) / ((over**2).sum() + prior), 0.0, 1.0))
        self.highest = float(seen.max())
        self.lowest = float(np.minimum(sample.now, sample.then).min())
        self.steepest = min(float(np.quantile(sample.change(POWERS[0]), STEEPEST)), 0.0)
        return np.asarray(np.minimum(point, limit) + self.reach * over)

    def _cross_fitted(
        self, option: Candidate, sample: Sample, fold: Integers, gap: int
    ) -> tuple[float, Floats]:
        """Ridge strength and the values forecast by models that have not seen the row's block."""
        design = sample.designs[option.power]
        strengths = STRENGTHS if not option.boosted else (1e-2,)
        guess = np.empty((len(strengths), len(fold)))
        for number in range(FOLDS):
            inside = np.flatnonzero(fold == number)
            train = np.ones(len(fold), dtype=bool)
            train[max(0, inside[0] - gap) : inside[-1] + gap + 1] = False
            for row, fitted in enumerate(fit_candidate(option, sample, train, strengths, self.seed)):
                guess[row, inside] = fitted.value(design.rows(inside), sample.now[inside], sample.scale)
        best = int(np.argmin(((guess - sample.then) ** 2).mean(axis=1)))
        return strengths[best], guess[best]

    def _learn_spread(self, honest: Sample, point: Floats) -> None:
        options = [self._dressed(honest, point, power) for power in SPREAD_POWERS]
        losses = [pinball(honest.then, bands, JUDGED_LEVELS) for bands, _, _ in options]
        best = int(np.argmin(losses))
        self.spread_power, (_, self._spread, self.pool) = SPREAD_POWERS[best], options[best]
        error = _error(honest, point, self.spread_power)
        self._floor = float(np.quantile(np.abs(error), 0.05)) + 1e-6

    def _dressed(
        self, honest: Sample, point: Floats, power: float
    ) -> tuple[Floats, HistGradientBoostingRegressor, Floats]:
        """Bands (rows, JUDGED_LEVELS) around ``point`` with errors on one scale, each block dressed with what
        the others taught; the spread learned from all, and the pool of errors in units of it."""
        scale, error = honest.scale.with_power(power), _error(honest, point, power)
        self._floor = float(np.quantile(np.abs(error), 0.05)) + 1e-6
        x, monotone = _spread_features(honest.designs[power], honest.now, point, scale)
        fold = np.arange(len(error)) * SPREAD_FOLDS // len(error)
        typical = np.empty(len(error))
        for number in range(SPREAD_FOLDS):
            # A spread learned on the very errors it is then divided into would promise too much.
            learned = self._spread_model(x[fold != number], error[fold != number], monotone)
            typical[fold == number] = np.exp(learned.predict(x[fold == number]))
        units, bands = error / typical, np.empty((len(error), len(JUDGED_LEVELS)))
        for number in range(SPREAD_FOLDS):
            rows = fold == number
            q = np.quantile(units[~rows], JUDGED_LEVELS)
            bands[rows] = scale.back(scale.forward(point[rows])[:, None] + typical[rows, None] * q)
        pool = np.quantile(units, (np.arange(POOL) + 0.5) / POOL)
        return bands, self._spread_model(x, error, monotone), pool

    def _spread_model(self, x: Floats, error: Floats, monotone: Integers) -> HistGradientBoostingRegressor:
        model = HistGradientBoostingRegressor(
            max_iter=50, learning_rate=0.1, max_leaf_nodes=8, max_bins=64,
            min_samples_leaf=max(40, len(error) // 60),
            monotonic_cst=monotone, random_state=self.seed, l2_regularization=5.0,
        )  # fmt: skip
        model.fit(x, np.log(np.abs(error) + self._floor))
        return model

    def point(self, designs: Mapping[float, Design], now: Floats, scale: FlowScale) -> Floats:
        """Expected value, raw unit; persistence where nothing earned weight."""
        total = np.zeros(len(now))
        for weight, part in self._parts:
            total += weight * (part.value(designs[part.candidate.power], now, scale) - now)
        top, bottom = np.maximum(self.highest, now), np.minimum(self.lowest, now)
        own = scale.with_power(POWERS[0])
        then = np.maximum(now + total, own.back(own.forward(now) + self.steepest))
        beyond = self.reach * np.maximum(then - top, 0.0) - REACH_DOWN * np.maximum(bottom - then, 0.0)
        return np.asarray(np.maximum(np.clip(then, bottom, top) + beyond, scale.floor))

    def spread(self, designs: Mapping[float, Design], now: Floats, point: Floats, scale: FlowScale) -> Floats:
        """Typical error on the scale of ``spread_power``."""
        if self._spread is None:
            raise RuntimeError("the lead is not fitted")
        own = scale.with_power(self.spread_power)
        x = _spread_features(designs[self.spread_power], now, point, own)[0]
        return np.asarray(np.exp(self._spread.predict(x)))


def _error(sample: Sample, point: Floats, power: float) -> Floats:
    scale = sample.scale.with_power(power)
    return np.asarray(scale.forward(sample.then) - scale.forward(point))


def _spread_features(design: Design, now: Floats, point: Floats, scale: FlowScale) -> tuple[Floats, Integers]:
    """State that decides how far a forecast may be off; more rain ahead never makes it more certain."""
    z = scale.forward(now)
    move = scale.forward(point) - z
    kept = [
        z,
        np.maximum(move, 0.0),
        np.maximum(-move, 0.0),
        np.abs(design.recent_changes).max(axis=1),
        *design.past_rain.T,
    ]
    rain = design.table[:, design.rising & design.arx]
    wet = [rain.sum(axis=1)] if rain.shape[1] else []
    x = np.stack([*kept, *wet], axis=1)
    return x, np.array([0, 1] + [0] * (len(kept) - 2) + [1] * len(wet), dtype=np.int64)
