"""A value older than what its Datastream keeps is told of, and set aside where only a clock made it old."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from edge.codecs.port import Decoded
from edge.wire.messages import Record
from udp.store.port import Prunable

from .conftest import BATTERY, LEVEL, NOW, World, delivery, envelope, uplink
from .test_replay import replay

DAY = timedelta(days=1)
LOST = datetime.fromisoformat("1970-01-01T00:05:00+00:00")


@pytest.fixture
def forgetful(world: World) -> World:
    """Levels are kept three days, the battery for ever."""
    world.take(envelope(uplink(1, level=1, at=NOW - 4 * DAY)), envelope(uplink(2, level=2), sequence=2))
    assert isinstance(world.store, Prunable)
    world.store.prune([LEVEL], NOW - 3 * DAY)
    return world


def device_says(world: World, at: datetime) -> None:
    """The device dates the third of its values by itself."""
    decode = world.codec

    def dated(payload: bytes, f_port: int, received_at: datetime) -> Decoded:
        (record,) = decode(payload, f_port, received_at).records
        return Decoded((Record(record.fields, at if record.fields["level"] == 3 else None),))

    world.codec = dated


def test_a_value_of_a_clock_that_was_lost_is_set_aside_with_its_message(forgetful: World) -> None:
    device_says(forgetful, LOST)
    told = forgetful.counter("observations")
    lost = envelope(uplink(3, level=3), sequence=3)
    forgetful.take(lost)
    assert forgetful.values(LEVEL) == [(NOW, 2.0)]
    assert (LOST, 3.6) in forgetful.values(BATTERY)
    assert (forgetful.counter("values_outlived"), forgetful.counter("observations")) == (1, told + 1)
    (entry,) = forgetful.ledger.quarantined(9)
    assert f"says 1970-01-01T00:05 UTC, and Datastream {LEVEL} keeps nothing that old" in entry.reason
    assert "set the clock" in entry.remedy and entry.octets in lost


def test_what_is_honestly_that_old_goes_the_way_of_its_day_and_is_counted(forgetful: World) -> None:
    forgetful.take(envelope(uplink(4, level=4, at=NOW - 5 * DAY), sequence=3))
    assert forgetful.values(LEVEL) == [(NOW, 2.0)]
    assert (forgetful.counter("values_outlived"), forgetful.ledger.quarantined(9)) == (1, [])


def test_a_gateway_that_lost_its_time_is_told_of_too(forgetful: World) -> None:
    forgetful.hear(delivery(envelope(uplink(3, level=3, at=LOST), sequence=3)))
    forgetful.catch_up()
    assert forgetful.counter("values_outlived") == 1
    assert len(forgetful.ledger.quarantined(9)) == 1


def test_a_replay_neither_releases_it_nor_says_that_it_adds_it(forgetful: World) -> None:
    device_says(forgetful, LOST)
    forgetful.take(envelope(uplink(3, level=3), sequence=3))
    found = replay(forgetful)
    assert found.released == 0
    assert len(forgetful.ledger.quarantined(9)) == 1
    assert replay(forgetful, dry_run=True).added == 0
