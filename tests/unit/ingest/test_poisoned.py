"""One delivery that trips a part of ours never stops the others."""

from __future__ import annotations

from datetime import timedelta

from udp.ledger.port import Page

from .conftest import NOW, World, delivery, envelope, uplink


def test_a_poisoned_delivery_in_the_middle_of_a_batch_is_set_aside_alone(world: World) -> None:
    class Fragile:
        """Fails as a driver does at a number too large for it."""

        def write(self, page: Page) -> None:
            if any(one.f_cnt == 4 for one in page.uplinks):
                raise OverflowError("Python int too large to convert to SQLite INTEGER")
            world.ledger.write(page)

    for n in range(1, 8):
        world.hear(delivery(envelope(uplink(n, at=NOW + timedelta(minutes=n), level=n), sequence=n)))
    world.catch_up(world.new_pipeline(ledger=Fragile()))
    assert world.waiting("w-2026-11") == []
    (aside,) = world.ledger.quarantined(10)
    assert aside.octets == envelope(uplink(4, at=NOW + timedelta(minutes=4), level=4), sequence=4)
    assert "OverflowError" in aside.reason
    assert {value for _time, value in world.values()} >= {1, 2, 3, 5, 6, 7}
    assert world.ledger.report().devices[0].uplinks == 6
    assert world.counter("quarantined") == 1
