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
from models.rainfall_runoff.bounds import Bounds
from models.rainfall_runoff.features import Design
from models.rainfall_runoff.transform import FlowScale
from models.rainfall_runoff.trust import Trust
from models.regression import Linear, effective_events, ridge, stack
from models.series import Booleans, Floats, Integers

POWERS = (0.2, 0.5, 1.0)
# Errors are counted in percent or nearer to litres, whichever made the better intervals in validation.
SPREAD_POWERS = POWERS[:2]
JUDGED_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
STRENGTHS = (1e-3, 1e-2, 1e-1, 0.3, 1.0)
FOLDS = 6
SPREAD_FOLDS = 3
# Independent events at which a combination is believed by half.
CAUTION = 0.5
# After five days of own errors the validation is the smaller voice: what it learned in a flood makes the
# intervals of a drought too wide.
POOL = 120
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


# From few parameters to many: on a short record the few win, on a long one the many.
CANDIDATES = (
    Candidate(1.0, "windows"), Candidate(0.5, "plain"), Candidate(1.0, "plain"), Candidate(0.5, "concept"),
    *(Candidate(power, "arx") for power in POWERS), Candidate(0.5, "hybrid"), Candidate(1.0, "hybrid"),
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
            table = design.table[:, design.columns(self.candidate.kind)]
            change = change + np.clip(self.booster.predict(table), -self.limit, self.limit)
        return own.back(own.forward(now) + change, now)


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
        max_bins=64, monotonic_cst=design.rising[use].astype(np.int8), random_state=seed,
    )  # fmt: skip
    booster.fit(table[:, use], rest)
    return [Fitted(candidate, lines[0], booster, float(np.quantile(np.abs(rest), 0.995)))]


class LeadModel:
    """Point and quantiles of one lead for one width of known rain ahead."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.weights: dict[str, float] = {}
        self.evidence = 0.0
        self._bounds: Bounds | None = None
        self._trust: Trust | None = None
        self.pool: Floats = np.array([])
        self.spread_power = SPREAD_POWERS[0]
        self._parts: list[tuple[float, Fitted]] = []
        self._spread: HistGradientBoostingRegressor | None = None
        self._floor = 1e-6

    def fit(self, honest: Sample, final: Sample, *, block: int, gap: int) -> None:
        """Weigh candidates on ``honest`` (each row's concept was calibrated without it), then fit them on
        ``final``. ``block`` rows make one event; ``gap`` rows beside each validation block are left out of
        training because their outcome or memory overlaps it."""
        n, truth = len(honest.now), honest.then - honest.now
        self.evidence = effective_events(truth, block)
        options = list(CANDIDATES)
        if n >= ROWS_FOR_BOOSTING and self.evidence >= EVENTS_FOR_BOOSTING:
            options.append(Candidate(0.5, "hybrid", boosted=True))
        fold = np.arange(n) * FOLDS // n
        chosen = [self._cross_fitted(option, honest, fold, gap) for option in options]
        changes = np.stack([guess for _, guess in chosen], axis=1) - honest.now[:, None]
        weights = stack(changes, truth, evidence=self.evidence)
        weights *= self.evidence**2 / (self.evidence**2 + CAUTION**2)
        self.weights = {option.name: float(w) for option, w in zip(options, weights, strict=True)}
        everything = np.ones(n, dtype=bool)
        self._parts = [
            (float(w), fit_candidate(option, final, everything, (strength,), self.seed)[0])
            for option, (strength, _), w in zip(options, chosen, weights, strict=True)
            if w > 0
        ]
        base = honest.designs[POWERS[0]].base
        self._bounds, point = Bounds.learn(
            honest.scale, now=honest.now, then=honest.then, base=base, move=changes @ weights, fold=fold,
            block=block, evidence=self.evidence,
        )  # fmt: skip
        self._trust = Trust.learn(
            honest.scale, now=honest.now, point=point, then=honest.then, evidence=self.evidence
        )
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
            z = scale.forward(point[rows])[:, None] + typical[rows, None] * q
            bands[rows] = scale.back(z, honest.now[rows, None])
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

    @property
    def bounds(self) -> Bounds:
        """What the record has seen. Raises RuntimeError before `fit`."""
        if self._bounds is None:
            raise RuntimeError("the lead is not fitted")
        return self._bounds

    @property
    def trust(self) -> Trust:
        """What validated moves are worth. Raises RuntimeError before `fit`."""
        if self._trust is None:
            raise RuntimeError("the lead is not fitted")
        return self._trust

    def point(self, designs: Mapping[float, Design], now: Floats, scale: FlowScale) -> Floats:
        """Expected value, raw unit; persistence where nothing earned weight."""
        total = np.zeros(len(now))
        for weight, part in self._parts:
            total += weight * (part.value(designs[part.candidate.power], now, scale) - now)
        return self.bounds.then(now, total, designs[POWERS[0]].base, scale)

    def spread(
        self, designs: Mapping[float, Design], *, now: Floats, point: Floats, scale: FlowScale, of: Integers
    ) -> Floats:
        """Typical error on the scale of ``spread_power`` per origin, for its scenarios taken together; ``of``
        (rows,) numbers the origins from 0."""
        if self._spread is None:
            raise RuntimeError("the lead is not fitted")
        own = scale.with_power(self.spread_power)
        x = _spread_features(designs[self.spread_power], now, point, own)[0]
        total = np.zeros((int(of.max()) + 1, x.shape[1]))
        np.add.at(total, of, x)
        return np.asarray(np.exp(self._spread.predict(total / np.bincount(of)[:, None])))


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
    rain = design.table[:, design.rising & design.columns("arx")]
    wet = [rain.sum(axis=1)] if rain.shape[1] else []
    x = np.stack([*kept, *wet], axis=1)
    return x, np.array([0, 1] + [0] * (len(kept) - 2) + [1] * len(wet), dtype=np.int64)
