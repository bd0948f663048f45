"""Packed statistics say exactly what they said before; only the last digits of a sum may be tidied."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from udp.store.embedded.packing import pack, unpack

TENTHS = st.integers(-400, 10_000).map(lambda number: number / 10)
ANY = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)
KINDS = [TENTHS, st.integers(-(2**40), 2**40).map(float), st.floats(0, 1), ANY, st.just(0.0)]


@st.composite
def tables(draw: st.DrawFn) -> np.ndarray:
    """Series of one kind each: tenths, counters, fractions, anything; some spans without values."""
    series, spans = draw(st.integers(0, 5)), draw(st.integers(1, 6))
    table = np.zeros((6, series, spans))
    for one in range(series):
        kind = draw(st.sampled_from(KINDS))
        for span in range(spans):
            values = draw(st.lists(kind, max_size=4))
            if values:
                ends = (min(values), max(values), values[0], values[-1])
                table[:, one, span] = (len(values), sum(values), *ends)
    return table


@settings(max_examples=150, deadline=None)
@given(several=st.lists(tables(), min_size=1, max_size=4))
def test_whatever_was_packed_comes_back(several: list[np.ndarray]) -> None:
    shape = several[0].shape
    alike = [table for table in several if table.shape == shape]
    found = unpack([pack(table) for table in alike], *shape[1:])
    for number, table in enumerate(alike):
        np.testing.assert_array_equal(found[[0, 2, 3, 4, 5], number], table[[0, 2, 3, 4, 5]])
        size = np.maximum(np.abs(table[2]), np.abs(table[3])) * table[0]
        assert (np.abs(found[1, number] - table[1]) <= 1e-13 * size).all()


def test_what_a_sensor_says_takes_few_bytes() -> None:
    rng = np.random.default_rng(7)
    values = np.round(20 + 5 * np.sin(np.arange(144) / 23) + rng.normal(0, 0.3, (16, 144)), 1)
    hours = values.reshape(16, 24, 6)
    ends = (hours.min(2), hours.max(2), hours[:, :, 0], hours[:, :, -1])
    table = np.stack([np.full((16, 24), 6.0), hours.sum(2), *ends])
    assert len(pack(table)) < 5 * 16 * 24, "six doubles an hour take 48"
