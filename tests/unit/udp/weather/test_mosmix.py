"""The point forecast is read in its own units, or not at all."""

from datetime import UTC, datetime

import numpy as np
import pytest
from forecast_files import mosmix, wet
from hypothesis import given, settings
from hypothesis import strategies as st

from udp.weather.download import SourceUnusable
from udp.weather.mosmix import path_of, read_forecast
from udp.weather.settings import WeatherSettings

ISSUED = datetime(2026, 11, 21, 9, tzinfo=UTC)


def test_rain_probabilities_and_temperature_in_our_units():
    rows = wet(0.4, 5) | {"RR1c": [0.4, "-", 0.0, 1.2, 3.0], "TTT": [273.15, 280.65, "-", 283.15, 290.0]}
    made = read_forecast(mosmix(ISSUED, rows, hours=5), "10416")
    assert (made.issued_at, made.issuer, made.station) == (ISSUED, "Deutscher Wetterdienst", "DORTMUND")
    assert made.valid[0] == np.datetime64("2026-11-21T10:00")
    np.testing.assert_allclose(made.rain, [0.4, np.nan, 0.0, 1.2, 3.0])
    np.testing.assert_allclose(made.temperature, [0.0, 7.5, np.nan, 10.0, 16.85])
    assert set(made.over) == {0.1, 1.0, 5.0} and made.over[0.1].tolist() == [0.9] * 5


def test_how_far_off_the_temperature_may_be_is_read_where_it_is_said():
    made = read_forecast(mosmix(ISSUED, wet(0.4, 3) | {"E_TTT": [0.6, "-", 1.2]}, hours=3), "10416")
    assert made.temperature_error is not None
    np.testing.assert_allclose(made.temperature_error, [0.6, np.nan, 1.2])
    assert read_forecast(mosmix(ISSUED, wet(0.4, 3), hours=3), "10416").temperature_error is None
    with pytest.raises(SourceUnusable, match="E_TTT lies outside"):
        read_forecast(mosmix(ISSUED, {"E_TTT": [273.15] * 3}, hours=3), "10416")


def test_a_file_without_rain_says_nothing_of_rain():
    made = read_forecast(mosmix(ISSUED, {"TTT": [280.0] * 3}, hours=3), "10416")
    assert np.isnan(made.rain).all() and not made.over and np.isfinite(made.temperature).all()


@pytest.mark.parametrize(
    ("rows", "more", "told"),
    [
        ({"TTT": [10.0] * 3}, {}, "TTT lies outside"),
        ({"RR1c": [4000.0] * 3}, {}, "RR1c lies outside"),
        ({"R101": [0.4, 120, 3]}, {}, "R101 lies outside"),
        ({"RR1c": [1.0] * 2}, {}, "2 values for 3 hours"),
        ({"RR1c": ["x"] * 3}, {}, "cannot be read"),
        ({"RR1c": [1.0] * 3}, {"station": "10410"}, "not in the file"),
        ({"RR1c": [1.0] * 3}, {"extra": '<!DOCTYPE a [<!ENTITY b "c">]>'}, "no entities"),
    ],
)
def test_what_cannot_be_meant_is_refused(rows, more, told):
    with pytest.raises(SourceUnusable, match=told):
        read_forecast(mosmix(ISSUED, rows, hours=3, **more), "10416")


WHOLE = mosmix(ISSUED, wet(1.0, 4), hours=4)


@settings(max_examples=100, deadline=None)
@given(cut=st.integers(0, len(WHOLE)), place=st.integers(0, len(WHOLE) - 1), octet=st.integers(0, 255))
def test_a_damaged_file_is_read_rightly_or_refused(cut, place, octet):
    damaged = bytearray(WHOLE)
    damaged[place] = octet
    for content in (bytes(damaged), WHOLE[:cut]):
        try:
            made = read_forecast(content, "10416")
        except SourceUnusable:
            continue
        assert len(made.valid) == len(made.rain) == 4


def test_settings_that_cannot_be_meant():
    assert path_of("10416").endswith("/10416/kml/MOSMIX_L_LATEST_10416.kmz")
    for wrong in ({"server": "http://opendata.dwd.de"}, {"station": "../x"}):
        with pytest.raises(ValueError, match=r"https|MOSMIX"):
            WeatherSettings(**wrong)
