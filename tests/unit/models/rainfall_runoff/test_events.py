"""Rarity of rain and worth of warnings, against cases worked out by hand."""

import numpy as np
import pytest

from models.rainfall_runoff.events import DesignRain, flood_events, judge_warnings, rarest_duration
from models.series import HOUR, Series

START = np.datetime64("2026-06-01", "us")
MINUTE = np.timedelta64(60_000_000, "us")
TABLE = DesignRain("2010R", (1, 10, 100), {5: (5.0, 10.0, 15.0), 60: (15.0, 30.0, 45.0)})


def test_return_period_is_log_linear_and_silent_outside_the_table() -> None:
    assert TABLE.return_period(5, 10.0) == pytest.approx(10)
    assert TABLE.return_period(60, 37.5) == pytest.approx(np.sqrt(1000))
    assert TABLE.return_period(5, 4.9) == 0
    assert TABLE.return_period(5, 16) == float("inf")


def test_a_table_that_falls_is_refused() -> None:
    with pytest.raises(ValueError, match="must rise"):
        DesignRain("x", (1, 2), {5: (3.0, 2.0)})


def test_rarest_duration_of_a_cloudburst() -> None:
    values = np.zeros(60)
    values[20:32] = 3.0
    rain = Series(START + np.arange(60) * 5 * MINUTE, values, "mm")
    found = rarest_duration(rain, TABLE)
    assert found is not None
    assert (found.minutes, found.depth) == (60, 36.0)
    assert found.ends_at == rain.times[31]
    assert rarest_duration(rain.with_values(np.zeros(60)), TABLE) is None


def test_events_merge_when_close_and_warnings_are_counted_once() -> None:
    values = np.zeros(100)
    values[[20, 21, 23]] = [2.0, 5.0, 3.0]
    values[70] = 4.0
    level = Series(START + np.arange(100) * HOUR, values, "m")
    events = flood_events(level, 1.0, apart=4 * HOUR)
    assert [(e.peak, (e.start - START) / HOUR, (e.end - START) / HOUR) for e in events] == [
        (5.0, 20, 23),
        (4.0, 70, 70),
    ]
    warned = np.zeros(100, dtype=bool)
    warned[[17, 18, 19, 45, 46]] = True
    report = judge_warnings(events, issued=level.times, warned=warned, horizon=6 * HOUR)
    assert (report.score.hits, report.score.misses, report.score.false_alarms) == (1, 1, 1)
    assert report.notice_hours == (3.0,)
