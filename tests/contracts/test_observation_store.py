"""What every engine behind ObservationStore must keep; what one cannot is a named expected failure.

The engines, and the table of what they cannot keep, stand in conftest.py.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from udp.errors import StoreRejected, StoreUnavailable
from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Function, Observations, Period
from udp.store.opening import open_store

START = datetime(2026, 1, 30, tzinfo=UTC)
NOW = datetime(2026, 2, 3, 12, tzinfo=UTC)
ALWAYS = Period(START - timedelta(days=400), START + timedelta(days=400))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START_US = int(START.timestamp()) * 1_000_000
MINUTE_US = 60_000_000


def at(minutes: float) -> int:
    """Microseconds since the epoch."""
    return START_US + round(minutes * MINUTE_US)


def period(start_minutes: float, end_minutes: float) -> Period:
    return Period(START + timedelta(minutes=start_minutes), START + timedelta(minutes=end_minutes))


def same(found: Observations, expected: Observations) -> None:
    for name in Observations.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def one(result: float, *, minutes: float = 0.0, known: float = 1.0, revision: int = 0) -> Observations:
    return Observations.build(7, [at(minutes)], result, result_time=at(known), revision=revision)


def test_what_was_appended_is_read_back_in_every_column(engine: Any) -> None:
    batch = Observations.build(
        [7, 7, 9], [at(0), at(10), at(0)], [1.5, -0.1, 1e-9],
        result_time=[at(1), at(10.5), at(2)], quality=[Quality.GOOD, Quality.BAD, Quality.SUSPECT],
        rule=[QualityRule.PASSED, QualityRule.RANGE, QualityRule.CITIZEN],
    )  # fmt: skip
    engine.append(batch)
    same(engine.store.read([7, 9], ALWAYS), batch)
    engine.reopen()
    same(engine.store.read({9, 7}, ALWAYS), batch)


def test_times_keep_their_microseconds(engine: Any) -> None:
    batch = Observations.build(7, [at(0) + 1, at(0) + 2], [1.0, 2.0], result_time=at(1) + 3)
    engine.append(batch)
    same(engine.store.read([7], ALWAYS), batch)


def test_a_period_contains_its_start_and_not_its_end(engine: Any) -> None:
    engine.append(Observations.build(7, [at(0), at(10), at(20)], [0.0, 1.0, 2.0]))
    assert engine.store.read([7], period(0, 20)).result.tolist() == [0.0, 1.0]
    assert engine.store.read([7], period(10, 10)).result.tolist() == []
    assert engine.store.aggregate([7], period(0, 20), DAY, [Function.COUNT]).values[
        Function.COUNT
    ].tolist() == [2.0]


def test_reads_ascend_by_datastream_time_and_lead(engine: Any) -> None:
    rng = np.random.default_rng(5)
    rows = [(d, at(10 * t), lead) for d in (3, 20, 100) for t in range(40) for lead in (0, 3600, 60)]
    order = rng.permutation(len(rows))
    datastream, time, lead = (np.array(column)[order] for column in zip(*rows, strict=True))
    engine.append(Observations.build(datastream, time, np.arange(len(rows)) * 0.5, lead=lead))
    found = engine.store.read([100, 3, 20], ALWAYS)
    keys = list(zip(found.datastream, found.phenomenon_time.astype(int), found.lead, strict=True))
    assert keys == sorted((d, t, n) for d, t, n in rows)


def test_repeating_an_append_changes_nothing(engine: Any) -> None:
    rng = np.random.default_rng(6)
    count = 3_000
    batch = Observations.build(
        np.repeat(np.arange(30), 100), np.tile(at(0) + np.arange(100) * 40 * MINUTE_US, 30),
        np.round(rng.normal(size=count), 2), result_time=at(9_999), quality=rng.integers(0, 4, count),
    )  # fmt: skip
    engine.append(batch)
    before = engine.store.read(range(30), ALWAYS), engine.store.latest()
    for _ in range(2):
        engine.append(batch.take(rng.permutation(count)))
    same(engine.store.read(range(30), ALWAYS), before[0])
    same(engine.store.read(range(30), ALWAYS), batch)
    same(engine.store.latest(), before[1])
    counts = engine.store.aggregate(range(30), ALWAYS, HOUR, [Function.COUNT]).values[Function.COUNT]
    assert counts.sum() == (batch.quality != Quality.BAD).sum()


def test_a_higher_revision_supersedes_and_the_old_one_stays_readable(engine: Any) -> None:
    engine.append(one(1.0, known=1))
    engine.append(one(2.0, known=60, revision=1))
    engine.append(one(3.0, known=120, revision=5))
    assert engine.store.read([7], ALWAYS).result.tolist() == [3.0]
    for minutes, expected in ((0.5, []), (1, [1.0]), (59.9, [1.0]), (60, [2.0]), (119, [2.0]), (120, [3.0])):
        found = engine.store.read([7], ALWAYS, as_of=START + timedelta(minutes=minutes))
        assert found.result.tolist() == expected, minutes
    maximum = engine.store.aggregate([7], ALWAYS, HOUR, [Function.MAXIMUM, Function.COUNT])
    assert maximum.values[Function.MAXIMUM].tolist() == [3.0]
    assert maximum.values[Function.COUNT].tolist() == [1.0]


def test_revisions_of_one_batch_count_in_its_order(engine: Any) -> None:
    engine.append(Observations.concatenate([one(1.0), one(2.0, known=60, revision=1), one(1.0)]))
    assert engine.store.read([7], ALWAYS).result.tolist() == [2.0]
    assert engine.store.read([7], ALWAYS, START + 30 * timedelta(minutes=1)).result.tolist() == [1.0]


def test_an_equal_revision_with_another_value_is_ignored(engine: Any) -> None:
    engine.append(one(1.0))
    engine.append(one(9.0))
    engine.append(one(9.0, minutes=10))
    engine.append(one(1.0, minutes=10))
    assert engine.store.read([7], ALWAYS).result.tolist() == [1.0, 9.0]


def test_a_lower_revision_that_comes_later_leaves_no_trace(engine: Any) -> None:
    engine.append(one(2.0, known=60, revision=1))
    engine.append(one(1.0, known=30))
    assert engine.store.read([7], ALWAYS).result.tolist() == [2.0]
    assert len(engine.store.read([7], ALWAYS, as_of=START + timedelta(minutes=45))) == 0


def test_forecasts_of_different_leads_stand_beside_the_measurement(engine: Any) -> None:
    batch = Observations.build(7, [at(60)] * 3, [1.0, 2.0, 3.0], lead=[0, 1800, 3600], result_time=at(30))
    engine.append(batch)
    engine.append(Observations.build(8, [at(60)], [4.0], lead=60))
    same(engine.store.read([7], ALWAYS), batch)
    assert engine.store.latest().result.tolist() == [1.0]
    assert engine.store.aggregate([7, 8], ALWAYS, HOUR, [Function.SUM]).values[Function.SUM].tolist() == [1.0]


def test_latest_is_not_moved_back_by_late_values_but_shows_corrections(engine: Any) -> None:
    engine.append(Observations.build([7, 8], [at(20), at(5)], [20.0, 5.0], quality=Quality.GOOD))
    engine.append(one(10.0, minutes=10))
    assert engine.store.latest([7]).result.tolist() == [20.0]
    engine.append(one(21.0, minutes=20, revision=1))
    engine.append(one(20.0, minutes=20))
    assert engine.store.latest().result.tolist() == [21.0, 5.0]
    assert engine.store.latest().datastream.tolist() == [7, 8]
    assert engine.store.latest([8, 4711]).result.tolist() == [5.0]


def test_a_datastream_silent_for_decades_still_has_a_latest_value(engine: Any) -> None:
    engine.append(Observations.build([7, 8], [at(-30 * 366 * 24 * 60), at(-60 * 24 * 60)], [1.0, 2.0]))
    assert engine.store.latest().result.tolist() == [1.0, 2.0]


def clocked(minutes: float, result: float, *, doubted: bool, revision: int = 0) -> Observations:
    rule = QualityRule.CLOCK if doubted else QualityRule.PASSED
    return Observations.build(
        7, [at(minutes)], [result], quality=Quality.SUSPECT, rule=rule, revision=revision,
        result_time=at(minutes + revision),
    )  # fmt: skip


def test_a_value_of_a_wrong_clock_is_current_only_where_there_is_no_other(engine: Any) -> None:
    ahead = 200.5 * 24 * 60
    engine.append(clocked(ahead, 1.0, doubted=True))
    engine.append(clocked(ahead - 10, 2.0, doubted=True))
    assert engine.store.latest().result.tolist() == [1.0]
    engine.append(clocked(0, 3.0, doubted=False))
    assert engine.store.latest().result.tolist() == [3.0]
    engine.append(clocked(ahead + 10, 4.0, doubted=True))
    engine.append(Observations.concatenate([clocked(10, 5.0, doubted=False), clocked(20, 6.0, doubted=True)]))
    assert engine.store.latest([7]).result.tolist() == [5.0]
    engine.reopen()
    assert engine.store.latest().result.tolist() == [5.0]
    assert len(engine.store.read([7], ALWAYS)) == 6
    day = engine.store.aggregate([7], ALWAYS, DAY, [Function.FIRST, Function.LAST, Function.COUNT])
    assert day.values[Function.FIRST].tolist() == [3.0, 2.0]
    assert day.values[Function.LAST].tolist() == [6.0, 4.0]


def test_a_correction_may_doubt_the_clock_of_the_current_value_and_trust_it_again(engine: Any) -> None:
    for minutes in range(0, 50, 10):
        engine.append(clocked(minutes, float(minutes), doubted=False))
    engine.append(clocked(40, 41.0, doubted=True, revision=1))
    engine.append(clocked(40, 40.0, doubted=False))
    assert engine.store.latest().result.tolist() == [30.0]
    engine.append(clocked(30, 31.0, doubted=True, revision=1))
    engine.append(clocked(45, 45.0, doubted=True, revision=1))
    assert engine.store.latest([7]).result.tolist() == [20.0]
    engine.append(clocked(40, 42.0, doubted=False, revision=2))
    assert engine.store.latest().result.tolist() == [42.0]
    for minutes in range(0, 50, 10):
        engine.append(clocked(minutes, -1.0, doubted=True, revision=3))
    assert engine.store.latest().phenomenon_time.astype(np.int64).tolist() == [at(45)]


def test_a_bad_value_is_the_latest_but_in_no_aggregate(engine: Any) -> None:
    engine.append(one(1.0))
    engine.append(Observations.build(7, [at(10)], [99.0], quality=Quality.BAD, rule=QualityRule.RANGE))
    assert engine.store.latest([7]).quality.tolist() == [Quality.BAD]
    found = engine.store.aggregate([7], ALWAYS, DAY, [Function.LAST, Function.COUNT])
    assert found.values[Function.LAST].tolist() == [1.0]
    assert found.values[Function.COUNT].tolist() == [1.0]


def test_unknown_datastreams_and_empty_questions_have_empty_answers(engine: Any) -> None:
    engine.append(one(1.0))
    assert len(engine.store.read([4711], ALWAYS)) == 0
    assert len(engine.store.latest([4711])) == 0
    assert len(engine.store.aggregate([4711], ALWAYS, HOUR, [Function.MEAN])) == 0
    assert len(engine.store.read([], ALWAYS)) == 0
    assert len(engine.store.latest([])) == 0
    assert engine.store.aggregate([], ALWAYS, HOUR, [Function.MEAN]).values[Function.MEAN].tolist() == []


def test_a_period_may_reach_from_year_1_to_9999(engine: Any) -> None:
    engine.append(Observations.build([6, 7, 8], [at(0)] * 3, [6.0, 7.0, 8.0]))
    ever = Period(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
    assert engine.store.read([7], ever).result.tolist() == [7.0]
    for every in (HOUR, DAY):
        found = engine.store.aggregate([7], ever, every, [Function.SUM])
        assert found.values[Function.SUM].tolist() == [7.0]


def test_an_empty_batch_changes_nothing(engine: Any) -> None:
    engine.append(Observations.empty())
    assert len(engine.store.latest()) == 0


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_a_batch_with_an_impossible_value_is_refused_whole(engine: Any, wrong: float) -> None:
    with pytest.raises(StoreRejected, match="row 1 of 2: result"):
        engine.store.append(Observations.concatenate([one(1.0), one(wrong, minutes=10)]))
    engine.settle()
    assert len(engine.store.read([7], ALWAYS)) == 0


def test_a_closed_store_says_so(engine: Any) -> None:
    engine.store.close()
    engine.store.close()
    for call in (
        lambda: engine.store.append(one(1.0)),
        lambda: (engine.store.append(Observations.empty()), engine.store.latest()),
        lambda: engine.store.read([7], ALWAYS),
        lambda: engine.store.latest([7]),
        lambda: engine.store.aggregate([7], ALWAYS, HOUR, [Function.MEAN]),
    ):
        with pytest.raises(StoreUnavailable):
            call()


def test_a_reader_may_not_write(engine: Any) -> None:
    engine.append(one(1.0))
    reader = open_store(engine.settings, lambda: NOW, read_only=True)
    try:
        assert reader.read([7], ALWAYS).result.tolist() == [1.0]
        with pytest.raises(StoreUnavailable, match="reading only"):
            reader.append(one(2.0, minutes=10))
    finally:
        reader.close()


@pytest.mark.external_service
def test_what_was_acknowledged_survives_kill_9_of_the_server(engine_that_dies: Any) -> None:
    """The embedded store has no server; its writer is killed in test_embedded_store_crash."""
    server, store = engine_that_dies
    for number in range(4):
        store.append(Observations.build(range(300), at(10 * number), float(number)))
        server.kill()
        with pytest.raises(StoreUnavailable, match="is it running"):
            store.append(one(2.0, minutes=10))
        with pytest.raises(StoreUnavailable, match="is it running"):
            store.read([7], ALWAYS)
        server.start()
        found = store.read(range(300), ALWAYS)
        assert found.result.tolist() == [float(n) for n in range(number + 1)] * 300
    assert store.latest().result.tolist() == [3.0] * 300
