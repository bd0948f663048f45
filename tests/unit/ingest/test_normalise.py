"""Values leave without the noise of binary fractions, and no digit anybody measured is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udp.store.digits import rounded


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        (219 * 0.1, 21.9),
        (-3 * 0.1, -0.3),
        (0.1 + 0.2, 0.3),
        (0.0, 0.0),
        (1e-15, 1e-15),
        (1234567890123456.0, 1234567890123456.0),
        (999999999999.0, 999999999999.0),
        (1e300, 1e300),
    ],
)
def test_only_noise_goes(raw: float, meant: float) -> None:
    assert rounded(np.array([raw])).tolist() == [meant]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=8))
def test_rounding_again_changes_nothing_and_hardly_moves(values: list[float]) -> None:
    once = rounded(np.array(values, np.float64))
    assert rounded(once).tolist() == once.tolist()
    assert np.allclose(once, values, rtol=1e-11, atol=0.0)


@given(st.integers(-(10**7), 10**7), st.integers(0, 6))
def test_decimal_values_of_sensors_come_out_as_written(count: int, digits: int) -> None:
    noisy = count * 10.0**-digits
    assert rounded(np.array([noisy])).tolist() == [float(f"{count}e-{digits}")]


def test_columns_give_rounded_values() -> None:
    assert rounded(np.array([219 * 0.1, 5.0])).tolist() == [21.9, 5.0]
    assert rounded(np.array([])).tolist() == []
