"""Rhythms, standstills and batteries: what is learned from the past, and what is not."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from udp.events.charge import judge_charge
from udp.events.rhythm import FEWEST, expected, learn, learn_wired, wired
from udp.events.stuck import standstill
from udp.events.words import every, span
from udp.registry.batteries import load_curves
from udp.registry.profiles import load_profiles
from udp.store.columns import Observations

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HALF = timedelta(minutes=30)


def moments(seconds):
    return (np.array(seconds, np.float64) * 1e6).astype(np.int64).astype("datetime64[us]")


def sender(every_s, loss, days, seed, jitter=30.0):
    chance = random.Random(seed)
    times = np.arange(0, days * 86400, every_s)
    return [float(one) + chance.uniform(0, jitter) for one in times if chance.random() >= loss]


@pytest.mark.parametrize("loss", [0.0, 0.02, 0.1, 0.2, 0.3, 0.5])
def test_a_lossy_device_is_never_called_silent_and_a_dead_one_soon(loss):
    false, limits = 0, []
    for seed in range(40):
        spoke = sender(600, loss, 14, seed)
        for number in range(FEWEST + 1, len(spoke), 25):
            rhythm = learn(moments(spoke[max(0, number - 2000) : number]), HALF)
            gaps = np.diff(spoke[number - 1 : number + 25])
            false += int((gaps > rhythm.limit.total_seconds()).sum())
        limits.append(rhythm.limit)
    assert false == 0
    # A regular one after half an hour; at every second frame lost, within hours.
    assert max(limits) <= {0.0: 1.1 * HALF, 0.5: 8 * HOUR}.get(loss, 4 * HOUR)


def test_nights_belong_to_a_rhythm_and_an_outage_does_not():
    days = [day * 86400 + 28800 + 1200 * number for day in range(14) for number in range(36)]
    night = 86400 - 35 * 1200
    assert timedelta(seconds=night) < learn(moments(days), HALF).limit < timedelta(days=2)
    steady = sender(600, 0.05, 14, 1)
    outage = [one for one in steady if not 5 * 86400 < one < 8 * 86400]
    assert learn(moments(outage), HALF).limit <= 1.5 * learn(moments(steady), HALF).limit


def test_too_little_teaches_nothing_and_the_profile_counts():
    assert learn(moments(range(0, FEWEST * 60, 60)), HALF) is None
    assert learn(moments([]), HALF) is None
    assert learn(moments([0] * 1000), HALF) is None
    new = expected(HOUR, HALF)
    assert (new.learned, new.usual) == (False, HOUR)
    assert (
        expected(HOUR, HALF, heard=300, lost=3).limit
        < new.limit
        < expected(HOUR, HALF, heard=9, lost=60).limit
    )
    assert wired(timedelta(seconds=30), timedelta(minutes=5)).limit == timedelta(minutes=5)


def test_a_wired_sensor_follows_its_newest_rhythm():
    hourly = [3600.0 * number for number in range(200)]
    live = [hourly[-1] + 30.0 * number for number in range(1, 101)]
    assert learn_wired(moments(hourly), HALF).limit == timedelta(hours=3.5)
    assert learn_wired(moments(hourly + live), timedelta(minutes=5)).limit == timedelta(minutes=5)


@given(st.lists(st.integers(0, 10**7), max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_past_gives_a_limit_that_can_be_meant(spoke):
    rhythm = learn(moments(spoke), HALF)
    assert rhythm is None or rhythm.limit >= max(3 * rhythm.usual, HALF)


def series(values, every=HOUR):
    times = [START + number * every for number in range(len(values))]
    return Observations.build(7, [one.replace(tzinfo=None) for one in times], values), times[-1]


def noisy(count, seed=1):
    chance = random.Random(seed)
    return [10 + round(chance.gauss(0, 2), 1) for _ in range(count)]


def test_what_always_moved_and_stands_is_stuck_without_a_word_of_the_profile():
    history, now = series(noisy(300) + [7.5] * 30)
    found = standstill(history, "air_temperature", None, now)
    assert (found.value, found.since) == (7.5, START + 300 * HOUR)
    assert standstill(series(noisy(300) + [7.5] * 8)[0], "air_temperature", None, now) is None
    assert standstill(series(noisy(300) + [0.0] * 30)[0], "air_temperature", None, now) is None
    assert standstill(history, "parking_occupied", None, now) is None


def test_the_profiles_limit_counts_unless_the_past_rested_longer():
    limit = timedelta(hours=20)
    assert (
        standstill(*(series(noisy(300) + [7.5] * 30)[0], "fill_level", limit, START + 400 * HOUR)) is not None
    )
    often = [value for level in noisy(12) for value in [level] * 25] + noisy(30)
    assert standstill(series(often + [7.5] * 30)[0], "fill_level", limit, START + 400 * HOUR) is None
    assert standstill(series(often + [7.5] * 60)[0], "fill_level", limit, START + 400 * HOUR) is not None


def test_a_falling_battery_says_when_with_an_interval_and_a_steady_one_does_not():
    days, chance = np.arange(40.0), np.random.default_rng(3)
    falling = judge_charge(days, 80 - 1.5 * days + chance.normal(0, 1, 40))
    assert falling.percent == pytest.approx(22, abs=3)
    assert falling.soonest < falling.days < falling.latest
    assert falling.soonest < 20 / 1.5 + 3
    assert falling.latest > 20 / 1.5 - 3
    steady = judge_charge(days, 80 + chance.normal(0, 1, 40))
    assert (round(steady.percent / 5) * 5, steady.days) == (80, None)
    cold = 80 + np.where((days > 10) & (days < 16), -15.0, 0.0) + chance.normal(0, 1, 40)
    assert judge_charge(days, cold).days is None
    assert judge_charge(np.array([]), np.array([])) is None
    assert judge_charge(days[:3], np.array([90.0, np.nan, 88.0])).days is None


def test_curves_rise_have_a_source_and_say_nothing_where_a_voltage_tells_nothing():
    curves = load_curves()
    assert set(curves) == {"alkaline", "li-socl2", "li-ion"}
    assert (curves["alkaline"].percent(1.2), curves["li-ion"].percent(3.75)) == (50.0, pytest.approx(30.0))
    assert curves["li-socl2"].percent(3.6) is None
    assert curves["li-socl2"].percent(3.0) == 5.0
    decentlab = load_profiles()["decentlab-dl-mbx"].battery
    assert decentlab.percent(2.0) == 10.0
    assert load_profiles()["keller-adt-arc"].battery is None


@pytest.mark.parametrize(
    ("seconds", "plain", "dative", "each"),
    [
        (5, "eine Minute", "einer Minute", "jede Minute"),
        (120, "2 Minuten", "2 Minuten", "alle 2 Minuten"),
        (3600, "60 Minuten", "60 Minuten", "alle 60 Minuten"),
        (7200, "2 Stunden", "2 Stunden", "alle 2 Stunden"),
        (86400, "24 Stunden", "24 Stunden", "alle 24 Stunden"),
        (172800, "2 Tage", "2 Tagen", "alle 2 Tage"),
    ],
)
def test_spans_are_german(seconds, plain, dative, each):
    length = timedelta(seconds=seconds)
    assert (span(length), span(length, dative=True), every(length)) == (plain, dative, each)
