"""Print how well fill levels are forecast: `python tests/benchmarks/accuracy_fill.py --bins 6 33 --days 14`.

Containers made with what was measured on 77 real ones: inflow log-normal over them (median 4.8 % of the depth
a day, sd of the log .55), days with a variation of .91 of which a fifth brings nothing, weekdays, hours, one
factor of the city, emptied after 3 / 7.9 / 22 days, read on a grid of 2 cm with 1 cm of noise, blind near the
lid; disturbed ones lose 23 % of their messages and see obstacles. Taught on the first days, asked on 20 more.
"""

import argparse
import sys
from dataclasses import dataclass

import numpy as np

from models import metrics
from models.fill_level.cleaning import Cleaned, Container, clean
from models.fill_level.forecast import FillForecaster
from models.fill_level.naive import NaiveRate
from models.series import DAY, HOUR, Floats, Series

START = np.datetime64("2025-01-06T00:00", "us")
WEEKDAY = np.array([1.14, 1.00, 0.96, 0.93, 0.89, 1.50, 0.56])
CLOCK = np.arange(24)
BY_HOUR = np.where((CLOCK >= 9) & (CLOCK <= 19), 1.75, np.where(CLOCK < 6, 0.1, 0.55))
LEADS_H = (24, 48, 72)
TEST_DAYS, EVERY_H, BAG_CM = 20, 11, 1.5
DAILY_SPREAD = np.sqrt(np.log(1 + 0.6**2))


@dataclass(frozen=True)
class Bin:
    readings: Series
    fill: Floats
    emptied: np.ndarray
    container: Container

    @property
    def heard(self) -> Cleaned:
        made = clean(self.readings, self.container)
        assert made is not None
        return made


def make(rng: np.random.Generator, city: Floats, days: int, *, disturbed: bool) -> Bin:
    """One container; what its sensor says is on the hour."""
    depth = float(rng.uniform(110, 160))
    day = np.arange(days)
    good = np.where(
        rng.random(days) < 0.21, 0.03, np.exp(rng.normal(-(DAILY_SPREAD**2) / 2, DAILY_SPREAD, days)) / 0.79
    )
    daily = 0.048 * depth * np.exp(rng.normal(0, 0.55)) * good * city[day // 7] * WEEKDAY[day % 7]
    hourly = np.repeat(daily, 24) * np.tile(BY_HOUR / BY_HOUR.sum(), days)
    level, emptied = contents(rng, BAG_CM * rng.poisson(hourly / BAG_CM), depth)
    blind = float(round(rng.uniform(5, 10)))
    distance = np.maximum(np.round((depth - level + rng.normal(0, 1, len(level))) / 2) * 2, blind)
    kept = np.ones(len(level), dtype=bool)
    if disturbed:
        if rng.random() < 48 / 77:
            obstacle, share = rng.uniform(40, 65), rng.uniform(0.05, 0.5)
            ghost = (rng.random(len(level)) < share) & (depth - level > obstacle)
            seen = np.round((obstacle + rng.normal(0, 0.7, len(level))) / 2) * 2
            distance = np.where(ghost, seen, distance)
        distance = np.where(rng.random(len(level)) < 0.01, 0.0, distance)
        kept = rng.random(len(level)) > 0.17
        for gap in np.flatnonzero(rng.random(len(level)) < 0.008):
            kept[gap : gap + int(rng.geometric(0.12))] = False
    times = START + np.arange(len(level)) * HOUR
    return Bin(Series(times[kept], distance[kept], "cm"), 100 * level / depth, emptied, Container(depth))


def contents(rng: np.random.Generator, bags: Floats, depth: float) -> tuple[Floats, np.ndarray]:
    """Content (cm) by hour, and when a crew came."""
    cycle = 7.9 * np.exp(rng.normal(0, 0.4))
    content, due = float(rng.uniform(0, 40)), float(rng.uniform(0, cycle))
    level, emptied = np.empty(len(bags)), np.zeros(len(bags), dtype=bool)
    for i, amount in enumerate(bags):
        content = min(depth, content + float(amount))
        if 6 <= i % 24 <= 15 and i / 24 >= due and content > 0.08 * depth and rng.random() < 0.25:
            content, emptied[i] = max(0.0, float(rng.normal(0, 2.5))), True
            due = i / 24 + cycle * np.exp(rng.normal(0, 0.45))
        level[i] = content
    return level, emptied


@dataclass
class Tally:
    """Rows of (lead, real, 10 %, 50 %, 90 %), of (critical within 72 h, probability), and errors in hours."""

    bands: list[tuple[float, ...]]
    chances: list[tuple[float, float]]
    hours: list[float]

    def line(self, name: str) -> str:
        rows, chances = np.array(self.bands), np.array(self.chances)
        parts = []
        for lead in LEADS_H:
            _, real, low, middle, high = rows[rows[:, 0] == lead].T
            error, inside = np.abs(real - middle).mean(), metrics.coverage(real, low, high)
            parts.append(f"{lead} h: error {error:.2f}, 80 % covers {inside:.2f}")
        share = np.full(len(chances), chances[:, 0].mean())
        skill = metrics.brier_skill(chances[:, 0] > 0, chances[:, 1], share)
        late = np.median(self.hours) if self.hours else np.nan
        return f"  {name:20s} {'; '.join(parts)}; Brier skill {skill:.2f}; time to 80 %: {late:.0f} h"


def ask(model: FillForecaster | NaiveRate, name: str, one: Bin, level: Cleaned, since_h: int) -> Tally:
    """Every eleven hours; what came counts where no crew came before."""
    tally, visits = Tally([], [], []), np.cumsum(one.emptied)
    for k in range(since_h, len(one.fill) - 72, EVERY_H):
        at = int((START + k * HOUR - level.times[0]) // HOUR)
        if not 0 <= at < len(level.times):
            continue
        now, spread, issued = float(level.filtered[at]), float(level.spread[at]), level.times[at]
        made = model.predict(
            name, now, issued_at=issued, leads=np.array(LEADS_H) * HOUR, spread=spread, levels=(0.1, 0.5, 0.9)
        )
        for row, lead in enumerate(LEADS_H):
            if visits[k + lead] == visits[k] and one.fill[k] < 95:
                # As a sensor would tell it: what nobody threw anything into still moves by the noise.
                real = float(level.smoothed[min(at + lead, len(level.times) - 1)])
                tally.bands.append((lead, real, *made.quantiles[row]))
        if one.fill[k] >= 80:
            continue
        view = model.outlook(name, now, issued_at=issued, spread=spread)
        crew = np.flatnonzero(visits[k:] != visits[k])
        end = k + int(crew[0]) if len(crew) else len(one.fill)
        full = np.flatnonzero(one.fill[k:end] >= 80)
        if len(full):
            tally.hours.append(min(abs(view.hours_to_critical - full[0]), 504.0))
        if len(full) and full[0] <= 72:
            tally.chances.append((1.0, view.probability[72]))
        elif end - k > 72:
            tally.chances.append((0.0, view.probability[72]))
    return tally


def judge(bins: int, days: int, repeats: int, *, disturbed: bool) -> None:
    together = {name: Tally([], [], []) for name in ("pooled inflow rate", "mean pace")}
    hits = found = true = 0
    for seed in range(repeats):
        rng = np.random.default_rng([bins, days, seed])
        city = np.exp(rng.normal(-0.01, 0.14, (days + TEST_DAYS) // 7 + 1))
        fleet = [make(rng, city, days + TEST_DAYS, disturbed=disturbed) for _ in range(bins)]
        levels = [one.heard for one in fleet]
        known = {str(i): clean(one.readings.as_of(START + days * DAY), one.container)
                 for i, one in enumerate(fleet)}  # fmt: skip
        for model in (FillForecaster(), NaiveRate()):
            if (refused := model.fit({k: v for k, v in known.items() if v is not None})) is not None:
                sys.stdout.write(f"  {model.name}: {refused.reason}\n")
                continue
            for i, (one, level) in enumerate(zip(fleet, levels, strict=True)):
                made = ask(model, str(i), one, level, days * 24 + i % EVERY_H)
                for name in ("bands", "chances", "hours"):
                    getattr(together[model.name], name).extend(getattr(made, name))
        for one, level in zip(fleet, levels, strict=True):
            real, seen = list(START + np.flatnonzero(one.emptied) * HOUR), level.times[level.emptied]
            hits, found, true = hits + matched(seen, real), found + len(seen), true + len(real)
    kind = "disturbed" if disturbed else "clean"
    sys.stdout.write(f"{repeats} x {bins} containers, {days} days, {kind}: emptyings found "
                     f"{hits / true:.3f}, right {hits / found:.3f} of {found}\n")  # fmt: skip
    for name, tally in together.items():
        if tally.bands:
            sys.stdout.write(tally.line(name) + "\n")
    sys.stdout.flush()


def matched(seen: np.ndarray, real: list[np.datetime64]) -> int:
    left, hits = list(real), 0
    for one in seen:
        if near := [other for other in left if abs((one - other) / HOUR) <= 6]:
            left.remove(near[0])
            hits += 1
    return hits


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bins", type=int, nargs="+", default=[6, 33])
    parser.add_argument("--days", type=int, nargs="+", default=[14, 40, 120])
    parser.add_argument("--containers", type=int, default=132, help="in all, per line")
    given = parser.parse_args()
    for days in given.days:
        for bins in given.bins:
            for disturbed in (False, True):
                judge(bins, days, max(1, given.containers // bins), disturbed=disturbed)
