"""What is written at /v1.1 stands where its answer says, on engines that round times too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from edge.wire.instants import instant
from udp.api.desk import Writable
from udp.api.sensorthings import observing
from udp.api.sensorthings.composing import Wish
from udp.api.sensorthings.grammar import parse
from udp.api.sensorthings.keeping import Keeping, Superseded
from udp.api.sensorthings.noted import identities
from udp.api.sensorthings.selection import bounds_of
from udp.registry.database import Database
from udp.registry.port import Inventory
from udp.registry.written import Identity, notes, read
from udp.sensorthings import QualityRule
from udp.store.columns import Ints, Observations
from udp.store.port import APART_US, ObservationStore

from .test_observation_store import ALWAYS, NOW, at

NOTHING = Inventory(1, {}, {}, {}, {})


class Overtaken:
    """A store in which somebody else writes between a writer's look and its append, once per `others`."""

    def __init__(self, store: ObservationStore, others: list[Observations]) -> None:
        self._store = store
        self._others = others

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, batch: Observations) -> Ints:
        if self._others:
            self._store.append(self._others.pop(0))
        return self._store.append(batch)


class Desk:
    """Writes as the interface does."""

    def __init__(self, engine: Any, database: Database) -> None:
        self.engine = engine
        self.database = database

    def write(self, offset_us: int, result: float | str, *others: Observations) -> Identity:
        return self.keep(Wish(7, {"phenomenonTime": written(offset_us), "result": result}), *others)

    def keep(self, wish: Wish, *others: Observations) -> Identity:
        store: Any = Overtaken(self.engine.store, list(others)) if others else self.engine.store
        known = read(self.database)
        keeping = Keeping(Writable(self.database, store), NOTHING, known, NOW)
        rows = keeping.placed([wish])
        with self.database.writing() as connection:
            keeping.note(connection, rows)
        (row,) = keeping.keep([wish], rows)
        self.engine.settle()
        return row.identity

    def told(self, place: Identity) -> Mapping[str, Any]:
        return notes(self.database, [place]).get(place, {})

    def stands(self) -> list[tuple[Identity, float]]:
        found = self.engine.store.read([7], ALWAYS)
        return list(zip(identities(found), found.result.tolist(), strict=True))


@pytest.fixture
def desk(engine: Any, tmp_path: Path) -> Iterator[Desk]:
    database = Database(f"sqlite:///{tmp_path}/registry.sqlite")
    yield Desk(engine, database)
    database.close()


def written(offset_us: int) -> str:
    return instant(at(0) + offset_us).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("comparison", ["eq", "ge", "le"])
def test_who_asks_for_its_time_is_led_to_its_place(desk: Desk, comparison: str) -> None:
    condition = parse("filter", f"phenomenonTime {comparison} {written(654)}")
    for place in (desk.write(654, 1.0), desk.write(654, 2.0)):
        bounds = bounds_of(condition, noted=bool(desk.told(place)))
        assert bounds.start <= place[1] < bounds.end


@pytest.mark.parametrize("offset_us", [0, 654])
def test_it_stands_where_the_answer_says_and_keeps_its_time(desk: Desk, offset_us: int) -> None:
    place = desk.write(offset_us, 1.0)
    assert desk.stands() == [(place, 1.0)]
    assert place[1] == at(0) + offset_us or desk.told(place)["phenomenonTime"] == written(offset_us)


def test_said_again_it_is_one(desk: Desk) -> None:
    assert desk.write(654, 1.0) == desk.write(654, 1.0)
    assert len(desk.stands()) == 1


@pytest.mark.parametrize("offset_us", [0, 100, 654])
def test_another_one_within_a_millisecond_stands_too(desk: Desk, offset_us: int) -> None:
    places = [desk.write(100, 1.0), desk.write(offset_us, 2.0), desk.write(100 + APART_US, 3.0)]
    assert desk.stands() == sorted(zip(places, (1.0, 2.0, 3.0), strict=True))


@pytest.mark.parametrize("offset_us", [0, 654])
def test_who_is_overtaken_stands_behind(desk: Desk, offset_us: int) -> None:
    """Others take its place, and the next one, between its look and its append."""
    others = [Observations.build(7, at(0) + offset_us + step * APART_US, 8.0 + step) for step in (0, 1)]
    place = desk.write(offset_us, "viel", *others)
    assert [result for _, result in desk.stands()] == [8.0, 9.0, 0.0]
    assert desk.stands()[2][0] == place
    assert desk.told(place) == {"phenomenonTime": written(offset_us), "result": "viel"}
    assert [desk.told(there) for there, _ in desk.stands()[:2]] == [{}, {}]


def test_a_change_of_what_was_corrected_meanwhile_is_refused_and_leaves_nothing(desk: Desk) -> None:
    place = desk.write(0, "viel")
    change = Wish(7, {"phenomenonTime": written(0), "result": 2.0}, place, revision=0)
    with pytest.raises(Superseded):
        desk.keep(change, Observations.build(7, at(0), 9.0, revision=1))
    assert desk.stands() == [(place, 9.0)]


def test_what_is_withdrawn_stays_so_although_it_is_corrected_meanwhile(desk: Desk) -> None:
    desk.write(0, 1.0)
    rows = desk.engine.store.read([7], ALWAYS)
    store: Any = Overtaken(desk.engine.store, [Observations.build(7, at(0), 9.0, revision=1)])
    observing.withdraw(store, rows, NOW)
    assert desk.engine.store.read([7], ALWAYS).rule.tolist() == [QualityRule.WITHDRAWN]
