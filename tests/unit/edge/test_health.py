"""The agent reports a deviation of its clock only when several comparisons agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.health import Health
from edge.spool import SpoolState
from edge.wire.messages import Clock

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
QUIET = SpoolState(messages=0, octets=0, oldest=None, dropped=0)


def reported(offsets: list[float], folder: Path, *, apart_s: float = 30.0) -> float | None:
    """What the agent says after having compared its clock so often, in seconds."""
    current: list[timedelta | None] = [None]
    health = Health(timedelta(minutes=1), Clock.GPS, lambda: current[0])
    now = NOON
    for offset in offsets:
        now += timedelta(seconds=apart_s)
        current[0] = timedelta(seconds=offset)
        for _ in range(3):  # the agent's loop turns more often than frames come
            health.due(now)
    value = health.reading(now, QUIET, folder).fields.get("clock_offset_s")
    assert value is None or isinstance(value, float)
    return value


@pytest.mark.parametrize("offset", [33.0, -7.5, 86_400.0 * 3])
def test_a_wrong_clock_is_reported_with_the_middle(tmp_path: Path, offset: float) -> None:
    around = [offset + jitter for jitter in (0.0, 0.4, -0.4, 0.2, -0.2)]
    assert reported(around, tmp_path) == pytest.approx(offset)


def test_one_late_frame_is_no_wrong_clock(tmp_path: Path) -> None:
    assert reported([33.0], tmp_path) is None
    assert reported([0.1, 0.1, 33.0, 0.1, 0.2, 0.1], tmp_path) == pytest.approx(0.1)


def test_four_comparisons_are_not_enough(tmp_path: Path) -> None:
    assert reported([33.0] * 4, tmp_path) is None


def test_a_history_that_is_replayed_says_nothing(tmp_path: Path) -> None:
    assert reported([86_400.0 - 1_800.0 * step for step in range(40)], tmp_path) is None


def test_many_comparisons_of_one_moment_are_one(tmp_path: Path) -> None:
    assert reported([33.0] * 20, tmp_path, apart_s=0.1) is None


def test_what_was_compared_long_ago_is_not_repeated(tmp_path: Path) -> None:
    assert reported([33.0] * 5, tmp_path, apart_s=3_000.0) is None
