"""Housekeeping deletes by the clock, and by no clock that nobody else confirms."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from ingest import housekeeping
from udp.datasets.source import PolicyFile
from udp.forecasting.sql import SqlForecasts
from udp.registry.sql import SqlRegistry

from .conftest import NOW, World, delivery, envelope, uplink

POLICY = """format = 1
[journal]
keep = "10d"
"""
LATER, WRONG = NOW + timedelta(days=30), NOW + timedelta(days=3_650)


class Turns(threading.Event):
    """Thirty turns of a loop, without waiting for them."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 30

    def wait(self, timeout: float | None = None) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.fixture
def register(tmp_path: Path) -> Iterator[SqlRegistry]:
    made = SqlRegistry(f"sqlite:///{tmp_path}/registry.sqlite")
    yield made
    made.close()


def running_from(start: datetime) -> Callable[[], datetime]:
    """A clock that goes on ten minutes whenever it is looked at."""
    ticks = count()
    return lambda: start + next(ticks) * timedelta(minutes=10)


def keep_house(world: World, register: SqlRegistry, now: Callable[[], datetime]) -> None:
    policy = world.folder / "policy.toml"
    policy.write_text(POLICY)
    housekeeping.keep_house(
        world.store, world.ledger, register, world.journal.directory, timedelta(days=60),
        worker="w", policy=PolicyFile(policy), forecasts=SqlForecasts(f"sqlite:///{world.folder}/f.sqlite"),
        now=now, stop=Turns(),
    )  # fmt: skip


def kept(world: World) -> list[int]:
    (name,) = world.reader.names()
    return [one.row for one in world.reader.read(name, 0, 100) if one.way == "edge"]


def said(world: World) -> str:
    return world.ledger.report().conditions.get("retention", "")


def heard(world: World, f_cnt: int, at: datetime) -> None:
    world.hear(delivery(envelope(uplink(f_cnt, at=at), sequence=f_cnt), at=at))
    world.now = at
    (name,) = world.reader.names()
    key = world.reader.key(name)
    world.pipeline.handle(key, world.reader.read(name, world.ledger.cursor(key), 100))


def test_a_clock_that_is_years_ahead_deletes_and_forgets_nothing(world: World, register: SqlRegistry) -> None:
    heard(world, 1, NOW)
    keep_house(world, register, running_from(WRONG))
    assert kept(world) == [1]
    identity = uplink(1).identity
    assert identity in world.ledger.remembered([identity])
    assert "no gateway has said anything after 2026-11-20 12:00 UTC" in said(world)
    keep_house(world, register, running_from(NOW + timedelta(hours=1)))  # set right again
    assert (kept(world), said(world)) == ([1], "")


def test_what_is_due_goes_when_the_clocks_of_others_say_so_too(world: World, register: SqlRegistry) -> None:
    heard(world, 1, NOW)
    heard(world, 2, LATER)
    keep_house(world, register, running_from(LATER))
    assert (kept(world), said(world)) == ([2], "")


def test_a_clock_that_is_set_back_does_not_end_the_deletions_until_it_catches_up(
    world: World, register: SqlRegistry
) -> None:
    heard(world, 1, NOW)
    heard(world, 2, LATER)
    wrong, right, looks = running_from(WRONG), running_from(LATER), count()
    keep_house(world, register, lambda: wrong() if next(looks) < 40 else right())
    assert (kept(world), said(world)) == ([2], "")
