"""The yearly sum is right through roll-over, meter change, gaps, misreadings; what is missing is not zero."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.consumption.readings import MeterChange, consumption_of, energy_kwh
from models.series import DAY, HOUR, Series

START = np.datetime64("2026-01-01", "us")


def counter(values: list[float], hours: list[int] | None = None) -> Series:
    place = np.arange(len(values)) if hours is None else np.array(hours)
    return Series(START + place * HOUR, np.array(values), "kWh")


@given(st.lists(st.floats(0, 50), min_size=2, max_size=60), st.floats(0, 9999))
def test_sum_survives_a_roll_over(steps: list[float], start: float) -> None:
    true = start + np.concatenate([[0.0], np.cumsum(steps)])
    made = consumption_of(counter((true % 10_000).tolist()), HOUR, roll_over=10_000, limit_per_step=100)
    assert np.nansum(made.series.values) == pytest.approx(sum(steps), abs=1e-6)
    assert np.isfinite(made.series.values).all()


def test_a_year_with_change_and_roll_over_is_right_to_a_tenth_of_a_percent() -> None:
    rng = np.random.default_rng(0)
    used = rng.gamma(2, 3, 8760)
    true = 60_000 + np.concatenate([[0], np.cumsum(used)])
    shown = true.copy()
    shown[5000:] = true[5000:] - true[5000] + 12.0  # a new meter that starts at 12
    shown = np.where(np.arange(8761) < 5000, shown % 100_000, shown)
    change = MeterChange(START + 5000 * HOUR, float(true[5000] % 100_000), 12.0)
    made = consumption_of(counter(shown.tolist()), HOUR, roll_over=100_000, changes=[change])
    assert np.nansum(made.series.values) == pytest.approx(used.sum(), rel=1e-3)


def test_a_gap_is_spread_and_marked_never_zero() -> None:
    made = consumption_of(counter([0, 2, 12, 14], [0, 1, 6, 7]), HOUR)
    assert made.series.values.tolist() == pytest.approx([2, 2, 2, 2, 2, 2, 2])
    assert made.substitute.tolist() == [False, True, True, True, True, True, False]


def test_a_fall_without_explanation_is_unknown_and_named() -> None:
    made = consumption_of(counter([500, 510, 20, 30]), HOUR, roll_over=10_000)
    assert np.isnan(made.series.values[1])
    assert np.nansum(made.series.values) == pytest.approx(20)
    assert "fällt" in made.remarks[0]


def test_a_single_misreading_and_an_impossible_jump() -> None:
    made = consumption_of(counter([0, 5, 9000, 15, 20]), HOUR, limit_per_step=50)
    assert np.nansum(made.series.values) == pytest.approx(20)
    jump = consumption_of(counter([0, 5, 9000, 9005]), HOUR, limit_per_step=50)
    assert np.isnan(jump.series.values[1])


@pytest.mark.parametrize("values", [[], [3.0], [np.nan, np.nan], [-5.0, -4.0]])
def test_too_little_gives_nothing(values: list[float]) -> None:
    assert len(consumption_of(counter(values), HOUR).series) == 0


def test_coarser_steps_keep_the_sum() -> None:
    made = consumption_of(counter(list(np.arange(0, 97, 2.0))), DAY)
    assert made.series.values.tolist() == pytest.approx([48.0, 48.0])


def test_gas_becomes_energy_only_from_volume() -> None:
    gas = Series(START + np.arange(2) * HOUR, np.array([1.0, 2.0]), "m3")
    assert energy_kwh(gas).values.tolist() == pytest.approx([10.64, 21.28])
    with pytest.raises(ValueError, match="m3"):
        energy_kwh(gas.with_values(gas.values, "kWh"))


def one_by_one(values: list[float], place: list[int], change: MeterChange | None) -> list[float | None]:
    """What each reading adds to the one before, looked at one after the other; None = refused."""
    found: list[float | None] = []
    for i in range(1, len(values)):
        used: float | None = values[i] - values[i - 1]
        if change is not None and START + place[i - 1] * HOUR < change.at <= START + place[i] * HOUR:
            used = change.last - values[i - 1] + values[i] - change.first
        elif values[i] < values[i - 1]:
            wrapped = values[i - 1] > 900 and values[i] < 100
            used = values[i] - values[i - 1] + 1000 if wrapped else None
        found.append(used)
    return found


@given(
    st.lists(st.tuples(st.integers(1, 3), st.floats(0, 1000)), min_size=3, max_size=30),
    st.integers(0, 40) | st.none(),
)
def test_years_at_once_are_what_readings_are_one_by_one(
    rows: list[tuple[int, float]], changed: int | None
) -> None:
    place = np.cumsum([step for step, _ in rows]).tolist()
    values = [value for _, value in rows]
    change = None if changed is None else MeterChange(START + changed * HOUR, 990.0, 5.0)
    changes = [] if change is None else [change]
    made = consumption_of(counter(values, place), HOUR, roll_over=1000, changes=changes)
    seen = dict(zip(made.series.times.tolist(), made.series.values.tolist(), strict=True))
    due = one_by_one(values, place, change)
    for start, end, used in zip(place[:-1], place[1:], due, strict=True):
        got = [seen[(START + hour * HOUR).item()] for hour in range(start + 1, end + 1)]
        if used is None:
            assert np.isnan(got).all()
        else:
            assert sum(got) == pytest.approx(used, abs=1e-6)
