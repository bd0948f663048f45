"""Print how well fill levels are forecast: `python tests/benchmarks/accuracy_fill.py --bins 6 33 --days 14`.

On containers of `made_containers.py`, taught on the first days, asked on 20 more. Skill and time depend on
who is asked: of containers below 80 % alone, or of all (one at 85 % is easily said); of all that get there
before a crew comes, or of those that do within three days. Both are printed.
"""

import argparse
import sys
from dataclasses import dataclass

import numpy as np
from made_containers import START, Bin, Crews, make

from models import metrics
from models.fill_level.cleaning import Cleaned, clean
from models.fill_level.forecast import FillForecaster
from models.fill_level.naive import NaiveRate
from models.series import DAY, HOUR

LEADS_H = (24, 48, 72)
TEST_DAYS, EVERY_H = 20, 11
KINDS: tuple[Crews, ...] = ("paced", "demand", "fixed")


@dataclass
class Tally:
    """Rows of (lead, real, 10 %, 50 %, 90 %), of (critical within 72 h, probability, below 80 % now), and of
    (hours until 80 %, error in hours)."""

    bands: list[tuple[float, ...]]
    chances: list[tuple[float, float, float]]
    hours: list[tuple[float, float]]

    def line(self, name: str) -> str:
        rows, chances, hours = np.array(self.bands), np.array(self.chances), np.array(self.hours)
        parts = []
        for lead in LEADS_H:
            _, real, low, middle, high = rows[rows[:, 0] == lead].T
            error, inside = np.abs(real - middle).mean(), metrics.coverage(real, low, high)
            parts.append(f"{lead} h: error {error:.2f}, 80 % covers {inside:.2f}")
        skill = " / ".join(f"{_skill(some):.2f}" for some in (chances[chances[:, 2] > 0], chances))
        late = (np.median(some[:, 1]) if len(some) else np.nan for some in (hours[hours[:, 0] <= 72], hours))
        soon, ever = late
        return (
            f"  {name:20s} {'; '.join(parts)}; Brier skill below 80 % / all {skill}; time to 80 %, "
            f"within 3 days / ever: {soon:.0f} / {ever:.0f} h"
        )


def _skill(chances: np.ndarray) -> float:
    share = np.full(len(chances), chances[:, 0].mean())
    return metrics.brier_skill(chances[:, 0] > 0, chances[:, 1], share)


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
        view = model.outlook(name, now, issued_at=issued, spread=spread)
        crew = np.flatnonzero(visits[k:] != visits[k])
        end = k + int(crew[0]) if len(crew) else len(one.fill)
        full = np.flatnonzero(one.fill[k:end] >= 80)
        below = float(one.fill[k] < 80)
        if len(full) and below:
            tally.hours.append((full[0], min(abs(view.hours_to_critical - full[0]), 504.0)))
        if len(full) and full[0] <= 72:
            tally.chances.append((1.0, view.probability[72], below))
        elif end - k > 72:
            tally.chances.append((0.0, view.probability[72], below))
    return tally


def judge(bins: int, days: int, repeats: int, crews: Crews, *, disturbed: bool) -> None:
    together = {name: Tally([], [], []) for name in ("pooled inflow rate", "mean pace")}
    hits = found = true = 0
    for seed in range(repeats):
        rng = np.random.default_rng([bins, days, seed])
        city = np.exp(rng.normal(-0.01, 0.14, (days + TEST_DAYS) // 7 + 1))
        fleet = [make(rng, city, days + TEST_DAYS, crews, disturbed=disturbed) for _ in range(bins)]
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
    sys.stdout.write(f"{repeats} x {bins} containers, {days} days, crews {crews}, {kind}: emptyings found "
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
    parser.add_argument("--crews", nargs="+", default=KINDS, choices=KINDS)
    given = parser.parse_args()
    for crews in given.crews:
        for days in given.days:
            for bins in given.bins:
                for disturbed in (False, True):
                    judge(bins, days, max(1, given.containers // bins), crews, disturbed=disturbed)
