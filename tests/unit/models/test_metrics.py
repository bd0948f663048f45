"""Each metric against a value worked out by hand or a law it must obey."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from models import metrics
from models.alarm_metrics import Alarm, Event, random_floor, score_alarms, threshold_at_rate
from models.series import DAY, HOUR

OBSERVED = np.array([1.0, 2.0, 3.0, 4.0])
START = np.datetime64("2026-01-01", "us")


def test_a_perfect_prediction_scores_one_and_the_mean_scores_zero() -> None:
    assert metrics.nash_sutcliffe(OBSERVED, OBSERVED) == 1.0
    assert metrics.nash_sutcliffe(OBSERVED, np.full(4, 2.5)) == 0.0
    assert metrics.kling_gupta(OBSERVED, OBSERVED) == pytest.approx(1.0)
    assert metrics.kling_gupta(OBSERVED, 2 * OBSERVED) == pytest.approx(1 - np.sqrt(2))


def test_persistence_index_compares_with_the_last_value() -> None:
    last = np.array([0.0, 1.0, 2.0, 3.0])
    assert metrics.persistence_index(OBSERVED, last, last) == 0.0
    assert metrics.persistence_index(OBSERVED, OBSERVED - 0.5, last) == pytest.approx(0.75)


def test_undefined_scores_are_not_numbers() -> None:
    flat, gaps = np.ones(3), np.full(3, np.nan)
    assert np.isnan(metrics.nash_sutcliffe(flat, flat))
    assert np.isnan(metrics.kling_gupta(gaps, flat))
    assert np.isnan(metrics.crps(gaps, np.zeros((3, 2)), (0.1, 0.9)))
    assert np.isnan(metrics.brier_skill(np.array([True]), np.array([0.5]), np.array([1.0])))


def test_gaps_on_either_side_are_left_out() -> None:
    assert metrics.mean_absolute_error(np.array([1, np.nan, 3]), np.array([2, 5, np.nan])) == 1.0


def test_peaks_are_independent_and_timing_counts_steps() -> None:
    observed = np.array([0, 1, 5, 1, 0, 0, 0, 3, 0, 0.0])
    predicted = np.array([0, 0, 1, 4, 0, 0, 0, 3, 0, 0.0])
    score = metrics.peak_score(observed, predicted, count=2, window=2)
    assert score.count == 2
    assert score.height == pytest.approx(0.1)
    assert score.timing_steps == pytest.approx(0.5)


def test_crps_of_a_fine_normal_agrees_with_its_closed_form() -> None:
    levels = tuple(np.linspace(0.005, 0.995, 199))
    quantiles = norm.ppf(levels)[None, :]
    closed = 0.5 * (2 * norm.cdf(0.5) - 1) + 2 * norm.pdf(0.5) - 1 / np.sqrt(np.pi)
    assert metrics.crps(np.array([0.5]), quantiles, levels) == pytest.approx(closed, abs=2e-3)


def test_pit_of_draws_from_the_forecast_is_uniform() -> None:
    levels = tuple(np.linspace(0.01, 0.99, 99))
    draws = np.random.default_rng(1).normal(size=4000)
    values = metrics.pit(draws, np.tile(norm.ppf(levels), (4000, 1)), levels)
    assert np.abs(np.histogram(values, bins=10, range=(0, 1))[0] / 4000 - 0.1).max() < 0.02


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30))
def test_area_under_curve_counts_pairs(rows: list[tuple[bool, int]]) -> None:
    happened = np.array([row[0] for row in rows])
    score = np.array([float(row[1]) for row in rows])
    pairs = [(p > n) + 0.5 * (p == n) for p in score[happened] for n in score[~happened]]
    area = metrics.area_under_curve(happened, score)
    assert (np.isnan(area) and not pairs) or area == pytest.approx(np.mean(pairs))


def test_brier_and_warnings() -> None:
    happened = np.array([True, False, True, False])
    assert metrics.brier(happened, np.array([1.0, 0.0, 0.5, 0.5])) == pytest.approx(0.125)
    score = metrics.warning_score(happened, np.array([True, True, False, False]))
    assert (score.detection, score.false_alarm_ratio) == (0.5, 0.5)


def test_alarms_count_within_the_event_and_a_day_of_grace() -> None:
    event = Event("m1", START + DAY, START + 2 * DAY, "waste", 100.0)
    missed = Event("m2", START, START + DAY, "waste", 300.0)
    alarms = [
        Alarm("m1", START + 3 * DAY, 1.0),
        Alarm("m1", START + 3 * DAY + HOUR, 0.5),
        Alarm("m3", START, 0.9),
    ]
    score = score_alarms([event, missed], alarms, meters=3, days=365.25 / 12)
    assert (score.recall, score.cost_found, score.delay_hours) == (0.5, 0.25, 48.0)
    assert score.false_per_meter_month == pytest.approx(2 / 3)


def test_threshold_keeps_the_false_alarm_budget() -> None:
    alarms = [Alarm("m", START + k * DAY, float(k)) for k in range(10)]
    threshold = threshold_at_rate([], alarms, meters=1, days=365.25 / 12, rate=3.0)
    assert sum(alarm.score > threshold for alarm in alarms) == 3


def test_random_alarms_find_long_faults_by_chance() -> None:
    weeks = Event("m", START, START + 59 * DAY)
    assert random_floor([weeks], rate=1.0) == pytest.approx(1 - np.exp(-60 * 12 / 365.25))
