"""Say how full a container will be if nobody comes, how sure that is, and when it becomes critical.

Rate times time gives the middle. How far reality strays from it is not assumed but collected from the whole
fleet's own past forecasts, each made with what was known before it (rolling conformal prediction; Vovk,
Gammerman & Shafer 2005), because half of all days bring almost nothing and some bring three times the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.fill_level.cleaning import Cleaned
from models.fill_level.rate import (
    FleetRate,
    Inflow,
    OwnRate,
    fleet_rate,
    inflow_of,
    own_rate,
    past_forecasts,
)
from models.fill_level.spread import DAILY_PRIOR, LEARN_HOURS, Expected, Spread, deviation, learn
from models.forecaster import LEVELS, Forecast, Leads, NotCalibrated, ascending
from models.series import HOUR, Booleans, Floats, Instant, Integers

# Each part of the record after the first is forecast with the fleet known before it.
PARTS = 4
EVERY_HOURS = 6
LEAST_PAIRS = 200
HORIZON_HOURS = 24 * 21
FULL = 100.0
# Container-specific strays weigh half after so many days of matured forecasts.
OWN_DAYS = 60.0
# A good week is good for all: so much of what a week brings is common to the containers of a city, and many
# containers are worth fewer independent ones (design effect; Kish 1965).
COMMON = 0.08
_LEVELS = tuple(np.linspace(0.02, 0.98, 25).tolist())


@dataclass(frozen=True, slots=True)
class Outlook:
    """Answer for one container: probabilities by horizon hours, hours until the expected fill is critical,
    and between which hours it becomes so in four of five cases (infinite when not within three weeks)."""

    fill_now: float
    probability: Mapping[int, float]
    hours_to_critical: float
    hours_to_critical_interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Matured past forecasts (n,) of one container: what came, what was expected, which lead."""

    real: Floats
    expected: Expected
    lead: Integers


@dataclass
class FillForecaster:
    """One model for a fleet of one kind: `fit` on cleaned levels, then ask for any container."""

    name: str = "pooled inflow rate"
    fleet: FleetRate | None = None
    rates: dict[str, OwnRate] = field(default_factory=dict)
    spread: Spread | None = None
    _width: dict[str, float] = field(default_factory=dict)

    def fit(self, cleaned: Mapping[str, Cleaned]) -> NotCalibrated | None:
        """Rates from all hours; strays from forecasts of the past as they would have been made then."""
        self.fleet = self.spread = None
        inflows = {name: inflow_of(one) for name, one in cleaned.items()}
        fleet = fleet_rate(list(inflows.values()))
        if fleet is None:
            return NotCalibrated("Füllstand: keine drei Tage mit Zufluss an irgendeinem Behälter")
        pairs = _rolling(cleaned, inflows)
        real, of, lead = _together(list(pairs.values()))
        if len(real) < LEAST_PAIRS:
            return NotCalibrated(f"Füllstand: {len(real)} gereifte Vorhersagen, nötig sind {LEAST_PAIRS}")
        counts = np.bincount(lead, minlength=len(LEARN_HOURS))
        alike = 1.0 + COMMON * (len(cleaned) - 1)
        independent = counts * EVERY_HOURS / np.maximum(LEARN_HOURS, 24.0) / alike
        self.fleet = fleet
        self.spread = learn(real, of, lead, fleet.rate_days, independent)
        self._width = {name: _own_width(one, self.spread) for name, one in pairs.items()}
        self.rates = {name: own_rate(one, fleet) for name, one in inflows.items()}
        return None

    def update(self, name: str, cleaned: Cleaned) -> None:
        """New readings of one container change its rate, not the fleet's."""
        if self.fleet is not None:
            self.rates[name] = own_rate(inflow_of(cleaned), self.fleet)

    def predict(
        self, name: str, fill: float, *, issued_at: Instant, leads: Leads, spread: float = 0.0,
        levels: tuple[float, ...] = LEVELS,
    ) -> Forecast | NotCalibrated:  # fmt: skip
        """Fill (%) at each lead if not emptied, from the filtered fill and its spread (%) at issue."""
        known = self.spread
        if self.fleet is None or known is None:
            return NotCalibrated("Füllstandsmodell nicht kalibriert")
        if not np.isfinite(fill):
            return NotCalibrated("Der Sensor hat noch keinen Füllstand gemeldet")
        hours = np.maximum(1, np.round(leads / HOUR).astype(np.int64))
        of = self._expected(name, issued_at, hours, spread)
        made = known.quantiles((*_LEVELS, *levels), of, hours.astype(np.float64), self._width.get(name, 1.0))
        values = np.clip(np.maximum(fill + made, fill - 2.0 - spread), 0.0, FULL)
        point, wanted = values[:, : len(_LEVELS)].mean(axis=1), values[:, len(_LEVELS) :]
        return Forecast(issued_at, leads, point, levels, ascending(wanted), "%")

    def outlook(
        self, name: str, fill: float, *, issued_at: Instant, critical: float = 80.0, spread: float = 0.0,
        horizons: Sequence[int] = (24, 48, 72, 168),
    ) -> Outlook | NotCalibrated:  # fmt: skip
        """Probability to reach ``critical`` (%) within each horizon, and when."""
        if self.fleet is None or self.spread is None:
            return NotCalibrated("Füllstandsmodell nicht kalibriert")
        if not np.isfinite(fill):
            return NotCalibrated("Der Sensor hat noch keinen Füllstand gemeldet")
        hours = np.concatenate([np.arange(1, 73), np.arange(76, HORIZON_HOURS + 1, 4)])
        of = self._expected(name, issued_at, hours, spread)
        missing = np.full(len(hours), critical - fill)
        below = self.spread.below(missing, of, hours.astype(np.float64), self._width.get(name, 1.0))
        chance = np.maximum.accumulate(1.0 - below if fill < critical else np.ones(len(hours)))
        by_horizon = {h: float(np.interp(h, hours, chance)) for h in horizons}
        early, late = (_first(hours, chance >= share) for share in (0.1, 0.9))
        # The expected fill gets there a little before half of all cases do, because a container that becomes
        # critical before a crew comes had more than usual put in.
        middle = _first(hours, fill + of.inflow >= critical)
        return Outlook(fill, by_horizon, min(max(middle, early), late), (early, late))

    def _expected(self, name: str, issued_at: Instant, hours: Integers, spread: float) -> Expected:
        if self.fleet is None:
            raise RuntimeError("fit first")
        known = self.rates.get(name)
        rate = known if known is not None else own_rate(_NOTHING, self.fleet)
        curve, squares = rate.expected(issued_at, int(hours.max()))
        return Expected(curve[hours - 1], squares[hours - 1], rate.days, spread)


_NOTHING = Inflow(np.array([], dtype="datetime64[us]"), np.array([]))


def _rolling(cleaned: Mapping[str, Cleaned], inflows: Mapping[str, Inflow]) -> dict[str, Pairs]:
    start = min(one.times[0] for one in cleaned.values())
    length = max(one.times[-1] for one in cleaned.values()) - start
    parts: dict[str, list[Pairs]] = {name: [] for name in cleaned}
    for part in range(1, PARTS):
        since, until = (np.datetime64(start + length * k // PARTS, "us") for k in (part, part + 1))
        fleet = fleet_rate([one.before(since) for one in inflows.values()])
        if fleet is None:
            continue
        for name, one in cleaned.items():
            parts[name].append(matured(one, inflows[name], fleet, since, until))
    return {name: Pairs(*_together(found)) for name, found in parts.items()}


def matured(cleaned: Cleaned, inflow: Inflow, fleet: FleetRate, since: Instant, until: Instant) -> Pairs:
    """Forecasts issued every six hours in [since, until) by the rate known then, and what came until the end
    of the record, where no crew came in between. Those that might end in a full container say little of the
    inflow and are left out by what was expected, not by what came."""
    first, end = (int(k) for k in np.searchsorted(cleaned.times, np.array([since, until])))
    past = past_forecasts(inflow, fleet, (first, min(end, len(inflow.times)), EVERY_HOURS), LEARN_HOURS)
    ahead = past.origin[:, None] + np.array(LEARN_HOURS)
    there = np.minimum(ahead, len(cleaned.times) - 1)
    visits = np.cumsum(cleaned.emptied)
    begin = np.minimum(cleaned.filtered[past.origin], FULL)[:, None]
    days, reading = (
        np.repeat(one[:, None], len(LEARN_HOURS), axis=1) for one in (past.days, cleaned.spread[past.origin])
    )
    of = Expected(past.expected, past.squares, days, reading)
    keep = (ahead < len(cleaned.times)) & (visits[there] == visits[past.origin][:, None])
    unsure = 1.5 * deviation(of, DAILY_PRIOR, fleet.rate_days)
    keep &= begin + past.expected + unsure < cleaned.container.visible_percent
    real = np.minimum(cleaned.smoothed[there], FULL) - begin
    lead = np.broadcast_to(np.arange(len(LEARN_HOURS)), keep.shape)
    cut = Expected(of.inflow[keep], of.squares[keep], days[keep], reading[keep])
    return Pairs(real[keep], cut, lead[keep])


def _together(pairs: Sequence[Pairs]) -> tuple[Floats, Expected, Integers]:
    if not pairs:
        nothing = np.array([])
        return nothing, Expected(nothing, nothing, nothing, nothing), np.array([], dtype=np.int64)
    of = [one.expected for one in pairs]
    return (
        np.concatenate([one.real for one in pairs]),
        Expected(
            np.concatenate([one.inflow for one in of]), np.concatenate([one.squares for one in of]),
            np.concatenate([np.atleast_1d(one.days) for one in of]),
            np.concatenate([np.atleast_1d(one.reading) for one in of]),
        ),
        np.concatenate([one.lead for one in pairs]),
    )  # fmt: skip


def _own_width(pairs: Pairs, spread: Spread) -> float:
    """How much more or less than the fleet this container's days vary, shrunk to the fleet."""
    day = pairs.lead == LEARN_HOURS.index(24)
    if not day.any():
        return 1.0
    usual = spread.deviation(pairs.expected)[day]
    own = float(np.mean(((pairs.real[day] - pairs.expected.inflow[day]) / usual) ** 2))
    days = float(day.sum()) * EVERY_HOURS / 24.0
    return float(np.exp(np.log(np.clip(own, 0.25, 4.0)) * days / (days + OWN_DAYS)))


def _first(hours: Integers, reached: Booleans) -> float:
    return float(hours[int(np.argmax(reached))]) if reached.any() else float("inf")
