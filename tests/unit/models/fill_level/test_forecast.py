"""Fill forecasts beat the naive ones, know their uncertainty and never fall when nobody empties."""

import numpy as np
import pytest

from models import metrics
from models.fill_level.cleaning import clean
from models.fill_level.forecast import FillForecaster
from models.fill_level.rate import fleet_rate, inflow_of
from models.forecaster import Forecast, NotCalibrated
from models.series import DAY, HOUR

START = np.datetime64("2025-01-06T00:00", "us")
LEADS = np.array([24, 48, 72]) * HOUR
CUT = START + 70 * DAY


@pytest.fixture(scope="module")
def fitted(clean_fleet) -> FillForecaster:
    model = FillForecaster()
    known = {str(i): clean(t.readings.as_of(CUT), t.container) for i, t in enumerate(clean_fleet)}
    assert model.fit(known) is None
    return model


@pytest.fixture(scope="module")
def judged(fitted, clean_fleet) -> np.ndarray:
    """Rows: lead (h), truth, 10 %, 50 %, 90 %, fill now, probability of 80 % within 72 h, reached."""
    rows = []
    for i, truth in enumerate(clean_fleet):
        level = clean(truth.readings, truth.container)
        visits, fill = np.cumsum(truth.emptied), truth.fill.values
        for k in range(71 * 24, 112 * 24, 41):
            at = truth.fill.times[k]
            now = float(level.filtered[np.searchsorted(level.times, at)])
            made = fitted.predict(str(i), now, issued_at=at, leads=LEADS, levels=(0.1, 0.5, 0.9))
            chance = fitted.outlook(str(i), now, issued_at=at).probability[72]
            for row, hours in enumerate((24, 48, 72)):
                if visits[k + hours] == visits[k] and fill[k] < 95:
                    reached = float(fill[k + hours] >= 80)
                    rows.append(
                        (hours, min(fill[k + hours], 100), *made.quantiles[row], now, chance, reached)
                    )
    return np.array(rows)


def test_better_than_persistence_at_every_lead_and_calibrated(judged) -> None:
    for hours in (24, 48, 72):
        part = judged[judged[:, 0] == hours]
        model = np.abs(part[:, 1] - part[:, 3]).mean()
        assert model < 0.85 * np.abs(part[:, 1] - part[:, 5]).mean()
    assert 0.7 <= metrics.coverage(judged[:, 1], judged[:, 2] - 0.5, judged[:, 4] + 0.5) <= 0.92


def test_probability_of_critical_has_skill(judged) -> None:
    part = judged[(judged[:, 0] == 72) & (judged[:, 5] < 80)]
    happened = part[:, 7] > 0
    assert metrics.brier_skill(happened, part[:, 6], np.full(len(part), happened.mean())) > 0.3


def test_weekday_profile_is_learned_from_the_fleet(clean_fleet) -> None:
    found = fleet_rate([inflow_of(clean(t.readings, t.container)) for t in clean_fleet])
    assert found is not None
    assert int(np.argmax(found.weekday)) == 5
    assert int(np.argmin(found.weekday)) == 6
    assert found.hour[:6].mean() < 0.4 < found.hour[9:19].mean()


def test_a_new_container_borrows_from_its_kind(fitted) -> None:
    made = fitted.predict("never seen", 20.0, issued_at=CUT, leads=LEADS)
    assert isinstance(made, Forecast)
    assert 20 < made.quantiles[2, 3] < 70


def test_later_is_never_emptier_and_probability_never_falls(fitted) -> None:
    for fill in (0.0, 30.0, 79.0):
        made = fitted.predict("1", fill, issued_at=CUT, leads=np.arange(6, 168, 6) * HOUR)
        assert (np.diff(made.quantiles[:, 3]) >= -1e-9).all()
        outlook = fitted.outlook("1", fill, issued_at=CUT)
        assert (
            outlook.probability[24]
            <= outlook.probability[48]
            <= outlook.probability[72]
            <= outlook.probability[168]
        )
        low, high = outlook.hours_to_critical_interval
        assert low <= outlook.hours_to_critical <= high


def test_already_critical_is_certain(fitted) -> None:
    outlook = fitted.outlook("1", 85.0, issued_at=CUT)
    assert outlook.probability[24] == 1.0
    assert outlook.hours_to_critical == 1.0


def test_learning_sees_nothing_after_its_record(clean_fleet) -> None:
    answers = []
    for change in (0.0, 40.0):
        known = {}
        for i, truth in enumerate(clean_fleet[:8]):
            values = truth.readings.values + np.where(truth.readings.times > CUT, change, 0)
            known[str(i)] = clean(truth.readings.with_values(values).as_of(CUT), truth.container)
        model = FillForecaster()
        model.fit(known)
        answers.append(model.predict("3", 40.0, issued_at=CUT, leads=LEADS).quantiles)
    np.testing.assert_array_equal(*answers)


def test_without_data_it_says_so(fitted) -> None:
    model = FillForecaster()
    assert isinstance(model.fit({}), NotCalibrated)
    assert isinstance(model.predict("1", 20.0, issued_at=CUT, leads=LEADS), NotCalibrated)
    assert isinstance(model.outlook("1", 20.0, issued_at=CUT), NotCalibrated)
    assert isinstance(fitted.predict("1", float("nan"), issued_at=CUT, leads=LEADS), NotCalibrated)
