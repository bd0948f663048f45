"""Demand tours save visits where containers differ, and the report says how sure that is."""

import numpy as np
import pytest

from models.fill_level.tours import TourRule, compare_tours, site_has_room
from models.forecaster import NotCalibrated

RULE = TourRule(fixed_days=2, visit_at=70.0)


def fleet(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.gamma(0.5, np.exp(rng.normal(np.log(0.3), 0.5)), 24 * 90) for _ in range(count)]


def test_slow_containers_are_visited_less_on_demand_and_the_interval_holds_the_mean() -> None:
    found = compare_tours(fleet(30), RULE, first_weekday=0, rng=np.random.default_rng(1))
    assert not isinstance(found, NotCalibrated)
    low, middle, high = found.saved_visits
    assert 0 < low < middle < high
    assert middle == pytest.approx(found.fixed_visits - found.demand_visits)


def test_a_fixed_tour_that_comes_too_rarely_overflows_and_demand_helps() -> None:
    busy = [np.full(24 * 60, 1.0) for _ in range(6)]
    found = compare_tours(
        busy, TourRule(fixed_days=14, visit_at=50.0), first_weekday=0, rng=np.random.default_rng(1)
    )
    assert not isinstance(found, NotCalibrated)
    assert found.saved_overflow_hours[0] > 0


def test_too_few_containers_are_said() -> None:
    assert isinstance(
        compare_tours(fleet(2), RULE, first_weekday=0, rng=np.random.default_rng(1)), NotCalibrated
    )


def test_a_site_has_room_while_one_container_has() -> None:
    assert site_has_room([]) == 0.0
    assert site_has_room([1.0, 1.0]) == 0.0
    assert site_has_room([1.0, 0.0]) == 1.0
    assert site_has_room([0.5, 0.5]) < 0.75
    assert site_has_room(np.array([0.5, 0.5])) == site_has_room([0.5, 0.5])
    assert site_has_room([0.5, 0.5, 0.5]) > site_has_room([0.5])
