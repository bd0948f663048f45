"""The radar nowcast is read where it rains, in the unit it has, or not at all."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from forecast_files import CORNERS, NODATA, PROJECTION, SIDE, cell, even, radar
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer

from udp.weather.download import SourceUnusable
from udp.weather.radar import read_nowcast

ISSUED = datetime(2026, 11, 21, 12, 35, tzinfo=UTC)
TOWN, NORTH = (51.5656, 7.3117), (51.61, 7.30)


def test_the_projection_places_the_published_corners():
    project = Transformer.from_crs(CRS.from_epsg(4326), CRS.from_proj4(PROJECTION), always_xy=True).transform
    found = {name: project(*corner) for name, corner in CORNERS.items()}
    left, top = found["UL"]
    expected = {"UL": (0, 0), "UR": (1100e3, 0), "LR": (1100e3, -1200e3), "LL": (0, -1200e3)}
    for name, (x, y) in found.items():
        assert (x - left, y - top) == pytest.approx(expected[name], abs=1.0), name


def test_rain_is_read_at_its_place_and_time():
    fields = even(0.0)
    row, column = cell(*TOWN)
    for step in (4, 5):
        fields[step] = fields[step].copy()
        fields[step][row - 1 : row + 2, column - 1 : column + 2] = 1201
    made = read_nowcast(radar(ISSUED, fields), [TOWN, NORTH])
    assert made.issued_at == ISSUED and made.rain.shape == (24, 2)
    assert made.valid[0] == np.datetime64("2026-11-21T12:40") and made.valid[-1] == np.datetime64(
        "2026-11-21T14:35"
    )
    assert made.rain[[3, 4], 0] == pytest.approx([1.2, 1.2]) and made.rain[:, 0].sum() == pytest.approx(2.4)
    assert (made.rain[:, 1] == 0).all()


def test_a_gauge_has_the_mean_around_it_of_what_the_radar_sees():
    fields = even(0.9, 2)
    row, column = cell(*TOWN)
    fields[1][row - 1, column - 1 : column + 2] = NODATA
    fields[1][row, column - 1 : column + 2] = 0
    made = read_nowcast(radar(ISSUED, fields), [TOWN])
    assert made.rain[0, 0] == pytest.approx(0.45)
    fields[1][:] = NODATA
    assert np.isnan(read_nowcast(radar(ISSUED, fields), [TOWN]).rain).all()


def test_missing_steps_are_left_out():
    fields = even(0.1)
    for gone in (3, 20, 21, 22, 23, 24):
        del fields[gone]
    made = read_nowcast(radar(ISSUED, fields), [TOWN])
    assert len(made.valid) == 18 and np.datetime64(ISSUED.replace(tzinfo=None)) + np.timedelta64(
        15, "m"
    ) not in list(made.valid)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"quantity": "RATE"}, "expected RV_top_view with ACRR"),
        ({"product": "WN_top_view"}, "WN_top_view"),
        ({"minutes": 60}, "a step of 1:00:00"),
        ({"gain": 1.0}, "another unit"),
    ],
)
def test_another_product_or_unit_is_refused(more, told):
    with pytest.raises(SourceUnusable, match=told):
        read_nowcast(radar(ISSUED, even(0.2), **more), [TOWN])


def test_what_has_fallen_already_is_no_forecast():
    with pytest.raises(SourceUnusable, match="nothing lies ahead"):
        read_nowcast(radar(ISSUED, even(0.2, 1)), [TOWN])


def test_a_place_outside_the_grid_is_said():
    with pytest.raises(SourceUnusable, match="outside"):
        read_nowcast(radar(ISSUED, even(0.2, 2)), [(48.1, 11.6)])


def test_two_runs_in_one_archive_are_refused():
    both = radar(ISSUED, even(0.1, 2))
    other = radar(ISSUED + timedelta(minutes=5), even(0.1, 2))
    end = both.rstrip(b"\0")
    joined = end + b"\0" * (-len(end) % 512) + other
    with pytest.raises(SourceUnusable, match="2 issue times"):
        read_nowcast(joined, [TOWN])


WHOLE = radar(ISSUED, even(0.3, 3, side=SIDE))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cut=st.integers(0, len(WHOLE)), place=st.integers(0, len(WHOLE) - 1), octet=st.integers(0, 255))
def test_a_damaged_file_is_read_rightly_or_refused(cut, place, octet):
    damaged = bytearray(WHOLE)
    damaged[place] = octet
    for content in (bytes(damaged), WHOLE[:cut]):
        try:
            made = read_nowcast(content, [TOWN])
        except SourceUnusable:
            continue
        assert made.rain.shape[0] == len(made.valid) and (np.nan_to_num(made.rain) >= 0).all()
