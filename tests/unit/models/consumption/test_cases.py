"""Faults put into buildings are found causally, named, priced, opened once; healthy meters stay quiet."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from buildings import CALENDAR, CUT, START, parts, with_fault

from models.alarm_metrics import Alarm, Event, random_floor, score_alarms
from models.consumption.cases import Case, how_often, new_model, open_cases, share_scales
from models.consumption.expected import Calendar
from models.consumption.outcomes import faults
from models.consumption.tails import Tail, peaks_of
from models.forecaster import NotCalibrated
from models.series import DAY, HOUR, Series

THRESHOLD = 2.5

FAULTS = {
    "spike": 1, "stuck": 72, "dropout": 40, "base step": 14 * 24, "creep": 60 * 24, "night": 14 * 24,
    "weekend": 15 * 24, "scale": 7 * 24,
}  # fmt: skip


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_found_while_it_lasts(kind: str, fleet) -> None:
    found = 0
    at = 90 * 24 + 7
    for model, whole, temperature in fleet:
        load = with_fault(kind, parts(whole)[1], at, FAULTS[kind])
        cases = open_cases(model, *model.strangeness(load, temperature), THRESHOLD)
        start, end = load.times[at], load.times[at + FAULTS[kind] - 1]
        found += any(start <= case.opened_at <= end + DAY for case in cases)
    assert found >= 5


def test_healthy_meters_stay_quiet(fleet) -> None:
    cases = [
        case
        for model, whole, temperature in fleet
        for case in open_cases(model, *model.strangeness(parts(whole)[1], temperature), THRESHOLD)
    ]
    assert len(cases) / (6 * 200 * 12 / 365.25) <= 0.25


def test_one_fault_is_one_case_with_cost_and_reason(fleet) -> None:
    model, whole, temperature = fleet[0]
    load = with_fault("base step", parts(whole)[1], 90 * 24, 14 * 24)
    found = faults(model, *model.strangeness(load, temperature), THRESHOLD)
    during = [one.case for one in found if load.times[90 * 24] <= one.case.opened_at <= load.times[104 * 24]]
    assert len(during) == 1
    assert during[0].cost > 0
    assert "zu erwarten" in during[0].reason


@pytest.mark.parametrize(
    ("per_month", "told"),
    [
        (1e-6, "praktisch nie"),
        (1 / 1199, "etwa alle 100 Jahre"),
        (0.055, "etwa alle 2 Jahre"),
        (0.06, "etwa alle 17 Monate"),
        (0.66, "etwa alle 2 Monate"),
        (0.7, "etwa 1-mal im Monat"),
        (3.6, "etwa 4-mal im Monat"),
    ],
)
def test_rarity_is_told_in_words_that_hold(per_month: float, told: str) -> None:
    assert how_often(per_month) == told


def test_a_change_of_use_does_not_alarm_for_ever(fleet) -> None:
    model, whole, temperature = fleet[1]
    load = parts(whole)[1]
    load = load.with_values(load.values * np.where(np.arange(len(load)) > 30 * 24, 1.5, 1.0))
    cases = open_cases(model, *model.strangeness(load, temperature), THRESHOLD)
    assert any(case.opened_at < load.times[45 * 24] for case in cases)
    assert not any(case.opened_at > load.times[120 * 24] for case in cases)


def test_scores_are_causal(fleet) -> None:
    model, whole, temperature = fleet[2]
    load = parts(whole)[1]
    moment = 100 * 24
    other = load.with_values(np.where(np.arange(len(load)) > moment, load.values * 7 + 100, load.values))
    first, _ = model.strangeness(load, temperature)
    second, _ = model.strangeness(other, temperature)
    short, _ = model.strangeness(load.between(START, load.times[moment] + HOUR), temperature)
    for kind in first:
        np.testing.assert_array_equal(first[kind][: moment + 1], second[kind][: moment + 1])
        np.testing.assert_allclose(first[kind][: moment + 1], short[kind], rtol=1e-6, atol=1e-6)


def test_feedback_that_it_was_fine_makes_it_less_strange(fleet) -> None:
    model, whole, temperature = fleet[3]
    load = with_fault("base step", parts(whole)[1], 90 * 24, 14 * 24)
    case = open_cases(model, *model.strangeness(load, temperature), THRESHOLD)[0]
    before = model.tails[case.kind]
    model.was_fine(case, load, temperature)
    probe = np.array([before.peaks[0] * 1.1])
    assert model.tails[case.kind].strangeness(probe)[0] < before.strangeness(probe)[0]
    model.tails[case.kind] = before


def test_water_that_never_rests_is_a_leak() -> None:
    rng = np.random.default_rng(1)
    n = 24 * (366 + 60)
    hour = np.arange(n) % 24
    used = np.where((hour > 6) & (hour < 20), rng.gamma(1, 0.2, n), 0.0)
    water = Series(START + np.arange(n) * HOUR, np.round(used, 2), "m3")
    model = new_model("w", calendar=CALENDAR, water=True)
    assert model.fit(parts(water)[0], None) is None
    leaking = parts(water)[1]
    leaking = leaking.with_values(leaking.values + np.where(np.arange(len(leaking)) > 20 * 24, 0.02, 0.0))
    cases = open_cases(model, *model.strangeness(leaking, None), THRESHOLD)
    after = [case for case in cases if case.opened_at > leaking.times[20 * 24]]
    assert after[0].kind in {"never zero", "base load", "night", "nights"}
    assert after[0].opened_at < leaking.times[25 * 24]
    strange, _ = model.strangeness(leaking, None)
    assert strange["never zero"][25 * 24] > THRESHOLD
    assert strange["never zero"][: 20 * 24].max() < THRESHOLD


def test_a_burst_pipe_opens_a_case_within_a_day() -> None:
    rng = np.random.default_rng(2)
    n = 48 * (366 + 60)
    half_hours = np.arange(n) % 48
    used = np.where((half_hours > 13) & (half_hours < 40), rng.gamma(1, 0.1, n), 0.0)
    times = START + np.arange(n) * np.timedelta64(30, "m")
    model = new_model("w", calendar=CALENDAR, water=True)
    cut = 48 * 366
    assert model.fit(Series(times[:cut], np.round(used[:cut], 2), "m3"), None) is None
    burst = cut + 48 * 25 + 20
    used[burst : burst + 24] += 0.6
    cases = open_cases(
        model, *model.strangeness(Series(times[cut:], np.round(used[cut:], 2), "m3"), None), 2.5
    )
    found = [case for case in cases if times[burst] <= case.opened_at <= times[burst] + DAY]
    assert found and "Rohrbruch" in "".join(case.reason for case in found)


@pytest.mark.parametrize(
    ("kind", "hours", "told"),
    [("stuck", 11, False), ("stuck", 13, True), ("missing", 5, False), ("missing", 7, True)],
)
def test_short_pauses_are_no_fault_of_the_meter(fleet, kind: str, hours: int, told: bool) -> None:
    model, whole, temperature = fleet[4]
    load = parts(whole)[1]
    values = load.values.copy()
    at = 90 * 24 + 7
    values[at : at + hours] = values[at] if kind == "stuck" else 0.0
    strange, _ = model.strangeness(load.with_values(values), temperature)
    assert (strange[kind][at : at + 24] > THRESHOLD).any() == told


def test_feedback_on_a_kind_of_an_earlier_version_teaches_nothing(fleet) -> None:
    model, whole, temperature = fleet[3]
    before = dict(model.tails)
    old = Case("m3", "weekends", START + (CUT + 500) * HOUR, 3.0, 0.0, 0.0, "")
    model.was_fine(old, parts(whole)[1], temperature)
    assert model.tails == before


@pytest.mark.parametrize(
    "values", [np.zeros(24 * 90), np.full(24 * 90, np.nan), -np.arange(1.0, 24 * 90), np.ones(5)]
)
def test_unusable_history_is_said(values: np.ndarray) -> None:
    model = new_model("x", calendar=CALENDAR)
    answer = model.fit(Series(START + np.arange(len(values)) * HOUR, values, "kWh"), None)
    assert isinstance(answer, NotCalibrated)


def test_tail_counts_declustered_peaks_and_grows_beyond_them() -> None:
    values = np.zeros(24 * 365)
    values[:: 24 * 30] = np.arange(1, 14)
    assert sorted(peaks_of(values, 48))[-3:] == [11, 12, 13]
    tail = Tail.learn(values, 24)
    rising = tail.strangeness(np.array([3.0, 8.0, 13.0, 20.0, 40.0]))
    assert (np.diff(rising) > 0).all()
    assert tail.strangeness(np.array([np.nan]))[0] == -2.0


@pytest.mark.slow
def test_real_meters_reach_the_reference_recall() -> None:
    place = os.environ.get("UDP_REAL_SERIES")
    if not place:
        pytest.skip("UDP_REAL_SERIES names no directory with the real meter readings")
    folder = Path(place) / "consumption"
    table = pd.read_parquet(folder / "readings.parquet").sort_values(["meter", "t"])
    warmth = pd.read_parquet(folder / "weather.parquet")
    events = [
        Event(row.meter, np.datetime64(row.start, "us"), np.datetime64(row.end, "us"), row.type, row.cost_eur)
        for row in pd.read_csv(folder / "events.csv").itertuples()
    ]
    temperature = Series(warmth["t"].to_numpy().astype("datetime64[us]"), warmth["temp_c"].to_numpy(), "Cel")
    models, fresh = [], []
    for meter, rows in table.groupby("meter"):
        times, values = rows["t"].to_numpy().astype("datetime64[us]"), rows["value"].to_numpy(dtype=float)
        test = rows["test"].to_numpy()
        models.append(new_model(str(meter), calendar=Calendar("GB", "ENG")))
        assert models[-1].fit(Series(times[~test], values[~test], "kWh"), temperature) is None
        fresh.append(Series(times[test], values[test], "kWh"))
    share_scales(models)
    asked = [model.strangeness(load, temperature) for model, load in zip(models, fresh, strict=True)]
    best = {0.25: 0.0, 0.1: 0.0}
    for threshold in np.arange(1.0, 6.0, 0.1):
        alarms = [
            Alarm(case.meter, case.opened_at, case.strangeness)
            for model, one in zip(models, asked, strict=True)
            for case in open_cases(model, *one, threshold)
        ]
        score = score_alarms(events, alarms, meters=len(models), days=365)
        best = {
            rate: max(found, score.recall) if score.false_per_meter_month <= rate else found
            for rate, found in best.items()
        }
    assert best[0.25] >= 0.70
    assert best[0.1] >= 0.59
    assert all(found > 3 * random_floor(events, rate=rate) for rate, found in best.items())
