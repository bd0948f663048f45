from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboards.public.freshness import Freshness, freshness

NOW = datetime(2026, 11, 21, 14, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "interval", "expected"),
    [
        (120, 60, Freshness.FRESH),
        (121, 60, Freshness.AGEING),
        (360, 60, Freshness.AGEING),
        (361, 60, Freshness.GONE),
        (-30, 60, Freshness.FRESH),
        # Below five minutes the interval is not taken at its word.
        (10, 0.5, Freshness.FRESH),
        (11, 0.5, Freshness.AGEING),
        (31, 0.5, Freshness.GONE),
    ],
)
def test_two_missed_intervals_grey_six_gone(minutes: float, interval: float, expected: Freshness) -> None:
    measured = NOW - timedelta(minutes=minutes)
    assert freshness(measured, NOW, timedelta(minutes=interval)) is expected
