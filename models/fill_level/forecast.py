"""Say how full a container will be if nobody comes, how sure that is, and when it becomes critical.

Rate times time gives the middle. How far reality strays from it is not assumed but collected from the whole
fleet's own past forecasts (split conformal prediction; Vovk, Gammerman & Shafer 2005), by expected inflow,
because half of all days bring almost nothing and some bring three times the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.fill_level.cleaning import Cleaned
from models.fill_level.rate import FleetRate, Inflow, OwnRate, fleet_rate, inflow_of, own_rate
from models.forecaster import LEVELS, Forecast, Leads, NotCalibrated, ascending
from models.series import DAY, HOUR, Floats, Instant

LEARN_HOURS = (6, 12, 24, 48, 72, 120, 168)
RATIO_LEVELS = tuple(np.concatenate([[0.005], np.linspace(0.02, 0.98, 49), [0.995]]).tolist())
CALIBRATION_SHARE = 0.5
LEAST_PAIRS = 200
HORIZON_HOURS = 24 * 21
FULL = 100.0
# Container-specific strays weigh in fully only after some months of matured forecasts.
OWN_PAIRS = 40.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """Answer for one container: probabilities by horizon hours, and hours until critical as quantiles
    (infinite when not within three weeks)."""

    fill_now: float
    probability: Mapping[int, float]
    hours_to_critical: float
    hours_to_critical_interval: tuple[float, float]


@dataclass
class FillForecaster:
    """One model for a fleet of one kind: `fit` on cleaned levels, then ask for any container."""

    name: str = "pooled inflow rate"
    fleet: FleetRate | None = None
    rates: dict[str, OwnRate] = field(default_factory=dict)
    _expected_bins: Floats = field(default_factory=lambda: np.array([]))
    _strays: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    _typical: Floats = field(default_factory=lambda: np.array([]))
    _width: dict[str, float] = field(default_factory=dict)

    def fit(self, cleaned: Mapping[str, Cleaned]) -> NotCalibrated | None:
        """Rates from all hours; strays of each half of the record, forecast with rates of the other half: a
        city that throws away more in the second half than in the first must not become a bias."""
        inflows = {name: inflow_of(one) for name, one in cleaned.items()}
        cut = _cut(list(cleaned.values()))
        early = fleet_rate([one.before(cut) for one in inflows.values()]) if cut is not None else None
        self.fleet = fleet_rate(list(inflows.values()))
        if self.fleet is None or early is None or cut is None:
            return NotCalibrated("Füllstand: keine drei Tage mit Zufluss an irgendeinem Behälter")
        late = fleet_rate([one.after(cut) for one in inflows.values()])
        pairs = {
            name: np.concatenate(
                [
                    strays(one, own_rate(inflows[name].before(cut), early), cut, one.times[-1]),
                    strays(one, own_rate(inflows[name].after(cut), late or early), one.times[0], cut),
                ]
            )
            for name, one in cleaned.items()
        }
        together = np.concatenate(list(pairs.values()))
        if len(together) < LEAST_PAIRS:
            self.fleet = None
            return NotCalibrated(f"Füllstand: {len(together)} gereifte Vorhersagen, nötig sind {LEAST_PAIRS}")
        self._learn_strays(together)
        self._width = {name: self._own_width(one) for name, one in pairs.items()}
        self.rates = {name: own_rate(one, self.fleet) for name, one in inflows.items()}
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
        if self.fleet is None:
            return NotCalibrated("Füllstandsmodell nicht kalibriert")
        if not np.isfinite(fill):
            return NotCalibrated("Der Sensor hat noch keinen Füllstand gemeldet")
        hours = np.maximum(1, np.round(leads / HOUR).astype(np.int64))
        curve = self._rate(name).expected(issued_at, int(hours.max()))
        dense = self._dense(name, fill, curve[hours - 1], spread)
        wanted = np.stack([np.interp(levels, RATIO_LEVELS, row) for row in dense])
        point = np.stack([np.interp(RATIO_LEVELS, RATIO_LEVELS, row).mean() for row in dense])
        return Forecast(issued_at, leads, point, levels, ascending(wanted), "%")

    def outlook(
        self, name: str, fill: float, *, issued_at: Instant, critical: float = 80.0, spread: float = 0.0,
        horizons: Sequence[int] = (24, 48, 72, 168),
    ) -> Outlook | NotCalibrated:  # fmt: skip
        """Probability to reach ``critical`` (%) within each horizon, and when."""
        if self.fleet is None:
            return NotCalibrated("Füllstandsmodell nicht kalibriert")
        if not np.isfinite(fill):
            return NotCalibrated("Der Sensor hat noch keinen Füllstand gemeldet")
        hours = np.concatenate([np.arange(1, 73), np.arange(76, HORIZON_HOURS + 1, 4)])
        curve = self._rate(name).expected(issued_at, HORIZON_HOURS)[hours - 1]
        dense = np.maximum.accumulate(self._dense(name, fill, curve, spread), axis=0)
        chance = np.array(
            [1.0 - float(np.interp(critical, row, RATIO_LEVELS, left=0.0, right=1.0)) for row in dense]
        )
        chance = np.maximum.accumulate(chance if fill < critical else np.ones(len(hours)))
        by_horizon = {h: float(np.interp(h, hours, chance)) for h in horizons}
        reach = tuple(_first(hours, chance, share) for share in (0.1, 0.5, 0.9))
        return Outlook(fill, by_horizon, reach[1], (reach[0], reach[2]))

    def _rate(self, name: str) -> OwnRate:
        if self.fleet is None:
            raise RuntimeError("fit first")
        known = self.rates.get(name)
        return known if known is not None else own_rate(_NOTHING, self.fleet)

    def _dense(self, name: str, fill: float, expected: Floats, spread: float) -> Floats:
        """Quantiles at RATIO_LEVELS (horizons, levels) of the fill, capped where the sensor is."""
        place = np.interp(np.log(expected + 0.1), self._expected_bins, np.arange(len(self._expected_bins)))
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, len(self._expected_bins) - 1)
        part = (place - low)[:, None]
        stray = (1 - part) * self._strays[low] + part * self._strays[high]
        wide = 1.0 + 0.5 * min(spread / 10.0, 1.0)
        values = (
            fill + expected[:, None] + stray * _scale(expected)[:, None] * self._width.get(name, 1.0) * wide
        )
        return np.asarray(np.clip(np.maximum(values, fill - 2.0 - spread), 0.0, FULL))

    def _learn_strays(self, pairs: Floats) -> None:
        """Quantiles of the stray in units of its scale, in bins of expected inflow."""
        logged = np.log(pairs[:, 0] + 0.1)
        bins = int(np.clip(len(pairs) // 400, 1, 8))
        edges = np.quantile(logged, np.linspace(0, 1, bins + 1))
        kind = np.clip(np.searchsorted(edges, logged, side="right") - 1, 0, bins - 1)
        self._expected_bins = np.array([logged[kind == b].mean() for b in range(bins)])
        self._typical = np.array([np.abs(pairs[kind == b, 1]).mean() for b in range(bins)])
        self._strays = np.stack([np.quantile(pairs[kind == b, 1], RATIO_LEVELS) for b in range(bins)])

    def _own_width(self, pairs: Floats) -> float:
        """How much more or less than the fleet this container strays, shrunk to the fleet."""
        if not len(pairs):
            return 1.0
        rows = len(pairs) / len(LEARN_HOURS)
        logged = np.log(pairs[:, 0] + 0.1)
        usual = np.interp(logged, self._expected_bins, self._typical)
        own = float(np.abs(pairs[:, 1]).mean()) / max(float(usual.mean()), 1e-9)
        return float(np.exp(np.log(np.clip(own, 0.4, 2.5)) * rows / (rows + OWN_PAIRS)))


_NOTHING = Inflow(np.array([], dtype="datetime64[us]"), np.array([]))


def _scale(expected: Floats) -> Floats:
    """Spread of a compound Poisson inflow grows with the root of its mean, plus reading noise."""
    return np.asarray(np.sqrt(expected + 0.5))


def _cut(cleaned: Sequence[Cleaned]) -> Instant | None:
    if not cleaned:
        return None
    start = min(one.times[0] for one in cleaned)
    end = max(one.times[-1] for one in cleaned)
    return np.datetime64(start + (end - start) * CALIBRATION_SHARE, "us")


def strays(cleaned: Cleaned, rate: OwnRate, since: Instant, until: Instant) -> Floats:
    """(pairs, 2): expected inflow and (real - expected) / scale, of forecasts issued after ``since``
    every six hours and matured by ``until``, whose container was not emptied and not full in between."""
    first = int(np.searchsorted(cleaned.times, since))
    last = int(np.searchsorted(cleaned.times, until, side="right")) - 1
    visits = np.cumsum(cleaned.emptied)
    rows = []
    for i in range(first, last + 1 - LEARN_HOURS[0], 6):
        curve = rate.expected(cleaned.times[i], LEARN_HOURS[-1])
        for hours in LEARN_HOURS:
            j = i + hours
            if j > last or visits[j] != visits[i] or cleaned.smoothed[i] > 95:
                break
            real = min(cleaned.smoothed[j], FULL) - min(cleaned.filtered[i], FULL)
            rows.append(
                (curve[hours - 1], (real - curve[hours - 1]) / float(_scale(curve[hours - 1 : hours])[0]))
            )
    return np.array(rows).reshape(-1, 2)


def _first(hours: Floats, chance: Floats, share: float) -> float:
    reached = chance >= share
    return float(hours[int(np.argmax(reached))]) if reached.any() else float("inf")


def age_of(cleaned: Cleaned, moment: Instant) -> float:
    """Days since the last hour known, for the page that must not show a stale level as fresh."""
    return float((moment - cleaned.times[-1]) / DAY)
