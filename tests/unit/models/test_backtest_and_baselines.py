"""A backtest must not see the future, and baselines must be as honest as the models they judge."""

from dataclasses import replace

import numpy as np
import pytest

from models.backtest import rolling_origin
from models.baselines import Climatology, LinearArx, Persistence, SeasonalNaive
from models.forecaster import Forecaster, NotCalibrated
from models.series import HOUR, Record, Series

LEADS = np.array([1, 3, 6]) * HOUR
START = np.datetime64("2026-01-01", "us")


def stream(count: int = 1200, seed: int = 0) -> Record:
    rng = np.random.default_rng(seed)
    rain = np.where(rng.random(count) < 0.06, rng.gamma(0.8, 4.0, count), 0.0)
    flow = np.zeros(count)
    for i in range(1, count):
        flow[i] = 0.93 * flow[i - 1] + 0.4 * rain[i - 1] + 0.02
    times = START + np.arange(count) * HOUR
    noisy = flow + rng.normal(0, 0.02, count)
    return Record(Series(times, noisy, "m3/s"), {"precipitation": Series(times, rain, "mm")})


def perturbed(record: Record, after: np.datetime64) -> Record:
    def change(series: Series) -> Series:
        return series.with_values(np.where(series.times > after, 1e3 - 7 * series.values, series.values))

    return Record(change(record.target), {name: change(one) for name, one in record.drivers.items()})


BASELINES = [Persistence, Climatology, SeasonalNaive, LinearArx]


@pytest.mark.parametrize("make", BASELINES)
def test_perturbed_future_changes_no_forecast(make: type) -> None:
    record = stream()
    origins = record.target.times[800:1100:50]
    for origin in origins:
        answers = []
        for world in (record, perturbed(record, origin)):
            result = rolling_origin(
                make(LEADS), world, origins=np.array([origins[0], origin])[-1:], leads=LEADS
            )
            answers.append((result.point, result.quantiles))
        np.testing.assert_array_equal(answers[0][0], answers[1][0])
        np.testing.assert_array_equal(answers[0][1], answers[1][1])


@pytest.mark.parametrize("make", BASELINES)
def test_hindcast_equals_the_single_forecast_on_truncated_data(make: type) -> None:
    record = stream()
    model = make(LEADS)
    model.fit(record.as_of(record.target.times[700]))
    origins = record.target.times[[750, 900, 1000]]
    point, quantiles = model.hindcast(record, origins, LEADS)
    for row, origin in enumerate(origins):
        answer = model.predict(record.as_of(origin), origin, LEADS)
        np.testing.assert_array_equal(answer.point, point[row])
        np.testing.assert_array_equal(answer.quantiles, quantiles[row])


def test_a_forecaster_that_peeks_is_exposed_by_as_of() -> None:
    class Peeking(Persistence):
        def predict(self, record, issued_at, leads, levels=(0.05, 0.95)):  # type: ignore[no-untyped-def]
            ahead = record.target.on_grid(issued_at + leads)
            answer = super().predict(record, issued_at, leads, levels)
            return replace(answer, point=np.nan_to_num(ahead, nan=-1.0))

    record = stream()
    result = rolling_origin(
        Peeking(LEADS), record, origins=record.target.times[800:810], leads=LEADS, levels=(0.05, 0.95)
    )
    assert (result.point == -1.0).all()


def test_arx_beats_persistence_where_rain_drives_the_flow_and_bands_cover() -> None:
    record = stream(3000)
    origins = record.target.times[1500:2900:3]
    skilled = rolling_origin(LinearArx(LEADS), record, origins=origins, leads=LEADS)
    plain = rolling_origin(Persistence(LEADS), record, origins=origins, leads=LEADS)
    for lead in range(3):
        assert skilled.scores(lead)["pi"] > 0.05
        assert abs(plain.scores(lead)["pi"]) < 1e-9
        assert 0.85 <= plain.scores(lead)["coverage90"] <= 0.95


def test_a_gauge_that_answers_every_second_time_still_teaches_the_linear_baseline() -> None:
    record = stream()
    gappy = record.target.values.copy()
    gappy[1::2] = np.nan
    record = Record(record.target.with_values(gappy), record.drivers)
    origins, leads = record.target.times[800:1100:2], LEADS * 2
    made = rolling_origin(LinearArx(leads), record, origins=origins, leads=leads)
    assert min(made.scores(lead)["pi"] for lead in range(3)) > 0.05


@pytest.mark.parametrize("make", BASELINES)
@pytest.mark.parametrize("count", [0, 2, 30])
def test_too_little_data_is_said_not_guessed(make: type, count: int) -> None:
    times = START + np.arange(count) * HOUR
    record = Record(Series(times, np.ones(count), "m"))
    model: Forecaster = make(LEADS)
    model.fit(record)
    assert isinstance(model.predict(record, START + count * HOUR, LEADS), NotCalibrated)


def test_a_silent_gauge_gives_no_persistence() -> None:
    record = stream()
    model = Persistence(LEADS)
    model.fit(record)
    answer = model.predict(record, record.target.times[-1] + 10 * HOUR, LEADS)
    assert isinstance(answer, NotCalibrated)
    assert "no measurement" in answer.reason
