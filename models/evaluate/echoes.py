"""Forecast containers whose sensors measure the distance to what lies in them, or say a percentage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from models import metrics
from models.evaluate.tables import Table, UnusableTable
from models.fill_level.cleaning import Cleaned, Container, clean
from models.fill_level.forecast import FillForecaster
from models.fill_level.naive import NaiveRate
from models.forecaster import NotCalibrated
from models.series import DAY, HOUR, Booleans, Floats, Instant, Integers, Series, Times

DISTANCE = {
    "distance_cm": 1.0,
    "distance_mm": 0.1,
    "distance_m": 100.0,
    "distance": 1.0,
    "ultrasonic_cm": 1.0,
}
PERCENT = ("fill_percent", "fill_pct", "fill", "percent", "filling_percent", "level_percent")
TRUTH = ("true_percent", "fill_true", "true_fill", "truth_percent", "true_pct")
EMPTIED = ("emptied", "emptying", "collection", "is_emptying")
DEPTH = {"depth_cm": 1.0, "empty_cm": 1.0, "height_cm": 1.0, "depth_mm": 0.1, "depth_m": 100.0, "depth": 1.0}
FULL = {"full_cm": 1.0, "full_mm": 0.1, "full_m": 100.0}
# A percentage is treated as the echo in a container one metre deep below a rim of twenty centimetres.
UNMEASURED = Container(120.0, 20.0)
LEAD_HOURS = (24, 48, 72)
CRITICAL = 80.0
EVERY = 11 * HOUR
MOST_ORIGINS = 120
NEAR = 3 * HOUR
MOST_CM = 400.0
FULL_FROM = 95.0
LEVELS = (0.1, 0.5, 0.9)


@dataclass(frozen=True, slots=True)
class Echoes:
    """One container: its readings (cm), measures, and true fill (%) and emptyings if the file knows."""

    name: str
    readings: Series
    container: Container
    truth: Series | None
    emptied: Times | None


@dataclass
class Tally:
    """By model: rows (lead, real, quantiles), (reached 80 % within 72 h, probability), errors in hours."""

    bands: list[tuple[float, ...]] = field(default_factory=list)
    chances: list[tuple[float, float]] = field(default_factory=list)
    late: list[float] = field(default_factory=list)

    def line(self, name: str) -> str:
        """In one line; what could not be measured is said."""
        if not self.bands:
            return f"  {name:20s} nothing to measure on"
        rows, chances = np.array(self.bands), np.array(self.chances)
        parts = []
        for lead in LEAD_HOURS:
            _, real, low, middle, high = rows[rows[:, 0] == lead].T
            error, inside = metrics.mean_absolute_error(real, middle), metrics.coverage(real, low, high)
            covers = "" if (low == high).all() else f" 80 % covers {inside:.2f}"
            parts.append(f"{lead} h MAE {error:.2f}{covers}")
        told = ""
        if len(chances):
            share = np.full(len(chances), chances[:, 0].mean())
            skill = metrics.brier_skill(chances[:, 0] > 0, chances[:, 1], share)
            late = f"{np.median(self.late):.0f} h" if self.late else "never reached"
            told = f" | 80 % within 72 h: Brier skill {skill:.2f} | time to 80 %: median error {late}"
        return f"  {name:20s} {' | '.join(parts)}{told}"


def fill_hourly(table: Table, times: Times, bins: Integers, names: list[str]) -> Iterator[str]:
    """The first half teaches; later, every eleven hours, each container is asked with what was known then."""
    fleet = _fleet(table, times, bins, names)
    start = min(one.readings.times[0] for one in fleet)
    end = max(one.readings.times[-1] for one in fleet)
    split = np.datetime64(start + (end - start) // 2, "us")
    yield f"fill hourly: {len(fleet)} containers, test from {split.astype('datetime64[h]')}, points of fill"
    whole = {one.name: made for one in fleet if (made := clean(one.readings, one.container)) is not None}
    past = {
        one.name: made
        for one in fleet
        if (made := clean(one.readings.as_of(split), one.container)) is not None
    }
    bench = _Bench((NaiveRate(), FillForecaster()), {}, Tally())
    refused = {}
    for model in bench.models:
        bench.tallies[model.name] = Tally()
        refused[model.name] = model.fit(past) if past else NotCalibrated("no container is known by then")
    for one in fleet:
        if one.name in whole:
            bench.ask(one, whole[one.name], split)
    yield bench.still.line("persistence")
    for name, why in refused.items():
        yield f"  {name:20s} {why.reason}" if why is not None else bench.tallies[name].line(name)
    yield from _emptyings(fleet, whole)
    if not any(one.truth is not None for one in fleet):
        yield "  note: no column true_percent: measured against the content smoothed over the whole record"


def _fleet(table: Table, times: Times, bins: Integers, names: list[str]) -> list[Echoes]:
    distance, percent = table.name_of(tuple(DISTANCE)), table.name_of(PERCENT)
    if distance is None and percent is None:
        raise UnusableTable(
            f"{table.file}: no column with the fill; name it distance_cm, distance_mm, fill_percent, or "
            f"level (0-10, one a day) ({table.there})"
        )
    values = (
        _in_cm(table, distance) if distance is not None else UNMEASURED.depth_cm - table.numbers(str(percent))
    )
    depth, full = _measure(table, DEPTH), _measure(table, FULL)
    true_name, emptied_name = table.name_of(TRUTH), table.name_of(EMPTIED)
    true = table.numbers(true_name) if true_name is not None else None
    emptied = table.marks(emptied_name) if emptied_name is not None else None
    fleet = []
    for number, name in enumerate(names):
        rows = (bins == number) & ~np.isnat(times)
        made = Series.tidy(times[rows], values[rows], "cm")
        if np.isfinite(made.values).sum() < 3:
            table.remarks.append(f"{name}: fewer than three readings, left out")
            continue
        box = UNMEASURED
        if distance is not None:
            deep, rim = (_usual(one, rows) for one in (depth, full))
            box = _box(table, made, name=name, depth=deep, full=rim)
        fleet.append(
            Echoes(
                name, made, box,
                None if true is None else Series.tidy(times[rows], true[rows], "%"),
                None if emptied is None else np.sort(times[rows][emptied[rows]]),
            )
        )  # fmt: skip
    if not fleet:
        raise UnusableTable(f"{table.file}: no container has three readings")
    return fleet


def _in_cm(table: Table, name: str) -> Floats:
    """A distance that names no unit is judged by its size: none is deeper than four metres."""
    values = table.numbers(name)
    if name != "distance" or not np.isfinite(values).any():
        return values * DISTANCE[name]
    size = float(np.nanquantile(values, 0.99))
    unit, factor = ("mm", 0.1) if size > MOST_CM else ("m", 100.0) if size < MOST_CM / 100.0 else ("cm", 1.0)
    table.remarks.append(f"{name} names no unit: up to {size:g}, taken as {unit}")
    return values * factor


def _measure(table: Table, names: Mapping[str, float]) -> Floats | None:
    found = table.name_of(tuple(names))
    return None if found is None else table.numbers(found) * names[found]


def _usual(values: Floats | None, rows: Booleans) -> float | None:
    known = np.zeros(0) if values is None else values[rows & np.isfinite(values)]
    return float(np.median(known)) if len(known) else None


def _box(table: Table, made: Series, *, name: str, depth: float | None, full: float | None) -> Container:
    deep = depth
    if not deep:
        solid = made.values[np.isfinite(made.values) & (made.values > 0)]
        deep = float(np.quantile(solid, 0.99)) if len(solid) else 0.0
        table.remarks.append("no depth_cm: the farthest echoes (99 of 100) taken as the floor")
    try:
        return Container(deep, full or 0.0)
    except ValueError as error:
        raise UnusableTable(f"{table.file}, container {name}: {error}") from error


@dataclass
class _Bench:
    """What is compared: the naive models and ours by name, and persistence."""

    models: tuple[NaiveRate, FillForecaster]
    tallies: dict[str, Tally]
    still: Tally

    def ask(self, one: Echoes, whole: Cleaned, split: Instant) -> None:
        """Every eleven hours after ``split``, with what was known then."""
        visits = np.cumsum(whole.emptied)
        origins = np.arange(split, whole.times[-1] - 72 * HOUR, EVERY)
        for origin in origins[:: max(1, -(-len(origins) // MOST_ORIGINS))]:
            # Obstacles too are known only as far as they had shown themselves by then.
            known = clean(one.readings.as_of(origin), one.container)
            k = int((origin - whole.times[0]) // HOUR)
            if known is None or origin - known.times[-1] > NEAR or k < 0:
                continue
            now, alone = float(known.filtered[-1]), visits[k:] == visits[k]
            # Nearer than the sensor sees, forecast and truth are both "full".
            top = one.container.visible_percent
            real = np.minimum(_real(one, whole, k), top)
            for lead in LEAD_HOURS:
                if alone[lead] and real[0] < min(FULL_FROM, top):
                    self.still.bands.append((lead, real[lead], *np.minimum([now] * 3, top)))
            for model in self.models:
                asked = _Asked(one.name, now, float(known.spread[-1]), origin, top)
                asked.score(model, self.tallies[model.name], real, alone)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One container at one moment: filtered fill, its spread and up to where a rise is seen (%)."""

    name: str
    now: float
    spread: float
    at: Instant
    top: float

    def score(self, model: NaiveRate | FillForecaster, tally: Tally, real: Floats, alone: Booleans) -> None:
        """``real`` (%) and whether no crew came until then, by hour from the issue time on."""
        leads = np.array(LEAD_HOURS) * HOUR
        made = model.predict(
            self.name, self.now, issued_at=self.at, leads=leads, spread=self.spread, levels=LEVELS
        )
        view = model.outlook(self.name, self.now, issued_at=self.at, critical=CRITICAL, spread=self.spread)
        if isinstance(made, NotCalibrated) or isinstance(view, NotCalibrated):
            return
        for row, lead in enumerate(LEAD_HOURS):
            if alone[lead] and real[0] < min(FULL_FROM, self.top):
                tally.bands.append((lead, real[lead], *np.minimum(made.quantiles[row], self.top)))
        if real[0] >= CRITICAL or self.now >= CRITICAL:
            return
        reached = (real >= CRITICAL) & alone
        if reached[:73].any() or alone[72]:
            tally.chances.append((float(reached[:73].any()), view.probability[72]))
        if reached.any() and np.isfinite(view.hours_to_critical):
            tally.late.append(abs(view.hours_to_critical - float(np.argmax(reached))))


def _real(one: Echoes, whole: Cleaned, k: int) -> Floats:
    """What came, by hour from the origin on (%)."""
    if one.truth is not None:
        return one.truth.on_grid(whole.times[k:], 2 * HOUR)
    return whole.smoothed[k:]


def _emptyings(fleet: list[Echoes], whole: Mapping[str, Cleaned]) -> Iterator[str]:
    """Found against marked ones, each within six hours of the other."""
    true = found = right = hit = 0
    for one in fleet:
        if one.emptied is None or one.name not in whole:
            continue
        made = whole[one.name].times[whole[one.name].emptied]
        true, found = true + len(one.emptied), found + len(made)
        right += sum(_near(one.emptied, at) for at in made)
        hit += sum(_near(made, at) for at in one.emptied)
    if true:
        yield (
            f"  emptyings: precision {right / max(found, 1):.3f}, recall {hit / true:.3f} "
            f"({true} marked, {found} found, within 6 h)"
        )


def _near(times: Times, at: Instant) -> bool:
    return bool(len(times) and np.abs(times - at).min() <= DAY // 4)
