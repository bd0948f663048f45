"""Laws of time: nothing known later is ever seen earlier, and gaps stay gaps."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.series import HOUR, Record, Series, UnusableSeries, instant

START = np.datetime64("2026-03-01T00:00", "us")


def hourly(values: list[float]) -> Series:
    return Series(START + np.arange(len(values)) * HOUR, np.array(values), "m3/s")


def test_a_naive_moment_is_refused_because_its_zone_is_unknown() -> None:
    with pytest.raises(UnusableSeries, match="time zone"):
        instant(datetime(2026, 3, 1))  # noqa: DTZ001 - the point of the test
    assert instant(datetime(2026, 3, 1, tzinfo=UTC)) == START


def test_times_must_ascend_and_the_row_is_named() -> None:
    with pytest.raises(UnusableSeries, match="row 2"):
        Series(START + np.array([0, 2, 1]) * HOUR, np.zeros(3), "mm")


def test_late_report_is_hidden_until_it_was_known() -> None:
    times = START + np.arange(3) * HOUR
    late = Series(times, np.array([1.0, 2.0, 3.0]), "mm", times + np.array([0, 5, 0]) * HOUR)
    assert late.as_of(times[2]).values.tolist() == [1.0, 3.0]
    assert late.as_of(times[1] + 5 * HOUR).values.tolist() == [1.0, 2.0, 3.0]


@given(st.lists(st.tuples(st.integers(-50, 50), st.floats(-1e3, 1e3)), max_size=40))
def test_tidy_sorts_keeps_the_last_report_and_drops_the_future(rows: list[tuple[int, float]]) -> None:
    times = START + np.array([hour for hour, _ in rows], dtype=int) * HOUR
    made = Series.tidy(times, np.array([value for _, value in rows]), "mm", now=START)
    expected = {hour: value for hour, value in rows if hour <= 0}
    assert (
        dict(zip(((made.times - START) / HOUR).astype(int).tolist(), made.values.tolist(), strict=True))
        == expected
    )


def test_undated_and_infinite_rows_do_not_survive_as_numbers() -> None:
    made = Series.tidy(
        np.array(["2026-03-01", "NaT", "2026-03-02"], dtype="datetime64[us]"), np.array([np.inf, 1, 2]), "mm"
    )
    assert len(made) == 2
    assert np.isnan(made.values[0])


def test_grid_never_interpolates_and_respects_the_age_limit() -> None:
    sparse = Series(START + np.array([0, 4]) * HOUR, np.array([1.0, 9.0]), "mm")
    grid = START + np.arange(6) * HOUR
    assert np.isnan(sparse.on_grid(grid)[1:4]).all()
    assert sparse.on_grid(grid, 2 * HOUR)[:5].tolist()[:3] == [1.0, 1.0, 1.0]
    assert np.isnan(sparse.on_grid(grid, 2 * HOUR)[3])


def test_regular_makes_gaps_explicit() -> None:
    holed = Series(START + np.array([0, 1, 2, 5, 6]) * HOUR, np.arange(5.0), "mm").regular()
    assert len(holed) == 7
    assert np.isnan(holed.values[3:5]).all()


def test_record_cuts_drivers_and_target_alike() -> None:
    record = Record(hourly([1, 2, 3, 4]), {"precipitation": hourly([5, 6, 7, 8])}).as_of(START + HOUR)
    rain = record.driver("precipitation")
    assert rain is not None
    assert len(record.target) == len(rain) == 2
    assert record.driver("snow") is None


def test_a_clock_that_wanders_has_the_step_its_device_is_set_to() -> None:
    wander = np.random.default_rng(0).integers(0, 600_000_000, 200)
    times = START + np.arange(200) * HOUR + wander.astype("timedelta64[us]")
    assert Series(times, np.ones(200), "m").step == HOUR
