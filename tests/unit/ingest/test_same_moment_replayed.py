"""Values of one moment keep their places through replays, rebuilds, other codecs and any order of arrival."""

from __future__ import annotations

from dataclasses import replace as but
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ingest.replay
from edge.codecs.port import Decoded
from edge.wire.messages import Clock, Reading, Record
from udp.errors import StoreUnavailable
from udp.ledger.sql import SqlLedger
from udp.registry.port import Inventory
from udp.store.columns import Ints, Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.opening import StoreSettings, open_store
from udp.store.port import APART_US, ObservationStore

from .conftest import BATTERY, LEVEL, NOW, WEATHER, World, delivery, envelope, inventory, uplink
from .test_pipeline import Failing
from .test_replay import EVERYTHING, LATER, Scope, figures, replay

APART = timedelta(microseconds=APART_US)
BOTH = [(NOW, 640.0), (NOW + APART, 650.0)]


@pytest.fixture
def pair(world: World) -> World:
    """Two uplinks of one moment, journalled a minute apart."""
    for number, level in ((1, 640), (2, 650)):
        at = NOW + timedelta(minutes=number)
        world.hear(delivery(envelope(uplink(number, level=level), sequence=number), at=at))
    world.catch_up()
    return world


@pytest.fixture(params=[1, 2_000])
def in_batches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest.replay, "_BATCH", request.param)


@pytest.mark.usefixtures("in_batches")
def test_a_replay_changes_nothing(pair: World) -> None:
    assert figures(replay(pair, dry_run=True)) == (3, 0, 0, 0)
    assert figures(replay(pair)) == (3, 0, 0, 0)
    assert pair.values() == BOTH


@pytest.mark.usefixtures("in_batches")
def test_an_empty_store_is_filled_with_the_same(pair: World, tmp_path: Path) -> None:
    pair.store.close()
    pair.store = open_store(StoreSettings(embedded=EmbeddedSettings(folder=tmp_path / "new")), lambda: NOW)
    pair.ledger.close()
    pair.ledger = SqlLedger(f"sqlite:///{tmp_path}/new.sqlite")
    assert figures(replay(pair, dry_run=True)) == (0, 0, 3, 0)
    assert figures(replay(pair)) == (0, 0, 3, 0)
    assert pair.values() == BOTH
    assert figures(replay(pair)) == (3, 0, 0, 0)


@pytest.mark.usefixtures("in_batches")
def test_another_scale_corrects_each_in_its_place_twice_over(pair: World) -> None:
    for scale, factor in ((0.1, 0.1), (10.0, 10.0)):
        pair.inventory = inventory(version=2, scale=scale)
        assert figures(replay(pair, now=LATER + timedelta(hours=factor))) == (1, 2, 0, 0)
        assert pair.values() == [(at, pytest.approx(value * factor)) for at, value in BOTH]
        assert figures(replay(pair, dry_run=True)) == (3, 0, 0, 0)


def test_a_period_with_one_of_them_touches_that_one_only(world: World) -> None:
    """Their gateways have stamped them at different times, the device's clock at one."""
    for number, level in ((1, 640), (2, 650)):
        at = NOW + timedelta(minutes=number)
        records = (Record({"level": level, "battery": 3.6}, at=NOW),)
        one = uplink(number, level=level, at=at, records=records, codec="two-numbers")
        world.hear(delivery(envelope(one, sequence=number), at=at))
    world.catch_up()
    decode = world.codec
    world.codec = lambda payload, port, at: Decoded(
        tuple(Record(one.fields, at=NOW) for one in decode(payload, port, at).records)
    )
    world.inventory = inventory(version=2, scale=0.1)
    scope = Scope(NOW + timedelta(minutes=2), LATER)
    assert figures(replay(world, scope)) == (1, 1, 0, 0)
    assert world.values() == [(NOW, 640.0), (NOW + APART, 65.0)]


def test_what_an_earlier_version_lost_is_found_again(pair: World, tmp_path: Path) -> None:
    pair.store.close()
    pair.store = open_store(StoreSettings(embedded=EmbeddedSettings(folder=tmp_path / "new")), lambda: NOW)
    pair.store.append(Observations.build([LEVEL, BATTERY], int(NOW.timestamp() * 1e6), [640.0, 3.6]))
    assert figures(replay(pair)) == (2, 0, 1, 0)
    assert pair.values() == BOTH


class Quicker:
    """A store into which somebody else brings his value of the moment in the middle of an append."""

    def __init__(self, store: ObservationStore, value: Observations) -> None:
        self._store = store
        self._first = [value]

    def append(self, values: Observations) -> Ints:
        while self._first:
            self._store.append(self._first.pop())
        return self._store.append(values)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def test_a_value_that_came_meanwhile_lets_none_of_the_replay_vanish(world: World) -> None:
    """Ingest goes on during a replay: what is read of the store may be out of date when it is written."""
    world.hear(delivery(envelope(uplink(1, level=640))))
    other = Observations.build(LEVEL, int(NOW.timestamp() * 1e6), 650.0)
    world.store = Quicker(world.store, other)  # type: ignore[assignment]  # what a replay asks of a store
    replay(world)
    assert world.values() == [(NOW, 650.0), (NOW + APART, 640.0)]


def test_what_is_no_longer_made_of_the_second_is_missed_where_it_stands(pair: World) -> None:
    decode = pair.codec

    def silent(payload: bytes, port: int, at: datetime) -> Decoded:
        answer = decode(payload, port, at)
        return answer if payload[:2] == (640).to_bytes(2, "big") else Decoded(())

    pair.codec = silent
    found = replay(pair, dry_run=True)
    assert figures(found) == (2, 0, 0, 1)


def test_a_fetched_value_is_corrected_by_whichever_of_its_copies_is_replayed(world: World) -> None:
    for minutes in range(4):
        at = NOW + timedelta(minutes=minutes)
        reading = Reading("weather", NOW, at, Clock.SERVER, {"air_temperature": 4.0})
        octets = envelope(reading, agent="crx-pole-1", sequence=minutes + 1)
        world.hear(delivery(octets, origin="udp/v1/crx-pole-1/up", at=at))
    world.catch_up()
    world.inventory = _doubled(world.inventory)
    assert figures(replay(world, Scope(NOW + timedelta(minutes=2), LATER))) == (0, 1, 0, 0)
    assert world.values(WEATHER) == [(NOW, 8.0)]


def _doubled(known: Inventory) -> Inventory:
    wired = {
        key: but(one, channels=tuple(but(channel, scale=2.0) for channel in one.channels))
        for key, one in known.wired.items()
    }
    return but(known, version=2, wired=wired)


SAID = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=12)
CUTS = st.lists(st.integers(1, 5), min_size=12, max_size=12)
CRASHES = st.lists(
    st.sampled_from(["", "store", "store after", "ledger", "ledger after"]), min_size=12, max_size=12
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(said=SAID, cuts=CUTS, crashes=CRASHES)
def test_every_value_said_of_a_moment_stands_there_once(
    said: list[tuple[int, int]], cuts: list[int], crashes: list[str]
) -> None:
    """Whatever the order, the batches and the crashes; and a replay finds all of it in place."""
    with TemporaryDirectory() as folder:
        world = World(Path(folder), inventory())
        try:
            for number, (second, level) in enumerate(said, start=1):
                one = uplink(number, level=level, at=NOW + timedelta(seconds=second))
                world.hear(delivery(envelope(one, sequence=number)))
            _handle(world, cuts, crashes)
            stood = [(round((at - NOW).total_seconds()), value) for at, value in world.values()]
            assert sorted(stood) == sorted({(second, float(level)) for second, level in said})
            found = replay(world, EVERYTHING)
            assert figures(found)[1:] == (0, 0, 0)
            assert len(world.values()) == len(stood)
        finally:
            world.close()


def _handle(world: World, cuts: list[int], crashes: list[str]) -> None:
    for size, crash in zip(cuts, crashes, strict=True):
        pipeline = world.new_pipeline()
        if crash:
            part, _, after = crash.partition(" ")
            failing = Failing(
                getattr(world, part), {"store": "append", "ledger": "write"}[part], after=bool(after)
            )
            pipeline = world.new_pipeline(**{part: failing})
        for name in world.reader.names():
            if entries := world.waiting(name, size):
                try:
                    pipeline.handle(name, entries)
                except StoreUnavailable:
                    continue
    world.restart()
    world.catch_up()
