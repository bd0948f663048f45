"""Any history of appends, on every engine, reads and aggregates like a slow reference."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from udp.sensorthings import Quality
from udp.store.columns import Function, Observations, Period
from udp.store.port import ObservationStore

START = datetime(2026, 1, 30, tzinfo=UTC)
ALWAYS = Period(START - timedelta(days=400), START + timedelta(days=400))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START_US = int(START.timestamp()) * 1_000_000
MINUTE_US = 60_000_000


def slow_aggregate(
    rows: Observations, span: Period, every: timedelta
) -> dict[tuple[int, int], dict[Function, float]]:
    """The port's words one after the other, value by value."""
    step = every // timedelta(microseconds=1)
    limits = [int(moment.timestamp()) * 1_000_000 for moment in (span.start, span.end)]
    buckets: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for n in range(len(rows)):
        time = int(rows.phenomenon_time[n].astype(np.int64))
        if limits[0] <= time < limits[1] and rows.lead[n] == 0 and rows.quality[n] != Quality.BAD:
            key = (int(rows.datastream[n]), time - time % step)
            buckets.setdefault(key, []).append((time, float(rows.result[n])))
    return {key: _functions([value for _, value in sorted(values)]) for key, values in buckets.items()}


def _functions(values: list[float]) -> dict[Function, float]:
    return {
        Function.COUNT: len(values), Function.SUM: sum(values), Function.MEAN: sum(values) / len(values),
        Function.MINIMUM: min(values), Function.MAXIMUM: max(values),
        Function.FIRST: values[0], Function.LAST: values[-1],
    }  # fmt: skip


def check_aggregates(store: ObservationStore, rows: Observations, span: Period, every: timedelta) -> None:
    found = store.aggregate(range(10), span, every, list(Function))
    expected = slow_aggregate(rows, span, every)
    keys = list(zip(found.datastream.tolist(), found.bucket.astype(np.int64).tolist(), strict=True))
    assert keys == sorted(expected)
    for function in Function:
        np.testing.assert_allclose(
            found.values[function], [expected[key][function] for key in keys], rtol=1e-12, atol=1e-9
        )


SPANS = st.tuples(st.integers(-10, 400), st.integers(0, 400)).map(
    lambda limits: Period(
        START + timedelta(minutes=15 * limits[0]), START + timedelta(minutes=15 * (limits[0] + limits[1]))
    )
)
EVERY = st.sampled_from(
    [timedelta(minutes=15), HOUR, timedelta(minutes=90), 6 * HOUR, DAY, timedelta(days=7), 25 * HOUR]
)
ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 380), st.sampled_from([0, 0, 0, 3600]), st.integers(0, 3)),
    min_size=1, max_size=60,
)  # fmt: skip


@st.composite
def histories(draw: st.DrawFn) -> list[Observations]:
    """A first batch, then corrections, late values and repetitions of it; each batch one revision."""
    batches = draw(st.lists(ROWS, min_size=1, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    history: list[Observations] = []
    for revision, rows in enumerate(batches):
        identities = list({row[:3]: row for row in rows}.values())
        datastream, quarter, lead, quality = (np.array(column) for column in zip(*identities, strict=True))
        batch = Observations.build(
            datastream,
            START_US + quarter * 15 * MINUTE_US,
            np.round(rng.normal(20, 5, len(identities)), 2),
            lead=lead,
            quality=quality,
            revision=revision,
            result_time=START_US + (10_000 + revision) * MINUTE_US,
        )
        history += [batch, batch.take(slice(0, draw(st.integers(0, 5))))]
    return history


def newest_of(history: list[Observations]) -> Observations:
    """Later batches have higher revisions, so the last value of an identity counts."""
    rows = Observations.concatenate(history)
    identities = zip(rows.datastream.tolist(), rows.phenomenon_time.tolist(), rows.lead.tolist(), strict=True)
    last = {identity: n for n, identity in enumerate(identities)}
    return rows.take(np.array([last[identity] for identity in sorted(last)], np.int64))


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=histories(), span=SPANS, every=EVERY)
def test_any_history_reads_and_aggregates_like_a_slow_reference(
    engine: Any, history: list[Observations], span: Period, every: timedelta
) -> None:
    """Duplicates, late values, corrections and bad quality, in any order."""
    empty = engine.another()
    for batch in history:
        empty.append(batch)
    expected = newest_of(history)
    found = empty.store.read(range(10), ALWAYS)
    for name in Observations.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    check_aggregates(empty.store, expected, span, every)
    empty.store.close()
