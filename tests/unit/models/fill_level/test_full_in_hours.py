"""Containers for paper are full in hours and emptied every day or two: no crew is missed, none made up."""

import numpy as np
import pytest

from models.fill_level.cleaning import Container, clean, find_obstacle
from models.series import HOUR, Booleans, Series, Times

START = np.datetime64("2025-01-06T00:00", "us")
BY_HOUR = np.where((np.arange(24) >= 9) & (np.arange(24) <= 19), 1.75, 0.3)
BAG_CM = 4.0


def paper(seed: int, *, every_days: int, step_hours: int) -> tuple[Series, Container, Times]:
    """Two months; four to nine tenths of the depth a day; emptied at the crew's own hour, so often."""
    rng = np.random.default_rng(seed)
    depth, a_day = float(rng.uniform(110, 160)), float(rng.uniform(0.4, 0.9))
    crew, content = int(rng.integers(5, 12)), 0.0
    level, emptied = np.empty(60 * 24), np.zeros(60 * 24, dtype=bool)
    good = np.exp(rng.normal(-0.08, 0.4, 60))
    for hour in range(len(level)):
        day, clock = divmod(hour, 24)
        bags = rng.poisson(a_day * depth * good[day] * BY_HOUR[clock] / BY_HOUR.sum() / BAG_CM)
        content = min(depth - 8.0, content + BAG_CM * float(bags))
        if day and clock == crew and day % every_days == 0 and content > 0.12 * depth:
            content, emptied[hour] = max(0.0, float(rng.normal(0, 2.5))), True
        level[hour] = content
    distance = np.maximum(np.round((depth - level + rng.normal(0, 1, len(level))) / 2) * 2, 8.0)
    times = START + np.arange(len(level)) * HOUR
    heard: Booleans = np.arange(len(level)) % step_hours == 0
    return Series(times[heard], distance[heard], "cm"), Container(depth), times[emptied]


@pytest.mark.parametrize(("every_days", "step_hours"), [(1, 1), (2, 1), (2, 3)])
def test_crews_who_come_every_day_or_two_are_found(every_days: int, step_hours: int) -> None:
    hits = found = true = 0
    for seed in range(6):
        readings, container, crews = paper(seed, every_days=every_days, step_hours=step_hours)
        made = clean(readings, container)
        assert made is not None
        seen = made.times[made.emptied]
        hits += sum(bool((np.abs(seen - crew) <= 6 * HOUR).any()) for crew in crews)
        found, true = found + len(seen), true + len(crews)
    assert true > 150
    assert hits >= 0.95 * true
    assert hits >= 0.97 * found


def test_being_emptied_at_the_same_level_every_day_is_no_obstacle() -> None:
    content = np.tile(np.linspace(2.0, 85.0, 24), 60)
    content[::24] = 2.0
    distance = np.round((130.0 - content + np.random.default_rng(1).normal(0, 1, len(content))) / 2) * 2
    assert find_obstacle(distance, Container(130.0)).obstacle_cm is None
    made = clean(Series(START + np.arange(len(content)) * HOUR, distance, "cm"), Container(130.0))
    assert made is not None
    assert made.emptied.sum() in (59, 60)
