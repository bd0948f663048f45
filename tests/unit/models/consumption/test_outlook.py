"""Tomorrow's load: blind to the future, better than last week and climatology, or silent with a reason."""

import numpy as np
import pytest

from models import metrics
from models.backtest import truth
from models.baselines import Climatology, SeasonalNaive
from models.consumption.expected import Calendar
from models.consumption.outlook import LoadForecaster
from models.consumption.warmth import MeasuredWarmth, NoWarmthAhead, warmth_ahead, warmth_of
from models.forecaster import LEVELS, Forecast, NotCalibrated
from models.series import DAY, HOUR, Record, Series

START = np.datetime64("2024-01-01", "us")
CUT = START + 200 * DAY
LEADS = np.arange(1, 25) * HOUR
CALENDAR = Calendar()


def office(days: int = 300, seed: int = 1) -> Record:
    """Base load, working hours, electric heating that follows a weather of several days' memory."""
    rng = np.random.default_rng(seed)
    n = days * 24
    times = START + np.arange(n) * HOUR
    day, hour = np.arange(n) // 24, np.arange(n) % 24
    spell = np.zeros(days)
    for k in range(1, days):
        spell[k] = 0.8 * spell[k - 1] + rng.normal(0, 2)
    warm = (
        10
        - 9 * np.cos(2 * np.pi * (day - 15) / 365.25)
        + spell[day]
        + 3 * np.sin((hour - 9) / 24 * 2 * np.pi)
    )
    work = (day % 7 < 5) & ~CALENDAR.off_days(times)
    busy = work & (hour >= 8) & (hour <= 17)
    load = 20 * (0.25 + 0.75 * busy + 0.03 * np.maximum(15 - warm, 0) * (0.4 + 0.6 * busy))
    noisy = np.round(load * np.exp(rng.normal(0, 0.06, n) + rng.normal(0, 0.05, days)[day]), 2)
    return Record(Series(times, noisy, "kWh"), {"temperature": Series(times, warm, "Cel")})


@pytest.fixture(scope="module")
def record() -> Record:
    return office()


@pytest.fixture(scope="module")
def fitted(record: Record) -> LoadForecaster:
    model = LoadForecaster(LEADS, CALENDAR)
    model.fit(record.as_of(CUT))
    return model


def test_every_forecast_is_identical_on_data_truncated_at_its_issue_time(
    fitted: LoadForecaster, record: Record
) -> None:
    origins = record.target.times[210 * 24 : 290 * 24 : 331]
    table = fitted.hindcast(record, origins, LEADS)
    assert table is not None
    for row, origin in enumerate(origins):
        whole, cut = (fitted.predict(one, origin, LEADS) for one in (record, record.as_of(origin)))
        assert isinstance(whole, Forecast)
        assert isinstance(cut, Forecast)
        np.testing.assert_array_equal(whole.quantiles, cut.quantiles)
        np.testing.assert_array_equal(whole.point, cut.point)
        np.testing.assert_allclose(table[0][row], whole.point, rtol=1e-9)
        np.testing.assert_allclose(table[1][row], whole.quantiles, rtol=1e-9)


def test_better_than_last_week_and_climatology_with_honest_intervals(
    fitted: LoadForecaster, record: Record
) -> None:
    origins = record.target.times[201 * 24 : -25 : 7]
    seen, _ = truth(record, origins, LEADS)
    made = fitted.hindcast(record, origins, LEADS)
    assert made is not None
    own = metrics.crps(seen.ravel(), made[1].reshape(-1, len(LEVELS)), LEVELS)
    for rival in (SeasonalNaive(LEADS, 7 * DAY), Climatology(LEADS)):
        rival.fit(record.as_of(CUT))
        other = rival.hindcast(record, origins, LEADS)
        assert other is not None
        assert own < 0.8 * metrics.crps(seen.ravel(), other[1].reshape(-1, len(LEVELS)), LEVELS)
    assert 0.82 <= metrics.coverage(seen.ravel(), made[1][..., 0].ravel(), made[1][..., -1].ravel()) <= 0.97


def test_a_temperature_forecast_is_worth_something_and_the_only_thing_that_sees_ahead(
    fitted: LoadForecaster, record: Record
) -> None:
    came = MeasuredWarmth(record.drivers["temperature"])
    knowing = LoadForecaster(LEADS, CALENDAR, warmth=came)
    knowing.fit(record.as_of(CUT))
    origins = record.target.times[201 * 24 : -25 : 7]
    seen, _ = truth(record, origins, LEADS)
    scores = []
    for model in (knowing, fitted):
        made = model.hindcast(record, origins, LEADS)
        assert made is not None
        scores.append(metrics.crps(seen.ravel(), made[1].reshape(-1, len(LEVELS)), LEVELS))
    assert scores[0] < 0.95 * scores[1]
    for origin in origins[::50]:
        whole, cut = (knowing.predict(one, origin, LEADS) for one in (record, record.as_of(origin)))
        assert isinstance(whole, Forecast)
        assert isinstance(cut, Forecast)
        np.testing.assert_array_equal(whole.quantiles, cut.quantiles)
    back = knowing.listening(NoWarmthAhead()).predict(record, origins[0], LEADS)
    assert isinstance(back, Forecast)
    assert (back.point != whole.point).any()


def test_a_forecast_of_what_came_gives_the_warmth_that_was(record: Record) -> None:
    """Means over one and three days join what was measured and what is said without a seam."""
    air = record.drivers["temperature"]
    origins = record.target.times[100 * 24 : 104 * 24 : 7]
    made = warmth_ahead(air, origins, LEADS, MeasuredWarmth(air))
    was = warmth_of(air.times, air)
    assert made is not None
    assert was is not None
    place = np.searchsorted(air.times, origins)[:, None] + np.arange(1, 25)
    np.testing.assert_allclose(made, was[place])


def test_a_building_harder_to_foresee_gets_wider_intervals(fitted: LoadForecaster, record: Record) -> None:
    rng = np.random.default_rng(9)
    late = record.target.times > CUT + 40 * DAY
    wild = record.target.values * np.where(late, np.exp(rng.normal(0, 0.5, len(late))), 1.0)
    origin = record.target.times[280 * 24]
    calm, rough = (
        fitted.predict(Record(record.target.with_values(values), record.drivers), origin, LEADS)
        for values in (record.target.values, wild)
    )
    assert isinstance(calm, Forecast)
    assert isinstance(rough, Forecast)
    assert np.median(np.ptp(rough.quantiles, axis=1)) > 1.3 * np.median(np.ptp(calm.quantiles, axis=1))


@pytest.mark.parametrize("kind", ["gaps", "zeros", "two points", "empty", "short"])
def test_ugly_history_is_answered_in_words(kind: str, record: Record) -> None:
    target = record.target
    match kind:
        case "gaps":
            target = target.with_values(np.full(len(target), np.nan))
        case "zeros":
            target = target.with_values(np.zeros(len(target)))
        case "two points":
            target = target.between(START, START + 2 * HOUR)
        case "empty":
            target = target.between(START, START)
        case "short":
            target = target.between(START, START + 40 * DAY)
    model = LoadForecaster(LEADS, CALENDAR)
    model.fit(Record(target))
    answer = model.predict(Record(target), START + 100 * DAY, LEADS)
    assert isinstance(answer, NotCalibrated)
    assert "nicht kalibriert" in answer.reason


def test_a_meter_without_thermometer_or_voice() -> None:
    plain = Record(office(150).target)
    model = LoadForecaster(LEADS, CALENDAR)
    model.fit(plain.as_of(START + 120 * DAY))
    assert isinstance(model.predict(plain, START + 130 * DAY, LEADS), Forecast)
    silent = plain.target.with_values(
        np.where(plain.target.times > START + 120 * DAY, np.nan, plain.target.values)
    )
    assert isinstance(model.predict(Record(silent), START + 140 * DAY, LEADS), NotCalibrated)
