# ruff: noqa: E501 - tables are read line by line
"""The formulas against what others have published of them."""

import numpy as np
import pytest

from udp.derived import classes
from udp.derived.heat import heat_index


# National Weather Service, Heat Index Chart (weather.gov): °F, % -> °F, printed in whole degrees.
@pytest.mark.parametrize(
    ("warm", "wet", "felt"),
    [(80, 40, 80), (90, 40, 91), (100, 40, 109), (110, 40, 136), (86, 50, 88), (90, 50, 95), (98, 50, 113),
     (84, 65, 89), (90, 65, 103), (96, 65, 121), (90, 80, 113)],
)  # fmt: skip
def test_the_heat_index_is_that_of_the_published_chart(warm, wet, felt):
    celsius = heat_index(np.array([(warm - 32) / 1.8]), np.array([float(wet)]))
    assert celsius[0] * 1.8 + 32 == pytest.approx(felt, abs=1.0)


def test_below_40_fahrenheit_it_is_the_air_temperature_and_without_input_nothing():
    found = heat_index(np.array([-5.0, 4.0, np.nan, 20.0]), np.array([80.0, 50.0, 50.0, np.nan]))
    assert found[:2].tolist() == pytest.approx([-5.0, 4.0])
    assert np.isnan(found[2:]).all()


# Umweltbundesamt, Luftqualitätsindex, new edition: the last value of each class, and the first of the next.
@pytest.mark.parametrize(
    ("what", "limits"),
    [("pm10", (9, 27, 54, 90)), ("pm2_5", (5, 15, 30, 50)), ("o3", (24, 72, 144, 240)), ("no2", (10, 30, 60, 100)), ("so2", (10, 30, 60, 100))],
)  # fmt: skip
def test_the_air_quality_classes_are_those_of_the_umweltbundesamt(what, limits):
    for number, last in enumerate(limits, start=1):
        assert classes.lqi_class(what, float(last)) == number
        assert classes.lqi_class(what, last + 0.49) == number, "whole micrograms, rounded"
        assert classes.lqi_class(what, float(last + 1)) == number + 1
    assert classes.lqi_class(what, float("nan")) is None
    assert classes.lqi_class("co2", 400.0) is None


@pytest.mark.parametrize(("percent", "grade"), [(-3, 0), (19.9, 0), (20, 1), (79.9, 1), (80, 2), (130, 2)])
def test_fill_classes(percent, grade):
    assert classes.fill_class(percent) == grade
    assert classes.fill_class(float("nan")) is None
