"""Open one case per fault, name it, price it and give a reason a facility manager can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.consumption.expected import Calendar, ExpectedLoad
from models.consumption.statistics import KINDS, OF_WASTE, Load, statistics
from models.consumption.tails import Tail
from models.consumption.unit_jump import unit_jump_at
from models.forecaster import NotCalibrated
from models.series import DAY, HOUR, Booleans, Floats, Instant, Series

HOLD = 2 * DAY
# An open case that becomes a hundred times stranger is news; what a meter says of itself sooner, because a
# device that fails once fails in other ways too.
NEWS, NEWS_OF_METER = 2.0, 1.0
REPEAT_DAYS = 60
# A spike is over before anybody can close it: the next one is another one.
EACH_NEW = frozenset({"spike"})
# Quiet for so long closes a case: a weekend fault is silent all week, a slow one wavers.
QUIET_DAYS: Mapping[str, int] = {"meter": 2, "low": 7, "high": 7, "creep": 21, "base": 9, "weekend": 9}
FAMILIES: Mapping[str, str] = {
    "scale": "meter", "spike": "meter", "stuck": "meter", "missing": "meter", "low day": "low",
    "low week": "low", "creep": "creep", "base load": "base", "night": "base", "nights": "base",
    "weekend": "weekend", "never zero": "base", "high day": "high",
}  # fmt: skip
# Equally rare is not equally likely a fault: quiet weeks and single days have a hundred innocent reasons, a
# building that runs at night or at weekends has few, and it costs. Prior odds in tens (as in Bayes' rule),
# found by putting faults into half a year of sixteen real meters that had taught on the other part.
PRIOR: Mapping[str, float] = {
    "weekend": 1.0, "nights": 0.7, "night": 0.7, "base load": 0.7, "creep": 0.7, "high day": -0.5,
    "low day": -0.5, "low week": -1.0,
}  # fmt: skip
# Waste shows in more than one question, chance rarely in two at once. Half of what the second says is added,
# and no more than three tens: they look at the same hours and are not independent.
SECOND_WEIGHT, SECOND_MOST = 0.5, 3.0
# Ten years of quarter hours; more steps between first and last time are a wrong clock.
LONGEST_GRID = 350_000


@dataclass(frozen=True, slots=True)
class Case:
    """``strangeness`` = -log10 of how often per month the healthy meter would show this, plus the `PRIOR`
    odds of its kind. ``cost`` counts what was used above the expectation since a week before opening."""

    meter: str
    kind: str
    opened_at: Instant
    strangeness: float
    excess: float
    cost: float
    reason: str


@dataclass
class MeterModel:
    """One meter: its expectation and what is normal for each statistic."""

    meter: str
    price: float
    water: bool
    expected: ExpectedLoad
    tails: dict[str, Tail] = field(default_factory=dict)
    reference: Series | None = None
    level: float = 0.0
    reference_expected: Floats = field(default_factory=lambda: np.array([]))

    def fit(self, load: Series, temperature: Series | None) -> NotCalibrated | None:
        """Learn from a reference without known faults, on the grid of its most frequent step."""
        if load.step is not None and (load.times[-1] - load.times[0]) / load.step > LONGEST_GRID:
            return NotCalibrated(f"{self.meter}: Zeitstempel reichen über Jahrzehnte; Uhr des Zählers prüfen")
        load = load.regular()  # rows that were left out become gaps: windows count steps
        if (jumped := unit_jump_at(load)) is not None:
            return NotCalibrated(
                f"{self.meter}: Verbrauch springt am {jumped} auf mehr als das Dreihundertfache oder dessen "
                "Kehrwert; Einheit prüfen und ab dann neu lernen"
            )
        solid = load.values[np.isfinite(load.values)]
        if len(solid) and not (solid > 0).any():
            return NotCalibrated(f"{self.meter}: nur Nullen (oder weniger) im Vergleichszeitraum")
        crossed = self.expected.fit(load, temperature)
        if crossed is None:
            return NotCalibrated(f"{self.meter}: weniger als 60 Tage Verbrauch als Vergleich")
        self.reference, self.reference_expected = load, crossed
        self.level = float(np.nanmean(load.values))
        asked = statistics(self._load(load, crossed), water=self.water)
        per_day = self._load(load, crossed).per_day
        start = 35 * per_day
        self.tails = {kind: Tail.learn(values[start:], per_day) for kind, values in asked.items()}
        return None

    def strangeness(self, load: Series, temperature: Series | None) -> tuple[dict[str, Floats], Load]:
        """By kind over the new load (n,), causal: element i uses rows up to i. The reference stands
        before it, so that habits are known from the first day. Irregular loads are put on their grid: the
        times are those of the returned `Load`."""
        if self.reference is None:
            raise RuntimeError(f"{self.meter} is not calibrated")
        load = load.regular()
        due = self.expected.predict(load.times, temperature)
        both = Load(
            np.concatenate([self.reference.times, load.times]),
            np.concatenate([self.reference.values, load.values]),
            np.concatenate([self.reference_expected, due]),
            self._step_hours(load),
            self.level,
        )
        asked = statistics(both, water=self.water)
        tail = slice(len(self.reference), None)
        now = Load(load.times, load.values, due, both.step_hours, self.level)
        strange = {
            kind: self.tails[kind].strangeness(values[tail])
            for kind, values in asked.items()
            if kind in self.tails  # what an earlier version did not learn is not asked
        }
        return {kind: values + PRIOR.get(kind, 0.0) for kind, values in _borne_out(strange).items()}, now

    def was_fine(self, case: Case, load: Series, temperature: Series | None) -> None:
        """Feedback: the case's statistic around its opening belongs to the healthy reference from now on."""
        if self.reference is None or case.kind not in self.tails:
            return  # a kind of an earlier version teaches nothing
        load = load.regular()
        due = self.expected.predict(load.times, temperature)
        asked = statistics(self._load(load, due), water=self.water)
        near = (load.times >= case.opened_at) & (load.times <= case.opened_at + HOLD)
        seen = asked[case.kind][near]
        if np.isfinite(seen).any():
            self.tails[case.kind] = self.tails[case.kind].with_fine(float(np.nanmax(seen)))

    def _load(self, load: Series, due: Floats) -> Load:
        return Load(load.times, load.values, due, self._step_hours(load), self.level)

    def _step_hours(self, load: Series) -> float:
        step = load.step or (self.reference.step if self.reference is not None else None)
        return float((step or HOUR) / HOUR)


def _borne_out(strange: Mapping[str, Floats]) -> dict[str, Floats]:
    """What points to waste, strengthened by the strongest other sign of it at the same time."""
    kinds = [kind for kind in OF_WASTE if kind in strange]
    said = np.clip(np.stack([strange[kind] for kind in kinds]), 0.0, SECOND_MOST)
    order = np.sort(said, axis=0)
    others = np.where(said >= order[-1], order[-2], order[-1])
    more = {kind: strange[kind] + SECOND_WEIGHT * others[i] for i, kind in enumerate(kinds)}
    return {**strange, **more}


def share_scales(models: Sequence[MeterModel]) -> None:
    """Pull every meter's tail scale to the fleet's median for the same statistic."""
    kinds = {kind for model in models for kind in model.tails}
    for kind in kinds:
        scales = [m.tails[kind].scale for m in models if kind in m.tails and np.isfinite(m.tails[kind].scale)]
        usual = float(np.median(scales)) if scales else float("nan")
        for model in models:
            if kind in model.tails:
                model.tails[kind] = model.tails[kind].shared(usual)


def open_cases(
    model: MeterModel, strangeness: Mapping[str, Floats], load: Load, threshold: float
) -> list[Case]:
    """Cases whose strangeness passes ``threshold``: one per family of kinds while it lasts, and one per fault
    across families. A case that has become much stranger is raised again. Causal."""
    cases: list[tuple[int, str, Case]] = []
    awake: dict[str, Booleans] = {}
    for family, days in QUIET_DAYS.items():
        kinds = [kind for kind in strangeness if FAMILIES[kind] == family]
        if not kinds:
            continue
        table = np.stack([strangeness[kind] for kind in kinds])
        top = table.max(axis=0)
        awake[family] = top > threshold
        for i in _raised(top, threshold, days * load.per_day, _news(family)):
            kind = kinds[int(np.argmax(table[:, i]))]
            cases.append((i, family, _case(model, kind, i, float(top[i]), load)))
    fresh = _not_again(sorted(cases, key=lambda one: one[0]), REPEAT_DAYS * load.per_day)
    return _one_per_fault(fresh, awake, 2 * load.per_day)


def _news(family: str) -> float:
    return NEWS_OF_METER if family == "meter" else NEWS


def _raised(top: Floats, threshold: float, quiet_steps: int, news: float) -> list[int]:
    """Steps at which a family opens a case or its open case becomes much stranger."""
    found, last, peak = [], -quiet_steps - 1, -np.inf
    for i in np.flatnonzero(top > threshold):
        fresh = i - last > quiet_steps
        if fresh or top[i] > peak + news:
            found.append(int(i))
            peak = float(top[i])
        last = int(i)
    return found


def _not_again(cases: list[tuple[int, str, Case]], within: int) -> list[tuple[int, str, Case]]:
    """What a meter showed lately and shows again tells nobody anything new, unless it is much stranger."""
    kept: list[tuple[int, str, Case]] = []
    for at, family, case in cases:
        before = [
            other.strangeness
            for since, _, other in kept
            if other.kind == case.kind and other.kind not in EACH_NEW and at - since <= within
        ]
        if not before or case.strangeness > max(before) + _news(family):
            kept.append((at, family, case))
    return kept


def _one_per_fault(
    cases: list[tuple[int, str, Case]], awake: Mapping[str, Booleans], hold: int
) -> list[Case]:
    """A family that wakes while another one is awake (within 48 h) tells of the same fault, unless it is much
    stranger. A fault of the meter itself stands for itself."""
    kept: list[tuple[int, str, Case]] = []
    for at, family, case in cases:
        rivals = [
            other.strangeness
            for since, name, other in kept
            if name != family
            and (name == "meter") == (family == "meter")
            and awake[name][max(0, at - hold) : at + 1].any()
            and at - since <= 60 * hold
        ]
        just_raised = any(
            at - since <= hold for since, name, _ in kept if (name == "meter") == (family == "meter")
        )
        if just_raised or (rivals and case.strangeness <= max(rivals) + NEWS):
            continue
        kept.append((at, family, case))
    return [case for _, _, case in kept]


def _case(model: MeterModel, kind: str, at: int, strangeness: float, load: Load) -> Case:
    start = max(0, at - 7 * load.per_day)
    above = np.nan_to_num(load.measured[start : at + 1] - load.expected[start : at + 1])
    excess = float(np.maximum(above, 0.0).sum())
    rarity = 10.0 ** -min(strangeness - PRIOR.get(kind, 0.0), 6.0)
    reason = f"{KINDS[kind]} (bei diesem Zähler ohne Fehler {how_often(rarity)} zu erwarten)."
    cost = excess * model.price
    if kind in ("spike", "stuck", "missing"):
        excess = cost = 0.0
    return Case(model.meter, kind, load.times[at], strangeness, excess, cost, reason)


def how_often(per_month: float) -> str:
    """In German, as coarsely as it is known."""
    if per_month < 1 / 1200:
        return "praktisch nie"
    if per_month < 1 / 18:
        return f"etwa alle {1 / per_month / 12:.0f} Jahre"
    if per_month < 2 / 3:
        return f"etwa alle {1 / per_month:.0f} Monate"
    return f"etwa {per_month:.0f}-mal im Monat"


def new_model(
    meter: str, *, calendar: Calendar, price: float = 0.3, water: bool = False, seed: int = 0
) -> MeterModel:
    """A meter without history; ``price`` in euro per unit of its series."""
    return MeterModel(meter, price, water, ExpectedLoad(calendar, seed))
