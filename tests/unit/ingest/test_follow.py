"""The follower keeps register and figures fresh while it walks along the journal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from ingest.follow import Follower, FollowSettings
from ingest.journal import JournalWriter
from ingest.sessions import KeptSessions, Sessions
from udp.citizens.project import origin_of
from udp.errors import RegistryUnavailable
from udp.registry.port import Inventory

from .conftest import NOW, World, delivery, envelope, inventory, uplink


class Register:
    """A register somebody edits."""

    def __init__(self) -> None:
        self.number = 1

    def version(self) -> int:
        return self.number

    def inventory(self) -> Inventory:
        return inventory(version=self.number)


@contextmanager
def running(follower: Follower) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=follower.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.002)


def hear(world: World, number: int) -> None:
    at = NOW + timedelta(minutes=number)
    world.hear(delivery(envelope(uplink(number, at=at), sequence=number)))


def test_a_clock_set_back_does_not_freeze_the_register(world: World) -> None:
    register, clock, seconds = Register(), [NOW], [100.0]
    sessions = Sessions(None, world.keyring, KeptSessions(world.folder, "w"), world.ledger)
    follower = Follower(
        reader=world.reader.another(),
        pipeline=world.pipeline,
        ledger=world.ledger,
        registry=register,  # type: ignore[arg-type]  # what the follower asks of it
        sessions=sessions,
        settings=FollowSettings(poll=timedelta(milliseconds=2)),
        worker="w",
        now=lambda: clock[0],
        monotonic=lambda: seconds[0],
    )
    with running(follower):
        hear(world, 1)
        eventually(lambda: len(world.values()) == 1)
        register.number = 2
        hear(world, 2)
        eventually(lambda: len(world.values()) == 2)
        assert world.pipeline.bindings.version == 1  # not asked again within the interval
        clock[0] = NOW - timedelta(days=300)
        seconds[0] += 1.5
        eventually(lambda: world.pipeline.bindings.version == 2)


def test_a_journal_removed_while_all_stood_still_is_begun_anew_and_loses_nothing_new(world: World) -> None:
    with running(world.follower(Register())):  # type: ignore[arg-type]
        for number in (1, 2, 3):
            hear(world, number)
        eventually(lambda: len(world.values()) == 3)
    world.writer.close()
    for path in world.journal.directory.iterdir():
        path.unlink()
    world.writer = JournalWriter(world.journal, "w", lambda: NOW)
    hear(world, 4)
    with running(world.follower(Register())):  # type: ignore[arg-type]
        eventually(lambda: len(world.values()) == 4)


def test_a_journal_removed_under_writer_and_reader_is_begun_anew_and_both_parts_are_handled(
    world: World,
) -> None:
    with running(world.follower(Register())):  # type: ignore[arg-type]
        hear(world, 1)
        eventually(lambda: len(world.values()) == 1)
        for path in world.journal.directory.glob("*.sqlite*"):
            path.unlink()
        for number in (2, 3):
            hear(world, number)
        eventually(lambda: len(world.values()) == 3)
    assert world.reader.names() == ["w-2026-11"]
    assert world.reader.newest("w-2026-11") == 2  # what was written into the removed file once more


def test_a_register_that_is_away_when_a_project_may_have_left_is_waited_for(world: World) -> None:
    class Away(Register):
        def __init__(self) -> None:
            super().__init__()
            self.asked = 0

        def version(self) -> int:
            self.asked += 1
            if self.asked < 20:
                raise RegistryUnavailable("registry: away for a moment")
            return super().version()

    register = Away()
    world.hear(delivery(b"{}", way="things_stack", origin=origin_of("b-abcdefgh")))
    hear(world, 1)
    with running(world.follower(register)):  # type: ignore[arg-type]
        eventually(lambda: len(world.values()) == 1)
    assert register.asked >= 20
    assert world.counter("withdrawn") == 1


def test_an_old_month_that_rots_after_it_was_handled_stops_nobody(world: World) -> None:
    with running(world.follower(Register())):  # type: ignore[arg-type]
        hear(world, 1)
        eventually(lambda: len(world.values()) == 1)
    (world.journal.directory / "w-2026-09.sqlite").write_bytes(b"no database at all" * 300)
    with running(world.follower(Register())):  # type: ignore[arg-type]
        hear(world, 2)
        eventually(lambda: len(world.values()) == 2)
        eventually(lambda: "w-2026-09" in world.ledger.report().conditions.get("journal files", ""))


def test_an_old_month_nobody_has_handled_is_waited_for_and_named(world: World) -> None:
    world.journal.directory.mkdir()
    (world.journal.directory / "w-2026-09.sqlite").write_bytes(b"no database at all" * 300)
    hear(world, 1)
    with running(world.follower(Register())):  # type: ignore[arg-type]
        eventually(lambda: "w-2026-09" in world.ledger.report().conditions.get("store", ""))
        assert world.values() == []


def test_a_journal_that_is_somewhere_else_since_the_last_start_is_missed(world: World) -> None:
    with running(world.follower(Register())):  # type: ignore[arg-type]
        hear(world, 1)
        eventually(lambda: len(world.values()) == 1)
        assert "journal files" not in world.ledger.report().conditions
    hear(world, 2)  # journalled, and not handled before the end
    world.writer.close()
    directory = world.journal.directory
    directory.rename(directory.with_name("unmounted"))
    world.writer = JournalWriter(world.journal, "w", lambda: NOW)
    hear(world, 3)
    with running(world.follower(Register())):  # type: ignore[arg-type]
        eventually(lambda: len(world.values()) == 2)
        eventually(lambda: "journal files" in world.ledger.report().conditions)
    assert "journal file w-2026-11:" in world.ledger.report().conditions["journal files"]
    world.writer.close()
    world.reader.close()
    for part in directory.iterdir():
        part.rename(directory.with_name("unmounted") / part.name.replace("2026-11", "2026-12"))
    directory.rmdir()
    directory.with_name("unmounted").rename(directory)
    with running(world.follower(Register())):  # type: ignore[arg-type]
        eventually(lambda: len(world.values()) == 3)
        eventually(lambda: "journal files" not in world.ledger.report().conditions)
