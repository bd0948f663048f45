"""Verdicts on values: they follow the journal's order, never the size of batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.normalise import Channels
from ingest.quality import LastValue, QualityMemory, judge
from udp.registry.port import Channel
from udp.sensorthings import Quality, QualityRule

SECOND = 1_000_000
CHANNELS = Channels.build(
    [
        Channel(1, "a", minimum=0.0, maximum=100.0, max_step=10.0, stuck_after_s=60.0),
        Channel(2, "b"),
        Channel(3, "c", max_step=1.0),
    ],
    citizen=[False, False, True],
)
PASSED, RANGE, STEP, STUCK = QualityRule.PASSED, QualityRule.RANGE, QualityRule.STEP, QualityRule.STUCK


def verdicts(
    values: list[tuple[int, float, float]],
    memory: QualityMemory | None = None,
    *,
    wrong: set[int] = frozenset(),
) -> list[tuple[int, int]]:
    """(quality, rule) of (position, seconds, value)."""
    memory = memory or QualityMemory(lambda _streams: {})
    judged = judge(
        CHANNELS,
        np.array([one[0] for one in values], np.int64),
        np.array([one[2] for one in values], np.float64),
        np.array([int(one[1] * SECOND) for one in values], np.int64),
        clock_wrong=np.array([number in wrong for number in range(len(values))], np.bool_),
        memory=memory,
    )
    memory.keep(judged.datastreams, judged.last)
    return list(zip(judged.quality.tolist(), judged.rule.tolist(), strict=True))


def rules(values: list[tuple[int, float, float]], **options: object) -> list[int]:
    return [rule for _quality, rule in verdicts(values, **options)]  # type: ignore[arg-type]


def test_no_values_no_verdicts() -> None:
    assert verdicts([]) == []


def test_what_nobody_limits_is_unchecked() -> None:
    assert verdicts([(1, 0, 5.0)]) == [(Quality.UNCHECKED, QualityRule.NONE)]


def test_range_is_judged_including_its_limits() -> None:
    assert rules([(0, 0, 0.0)]) == [PASSED]
    assert verdicts([(0, 1, 100.001)]) == [(Quality.BAD, RANGE)]


def test_a_step_is_suspect_and_the_next_value_is_compared_with_it() -> None:
    assert rules([(0, 0, 10.0), (0, 1, 20.0), (0, 2, 30.1), (0, 3, 31.0)]) == [PASSED, PASSED, STEP, PASSED]


def test_an_impossible_value_is_no_neighbour() -> None:
    assert rules([(0, 0, 10.0), (0, 1, 900.0), (0, 2, 12.0)]) == [PASSED, RANGE, PASSED]


def test_a_value_that_does_not_move_is_stuck_until_it_moves() -> None:
    values = [(0, second, 5.0) for second in (0, 30, 59, 60, 90)] + [(0, 91, 6.0), (0, 92, 6.0)]
    assert rules(values) == [PASSED, PASSED, PASSED, STUCK, STUCK, PASSED, PASSED]


def test_late_values_are_judged_for_themselves_and_disturb_nobody() -> None:
    assert rules([(0, 100, 10.0), (0, 50, 90.0), (0, 100, 95.0), (0, 101, 11.0)]) == [PASSED] * 4


def test_a_wrong_clock_is_flagged_and_remembered_by_nobody() -> None:
    assert rules([(0, 10_000, 10.0), (0, 1, 90.0)], wrong={0}) == [QualityRule.CLOCK, PASSED]


def test_an_impossible_value_of_a_wrong_clock_is_bad_and_says_that_its_time_is_wrong() -> None:
    assert verdicts([(0, 1, 900.0)], wrong={0}) == [(Quality.BAD, QualityRule.CLOCK)]


def test_citizen_values_that_pass_say_so_and_suspect_ones_keep_their_rule() -> None:
    assert verdicts([(2, 0, 1.0), (2, 1, 9.0)]) == [
        (Quality.GOOD, QualityRule.CITIZEN),
        (Quality.SUSPECT, STEP),
    ]


def test_after_a_restart_the_store_is_asked_once() -> None:
    asked: list[list[int]] = []

    def recall(streams: object) -> dict[int, LastValue]:
        asked.append(list(streams))  # type: ignore[call-overload]
        return {1: LastValue(100 * SECOND, 50.0, 40 * SECOND)}

    memory = QualityMemory(recall)
    assert rules([(0, 101, 50.0), (2, 1, 0.0)], memory=memory) == [STUCK, QualityRule.CITIZEN]
    assert rules([(0, 102, 70.0)], memory=memory) == [STEP]
    assert asked == [[1, 3]]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 200), st.sampled_from([0.0, 5.0, 8.0, 30.0, 200.0])),
        min_size=1, max_size=30,
    ),
    st.lists(st.integers(1, 7), min_size=1, max_size=30),
)  # fmt: skip
def test_batches_of_any_size_judge_alike(values: list[tuple[int, float, float]], sizes: list[int]) -> None:
    whole = verdicts(values)
    memory = QualityMemory(lambda _streams: {})
    parts: list[tuple[int, int]] = []
    start = 0
    while start < len(values):
        size = sizes[len(parts) % len(sizes)]
        parts += verdicts(values[start : start + size], memory)
        start += size
    assert parts == whole


@pytest.mark.parametrize("count", [1, 1000])
def test_many_datastreams_at_once(count: int) -> None:
    channels = Channels.build([Channel(n, "x", max_step=1.0) for n in range(count)], [False] * count)
    position = np.tile(np.arange(count), 2)
    judged = judge(
        channels, position, np.repeat([0.0, 5.0], count), np.repeat([1, 2], count),
        clock_wrong=np.zeros(2 * count, np.bool_), memory=QualityMemory(lambda _streams: {}),
    )  # fmt: skip
    assert (judged.rule[:count] == PASSED).all() and (judged.rule[count:] == STEP).all()
