"""Stream forecasts: blind to the future, honest about ignorance, better with more knowledge of rain."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models import metrics
from models.backtest import truth
from models.baselines import Persistence
from models.forecaster import LEVELS, Forecast, NotCalibrated
from models.rainfall_runoff.forecast import RunoffForecaster
from models.rainfall_runoff.rain_ahead import ArchivedEnsemble, MeasuredRain, NoRainAhead
from models.rainfall_runoff.transform import FlowScale
from models.series import DAY, HOUR, Record, Series

LEADS = np.array([1, 3, 6]) * HOUR
START = np.datetime64("2024-01-01", "us")


def stream(days: int, seed: int = 5, unit: str = "m3/s") -> Record:
    """Rain cells into two parallel stores and a non-linear outlet: other equations than the model's."""
    rng = np.random.default_rng(seed)
    n = days * 24
    rain = np.zeros(n)
    for start in np.flatnonzero(rng.random(n) < 0.008):
        length = rng.integers(2, 10)
        rain[start : start + length] += rng.gamma(0.7, 3.0, len(rain[start : start + length]))
    wet, quick, slow = 0.3, 0.0, 5.0
    flow = np.empty(n)
    for i in range(n):
        wet = min(1.0, 0.997 * wet + 0.004 * rain[i])
        quick += rain[i] * wet**2 - 0.02 * quick**1.4
        slow += 0.1 * rain[i] * wet - 0.004 * slow
        flow[i] = 0.05 * quick**1.4 + 0.01 * slow
        quick = max(quick, 0.0)
    times = START + np.arange(n) * HOUR
    flow *= np.exp(rng.normal(0, 0.02, n))
    return Record(Series(times, flow, unit), {"precipitation": Series(times, rain, "mm")})


@pytest.fixture(scope="module")
def record() -> Record:
    return stream(500)


@pytest.fixture(scope="module")
def fitted(record: Record) -> RunoffForecaster:
    model = RunoffForecaster(LEADS, generations=15)
    model.fit(record.as_of(START + 300 * DAY))
    return model


def with_rain(model: RunoffForecaster, record: Record, horizon: int) -> RunoffForecaster:
    rain = record.driver("precipitation")
    assert rain is not None
    return replace(model, rain_ahead=MeasuredRain(rain, horizon * HOUR))


def answered(model: RunoffForecaster, record: Record, origin: np.datetime64) -> Forecast:
    made = model.predict(record, origin, LEADS)
    assert isinstance(made, Forecast)
    return made


def changed_after(record: Record, moment: np.datetime64) -> Record:
    def change(one: Series) -> Series:
        return one.with_values(np.where(one.times > moment, one.values * 5 + 3, one.values))

    return Record(change(record.target), {name: change(one) for name, one in record.drivers.items()})


def test_every_forecast_is_identical_on_data_truncated_or_changed_after_its_issue_time(
    fitted: RunoffForecaster, record: Record
) -> None:
    origins = record.target.times[7300:11000:411]
    table = fitted.hindcast(record, origins, LEADS)
    assert table is not None
    for row, origin in enumerate(origins):
        whole = answered(fitted, record, origin)
        truncated = answered(fitted, record.as_of(origin), origin)
        other = answered(fitted, changed_after(record, origin), origin)
        for one in (truncated, other):
            np.testing.assert_array_equal(one.quantiles, whole.quantiles)
            np.testing.assert_array_equal(one.point, whole.point)
        np.testing.assert_allclose(table[1][row], whole.quantiles, rtol=1e-9)
        np.testing.assert_allclose(table[0][row], whole.point, rtol=1e-9)


def test_calibration_sees_nothing_after_its_record(record: Record) -> None:
    until = START + 60 * DAY
    answers = []
    for world in (record, changed_after(record, until)):
        model = RunoffForecaster(LEADS[:1], generations=3)
        model.fit(world.as_of(until))
        made = model.predict(world, until, LEADS[:1])
        assert isinstance(made, Forecast)
        answers.append(made.quantiles)
    np.testing.assert_array_equal(answers[0], answers[1])


def test_skill_and_calibration_on_unseen_months(fitted: RunoffForecaster, record: Record) -> None:
    origins = record.target.times[7300:-6]
    seen, last = truth(record, origins, LEADS)
    plain = Persistence(LEADS)
    plain.fit(record.as_of(START + 300 * DAY))
    dressed = plain.hindcast(record, origins, LEADS)
    assert dressed is not None
    skill = {}
    for name, model in (("none", fitted), ("perfect", with_rain(fitted, record, 6))):
        made = model.hindcast(record, origins, LEADS)
        assert made is not None
        skill[name] = [metrics.persistence_index(seen[:, i], made[0][:, i], last[:, i]) for i in range(3)]
        for i in range(3):
            assert metrics.crps(seen[:, i], made[1][:, i], LEVELS) < metrics.crps(
                seen[:, i], dressed[1][:, i], LEVELS
            )
            assert 0.82 <= metrics.coverage(seen[:, i], made[1][:, i, 0], made[1][:, i, -1]) <= 0.97
    assert min(skill["none"]) > 0.05
    assert skill["perfect"][2] > max(0.6, skill["none"][2])


def test_more_rain_ahead_never_lowers_a_quantile(fitted: RunoffForecaster, record: Record) -> None:
    rain = record.driver("precipitation")
    assert rain is not None
    for origin in record.target.times[7400:11000:900]:
        soaked = rain.with_values(
            rain.values + np.where((rain.times > origin) & (rain.times <= origin + 6 * HOUR), 4.0, 0)
        )
        less = answered(with_rain(fitted, record, 6), record, origin)
        wetter = Record(record.target, {"precipitation": soaked})
        more = answered(replace(fitted, rain_ahead=MeasuredRain(soaked, 6 * HOUR)), wetter, origin)
        # What matured before the origin is judged with the same rain, so only the rain ahead differs.
        assert (more.quantiles[:, -1] >= less.quantiles[:, -1] - 1e-9).all()
        assert (more.point >= less.point - 1e-9).all()


def test_an_ensemble_of_identical_members_is_its_member(fitted: RunoffForecaster, record: Record) -> None:
    rain = record.driver("precipitation")
    assert rain is not None
    place = 8000
    origin = record.target.times[place]
    run = np.tile(rain.values[place + 1 : place + 13], (5, 1))
    ensemble = ArchivedEnsemble({origin: run}, HOUR, 3 * HOUR)
    one = replace(ensemble, runs={origin: run[:1]})
    many, single = (
        answered(replace(fitted, rain_ahead=source), record, origin) for source in (ensemble, one)
    )
    np.testing.assert_allclose(many.point, single.point, rtol=1e-9)


def test_scenarios_that_are_too_old_leave_what_is_said_without_any(
    fitted: RunoffForecaster, record: Record
) -> None:
    origin = record.target.times[8000]
    silent = ArchivedEnsemble({START: np.ones((5, 12))}, HOUR, HOUR)
    found = [answered(replace(fitted, rain_ahead=one), record, origin) for one in (NoRainAhead(), silent)]
    np.testing.assert_array_equal(found[0].point, found[1].point)
    np.testing.assert_array_equal(found[0].quantiles, found[1].quantiles)


def test_an_archive_says_nothing_before_its_first_run_or_after_it_is_too_old() -> None:
    run = np.arange(12.0).reshape(1, 12)
    archive = ArchivedEnsemble({START: run}, HOUR, 3 * HOUR)
    asked = archive.table(np.array([START - HOUR, START, START + 2 * HOUR, START + 4 * HOUR]), HOUR, 6)[0]
    assert np.isnan(asked[[0, 3]]).all()
    np.testing.assert_array_equal(asked[1], run[0, :6])
    np.testing.assert_array_equal(asked[2], run[0, 2:8])
    with pytest.raises(ValueError, match="steps"):
        archive.table(np.array([START]), DAY, 2)


def test_an_uncertain_ensemble_widens_the_interval(fitted: RunoffForecaster, record: Record) -> None:
    origin = record.target.times[8000]
    even = np.full((10, 6), 2.0)
    split = np.concatenate([np.zeros((5, 6)), np.full((5, 6), 4.0)])
    width = []
    for run in (even, split):
        made = answered(
            replace(fitted, rain_ahead=ArchivedEnsemble({origin: run}, HOUR, HOUR)), record, origin
        )
        width.append(made.quantiles[2, -1] - made.quantiles[2, 0])
    assert width[1] > width[0]


def test_weeks_of_data_choose_the_safe_side() -> None:
    """Five weeks teach, five weeks judge, twelve streams, among them droughts after a flood and a flood five
    times the highest known one: no worse than persistence, and intervals hardly worse than its own."""
    found, with_rain_ahead, dressing = [], [], []
    for seed in range(1, 13):
        record = stream(70, seed)
        model, plain = RunoffForecaster(LEADS, generations=4, seed=seed), Persistence(LEADS)
        origins = record.target.times[35 * 24 : -6]
        seen, last = truth(record, origins, LEADS)
        for one in (model, plain):
            one.fit(record.as_of(START + 35 * DAY))
        made, dressed = model.hindcast(record, origins, LEADS), plain.hindcast(record, origins, LEADS)
        knowing = with_rain(model, record, 6).hindcast(record, origins, LEADS)
        assert made is not None
        assert knowing is not None
        assert dressed is not None
        for answer, scores in ((made, found), (knowing, with_rain_ahead)):
            scores.append(
                [metrics.persistence_index(seen[:, i], answer[0][:, i], last[:, i]) for i in range(3)]
            )
        crps = [[metrics.crps(seen[:, i], one[1][:, i], LEVELS) for i in range(3)] for one in (made, dressed)]
        dressing.append(np.array(crps[0]) / np.array(crps[1]))
    assert (np.median(found, axis=0) > 0.0).all()
    assert np.min(found) > -0.15
    assert (np.median(with_rain_ahead, axis=0) > 0.3).all()
    assert np.min(with_rain_ahead) > -0.15
    assert np.max(dressing) < 1.15


def test_a_forecast_never_falls_faster_than_the_river_ever_did(fitted: RunoffForecaster) -> None:
    assert fitted.gauge is not None
    bounds = fitted.gauge.models[1, 0].bounds
    assert bounds.steepest < 0
    assert 0 < bounds.lowest <= bounds.driest < bounds.highest


def test_a_level_answers_rain_on_the_scale_of_its_discharge() -> None:
    """A flood three times the highest known one: its level is overdrawn less than its discharge would be."""
    values = np.linspace(0.5, 2.0, 200)
    level, flow = FlowScale.learn(values, "m"), FlowScale.learn(values, "m3/s")
    assert level.flow_power == pytest.approx(0.2)
    tops = []
    for one in (level, flow):
        own = one.with_power(1.0)
        now = np.array([1.0])
        tops.append(float(own.back(own.forward(now) + 3.0, now)[0]))
    assert tops[0] < tops[1]


def test_works_through_gaps_and_refuses_after_long_silence(fitted: RunoffForecaster, record: Record) -> None:
    holes = record.target.values.copy()
    holes[7500:7502] = np.nan
    holes[8000:8020] = np.nan
    holed = Record(record.target.with_values(holes), record.drivers)
    assert isinstance(fitted.predict(holed, record.target.times[7501], LEADS), Forecast)
    silent = fitted.predict(holed, record.target.times[8010], LEADS)
    assert isinstance(silent, NotCalibrated)
    assert "schweigt" in silent.reason


def ugly(kind: str) -> Record:
    good = stream(60)
    target, rain = good.target, good.drivers["precipitation"]
    n = len(target)
    match kind:
        case "all gaps":
            target = target.with_values(np.full(n, np.nan))
        case "constant":
            target = target.with_values(np.ones(n))
        case "zeros":
            target = target.with_values(np.zeros(n))
        case "two points":
            target = target.between(START, START + 2 * HOUR)
        case "no rain":
            rain = rain.with_values(np.zeros(n))
        case "unknown rain":
            rain = rain.with_values(np.full(n, np.nan))
        case "empty":
            target = target.between(START, START)
    return Record(target, {"precipitation": rain})


@pytest.mark.parametrize(
    "kind", ["all gaps", "constant", "zeros", "two points", "no rain", "unknown rain", "empty"]
)
def test_ugly_input_is_answered_in_words(kind: str) -> None:
    record = ugly(kind)
    model = RunoffForecaster(LEADS, generations=2)
    model.fit(record)
    answer = model.predict(record, START + 50 * DAY, LEADS)
    assert isinstance(answer, NotCalibrated)
    assert "nicht kalibriert" in answer.reason


@pytest.mark.parametrize("kind", ["negative rain", "clock jump", "unit mix-up"])
def test_disturbed_input_still_gives_finite_ordered_bands(kind: str) -> None:
    good = stream(60)
    target, rain = good.target, good.drivers["precipitation"]
    if kind == "negative rain":
        rain = rain.with_values(np.where(np.arange(len(rain)) % 50 == 0, -999.0, rain.values))
    if kind == "clock jump":
        times = target.times.copy()
        times[700:] += 37 * HOUR
        target = Series.tidy(times, target.values, "m3/s")
    if kind == "unit mix-up":
        target = target.with_values(
            np.where(np.arange(len(target)) > 1000, target.values * 1000, target.values)
        )
    record = Record(target, {"precipitation": rain})
    model = RunoffForecaster(LEADS, generations=2)
    model.fit(record.as_of(START + 40 * DAY))
    answer = model.predict(record, START + 50 * DAY, LEADS)
    assert isinstance(answer, Forecast)
    assert np.isfinite(answer.quantiles).all()
    assert (np.diff(answer.quantiles, axis=1) >= 0).all()


def test_no_rain_ahead_is_all_unknown() -> None:
    assert np.isnan(NoRainAhead().table(np.array([START]), HOUR, 3)).all()


@pytest.mark.slow
def test_real_urban_stream_is_forecast_better_than_dressed_persistence() -> None:
    place = os.environ.get("UDP_REAL_SERIES")
    if not place:
        pytest.skip("UDP_REAL_SERIES names no directory with the real hydrological series")
    table = pd.read_csv(Path(place) / "hydro" / "sub_walnut_5min.csv")
    times = table["time"].to_numpy().astype("datetime64[us]")
    rain = Series(times, table["precipitation_mm"].to_numpy(), "mm")
    record = Record(Series(times, table["discharge_m3s"].to_numpy(), "m3/s"), {"precipitation": rain})
    half = len(times) // 2
    origins = times[half:-72:3]
    seen, last = truth(record, origins, LEADS)
    plain = Persistence(LEADS)
    plain.fit(record.as_of(times[half]))
    dressed = plain.hindcast(record, origins, LEADS)
    model = RunoffForecaster(LEADS)
    model.fit(record.as_of(times[half]))
    for source, least in ((NoRainAhead(), (0.1, 0.0, 0.1)), (MeasuredRain(rain, 6 * HOUR), (0.5, 0.6, 0.7))):
        made = replace(model, rain_ahead=source).hindcast(record, origins, LEADS)
        assert made is not None
        assert dressed is not None
        for i in range(3):
            assert metrics.persistence_index(seen[:, i], made[0][:, i], last[:, i]) >= least[i]
            assert metrics.crps(seen[:, i], made[1][:, i], LEVELS) < metrics.crps(
                seen[:, i], dressed[1][:, i], LEVELS
            )
