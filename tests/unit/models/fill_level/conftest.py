"""Containers and their sensors with the disturbances measured on real ones, as ground truth for the models.

Daily inflow log-normal over containers (median 4.8 % of depth, sd of log .55), daily CV .91 with 21 % near
zero, weekday and hour profiles, 23 % lost messages, 2 cm grid, 1 cm noise, blind zone, obstacle echoes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from models.fill_level.cleaning import Container
from models.series import HOUR, Series

START = np.datetime64("2025-01-06T00:00", "us")
WEEKDAY = np.array([1.14, 1.00, 0.96, 0.93, 0.89, 1.50, 0.56])
HOURLY = np.where((np.arange(24) >= 9) & (np.arange(24) <= 19), 1.75, np.where(np.arange(24) < 6, 0.1, 0.55))
HOURLY = HOURLY / HOURLY.mean()


@dataclass(frozen=True)
class Truth:
    readings: Series
    fill: Series
    emptied: np.ndarray
    container: Container


def make(seed: int, days: int, *, disturbed: bool) -> Truth:
    rng = np.random.default_rng(seed)
    depth = float(rng.uniform(110, 160))
    daily = 0.048 * depth * np.exp(rng.normal(0, 0.55))
    cycle = float(np.exp(rng.normal(np.log(7.9), 0.6)))
    n = days * 24
    day_factor = np.where(rng.random(days) < 0.21, 0.03, rng.gamma(1 / 0.55, 0.55, days))
    day_factor /= day_factor.mean()
    content, level, due = 0.0, np.empty(n), rng.exponential(2) + cycle
    emptied = np.zeros(n, dtype=bool)
    for i in range(n):
        day = i // 24
        rate = daily / 24 * day_factor[day] * WEEKDAY[day % 7] * HOURLY[i % 24]
        bags = rng.poisson(rate / 1.5) if rate < 30 else rate / 1.5
        content = min(depth - 8, content + 1.5 * bags)
        working = 6 <= i % 24 <= 15
        if working and i / 24 >= due and content > 0.12 * depth:
            content, emptied[i] = float(np.clip(rng.normal(1, 2.5), 0, 5)), True
            due = i / 24 + cycle * rng.uniform(0.6, 1.4)
        level[i] = content
    distance = np.round((depth - level + rng.normal(0, 1, n)) / 2) * 2
    if disturbed:
        obstacle, share = rng.uniform(40, 65), rng.uniform(0.05, 0.5)
        ghost = (rng.random(n) < share) & (depth - level > obstacle)
        distance = np.where(ghost, np.round(obstacle / 2) * 2, distance)
        distance = np.where(rng.random(n) < 0.01, 0.0, distance)
        kept = rng.random(n) > 0.23
    else:
        kept = np.ones(n, dtype=bool)
    distance = np.where(distance < 7, 7, distance)
    times = START + np.arange(n) * HOUR
    full = 0.1 * depth
    return Truth(
        Series(times[kept], distance[kept], "cm"),
        Series(times, 100 * level / (depth - full), "%"),
        emptied,
        Container(depth, full),
    )


@pytest.fixture(scope="session")
def disturbed_fleet() -> list[Truth]:
    return [make(100 + seed, 120, disturbed=True) for seed in range(12)]


@pytest.fixture(scope="session")
def clean_fleet() -> list[Truth]:
    return [make(200 + seed, 120, disturbed=False) for seed in range(12)]


@pytest.fixture(scope="session", name="made")
def container_of() -> Callable[..., Truth]:
    """Another container of the same kind."""
    return make
