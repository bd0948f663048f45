"""Raw values that must go are gone for good, and what they came to by the hour and day stays.

Engines that cannot forget are named in conftest.py and left out here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from udp.errors import StoreUnavailable
from udp.sensorthings import Quality
from udp.store.columns import Function, Observations, Period
from udp.store.opening import open_store
from udp.store.port import Prunable

START = datetime(2026, 1, 28, tzinfo=UTC)
NOW = datetime(2026, 2, 3, 12, tzinfo=UTC)
ALWAYS = Period(START - timedelta(days=400), START + timedelta(days=400))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START_US = int(START.timestamp()) * 1_000_000
STEP_US = 1_200_000_000
PER_DAY = 72
DAYS = 6
LIMIT = START + 4 * DAY  # closed days of the embedded store before it, open ones before and behind
IDS = [7, 8, 9]
EVERYTHING = list(Function)


def days(first: int = 0, last: int = DAYS, *, revision: int = 0, shift: float = 0.0) -> Observations:
    """Three values an hour of three Datastreams; some bad, each with a forecast of its own."""
    steps = np.arange(first * PER_DAY, last * PER_DAY)
    time = START_US + np.repeat(steps, len(IDS)) * STEP_US
    stream = np.tile(np.array(IDS), len(steps))
    measured = Observations.build(
        stream, time, np.round(20 * np.sin(time / 3e9) + stream, 2) + shift, revision=revision,
        quality=np.where(time // STEP_US % 11 == 0, Quality.BAD, Quality.GOOD),
        result_time=time + revision * 3_600_000_000,
    )  # fmt: skip
    forecast = Observations.build(stream, time, measured.result + 1, lead=3600, revision=revision)
    return Observations.concatenate([measured, forecast])


@pytest.fixture
def forgetful(engine: Any) -> Any:
    if not isinstance(engine.store, Prunable):
        pytest.skip(f"{engine.name} cannot forget; see conftest.py")
    return engine


def summaries(engine: Any, every: timedelta, span: Period = ALWAYS) -> list[tuple[float, ...]]:
    found = engine.store.aggregate(IDS, span, every, EVERYTHING)
    columns = [found.datastream, found.bucket.astype(np.int64), *(found.values[one] for one in EVERYTHING)]
    return [tuple(np.round(row, 9)) for row in zip(*columns, strict=True)]


def rows_before(engine: Any, limit: datetime, ids: list[int]) -> int:
    return len(engine.store.read(ids, Period(ALWAYS.start, limit)))


def test_this_engine_can_forget(engine: Any) -> None:
    assert isinstance(engine.store, Prunable)


def test_raw_values_before_the_limit_are_gone_and_all_others_stay(forgetful: Any) -> None:
    forgetful.append(days())
    done = forgetful.store.prune([7, 9], LIMIT + timedelta(hours=17))
    forgetful.settle()
    assert done.before == LIMIT
    assert done.values == 2 * 2 * 4 * PER_DAY
    assert rows_before(forgetful, LIMIT, [7, 9]) == 0
    assert rows_before(forgetful, LIMIT, [8]) == 2 * 4 * PER_DAY
    assert len(forgetful.store.read(IDS, Period(LIMIT, ALWAYS.end))) == 3 * 2 * 2 * PER_DAY
    assert dict(forgetful.store.pruned()) == {7: LIMIT, 9: LIMIT}


def test_hours_and_days_answer_as_before(forgetful: Any) -> None:
    forgetful.append(days())
    spans = [ALWAYS, Period(START + 5 * HOUR, LIMIT + 7 * HOUR)]
    asked = [(every, span) for every in (HOUR, 6 * HOUR, DAY, 7 * DAY) for span in spans]
    before = [summaries(forgetful, every, span) for every, span in asked]
    forgetful.store.prune(IDS, LIMIT)
    assert [summaries(forgetful, every, span) for every, span in asked] == before
    forgetful.settle()
    forgetful.reopen()
    assert [summaries(forgetful, every, span) for every, span in asked] == before


def test_less_than_an_hour_is_not_told_any_more(forgetful: Any) -> None:
    forgetful.append(days())
    forgetful.store.prune(IDS, LIMIT)
    quarters = forgetful.store.aggregate(IDS, ALWAYS, timedelta(minutes=20), [Function.COUNT])
    assert quarters.bucket.min() == np.datetime64(LIMIT.replace(tzinfo=None), "us")
    inside = Period(START + timedelta(minutes=5), START + timedelta(minutes=55))
    assert len(forgetful.store.aggregate(IDS, inside, HOUR, [Function.COUNT])) == 0


def test_neither_replay_nor_late_data_bring_a_value_back(forgetful: Any) -> None:
    forgetful.append(days())
    expected = summaries(forgetful, DAY)
    forgetful.store.prune(IDS, LIMIT)
    forgetful.append(days())
    forgetful.append(days(0, 4, revision=3, shift=50.0))
    forgetful.append(Observations.build([7, 8], [START_US + 5, START_US - 5], [1.0, 2.0]))
    forgetful.reopen()
    forgetful.append(days())
    assert rows_before(forgetful, LIMIT, IDS) == 0
    assert summaries(forgetful, DAY) == expected
    forgetful.append(Observations.build(7, [START_US + 5 * 86_400_000_000 + 1], [3.0]))
    found = forgetful.store.read([7], Period(LIMIT, ALWAYS.end))
    assert 3.0 in found.result.tolist(), "what is younger is taken in as ever"


def test_former_revisions_go_too_and_the_newest_ones_count(forgetful: Any) -> None:
    forgetful.append(days(0, 4))
    forgetful.append(days(1, 3, revision=1, shift=7.0))
    expected = summaries(forgetful, HOUR)
    done = forgetful.store.prune(IDS, LIMIT)
    assert done.values == 3 * 2 * (4 + 2) * PER_DAY
    assert summaries(forgetful, HOUR) == expected
    for as_of in (START + DAY, START + 2 * DAY, LIMIT, NOW):
        assert len(forgetful.store.read(IDS, Period(ALWAYS.start, LIMIT), as_of)) == 0


def test_what_is_current_and_too_old_is_gone_too(forgetful: Any) -> None:
    forgetful.append(days(0, 2))
    forgetful.append(Observations.build(8, [START_US + 5 * 86_400_000_000], [4.0]))
    forgetful.store.prune(IDS, LIMIT)
    assert forgetful.store.latest().datastream.tolist() == [8]
    assert forgetful.store.latest(IDS).result.tolist() == [4.0]


def test_limits_move_forward_only_and_repeating_changes_nothing(forgetful: Any) -> None:
    forgetful.append(days())
    expected = summaries(forgetful, HOUR)
    assert forgetful.store.prune([7], START + 2 * DAY).values == 2 * 2 * PER_DAY
    assert forgetful.store.prune([7], START + 2 * DAY).values == 0
    assert forgetful.store.prune([7, 8], START + DAY).values == 2 * PER_DAY
    assert forgetful.store.prune([7], START + 3 * DAY).values == 2 * PER_DAY
    assert dict(forgetful.store.pruned()) == {7: START + 3 * DAY, 8: START + DAY}
    assert summaries(forgetful, HOUR) == expected


def test_only_the_past_of_a_zone_can_be_pruned_and_only_by_a_writer(forgetful: Any) -> None:
    with pytest.raises(ValueError, match="ahead"):
        forgetful.store.prune([7], NOW + DAY)
    with pytest.raises(ValueError, match="timezone"):
        forgetful.store.prune([7], datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
    assert forgetful.store.prune([], LIMIT).values == 0
    assert forgetful.store.prune([4711], LIMIT).values == 0
    reader = open_store(forgetful.settings, lambda: NOW, read_only=True)
    try:
        with pytest.raises(StoreUnavailable, match="reading only"):
            reader.prune([7], LIMIT)  # type: ignore[attr-defined]
    finally:
        reader.close()
