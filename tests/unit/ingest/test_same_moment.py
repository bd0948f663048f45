"""Two uplinks of one device that bear the same moment: both values are kept, and each of them once."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from edge.wire.messages import Clock, Reading, Record
from udp.errors import StoreUnavailable
from udp.store.port import MOST_AT_ONCE

from .conftest import BATTERY, LEVEL, NOW, WEATHER, World, delivery, envelope, uplink
from .test_pipeline import UP, Failing, chirpstack_up

APART = timedelta(milliseconds=1)


def both(world: World) -> list[tuple[datetime, float]]:
    """What must be there after uplinks 1 (640 mm) and 2 (650 mm) of one moment."""
    return [(NOW, 640.0), (NOW + APART, 650.0)]


def test_the_second_value_of_a_moment_stands_a_millisecond_behind(world: World) -> None:
    world.take(envelope(uplink(1, level=640), uplink(2, level=650)))
    assert world.values() == both(world)
    assert (world.counter("values_moved"), world.counter("observations")) == (1, 4)
    assert world.values(BATTERY) == [(NOW, 3.6)]
    assert world.store.latest([LEVEL]).result.tolist() == [650.0]


@pytest.mark.parametrize("batch", [1, 2_000])
def test_it_does_so_whenever_it_comes(world: World, batch: int) -> None:
    later = uplink(3, level=700, at=NOW + timedelta(minutes=5))
    for one in (uplink(1, level=640), later, uplink(2, level=650)):
        world.hear(delivery(envelope(one)))
    world.catch_up(batch=batch)
    world.restart()
    assert world.values() == [*both(world), (NOW + timedelta(minutes=5), 700.0)]


def test_network_servers_that_stamp_whole_seconds_lose_nothing(world: World) -> None:
    said = [chirpstack_up(f_cnt) for f_cnt in (1, 2)]
    said[1]["data"] = b64encode((650).to_bytes(2, "big") + b"\x24").decode()
    world.hear(*(delivery(json.dumps(one).encode(), way="chirpstack", origin=UP) for one in said))
    world.catch_up()
    assert world.values() == both(world)


def test_records_of_one_payload_keep_their_order_within_a_moment(world: World) -> None:
    records = tuple(Record({"level": level}, at=NOW) for level in (640, 650, 640, 660))
    world.take(envelope(uplink(records=records, codec="two-numbers")))
    assert world.values() == [*both(world), (NOW + 2 * APART, 660.0)]


def test_gateways_that_hear_it_too_and_replays_of_spools_add_nothing(world: World) -> None:
    first, second = uplink(1, level=640), uplink(2, level=650)
    world.take(envelope(first, second))
    for gateway in (2, 3):
        copies = (
            replace(one, received_at=NOW + timedelta(milliseconds=80 * gateway)) for one in (second, first)
        )
        world.hear(
            delivery(envelope(*copies, agent=f"crx-gw-{gateway}"), origin=f"udp/v1/crx-gw-{gateway}/up")
        )
    world.catch_up()
    world.restart()
    world.take(envelope(second, first, sequence=7))
    assert world.values() == both(world)
    assert world.counter("duplicates") == 6


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("batch", [1, 2_000])
@pytest.mark.parametrize("part", ["store", "ledger"])
def test_a_crash_between_store_and_ledger_repeats_and_adds_nothing(
    world: World, part: str, batch: int, after: bool
) -> None:
    world.take(envelope(uplink(1, level=640)))
    world.hear(delivery(envelope(uplink(2, level=650), uplink(3, level=660), sequence=2)))
    method = {"store": "append", "ledger": "write"}[part]
    failing = Failing(getattr(world, part), method, after=after)
    pipeline = world.new_pipeline(**{part: failing})
    with pytest.raises(StoreUnavailable):
        world.catch_up(pipeline, batch=batch)
    world.restart()
    world.catch_up()
    assert world.values() == [*both(world), (NOW + 2 * APART, 660.0)]
    assert (world.counter("values_moved"), world.counter("observations")) == (2, 6)


def test_a_correction_meanwhile_is_not_taken_for_another_uplink(world: World) -> None:
    """The repeat after a crash says the old value of what somebody has put right."""
    world.hear(delivery(envelope(uplink(1, level=640))))
    with pytest.raises(StoreUnavailable):
        world.catch_up(world.new_pipeline(ledger=Failing(world.ledger, "write", after=False)))
    stored = world.everything()
    known = stored.result_time + 60_000_000
    world.store.append(
        replace(stored, result=stored.result + 5, revision=stored.revision + 1, result_time=known)
    )
    world.restart()
    world.catch_up()
    assert world.values() == [(NOW, 645.0)]
    world.take(envelope(uplink(2, level=650), sequence=2))
    assert world.values() == [(NOW, 645.0), (NOW + APART, 650.0)]


def test_a_foreign_correction_stands_behind_once_however_often_it_is_fetched(world: World) -> None:
    def said(value: float, minutes: int) -> bytes:
        fetched = NOW + timedelta(minutes=minutes)
        return envelope(
            Reading("weather", NOW, fetched, Clock.SERVER, {"air_temperature": value}),
            agent="crx-pole-1", sequence=minutes + 1,
        )  # fmt: skip

    for minutes, value in enumerate([4.0, 4.0, 4.5, 4.5, 4.5]):
        world.hear(delivery(said(value, minutes), origin="udp/v1/crx-pole-1/up"))
        world.catch_up()
    assert world.values(WEATHER) == [(NOW, 4.0), (NOW + APART, 4.5)]


def test_a_clock_that_stands_still_fills_a_moment_and_then_the_quarantine(world: World) -> None:
    records = tuple(Record({"level": level}, at=NOW) for level in range(MOST_AT_ONCE))
    world.take(envelope(uplink(1, records=records, codec="two-numbers")))
    assert len(world.values()) == MOST_AT_ONCE
    world.take(envelope(uplink(2, level=1_234), sequence=2))
    (entry,) = world.ledger.quarantined(10)
    assert "0102030405060708" in entry.reason and "2026-11-20 12:00:00" in entry.reason
    assert "clock" in entry.remedy
    assert len(world.values()) == MOST_AT_ONCE
    assert world.counter("observations") == MOST_AT_ONCE + 1  # the battery has room
