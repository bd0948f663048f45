"""From a distance to a fill level or a water level."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udp.registry.geometry import Linear, linear
from udp.registry.place import from_utm32

MILLIMETRES = st.floats(0, 5000)


@given(MILLIMETRES, MILLIMETRES, MILLIMETRES, st.sampled_from([1.0, 10.0, 1000.0]))
def test_fill_is_the_share_between_empty_and_full(full, depth, distance, input_scale):
    empty = full + depth + 1.0
    line = linear("fill", {"empty_mm": empty, "full_mm": full}, Linear(1.0, 0.0), input_scale)
    raw = distance / input_scale
    expected = 100.0 * (empty - distance) / (empty - full)
    assert line.scale * raw + line.offset == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(MILLIMETRES, MILLIMETRES, st.floats(0.01, 10), st.floats(-100, 100))
def test_level_is_what_is_missing_to_the_zero_mark(zero, distance, scale, offset):
    line = linear("level", {"zero_mm": zero}, Linear(scale, offset), 1.0)
    expected = scale * (zero - distance) + offset
    assert line.scale * distance + line.offset == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_without_an_origin_only_the_channel_counts():
    assert linear(None, {}, Linear(0.1, -40.0), 1.0) == Linear(0.1, -40.0)


@pytest.mark.parametrize("measures", [(200, 200), (100, 200), (1200, -1)])
def test_measures_that_make_no_sense(measures):
    with pytest.raises(ValueError, match="empty_mm"):
        linear("fill", dict(zip(("empty_mm", "full_mm"), measures, strict=True)), Linear(1.0, 0.0), 1.0)


def test_official_coordinates_agree_with_published_pairs():
    """Two places of the state's monument register (KuLaDig) with both kinds of coordinates."""
    for easting, northing, latitude, longitude in (
        (385159.82, 5716699.33, 51.58963, 7.34224),
        (382999.07, 5713998.54, 51.56491, 7.31196),
    ):
        assert from_utm32(easting, northing) == pytest.approx((latitude, longitude), abs=1.5e-5)


@pytest.mark.parametrize("point", [(5716699.0, 385159.0), (0.0, 0.0), (385159.0, 51.5)])
def test_what_is_no_place_in_the_zone(point):
    with pytest.raises(ValueError, match="easting, northing"):
        from_utm32(*point)
