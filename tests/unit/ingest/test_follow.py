"""The follower keeps register and figures fresh while it walks along the journal."""

from __future__ import annotations

from datetime import timedelta

from ingest.follow import Follower, FollowSettings
from udp.registry.port import Inventory

from .conftest import NOW, World, inventory


class Register:
    """A register somebody edits."""

    def __init__(self) -> None:
        self.number = 1

    def version(self) -> int:
        return self.number

    def inventory(self) -> Inventory:
        return inventory(version=self.number)


def test_a_clock_set_back_does_not_freeze_the_register(world: World) -> None:
    register, clock, seconds = Register(), [NOW], [100.0]
    follower = Follower(
        reader=world.reader,
        pipeline=world.pipeline,
        ledger=world.ledger,
        registry=register,  # type: ignore[arg-type]  # what the follower asks of it
        sessions=None,
        settings=FollowSettings(),
        now=lambda: clock[0],
        monotonic=lambda: seconds[0],
    )
    follower.drain()
    register.number = 2
    follower.drain()
    assert world.pipeline.bindings.version == 1  # not asked again within the interval
    clock[0] = NOW - timedelta(days=300)
    seconds[0] += 1.5
    follower.drain()
    assert world.pipeline.bindings.version == 2
