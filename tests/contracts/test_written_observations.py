"""What is written at /v1.1 stands where its answer says, on engines that round times too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from edge.wire.instants import instant
from udp.api.sensorthings import observing
from udp.api.sensorthings.grammar import parse
from udp.api.sensorthings.noted import identities
from udp.api.sensorthings.selection import bounds_of
from udp.registry.port import Inventory
from udp.registry.written import Identity
from udp.store.port import APART_US

from .test_observation_store import ALWAYS, NOW, at

NOTHING = Inventory(1, {}, {}, {}, {})


class Desk:
    """Writes as the interface does; what is noted beside the store is kept here."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.told: dict[Identity, Mapping[str, Any]] = {}

    def notes(self, wanted: Iterable[Identity]) -> Mapping[Identity, Mapping[str, Any]]:
        return {one: self.told[one] for one in wanted if one in self.told}

    def write(self, offset_us: int, result: float) -> Identity:
        said = {"phenomenonTime": written(offset_us), "result": result}
        rows = observing.placed(self.engine.store, [observing.row(7, said, NOW)], self.notes)
        observing.store_rows(self.engine.store, rows, NOTHING, NOW)
        self.engine.settle()
        (one,) = rows
        self.told[one.identity] = one.note
        return one.identity

    def stands(self) -> list[tuple[Identity, float]]:
        found = self.engine.store.read([7], ALWAYS)
        return list(zip(identities(found), found.result.tolist(), strict=True))


@pytest.fixture
def desk(engine: Any) -> Desk:
    return Desk(engine)


def written(offset_us: int) -> str:
    return instant(at(0) + offset_us).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("comparison", ["eq", "ge", "le"])
def test_who_asks_for_its_time_is_led_to_its_place(desk: Desk, comparison: str) -> None:
    condition = parse("filter", f"phenomenonTime {comparison} {written(654)}")
    for place in (desk.write(654, 1.0), desk.write(654, 2.0)):
        bounds = bounds_of(condition, noted=bool(desk.told[place]))
        assert bounds.start <= place[1] < bounds.end


@pytest.mark.parametrize("offset_us", [0, 654])
def test_it_stands_where_the_answer_says_and_keeps_its_time(desk: Desk, offset_us: int) -> None:
    place = desk.write(offset_us, 1.0)
    assert desk.stands() == [(place, 1.0)]
    assert place[1] == at(0) + offset_us or desk.told[place]["phenomenonTime"] == written(offset_us)


def test_said_again_it_is_one(desk: Desk) -> None:
    assert desk.write(654, 1.0) == desk.write(654, 1.0)
    assert len(desk.stands()) == 1


@pytest.mark.parametrize("offset_us", [0, 100, 654])
def test_another_one_within_a_millisecond_stands_too(desk: Desk, offset_us: int) -> None:
    places = [desk.write(100, 1.0), desk.write(offset_us, 2.0), desk.write(100 + APART_US, 3.0)]
    assert desk.stands() == sorted(zip(places, (1.0, 2.0, 3.0), strict=True))
