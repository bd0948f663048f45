"""What every engine behind ObservationStore must keep; what one cannot is a named expected failure."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.wire.settings import Secret
from udp.errors import StoreRejected, StoreUnavailable
from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Function, Observations, Period
from udp.store.embedded.store import EmbeddedSettings
from udp.store.influxdb import InfluxDBSettings
from udp.store.opening import StoreSettings, maintain, open_store
from udp.store.port import ObservationStore
from udp.store.victoriametrics import VictoriaMetricsSettings

START = datetime(2026, 1, 30, tzinfo=UTC)
NOW = datetime(2026, 2, 3, 12, tzinfo=UTC)
ALWAYS = Period(START - timedelta(days=400), START + timedelta(days=400))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START_US = int(START.timestamp()) * 1_000_000
MINUTE_US = 60_000_000

_OVERWRITES = (
    "a line with a known identity and revision overwrites: the server does not look before it writes"
)
_UNORDERED = "every revision is kept as a series of its own, whichever came first"
# (engine, promise) -> why it cannot be kept there; the test must fail.
DEVIATIONS = {
    ("influxdb", "equal revision is ignored"): _OVERWRITES,
    ("influxdb", "lower revision leaves no trace"): _UNORDERED,
    ("victoriametrics", "lower revision leaves no trace"): _UNORDERED,
    ("victoriametrics", "durable on return"): "fresh values stay in memory for up to five seconds",
    ("victoriametrics", "microseconds"): "times are kept in whole milliseconds",
}


# (engine, promise) -> why the outcome is left open there: seen both ways, so neither can be demanded.
UNDECIDED = {
    ("victoriametrics", "equal revision is ignored"): "its deduplication may return either of two lines",
}
PROMISES: dict[str, str] = {}  # test -> promise that an engine may deviate from
Test = TypeVar("Test", bound=Callable[..., None])


def promise(name: str) -> Callable[[Test], Test]:
    """The test that shows a promise of DEVIATIONS."""

    def remember(test: Test) -> Test:
        PROMISES[test.__name__] = name
        return test

    return remember


class Server(Protocol):
    """What the fixture `own_server` gives."""

    url: str

    def start(self) -> None: ...

    def kill(self) -> None: ...


@dataclass
class Engine:
    """One opened store; `settle` makes appends visible, `housekeep` lets maintenance run."""

    name: str
    settings: StoreSettings
    settle: Callable[[], None]
    store: ObservationStore
    another: Callable[[], Engine]

    def append(self, batch: Observations) -> None:
        self.store.append(batch)
        self.settle()

    def reopen(self) -> None:
        self.store.close()
        self.store = open_store(self.settings, lambda: NOW)

    def housekeep(self, now: datetime = NOW) -> None:
        for _ in range(1_000):
            if not maintain(self.store, now):
                return
        pytest.fail("maintenance found no end")


@pytest.fixture(
    params=[
        "embedded",
        "embedded, days closed",
        pytest.param("influxdb", marks=pytest.mark.external_service),
        pytest.param("influxdb 2", marks=pytest.mark.external_service),
        pytest.param("victoriametrics", marks=pytest.mark.external_service),
    ]
)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Every engine, empty; fixtures of servers are asked for only when needed."""
    name = request.param
    opened = _engine(name, request, tmp_path_factory)
    try:
        expect_deviation(request, opened.name)
        yield opened
    finally:
        opened.store.close()


def expect_deviation(request: pytest.FixtureRequest, kind: str) -> None:
    """Marks the test as one that must fail on this engine, where the tables above say so."""
    deviation = (kind, PROMISES.get(request.function.__name__, ""))
    if reason := UNDECIDED.get(deviation):
        pytest.xfail(f"{kind}: {reason}")
    if reason := DEVIATIONS.get(deviation):
        request.applymarker(pytest.mark.xfail(reason=f"{kind}: {reason}", strict=True, raises=AssertionError))


def at_address(kind: str, url: str) -> StoreSettings:
    """Settings of a server of Debian's packages; InfluxDB 1.6 has no /api/v2/write yet (1.8 has)."""
    if kind == "influxdb":
        return StoreSettings(kind, influxdb=InfluxDBSettings(url=url, write_api="v1"))
    return StoreSettings(kind, victoriametrics=VictoriaMetricsSettings(url=url))


def _engine(name: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    measurement = f"observation_{uuid.uuid4().hex}"
    settings = StoreSettings(kind=name.partition(" ")[0].rstrip(","))
    settle: Callable[[], None] = lambda: None  # noqa: E731 - replaced below for two engines
    if settings.kind == "influxdb":
        influxdb = _influxdb_2() if name == "influxdb 2" else _influxdb_1(request)
        settings = replace(settings, influxdb=replace(influxdb, measurement=measurement))
    elif settings.kind == "victoriametrics":
        url = request.getfixturevalue("victoriametrics_url")
        show = request.getfixturevalue("show_writes")
        settings = replace(
            settings, victoriametrics=VictoriaMetricsSettings(url=url, measurement=measurement)
        )
        settle = lambda: show(url)  # noqa: E731
    else:
        embedded = EmbeddedSettings(
            folder=tmp_path_factory.mktemp("store"), settle=timedelta(0), fold_after=timedelta(0)
        )
        settings = replace(settings, embedded=embedded)
    store = open_store(settings, lambda: NOW)
    another = partial(_engine, name, request, tmp_path_factory)
    opened = Engine(settings.kind, settings, settle, store, another)
    if name == "embedded, days closed":
        opened.settle = opened.housekeep
    return opened


def _influxdb_1(request: pytest.FixtureRequest) -> InfluxDBSettings:
    return at_address("influxdb", request.getfixturevalue("influxdb_1_url")).influxdb


def _influxdb_2() -> InfluxDBSettings:
    url = os.environ.get("UDP_TEST_INFLUXDB_URL")
    if not url:
        pytest.skip("set UDP_TEST_INFLUXDB_URL, _TOKEN and _ORG (and _BUCKET, default udp) to run this")
    return InfluxDBSettings(
        url=url,
        token=Secret(os.environ["UDP_TEST_INFLUXDB_TOKEN"]),
        org=os.environ["UDP_TEST_INFLUXDB_ORG"],
        database=os.environ.get("UDP_TEST_INFLUXDB_BUCKET", "udp"),
    )


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


def test_what_was_appended_is_read_back_in_every_column(engine: Engine) -> None:
    batch = Observations.build(
        [7, 7, 9], [at(0), at(10), at(0)], [1.5, -0.1, 1e-9],
        result_time=[at(1), at(10.5), at(2)], quality=[Quality.GOOD, Quality.BAD, Quality.SUSPECT],
        rule=[QualityRule.PASSED, QualityRule.RANGE, QualityRule.CITIZEN],
    )  # fmt: skip
    engine.append(batch)
    same(engine.store.read([7, 9], ALWAYS), batch)
    engine.reopen()
    same(engine.store.read({9, 7}, ALWAYS), batch)


@promise("microseconds")
def test_times_keep_their_microseconds(engine: Engine) -> None:
    batch = Observations.build(7, [at(0) + 1, at(0) + 2], [1.0, 2.0], result_time=at(1) + 3)
    engine.append(batch)
    same(engine.store.read([7], ALWAYS), batch)


def test_a_period_contains_its_start_and_not_its_end(engine: Engine) -> None:
    engine.append(Observations.build(7, [at(0), at(10), at(20)], [0.0, 1.0, 2.0]))
    assert engine.store.read([7], period(0, 20)).result.tolist() == [0.0, 1.0]
    assert engine.store.read([7], period(10, 10)).result.tolist() == []
    assert engine.store.aggregate([7], period(0, 20), DAY, [Function.COUNT]).values[
        Function.COUNT
    ].tolist() == [2.0]


def test_reads_ascend_by_datastream_time_and_lead(engine: Engine) -> None:
    rng = np.random.default_rng(5)
    rows = [(d, at(10 * t), lead) for d in (3, 20, 100) for t in range(40) for lead in (0, 3600, 60)]
    order = rng.permutation(len(rows))
    datastream, time, lead = (np.array(column)[order] for column in zip(*rows, strict=True))
    engine.append(Observations.build(datastream, time, np.arange(len(rows)) * 0.5, lead=lead))
    found = engine.store.read([100, 3, 20], ALWAYS)
    keys = list(zip(found.datastream, found.phenomenon_time.astype(int), found.lead, strict=True))
    assert keys == sorted((d, t, n) for d, t, n in rows)


def test_repeating_an_append_changes_nothing(engine: Engine) -> None:
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


def test_a_higher_revision_supersedes_and_the_old_one_stays_readable(engine: Engine) -> None:
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


def test_revisions_of_one_batch_count_in_its_order(engine: Engine) -> None:
    engine.append(Observations.concatenate([one(1.0), one(2.0, known=60, revision=1), one(1.0)]))
    assert engine.store.read([7], ALWAYS).result.tolist() == [2.0]
    assert engine.store.read([7], ALWAYS, START + 30 * timedelta(minutes=1)).result.tolist() == [1.0]


@promise("equal revision is ignored")
def test_an_equal_revision_with_another_value_is_ignored(engine: Engine) -> None:
    engine.append(one(1.0))
    engine.append(one(9.0))
    engine.append(one(9.0, minutes=10))
    engine.append(one(1.0, minutes=10))
    assert engine.store.read([7], ALWAYS).result.tolist() == [1.0, 9.0]


@promise("lower revision leaves no trace")
def test_a_lower_revision_that_comes_later_leaves_no_trace(engine: Engine) -> None:
    engine.append(one(2.0, known=60, revision=1))
    engine.append(one(1.0, known=30))
    assert engine.store.read([7], ALWAYS).result.tolist() == [2.0]
    assert len(engine.store.read([7], ALWAYS, as_of=START + timedelta(minutes=45))) == 0


def test_forecasts_of_different_leads_stand_beside_the_measurement(engine: Engine) -> None:
    batch = Observations.build(7, [at(60)] * 3, [1.0, 2.0, 3.0], lead=[0, 1800, 3600], result_time=at(30))
    engine.append(batch)
    engine.append(Observations.build(8, [at(60)], [4.0], lead=60))
    same(engine.store.read([7], ALWAYS), batch)
    assert engine.store.latest().result.tolist() == [1.0]
    assert engine.store.aggregate([7, 8], ALWAYS, HOUR, [Function.SUM]).values[Function.SUM].tolist() == [1.0]


def test_latest_is_not_moved_back_by_late_values_but_shows_corrections(engine: Engine) -> None:
    engine.append(Observations.build([7, 8], [at(20), at(5)], [20.0, 5.0], quality=Quality.GOOD))
    engine.append(one(10.0, minutes=10))
    assert engine.store.latest([7]).result.tolist() == [20.0]
    engine.append(one(21.0, minutes=20, revision=1))
    engine.append(one(20.0, minutes=20))
    assert engine.store.latest().result.tolist() == [21.0, 5.0]
    assert engine.store.latest().datastream.tolist() == [7, 8]
    assert engine.store.latest([8, 4711]).result.tolist() == [5.0]


def test_a_bad_value_is_the_latest_but_in_no_aggregate(engine: Engine) -> None:
    engine.append(one(1.0))
    engine.append(Observations.build(7, [at(10)], [99.0], quality=Quality.BAD, rule=QualityRule.RANGE))
    assert engine.store.latest([7]).quality.tolist() == [Quality.BAD]
    found = engine.store.aggregate([7], ALWAYS, DAY, [Function.LAST, Function.COUNT])
    assert found.values[Function.LAST].tolist() == [1.0]
    assert found.values[Function.COUNT].tolist() == [1.0]


def test_unknown_datastreams_and_empty_questions_have_empty_answers(engine: Engine) -> None:
    engine.append(one(1.0))
    assert len(engine.store.read([4711], ALWAYS)) == 0
    assert len(engine.store.latest([4711])) == 0
    assert len(engine.store.aggregate([4711], ALWAYS, HOUR, [Function.MEAN])) == 0
    assert len(engine.store.read([], ALWAYS)) == 0
    assert len(engine.store.latest([])) == 0
    assert engine.store.aggregate([], ALWAYS, HOUR, [Function.MEAN]).values[Function.MEAN].tolist() == []


def test_an_empty_batch_changes_nothing(engine: Engine) -> None:
    engine.append(Observations.empty())
    assert len(engine.store.latest()) == 0


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_a_batch_with_an_impossible_value_is_refused_whole(engine: Engine, wrong: float) -> None:
    with pytest.raises(StoreRejected, match="row 1 of 2: result"):
        engine.store.append(Observations.concatenate([one(1.0), one(wrong, minutes=10)]))
    engine.settle()
    assert len(engine.store.read([7], ALWAYS)) == 0


def test_a_closed_store_says_so(engine: Engine) -> None:
    engine.store.close()
    engine.store.close()
    for call in (
        lambda: engine.store.append(one(1.0)),
        lambda: engine.store.append(Observations.empty()) or engine.store.latest(),
        lambda: engine.store.read([7], ALWAYS),
        lambda: engine.store.latest([7]),
        lambda: engine.store.aggregate([7], ALWAYS, HOUR, [Function.MEAN]),
    ):
        with pytest.raises(StoreUnavailable):
            call()


def test_a_reader_may_not_write(engine: Engine) -> None:
    engine.append(one(1.0))
    reader = open_store(engine.settings, lambda: NOW, read_only=True)
    try:
        assert reader.read([7], ALWAYS).result.tolist() == [1.0]
        with pytest.raises(StoreUnavailable, match="reading only"):
            reader.append(one(2.0, minutes=10))
    finally:
        reader.close()


@promise("durable on return")
@pytest.mark.external_service
@pytest.mark.parametrize("kind", ["influxdb", "victoriametrics"])
def test_what_was_acknowledged_survives_kill_9_of_the_server(
    kind: str, own_server: Callable[[str], Server], request: pytest.FixtureRequest
) -> None:
    """The embedded store has no server; its writer is killed in test_embedded_store_crash."""
    expect_deviation(request, kind)
    server = own_server(kind)
    store = open_store(at_address(kind, server.url), lambda: NOW)
    try:
        store.append(one(1.0))
        server.kill()
        with pytest.raises(StoreUnavailable, match="is it running"):
            store.append(one(2.0, minutes=10))
        with pytest.raises(StoreUnavailable, match="is it running"):
            store.read([7], ALWAYS)
        server.start()
        assert store.read([7], ALWAYS).result.tolist() == [1.0]
    finally:
        store.close()


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
    lambda limits: period(15 * limits[0], 15 * (limits[0] + limits[1]))
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
            result_time=at(10_000 + revision),
        )
        history += [batch, batch.take(slice(0, draw(st.integers(0, 5))))]
    return history


def newest_of(history: list[Observations]) -> Observations:
    """Later batches have higher revisions, so the last value of an identity counts."""
    rows = Observations.concatenate(history)
    identities = zip(rows.datastream.tolist(), rows.phenomenon_time.tolist(), rows.lead.tolist(), strict=True)
    last = {identity: n for n, identity in enumerate(identities)}
    return rows.take(np.array([last[identity] for identity in sorted(last)], np.int64))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), span=SPANS, every=EVERY)
def test_any_history_reads_and_aggregates_like_a_slow_reference(
    engine: Engine, history: list[Observations], span: Period, every: timedelta
) -> None:
    """Duplicates, late values, corrections and bad quality, in any order."""
    empty = engine.another()
    for batch in history:
        empty.append(batch)
    expected = newest_of(history)
    same(empty.store.read(range(10), ALWAYS), expected)
    check_aggregates(empty.store, expected, span, every)
    empty.store.close()
