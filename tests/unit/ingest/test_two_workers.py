"""Two workers of one ledger count an uplink once, also where nobody told them of one another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from ingest.follow import Follower, FollowSettings
from ingest.journal import JournalReader, JournalWriter
from ingest.sessions import KeptSessions, Sessions
from udp.ledger.port import Page
from udp.store.columns import Ints, Observations

from .conftest import NOW, World, delivery, envelope, uplink
from .test_follow import Register


class Turn:
    """Stops a follower after so many looks."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0

    def wait(self, _seconds: float) -> bool:
        return False


@pytest.fixture
def other(world: World) -> Iterator[JournalWriter]:
    """The journal of a second worker."""
    writer = JournalWriter(world.journal, "v", lambda: NOW)
    yield writer
    writer.close()


def work(world: World, worker: str, store: object = None) -> None:
    """The pipeline of `worker`, started and stopped, without `shared_ledger`."""
    pipeline = world.new_pipeline(store=store)
    follower = Follower(
        reader=JournalReader(world.journal.directory, worker),
        pipeline=pipeline,
        ledger=world.ledger,
        registry=Register(),  # type: ignore[arg-type]  # what the follower asks of it
        sessions=Sessions(None, world.keyring, KeptSessions(world.folder, worker), world.ledger),
        settings=FollowSettings(refresh=timedelta(0)),
        worker=worker,
        now=lambda: NOW,
    )
    follower.run(Turn(4))  # type: ignore[arg-type]  # what the follower asks of an event


class AtTheSameTime:
    """A store at which the other worker comes by with its copy in the middle of an append."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.came = False

    def append(self, values: Observations) -> Ints:
        if not self.came:
            self.came = True
            work(self.world, "v")
        return self.world.store.append(values)

    def __getattr__(self, name: str) -> object:
        return getattr(self.world.store, name)


def test_a_copy_another_worker_handles_at_the_same_time_counts_once(
    world: World, other: JournalWriter
) -> None:
    world.ledger.write(Page(worker="v"))  # it has been here before
    world.hear(delivery(envelope(uplink(1))))
    other.append([delivery(envelope(uplink(1, gateway=2, at=NOW + timedelta(milliseconds=70))))])
    work(world, "w", AtTheSameTime(world))
    assert [value for _, value in world.values()] == [640.0]
    assert world.counter("duplicates") == 1


def test_two_uplinks_of_one_moment_at_two_workers_both_stay(world: World, other: JournalWriter) -> None:
    """Neither sees the other's value before it writes: the store says so within its transaction."""
    world.ledger.write(Page(worker="v"))
    world.hear(delivery(envelope(uplink(1, level=640))))
    other.append([delivery(envelope(uplink(2, level=650, gateway=2)))])
    work(world, "w", AtTheSameTime(world))
    assert sorted(value for _, value in world.values()) == [640.0, 650.0]
    assert world.counter("values_moved") == 1


def test_what_a_killed_worker_claimed_is_stored_by_it_afterwards(world: World, other: JournalWriter) -> None:
    class Dying(AtTheSameTime):
        def append(self, values: Observations) -> Ints:
            raise KeyboardInterrupt

    world.ledger.write(Page(worker="v"))
    world.hear(delivery(envelope(uplink(1))))
    with pytest.raises(KeyboardInterrupt):
        work(world, "w", Dying(world))
    assert world.values() == []
    work(world, "w")
    assert len(world.values()) == 1


def test_a_worker_alone_is_alone(world: World) -> None:
    world.ledger.write(Page(worker="w"))
    assert list(world.ledger.others("w")) == []
    world.ledger.write(Page(worker="v"))
    assert list(world.ledger.others("w")) == ["v"]
    world.ledger.forget_worker("v")
    assert list(world.ledger.others("w")) == []
