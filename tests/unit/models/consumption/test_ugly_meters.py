"""Whatever a meter sends, it gets cases with basis or a reason in words; nothing is made up."""

import numpy as np
import pytest
from buildings import CALENDAR, START, building, parts

from models.consumption.cases import MeterModel, new_model
from models.consumption.outcomes import Fault, faults
from models.consumption.readings import consumption_of
from models.forecaster import NotCalibrated
from models.series import DAY, HOUR, Series

THRESHOLD = 2.5
WASTE = {"base load", "night", "nights", "weekend", "creep"}


def told(model: MeterModel, load: Series, temperature: Series | None = None) -> list[Fault]:
    strange, scored = model.strangeness(load, temperature)
    assert all(np.isfinite(values).all() for values in strange.values())
    return faults(model, strange, scored, THRESHOLD)


UGLY = {
    "all gaps": lambda v: np.full(len(v), np.nan),
    "constant": lambda v: np.full(len(v), 12.5),
    "negative": lambda v: -v,
    "zeros": np.zeros_like,
    "two points": lambda v: v[:2],
    "one point": lambda v: v[:1],
    "nothing": lambda v: v[:0],
    "one gap": lambda v: np.where(np.arange(len(v)) == 50, np.nan, v),
}


@pytest.mark.parametrize("kind", UGLY)
def test_ugly_consumption_is_answered(fleet, kind: str) -> None:
    model, whole, temperature = fleet[0]
    fresh = parts(whole)[1]
    values = UGLY[kind](fresh.values)
    found = told(model, Series(fresh.times[: len(values)], values, "kWh"), temperature)
    kinds = {one.case.kind for one in found}
    expected: dict[str, set[str]] = {"constant": {"stuck"}, "negative": {"missing"}, "zeros": {"missing"}}
    assert expected.get(kind, set()) <= kinds
    assert kinds.isdisjoint(WASTE) or kind == "constant"
    if kind in {"all gaps", "two points", "one point", "nothing"}:
        assert not found, "no basis, no case"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("all gaps", "60 Tage"), ("zeros", "Nullen"), ("two points", "60 Tage"), ("nothing", "60 Tage"),
        ("negative", "Nullen"),
    ],
)  # fmt: skip
def test_an_ugly_reference_is_refused_in_words(kind: str, said: str) -> None:
    load, temperature = building(1, days=120)
    values = UGLY[kind](load.values)
    refused = new_model("m", calendar=CALENDAR).fit(
        Series(load.times[: len(values)], values, "kWh"), temperature
    )
    assert isinstance(refused, NotCalibrated)
    assert said in refused.reason


def test_a_clock_that_jumped_by_decades_is_named() -> None:
    load, temperature = building(1, days=120)
    times = load.times.copy()
    times[0] = np.datetime64("1970-01-01", "us")
    refused = new_model("m", calendar=CALENDAR).fit(Series(times, load.values, "kWh"), temperature)
    assert isinstance(refused, NotCalibrated)
    assert "Uhr" in refused.reason


def test_missing_rows_are_gaps_and_not_shorter_days(fleet) -> None:
    model, whole, temperature = fleet[2]
    fresh = parts(whole)[1]
    keep = np.random.default_rng(5).random(len(fresh)) > 0.1
    thinned = Series(fresh.times[keep], fresh.values[keep], "kWh")
    gaps = Series(fresh.times, np.where(keep, fresh.values, np.nan), "kWh")
    first, scored = model.strangeness(thinned, temperature)
    second, _ = model.strangeness(gaps.between(thinned.times[0], thinned.times[-1] + HOUR), temperature)
    assert len(scored.times) == len(first["spike"])
    for kind in first:
        np.testing.assert_array_equal(first[kind], second[kind])


def test_the_change_of_the_clock_opens_no_case() -> None:
    """Buildings follow the local clock; all times here are UTC, so work begins an hour earlier in summer."""
    days = 366 + 200
    times = START + np.arange(days * 24) * HOUR
    summer = ((times >= np.datetime64("2024-03-31T01")) & (times < np.datetime64("2024-10-27T01"))) | (
        times >= np.datetime64("2025-03-30T01")
    )
    local = times + np.where(summer, 2, 1) * HOUR
    hour = local.astype("datetime64[h]").astype(int) % 24
    weekday = (local.astype("datetime64[D]").astype(int) + 3) % 7
    busy = (weekday < 5) & ~CALENDAR.off_days(local) & (hour >= 8) & (hour <= 17)
    values = np.round((5 + 20 * busy) * np.exp(np.random.default_rng(4).normal(0, 0.06, len(times))), 2)
    load = Series(times, values, "kWh")
    model = new_model("m", calendar=CALENDAR)
    assert model.fit(parts(load)[0], None) is None
    assert not [one.case for one in told(model, parts(load)[1]) if one.case.strangeness > 3.5]


@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_any_step_finds_the_same_faults(minutes: int) -> None:
    step, per_day = np.timedelta64(minutes, "m"), 1440 // minutes
    days = 165
    times = START + (1 + np.arange(days * per_day)) * step
    minute = times.astype("datetime64[m]").astype(np.int64) % 1440
    weekday = ((times - step).astype("datetime64[D]").astype(int) + 3) % 7
    busy = (weekday < 5) & (minute > 8 * 60) & (minute <= 18 * 60)
    rng = np.random.default_rng(9)
    noise = np.exp(rng.normal(0, 0.05, len(times)) + rng.normal(0, 0.04, days).repeat(per_day))
    values = (5 + 20 * busy) * noise * minutes / 60
    night = (minute <= 6 * 60) & (np.arange(len(times)) // per_day >= 150)
    values = values + np.where(night, 8 * minutes / 60, 0.0)
    load = Series(times, np.round(values, 3), "kWh")
    cut = 140 * per_day
    model = new_model("m", calendar=CALENDAR)
    assert model.fit(load.between(START, times[cut]), None) is None
    found = told(model, load.between(times[cut], times[-1] + step))
    assert found
    assert times[150 * per_day] <= found[0].case.opened_at <= times[150 * per_day] + 3 * DAY
    assert found[0].case.kind in {"night", "nights", "base load"}


def test_irregular_readings_of_a_counter_become_the_same_consumption() -> None:
    load, _ = building(2, days=90)
    counter = np.concatenate([[0.0], np.cumsum(load.values)])
    times = np.concatenate([load.times[:1] - HOUR, load.times])
    rng = np.random.default_rng(3)
    keep = (rng.random(len(times)) > 0.3) | (np.arange(len(times)) % len(times) == 0)
    made = consumption_of(Series(times[keep], counter[keep], "kWh"), HOUR)
    span = made.series.times
    truth = load.between(span[0], span[-1] + HOUR)
    assert made.series.values.sum() == pytest.approx(truth.values.sum(), rel=1e-9)
    measured = ~made.substitute
    np.testing.assert_allclose(made.series.values[measured], truth.values[measured], atol=1e-6)
