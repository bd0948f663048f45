"""Bins with one level a day: what counts as reached, nothing from tomorrow, and intervals that hold."""

import numpy as np

from models import metrics
from models.fill_level.daily import DailyFillModel, DailyLevels, features


def bins(count: int, days: int, seed: int = 0) -> DailyLevels:
    rng = np.random.default_rng(seed)
    level = np.zeros((count, days))
    for number in range(count):
        pace = rng.uniform(0.3, 2.0)
        for day in range(1, days):
            before = level[number, day - 1]
            emptied = before >= 8 and rng.random() < 0.7
            level[number, day] = 0 if emptied else min(10, before + rng.poisson(pace))
    where = np.repeat(np.arange(count), days)
    return DailyLevels(where, np.tile(np.arange(days), count), level.ravel(), np.full(count * days, 8.0))


def test_reached_and_then_emptied_counts_and_emptied_before_is_unknown() -> None:
    level = np.array([5.0, 8.0, 0.0, 2.0, 4.0, 0.0, 1.0, 1.0])
    data = DailyLevels(np.zeros(8, dtype=int), np.arange(8), level, np.full(8, 8.0))
    later, reached = data.ahead(3)
    assert reached[0] == 1.0  # 8 tomorrow, emptied the day after
    assert np.isnan(later[0])
    assert np.isnan(reached[2])  # emptied from 4
    assert np.isnan(reached[-3:]).all()


def test_features_know_nothing_of_tomorrow() -> None:
    data = bins(5, 90)
    cut = 50
    changed = np.where(data.day > cut, 10 - data.level, data.level)
    other = DailyLevels(data.bin, data.day, changed, data.threshold)
    seen = data.day <= cut
    np.testing.assert_array_equal(features(data)[seen], features(other)[seen])


def test_answers_are_the_same_whatever_comes_later() -> None:
    data = bins(6, 120)
    model = DailyFillModel(1)
    assert model.fit(data)
    seen = data.day <= 80
    head = DailyLevels(*(getattr(data, name)[seen] for name in ("bin", "day", "level", "threshold")))
    whole, then = model.predict(data), model.predict(head)
    np.testing.assert_array_equal(whole.probability[seen], then.probability)
    np.testing.assert_array_equal(whole.quantiles[seen], then.quantiles)


def test_better_than_persistence_with_intervals_that_hold() -> None:
    days, data = 3, bins(10, 260)
    early = data.day < 160
    past = DailyLevels(*(getattr(data, name)[early] for name in ("bin", "day", "level", "threshold")))
    model = DailyFillModel(days)
    assert model.fit(past)
    made, (later, reached) = model.predict(data), data.ahead(days)
    test = ~early & np.isfinite(later)
    own = metrics.mean_absolute_error(later[test], made.median[test])
    assert own < 0.9 * metrics.mean_absolute_error(later[test], data.level[test])
    low, high = made.quantiles[test, 0], made.quantiles[test, -1]
    assert 0.75 <= metrics.coverage(later[test], low, high) <= 0.95
    known = ~early & np.isfinite(reached)
    share = np.full(known.sum(), reached[known].mean())
    assert metrics.brier_skill(reached[known] > 0, made.probability[known], share) > 0.3


def test_a_handful_of_days_is_too_few() -> None:
    assert not DailyFillModel(1).fit(bins(3, 20))
