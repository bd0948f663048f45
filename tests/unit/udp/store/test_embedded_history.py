"""The embedded store against a slow model: any order of appends, maintenance and reopening."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Function, Observations, Period
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

START = datetime(2026, 1, 28, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
HALF_HOUR_US = 1_800_000_000
HOUR_US = 3_600_000_000
SLOTS = 48 * 8
ALWAYS = Period(START - timedelta(days=1), START + timedelta(days=30))
IDS = range(5)

Identity = tuple[int, int, int]


@dataclass(frozen=True)
class Revision:
    """One accepted value of an identity."""

    number: int
    known: int
    result: float
    quality: int
    doubted: bool


ROWS = st.lists(
    st.tuples(
        st.sampled_from(IDS),
        st.integers(0, SLOTS - 1) | st.integers(0, 5),
        st.sampled_from([0, 0, 0, 3600, 7200]),
        st.integers(0, 2),  # revision
        st.integers(0, 10),  # hours until it was known
        st.integers(-50, 50),
        st.sampled_from(list(Quality)),
        st.sampled_from([QualityRule.PASSED, QualityRule.PASSED, QualityRule.CLOCK]),
    ),
    min_size=1,
    max_size=40,
)


class History(RuleBasedStateMachine):
    """Whatever happens, answers equal those of a dictionary of lists."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.now = START + timedelta(days=1)
        self.accepted: dict[Identity, list[Revision]] = {}
        self.summed: dict[Identity, Revision] = {}  # forgotten, and still in hours and days
        self.limits: dict[int, int] = {}

    @initialize()
    def open(self) -> None:
        self.store = EmbeddedStore(
            EmbeddedSettings(Path(self.folder.name), settle=timedelta(0), fold_after=timedelta(hours=3)),
            lambda: self.now,
        )

    @rule(rows=ROWS)
    def append(self, rows: list[tuple[int, int, int, int, int, int, Quality, QualityRule]]) -> None:
        datastream, slot, lead, revision, known, result, quality, rule_ = (
            np.array(column) for column in zip(*rows, strict=True)
        )
        time = START_US + slot * HALF_HOUR_US
        known_us = time + known * 3_600_000_000
        self.store.append(
            Observations.build(
                datastream,
                time,
                result / 4,
                lead=lead,
                revision=revision,
                quality=quality,
                rule=rule_,
                result_time=known_us,
            )
        )
        for n, row in enumerate(rows):
            if time[n] < self.limits.get(row[0], 0):
                continue
            chain = self.accepted.setdefault((row[0], int(time[n]), row[2]), [])
            if not chain or row[3] > chain[-1].number:
                chain.append(
                    Revision(row[3], int(known_us[n]), row[5] / 4, int(row[6]), row[7] == QualityRule.CLOCK)
                )

    @rule(hours=st.integers(0, 72), steps=st.integers(1, 40))
    def maintain(self, hours: int, steps: int) -> None:
        self.now += timedelta(hours=hours)
        for _ in range(steps):
            if not self.store.maintain(self.now):
                break

    @rule(datastreams=st.sets(st.sampled_from(IDS), min_size=1), day=st.integers(0, 8))
    def prune(self, datastreams: set[int], day: int) -> None:
        before = min(START + timedelta(days=day), self.now)
        limit = int(self.store.prune(datastreams, before).before.timestamp()) * 1_000_000
        for identity in [one for one in self.accepted if one[0] in datastreams and one[1] < limit]:
            self.summed[identity] = self.accepted.pop(identity)[-1]
        self.limits.update((one, max(limit, self.limits.get(one, 0))) for one in datastreams)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.open()

    @rule(hours=st.integers(0, 24 * 9))
    def knows_only_what_was_known(self, hours: int) -> None:
        as_of = START + timedelta(hours=hours)
        limit = START_US + hours * 3_600_000_000
        expected = {}
        for identity, chain in self.accepted.items():
            if known := [one for one in chain if one.known <= limit]:
                expected[identity] = known[-1].result
        found = self.store.read(IDS, ALWAYS, as_of)
        assert dict(zip(_identities(found), found.result.tolist(), strict=True)) == expected

    @rule(
        every=st.sampled_from(
            [timedelta(minutes=30), timedelta(hours=1), timedelta(hours=8), timedelta(days=1)]
        ),
        first=st.integers(0, SLOTS),
        length=st.integers(0, SLOTS),
    )
    def aggregates(self, every: timedelta, first: int, length: int) -> None:
        step = every // timedelta(microseconds=1)
        start, end = START_US + first * HALF_HOUR_US, START_US + (first + length) * HALF_HOUR_US
        expected: dict[tuple[int, int], list[float]] = {}
        counted = {identity: chain[-1] for identity, chain in self.accepted.items()}
        if step % HOUR_US == 0:
            whole = range(-(-start // HOUR_US) * HOUR_US, end // HOUR_US * HOUR_US)
            counted |= {identity: one for identity, one in self.summed.items() if identity[1] in whole}
        for (datastream, time, lead), newest in sorted(counted.items()):
            if lead == 0 and newest.quality != Quality.BAD and start <= time < end:
                expected.setdefault((datastream, time // step * step), []).append(newest.result)
        found = self.store.aggregate(IDS, Period(_moment(start), _moment(end)), every, list(Function))
        keys = list(zip(found.datastream.tolist(), found.bucket.astype(np.int64).tolist(), strict=True))
        assert keys == list(expected)
        for n, values in enumerate(expected.values()):
            assert [found.values[function][n] for function in Function] == [
                len(values), sum(values), sum(values) / len(values),
                min(values), max(values), values[0], values[-1],
            ]  # fmt: skip

    @invariant()
    def holds_every_identity_once(self) -> None:
        if not hasattr(self, "store"):
            return
        found = self.store.read(IDS, ALWAYS)
        identities = _identities(found)
        assert identities == sorted(self.accepted)
        newest = [self.accepted[identity][-1] for identity in identities]
        assert found.result.tolist() == [one.result for one in newest]
        assert found.revision.tolist() == [one.number for one in newest]
        by_trust = sorted(self.accepted.items(), key=lambda item: (not item[1][-1].doubted, item[0]))
        latest = {identity[0]: chain[-1].result for identity, chain in by_trust if not identity[2]}
        shown = self.store.latest()
        assert dict(zip(shown.datastream.tolist(), shown.result.tolist(), strict=True)) == latest

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
        self.folder.cleanup()


def _identities(rows: Observations) -> list[Identity]:
    time = rows.phenomenon_time.astype(np.int64)
    return list(zip(rows.datastream.tolist(), time.tolist(), rows.lead.tolist(), strict=True))


def _moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


History.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestHistory = History.TestCase
