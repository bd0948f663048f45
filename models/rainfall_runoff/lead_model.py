"""Forecast one lead: candidates on several scales, weighed by blocked validation and shrunk to persistence.

Errors count in the river (raw unit) when candidates are weighed and on the Box-Cox scale when their spread
is learned, so that neither floods nor dry weeks are sacrificed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from models.rainfall_runoff.features import Design
from models.rainfall_runoff.transform import FlowScale
from models.regression import Linear, effective_events, ridge, stack
from models.series import Booleans, Floats, Integers

POWERS = (0.2, 0.5, 1.0)
SPREAD_POWER = POWERS[0]
STRENGTHS = (1e-3, 1e-2, 1e-1, 0.3, 1.0)
FOLDS = 6
SPREAD_FOLDS = 3
# Each class spans a factor of two, so that false small rises are not outvoted by one true flood.
MOVE_CLASSES = 9
PRIOR_ROWS = 100.0
TRUST_POWER = 0.6
EVENTS_FOR_CLASSES = 20.0
VALIDATION_ROWS = 500.0
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
    """One linear model: its scale, whether it uses the concept, whether boosting corrects it."""

    power: float
    concept: bool
    boosted: bool = False

    @property
    def name(self) -> str:
        """As shown on the model card."""
        kind = "hybrid" if self.concept else "arx"
        return f"{kind}^{self.power}{' boosted' if self.boosted else ''}"


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
    use = np.ones_like(design.arx) if candidate.concept else design.arx
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
        prior = PRIOR_ROWS * np.stack([typical, typical], axis=1)
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
        self.trust = Trust(np.zeros(MOVE_CLASSES - 1), np.zeros((MOVE_CLASSES, 2)))
        self.pool: Floats = np.array([])
        self._parts: list[tuple[float, Fitted]] = []
        self._spread: HistGradientBoostingRegressor | None = None
        self._floor = 1e-6

    def fit(self, honest: Sample, final: Sample, *, block: int, gap: int) -> None:
        """Weigh candidates on ``honest`` (each row's concept was calibrated without it), then fit them on
        ``final``. ``block`` rows make one event; ``gap`` rows beside each validation block are left out of
        training because their outcome or memory overlaps it."""
        n = len(honest.now)
        self.evidence = effective_events(honest.then - honest.now, block)
        options = [Candidate(power, concept) for concept in (False, True) for power in POWERS]
        if n >= ROWS_FOR_BOOSTING and self.evidence >= EVENTS_FOR_BOOSTING:
            options.append(Candidate(0.5, concept=True, boosted=True))
        fold = np.arange(n) * FOLDS // n
        chosen = [self._cross_fitted(option, honest, fold, gap) for option in options]
        values = np.stack([guess for _, guess in chosen], axis=1)
        changes = values - honest.now[:, None]
        weights = stack(changes, honest.then - honest.now, evidence=self.evidence)
        self.weights = {option.name: float(w) for option, w in zip(options, weights, strict=True)}
        everything = np.ones(n, dtype=bool)
        self._parts = [
            (float(w), fit_candidate(option, final, everything, (strength,), self.seed)[0])
            for option, (strength, _), w in zip(options, chosen, weights, strict=True)
            if w > 0
        ]
        point = honest.now + changes @ weights
        self.trust = Trust.learn(honest, point, self.evidence)
        self._learn_spread(honest, point)

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
        scale = honest.scale.with_power(SPREAD_POWER)
        error = scale.forward(honest.then) - scale.forward(point)
        self._floor = float(np.quantile(np.abs(error), 0.05)) + 1e-6
        x, monotone = _spread_features(honest.designs[SPREAD_POWER], honest.now, point, scale)
        fold = np.arange(len(error)) * SPREAD_FOLDS // len(error)
        units = np.empty(len(error))
        for number in range(SPREAD_FOLDS):
            # A spread learned on the very errors it is then divided into would promise too much.
            learned = self._spread_model(x[fold != number], error[fold != number], monotone)
            units[fold == number] = error[fold == number] / np.exp(learned.predict(x[fold == number]))
        self._spread = self._spread_model(x, error, monotone)
        self.pool = np.quantile(units, (np.arange(POOL) + 0.5) / POOL)

    def _spread_model(self, x: Floats, error: Floats, monotone: Integers) -> HistGradientBoostingRegressor:
        model = HistGradientBoostingRegressor(
            max_iter=50, learning_rate=0.1, max_leaf_nodes=8, max_bins=64,
            min_samples_leaf=max(40, len(error) // 60),
            monotonic_cst=monotone, random_state=self.seed, l2_regularization=5.0,
        )  # fmt: skip
        return model.fit(x, np.log(np.abs(error) + self._floor))

    def point(self, designs: Mapping[float, Design], now: Floats, scale: FlowScale) -> Floats:
        """Expected value, raw unit; persistence where nothing earned weight."""
        total = np.zeros(len(now))
        for weight, part in self._parts:
            total += weight * (part.value(designs[part.candidate.power], now, scale) - now)
        return np.maximum(now + total, scale.floor)

    def spread(self, designs: Mapping[float, Design], now: Floats, point: Floats, scale: FlowScale) -> Floats:
        """Typical error on the Box-Cox scale."""
        return self._typical(
            _spread_features(designs[SPREAD_POWER], now, point, scale.with_power(SPREAD_POWER))[0]
        )

    def _typical(self, x: Floats) -> Floats:
        if self._spread is None:
            raise RuntimeError("the lead is not fitted")
        return np.asarray(np.exp(self._spread.predict(x)))


def _spread_features(design: Design, now: Floats, point: Floats, scale: FlowScale) -> tuple[Floats, Integers]:
    """State that decides how far a forecast may be off; more rain ahead never makes it more certain."""
    z = scale.forward(now)
    move = scale.forward(point) - z
    table = design.table
    kept = [
        z,
        np.maximum(move, 0.0),
        np.maximum(-move, 0.0),
        np.abs(table[:, 1:7]).max(axis=1),
        *table[:, 7:12].T,
    ]
    rain = table[:, design.rising & design.arx]
    wet = [rain.sum(axis=1)] if rain.shape[1] else []
    x = np.stack([*kept, *wet], axis=1)
    return x, np.array([0, 1] + [0] * (len(kept) - 2) + [1] * len(wet), dtype=np.int64)
