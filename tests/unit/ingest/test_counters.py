"""What a frame counter proves: history is taken; what may be recorded or restarted is set aside."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest

from ingest.deduplicate import ONE_TRANSMISSION
from udp.ledger.port import Page

from .conftest import BIN, NOW, World, delivery, envelope, uplink

DAY = timedelta(days=1)
EUI = str(BIN)


def hear(world: World, f_cnt: int, at: datetime, level: int = 640, gateway: int = 1) -> None:
    world.hear(delivery(envelope(uplink(f_cnt, at=at, level=level, gateway=gateway)), at=at))
    world.now = at
    world.catch_up()


def levels(world: World) -> list[float]:
    return [value for _time, value in world.values()]


def test_history_of_72_hours_behind_live_data_is_taken_in_any_order_after_a_restart(world: World) -> None:
    world.hear(delivery(envelope(uplink(1_000, at=NOW, level=1_000))))
    world.catch_up()
    world.restart()  # the highest counter comes from the ledger now
    history = list(range(568, 1_000))
    random.Random(4).shuffle(history)
    for n in history:
        world.hear(delivery(envelope(uplink(n, at=NOW - (1_000 - n) * timedelta(minutes=10), level=n))))
    world.catch_up(batch=100)
    assert levels(world) == list(range(568, 1_001))
    assert (world.counter("counters_doubtful"), world.ledger.quarantined(10)) == (0, [])


def test_a_restarted_counter_is_set_aside_with_bytes_and_remedy_and_spoils_nothing(world: World) -> None:
    for n in range(1, 4):
        hear(world, n, NOW + n * timedelta(hours=1), level=n)
    again = envelope(uplink(2, at=NOW + 9 * DAY, level=77))
    hear(world, 2, NOW + 9 * DAY, level=77)
    assert levels(world) == [1, 2, 3]
    (entry,) = world.ledger.quarantined(10)
    assert "counter restarted or replayed: FCnt 2" in entry.reason and EUI in entry.reason
    assert "counter_reset = true" in entry.remedy and "replay" in entry.remedy
    assert entry.octets in again
    assert world.ledger.report().devices[0].last_received_at == NOW + timedelta(hours=3)


def test_a_copy_with_another_payload_and_about_the_same_time_is_a_copy(world: World) -> None:
    hear(world, 1, NOW)
    hear(world, 1, NOW + timedelta(seconds=2), level=1, gateway=2)  # its gateway holds a wrong key
    assert (levels(world), world.counter("duplicates")) == ([640], 1)


@pytest.mark.parametrize("clock", [NOW - 365 * DAY, datetime.fromisoformat("1970-01-01T00:00:07+00:00")])
def test_a_copy_with_a_wrong_clock_is_a_copy(world: World, clock: datetime) -> None:
    world.hear(delivery(envelope(uplink(1))), delivery(envelope(uplink(1, at=clock, gateway=2), sequence=2)))
    world.catch_up()
    assert (levels(world), world.counter("duplicates")) == ([640], 1)


def test_a_frame_recorded_before_the_end_of_memory_and_sent_after_it_is_set_aside(world: World) -> None:
    hear(world, 5, NOW, level=5)
    hear(world, 4, NOW + timedelta(hours=1), level=4)
    for day in range(1, 70):
        hear(world, 5 + day, NOW + day * DAY, level=5 + day)
    world.ledger.forget(NOW + 10 * DAY)
    world.restart()
    before = levels(world)
    hear(world, 5, NOW + 70 * DAY, level=5)
    hear(world, 3, NOW + 70 * DAY, level=3)  # never heard, but who could tell
    assert levels(world) == before
    assert world.counter("counters_doubtful") == 2
    assert ["memory has ended" in one.reason for one in world.ledger.quarantined(10)] == [True, True]


def test_what_was_missed_lately_is_still_taken_when_older_memory_has_ended(world: World) -> None:
    for day in range(70):
        if day != 65:
            hear(world, day, NOW + day * DAY, level=day)
    world.ledger.forget(NOW + 10 * DAY)
    world.restart()
    hear(world, 65, NOW + 65 * DAY, level=65)
    assert levels(world) == list(range(70))


@pytest.mark.parametrize("shared", [False, True])
def test_a_device_that_may_restart_is_heard_in_every_life_once(world: World, shared: bool) -> None:
    world.counter_resets.add(EUI)
    world.pipeline = world.new_pipeline(shared=shared)
    times = []
    for life in range(3):
        for n in range(4):
            at = NOW + life * DAY + n * timedelta(minutes=10) + timedelta(minutes=9, seconds=59.95)
            times.append(at)
            hear(world, n, at)  # the same payload each time
            hear(world, n, at + timedelta(milliseconds=80), gateway=2)  # the next slot of time
            hear(world, n, at + timedelta(milliseconds=80), gateway=2)
    assert [time for time, _level in world.values()] == times
    assert (world.counter("duplicates"), world.counter("counters_doubtful")) == (24, 0)


def test_the_switch_recognises_what_was_noted_before_it(world: World) -> None:
    hear(world, 1, NOW)
    world.counter_resets.add(EUI)
    world.restart()
    hear(world, 1, NOW + timedelta(seconds=1), gateway=2)
    assert levels(world) == [640]
    hear(world, 1, NOW + 2 * ONE_TRANSMISSION)
    assert levels(world) == [640, 640]


def test_two_workers_claim_a_transmission_that_lies_on_both_sides_of_a_slot(world: World) -> None:
    world.counter_resets.add(EUI)
    edge = NOW + timedelta(milliseconds=-40)
    world.hear(
        delivery(envelope(uplink(1, at=edge))),
        delivery(envelope(uplink(1, at=edge + timedelta(milliseconds=80), gateway=2), sequence=2)),
    )
    name = "w-2026-11"
    first, second = world.waiting(name)
    one, other = world.new_pipeline(shared=True), world.new_pipeline(shared=True)
    blind = world.ledger.remembered
    asked: list[int] = []

    def once_blind(identities: list[bytes]) -> object:
        asked.append(1)
        return {} if len(asked) == 1 else blind(identities)

    one.handle(name, [first])
    other._deduplicator._ledger = type("Late", (), {
        "remembered": staticmethod(once_blind), "write": world.ledger.write,
        "session_counters": world.ledger.session_counters,
    })()  # fmt: skip
    other.handle(name, [second])
    assert len(world.values()) == 1


def test_an_older_ledger_that_knows_no_payload_takes_the_counters_word(world: World) -> None:

    from ingest.decode import open_entry
    from ingest.notes import seen_uplink

    world.hear(delivery(envelope(uplink(1))))
    (entry,) = world.waiting("w-2026-11")
    world.ledger.write(Page(uplinks=[seen_uplink(open_entry(entry)[0][0])._replace(payload=b"")]))
    hear(world, 1, NOW + 9 * DAY, level=9)
    assert (levels(world), world.counter("counters_doubtful")) == ([], 0)
