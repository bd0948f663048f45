"""A sensor that is stuck, or covered by snow or a sheet of cardboard, empties nothing and fills nothing."""

import numpy as np
import pytest

from models.fill_level.cleaning import Cleaned, Container, clean
from models.series import HOUR, Floats, Series

START = np.datetime64("2025-01-06T00:00", "us")
DEPTH = 130.0
DAY = slice(300, 330)


def content() -> Floats:
    """Half a percent an hour for three weeks, up to 60 cm."""
    return np.linspace(5.0, 60.0, 24 * 21)


def heard(distance: Floats, *, seed: int = 3, begin: np.datetime64 = START) -> Cleaned:
    noise = np.random.default_rng(seed).normal(0, 1, len(distance))
    made = clean(
        Series(begin + np.arange(len(distance)) * HOUR, np.round((distance + noise) / 2) * 2, "cm"),
        Container(DEPTH),
    )
    assert made is not None
    return made


@pytest.mark.parametrize("says", [12.0, 24.0, 50.0])
def test_a_sensor_stuck_for_a_day_is_no_crew(says: float) -> None:
    distance = DEPTH - content()
    distance[DAY] = says
    made = heard(distance)
    assert not made.emptied.any()
    assert np.abs(made.smoothed - 100 * content() / DEPTH)[: DAY.stop + 48].max() < 5
    assert np.abs(made.filtered - 100 * content() / DEPTH)[DAY.stop + 3 :].max() < 5


@pytest.mark.parametrize("seed", range(3))
def test_snow_that_settles_before_the_sensor_is_no_crew(seed: int) -> None:
    distance = DEPTH - content()
    distance[DAY] = np.linspace(26.0, 20.0, 30)
    assert not heard(distance, seed=seed).emptied.any()


def test_who_empties_a_covered_container_is_seen_when_the_cover_is_gone() -> None:
    distance = DEPTH - content()
    distance[DAY] = 20.0
    distance[DAY.stop :] = DEPTH - 2.0 - np.linspace(0.0, 20.0, len(distance) - DAY.stop)
    assert list(np.flatnonzero(heard(distance).emptied)) == [DAY.stop]


def test_a_day_without_inflow_is_no_cover() -> None:
    """What a crew left behind stays where it is; what then comes, comes on top."""
    distance = DEPTH - content()
    distance[300:] = DEPTH - 3.0
    distance[330:] = DEPTH - 3.0 - np.linspace(2.0, 30.0, len(distance) - 330)
    assert list(np.flatnonzero(heard(distance).emptied)) == [300]


def test_a_record_that_begins_between_two_hours_is_like_one_that_begins_on_the_hour() -> None:
    distance = DEPTH - content()
    distance[DAY] = 20.0
    late, due = heard(distance, begin=START + np.timedelta64(20, "m")), heard(distance)
    np.testing.assert_allclose(late.smoothed[-300:], due.smoothed[-300:], atol=0.5)
    assert not late.emptied.any()


def test_a_sensor_covered_from_the_first_day_is_believed_when_it_sees_again() -> None:
    distance = DEPTH - content()
    distance[:30] = 20.0
    made = heard(distance)
    assert not made.emptied[40:].any()
    assert np.abs(made.filtered - 100 * content() / DEPTH)[40:].max() < 5
