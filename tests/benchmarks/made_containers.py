"""Make containers as 77 real ones were measured, with crews of three habits and heaps that slide.

Inflow log-normal over containers (median 4.8 % of the depth a day, sd of the log .55), days that vary by
.91 as a sensor sees them and a fifth of which bring nothing, weekdays, hours, one factor of the city; read
on a grid of 2 cm with 1 cm of noise, blind near the lid; disturbed ones lose 23 % of their messages and see
obstacles. It leaves open what decides how hard the forecast is: are busy containers emptied more often?
`fixed` says no, `paced` says yes (cycle 3 / 7.9 / 22 days, as measured), `demand` comes when a container is
nearly full.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.fill_level.cleaning import Cleaned, Container, clean
from models.series import HOUR, Floats, Series

START = np.datetime64("2025-01-06T00:00", "us")
WEEKDAY = np.array([1.14, 1.00, 0.96, 0.93, 0.89, 1.50, 0.56])
CLOCK = np.arange(24)
BY_HOUR = np.where((CLOCK >= 9) & (CLOCK <= 19), 1.75, np.where(CLOCK < 6, 0.1, 0.55))
EMPTY_DAYS, BAG_CM = 0.21, 0.6
DAILY_SPREAD = np.sqrt(np.log(1 + 0.55**2))
# In series of Prague's plastic containers every three weeks or so, by 10-30 cm.
SLIDES_PER_HOUR = 1 / 450

Crews = Literal["fixed", "paced", "demand"]


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


def make(rng: np.random.Generator, city: Floats, days: int, crews: Crews, *, disturbed: bool) -> Bin:
    """One container; what its sensor says is on the hour."""
    depth, rate = float(rng.uniform(110, 160)), 0.048 * float(np.exp(rng.normal(0, 0.55)))
    day = np.arange(days)
    good = np.exp(rng.normal(-(DAILY_SPREAD**2) / 2, DAILY_SPREAD, days)) / (1 - EMPTY_DAYS)
    good = np.where(rng.random(days) < EMPTY_DAYS, 0.03, good)
    daily = rate * depth * good * city[day // 7] * WEEKDAY[day % 7]
    hourly = np.repeat(daily, 24) * np.tile(BY_HOUR / BY_HOUR.sum(), days)
    level, emptied = _contents(rng, BAG_CM * rng.poisson(hourly / BAG_CM), depth, _Crew(crews, rate, rng))
    blind = float(round(rng.uniform(5, 10)))
    distance = np.maximum(np.round((depth - level + rng.normal(0, 1, len(level))) / 2) * 2, blind)
    kept = np.ones(len(level), dtype=bool)
    if disturbed:
        distance, kept = _disturbed(rng, distance, depth - level)
    times = START + np.arange(len(level)) * HOUR
    return Bin(Series(times[kept], distance[kept], "cm"), 100 * level / depth, emptied, Container(depth))


class _Crew:
    """When a crew stands before the container."""

    def __init__(self, crews: Crews, rate: float, rng: np.random.Generator) -> None:
        usual = {"fixed": 7.9, "paced": 0.5 / rate, "demand": 22.0}[crews]
        self.cycle = float(
            np.clip(usual * np.exp(rng.normal(0, 0.4 if crews == "fixed" else 0.3)), 2.8, 26.0)
        )
        self.scatter = 0.45 if crews == "fixed" else 0.25
        self.due = float(rng.uniform(0, self.cycle))
        self.limit = float(rng.uniform(0.7, 0.9)) if crews == "demand" else np.inf
        self.rng = rng

    def comes(self, hour: int, share: float) -> bool:
        working = 6 <= hour % 24 <= 15 and hour // 24 % 7 < 6
        wanted = hour / 24 >= self.due or share > self.limit
        if not (working and wanted and share > 0.08 and self.rng.random() < 0.25):
            return False
        self.due = hour / 24 + self.cycle * float(np.exp(self.rng.normal(0, self.scatter)))
        return True


def _contents(
    rng: np.random.Generator, amounts: Floats, depth: float, crew: _Crew
) -> tuple[Floats, np.ndarray]:
    """Content (cm) by hour, and when a crew came."""
    content = float(rng.uniform(0, 40))
    level, emptied = np.empty(len(amounts)), np.zeros(len(amounts), dtype=bool)
    for i, amount in enumerate(amounts):
        content = min(depth, content + float(amount))
        if content > 20 and rng.random() < SLIDES_PER_HOUR:
            content *= float(rng.uniform(0.6, 0.9))
        if crew.comes(i, content / depth):
            content, emptied[i] = max(0.0, float(rng.normal(0, 2.5))), True
        level[i] = content
    return level, emptied


def _disturbed(rng: np.random.Generator, distance: Floats, true: Floats) -> tuple[Floats, np.ndarray]:
    """Obstacle echoes, "no echo" codes and lost messages."""
    count = len(distance)
    if rng.random() < 48 / 77:
        obstacle, share = rng.uniform(40, 65), rng.uniform(0.05, 0.5)
        ghost = (rng.random(count) < share) & (true > obstacle)
        seen = np.round((obstacle + rng.normal(0, 0.7, count)) / 2) * 2
        distance = np.where(ghost, seen, distance)
    distance = np.where(rng.random(count) < 0.01, 0.0, distance)
    kept = rng.random(count) > 0.17
    for gap in np.flatnonzero(rng.random(count) < 0.008):
        kept[gap : gap + int(rng.geometric(0.12))] = False
    return distance, kept
