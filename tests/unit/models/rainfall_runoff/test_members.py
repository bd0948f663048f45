"""Scenarios of rain: worked out together, kept between calls, never anything but what they would be anew."""

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.forecaster import Forecast
from models.jobs.rain import ExpectedRain, RainRuns
from models.rainfall_runoff.features import moments
from models.rainfall_runoff.forecast import RunoffForecaster, weather_of
from models.rainfall_runoff.members import Members, Memory
from models.rainfall_runoff.rain_ahead import MeasuredRain, NoRainAhead, RainAhead, mark
from models.series import DAY, HOUR, Record, Series

LEADS = np.array([1, 3, 6]) * HOUR
START = np.datetime64("2024-01-01", "us")
MEMBERS = 10


def stream(days: int = 120) -> Record:
    rng = np.random.default_rng(2)
    n = days * 24
    rain = np.where(np.repeat(rng.random(n // 6) < 0.1, 6), rng.gamma(0.7, 2.0, n), 0.0)
    flow = np.zeros(n)
    for i in range(1, n):
        flow[i] = 0.95 * flow[i - 1] + 0.1 * rain[i - 1] + 0.005
    times, warmth = START + np.arange(n) * HOUR, 10 + 5 * np.sin(np.arange(n) / 24 * 2 * np.pi)
    return Record(
        Series(times, flow * np.exp(rng.normal(0, 0.03, n)), "m3/s"),
        {"precipitation": Series(times, rain, "mm"), "temperature": Series(times, warmth, "Cel")},
    )


def runs_of(record: Record, *, hours: int = 24) -> RainRuns:
    """Three-hourly runs of ten scenarios around the rain that came, some of them dry."""
    rng = np.random.default_rng(3)
    rain = record.drivers["precipitation"].values
    issued, values = [], []
    for start in range(0, len(rain) - hours - 1, 3):
        came = rain[start + 1 : start + 1 + hours]
        values.append(came * rng.gamma(1.0, 1.0, (MEMBERS, 1)) * (rng.random((MEMBERS, 1)) < 0.6))
        issued.append(record.target.times[start])
    moments_of_issue = np.array(issued, dtype="datetime64[us]")
    return RainRuns(moments_of_issue, moments_of_issue + HOUR // 4, np.array(values), HOUR, 13 * HOUR)


def expected(runs: RainRuns) -> ExpectedRain:
    none = RainRuns(runs.issued[:0], runs.known_at[:0], np.zeros((0, 1, 24)), HOUR // 12, HOUR)
    return ExpectedRain(none, runs)


@pytest.fixture(scope="module")
def record() -> Record:
    return stream()


@pytest.fixture(scope="module")
def fitted(record: Record) -> RunoffForecaster:
    model = RunoffForecaster(LEADS, generations=4)
    model.fit(record.as_of(START + 60 * DAY))
    assert model.gauge is not None
    return model


def members(model: RunoffForecaster, record: Record, source: RainAhead, steps: int) -> Members:
    gauge = model.gauge
    assert gauge is not None
    weather = weather_of(record, record.target.times, gauge.step)
    known = moments(record.target.values, weather, gauge.concept, gauge.scale.origin)
    return Members(gauge, record.target.times, known, steps, source)


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_scenarios_in_one_go_are_what_they_are_one_after_the_other(
    fitted: RunoffForecaster, record: Record, steps: int
) -> None:
    runs, at = runs_of(record), np.arange(2000, 2400, 7)
    together = members(fitted, record, expected(runs), steps).raw(at)
    assert np.ptp(together.center, axis=0).max() > 0
    for number in range(MEMBERS):
        alone = expected(replace(runs, values=runs.values[:, number : number + 1]))
        one = members(fitted, record, alone, steps).raw(at)
        np.testing.assert_array_equal(one.center[0], together.center[number])
    for row, moment in enumerate(at):
        one = members(fitted, record, expected(runs), steps).raw(np.array([moment]))
        np.testing.assert_array_equal(one.center[:, 0], together.center[:, row])
        assert one.spread[0] == together.spread[row]


@dataclass
class Counting:
    """Passes on what a source says and counts for how many origins it had to."""

    source: RainAhead
    asked: int = 0

    def table(self, origins, step, steps):  # type: ignore[no-untyped-def]
        self.asked += len(origins)
        return self.source.table(origins, step, steps)

    def basis(self, origins, step, steps):  # type: ignore[no-untyped-def]
        return self.source.basis(origins, step, steps)


def _anew(model: RunoffForecaster) -> RunoffForecaster:
    return replace(model, memory=Memory())


def _changed(record: Record, name: str, place: int) -> Record:
    """A correction of the past that came in between two calls."""
    if name == "target":
        values = record.target.values.copy()
        values[place] *= 1.3
        return replace(record, target=record.target.with_values(values))
    one = record.drivers[name]
    values = one.values.copy()
    values[place] += 4.0 if name == "precipitation" else -15.0
    return replace(record, drivers={**record.drivers, name: one.with_values(values)})


def test_what_is_kept_between_calls_changes_no_bit_whatever_is_corrected(
    fitted: RunoffForecaster, record: Record
) -> None:
    runs = runs_of(record)
    keeping = _anew(fitted)
    for call in range(24):
        now = record.target.times[2200 + call * (1 if call < 18 else 20)]
        if call % 6 == 3:
            record = _changed(record, ("target", "precipitation", "temperature")[call // 6 % 3], 2190)
        if call == 12:
            values = runs.values.copy()
            values[600:740] *= 2.0
            runs = replace(runs, values=values)
        kept = replace(keeping, rain_ahead=expected(runs)).predict(record, now, LEADS)
        fresh = replace(_anew(fitted), rain_ahead=expected(runs)).predict(record, now, LEADS)
        assert isinstance(kept, Forecast)
        assert isinstance(fresh, Forecast)
        np.testing.assert_array_equal(kept.quantiles, fresh.quantiles)
        np.testing.assert_array_equal(kept.point, fresh.point)


def test_a_call_that_goes_back_in_time_knows_nothing_of_the_later_one(
    fitted: RunoffForecaster, record: Record
) -> None:
    source, keeping = expected(runs_of(record)), _anew(fitted)
    for place in (2700, 2400, 2650):
        now = record.target.times[place]
        kept = replace(keeping, rain_ahead=source).predict(record, now, LEADS)
        fresh = replace(_anew(fitted), rain_ahead=source).predict(record.as_of(now), now, LEADS)
        assert isinstance(kept, Forecast)
        assert isinstance(fresh, Forecast)
        np.testing.assert_array_equal(kept.quantiles, fresh.quantiles)


def test_known_drought_is_not_taken_for_rain_that_nobody_knows(
    fitted: RunoffForecaster, record: Record
) -> None:
    now, keeping = record.target.times[2600], _anew(fitted)
    dry = record.drivers["precipitation"].with_values(np.zeros(len(record.target)))
    for source in (MeasuredRain(dry, 6 * HOUR), NoRainAhead(), expected(runs_of(record))):
        kept = replace(keeping, rain_ahead=source).predict(record, now, LEADS)
        fresh = replace(_anew(fitted), rain_ahead=source).predict(record, now, LEADS)
        assert isinstance(kept, Forecast)
        assert isinstance(fresh, Forecast)
        np.testing.assert_array_equal(kept.quantiles, fresh.quantiles)


def test_the_next_call_works_out_only_what_is_new(fitted: RunoffForecaster, record: Record) -> None:
    source = Counting(expected(runs_of(record)))
    model = replace(_anew(fitted), rain_ahead=source)
    model.predict(record, record.target.times[2600], LEADS)
    first, source.asked = source.asked, 0
    model.predict(record, record.target.times[2601], LEADS)
    assert first > 3000
    # The new moment, and the origin whose outcome has just come, for each of three leads.
    assert source.asked <= 6


def test_a_memory_does_not_travel(fitted: RunoffForecaster, record: Record) -> None:
    model = replace(_anew(fitted), rain_ahead=expected(runs_of(record)))
    light = len(pickle.dumps(model.memory))
    model.predict(record, record.target.times[2600], LEADS)
    assert len(pickle.dumps(model.memory)) == light
    copy = pickle.loads(pickle.dumps(model))
    now = record.target.times[2610]
    np.testing.assert_array_equal(
        copy.predict(record, now, LEADS).quantiles, model.predict(record, now, LEADS).quantiles
    )


@given(st.lists(st.floats(allow_nan=False, width=64), min_size=1, max_size=12), st.integers(0, 11), st.data())
@settings(max_examples=200, deadline=None)
def test_a_mark_tells_any_change_of_any_value(row: list[float], place: int, data: st.DataObject) -> None:
    content = np.array([row])
    other = content.copy()
    other[0, place % len(row)] = data.draw(st.floats(allow_nan=False, width=64))
    same = content.tobytes() == other.tobytes()
    assert bool(mark(content)[0] == mark(other)[0]) == same


def test_the_basis_of_expected_rain_changes_exactly_with_what_it_says(record: Record) -> None:
    runs = runs_of(record)
    values = runs.values.copy()
    values[300, 4, 5] += 0.1
    values[400, :, 23] += 9.0  # beyond what a run of its age is asked for
    origins = record.target.times[100:2000]
    before, after = expected(runs), expected(replace(runs, values=values))
    said = [one.table(origins, HOUR, 6).swapaxes(0, 1).reshape(len(origins), -1) for one in (before, after)]
    differ = (np.nan_to_num(said[0], nan=-1.0) != np.nan_to_num(said[1], nan=-1.0)).any(axis=1)
    told = before.basis(origins, HOUR, 6) != after.basis(origins, HOUR, 6)
    assert differ.any()
    assert told[differ].all()
    assert told.sum() <= 26  # what was issued with the changed runs, and nothing else
