"""Frames that come before their session are taken up by themselves once it is known, each once."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from edge.lorawan.keyring import Keyring, SessionsFile
from edge.lorawan.sessions import Session
from edge.wire.identifiers import DevAddr, DevEUI
from ingest.sessions import KeptSessions, Sessions
from ingest.waiting import TakeUp
from udp.errors import StoreUnavailable

from .conftest import BIN, NOW, World, data_up, delivery, envelope, frame_of, uplink
from .test_follow import Register, eventually, running

JOINED = Session(BIN, DevAddr(b"\x26\x01\x1b\xda"), bytes(range(16)), bytes(range(16, 32)))
BEFORE = Session(BIN, DevAddr(b"\x26\x01\x00\x01"), bytes([7]) * 16, bytes([8]) * 16)
FOREIGN = Session(DevEUI(bytes([9]) * 8), JOINED.dev_addr, bytes([3]) * 16, bytes([4]) * 16)
MINUTE = timedelta(minutes=1)


def listed(*sessions: Session) -> str:
    return "".join(
        f'[[session]]\ndev_eui = "{one.dev_eui}"\ndev_addr = "{one.dev_addr}"\n'
        f'nwk_s_key = "{one.nwk_s_key.hex()}"\napp_s_key = "{one.app_s_key.hex()}"\n'
        for one in sessions
    )


def hear(world: World, session: Session, *numbers: int) -> None:
    for n in numbers:
        octets = data_up(session, n, n.to_bytes(2, "big") + b"\x24")
        world.hear(delivery(envelope(frame_of(octets, NOW + n * MINUTE), sequence=n)))


def with_sessions(world: World, path: Path) -> Sessions:
    """As the pipeline's process makes them at its start."""
    world.keyring = Keyring(reordering=None, keep_replaced=timedelta(days=60))
    world.pipeline = world.new_pipeline()
    file = SessionsFile(path, world.keyring, lambda: NOW)
    return Sessions(file, world.keyring, KeptSessions(world.journal.directory, "w"), world.ledger)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "sessions.toml"
    found.write_text("")
    found.chmod(0o600)
    return found


def handled(world: World) -> None:
    """Everything journalled, under the name that the follower gives the file."""
    (name,) = world.reader.names()
    world.pipeline.handle(world.reader.key(name), world.reader.read(name, 0, 100))


def levels(world: World) -> list[float]:
    return [value for _time, value in world.values()]


def test_frames_before_their_session_are_taken_up_once_while_live_ones_pass(world: World, path: Path) -> None:
    hear(world, JOINED, 1, 2, 3)
    hear(world, FOREIGN, 4)
    world.hear(delivery(envelope(uplink(2, level=2, at=NOW + 2 * MINUTE, gateway=3), sequence=9)))
    with running(world.follower(Register(), with_sessions(world, path))):  # type: ignore[arg-type]
        eventually(lambda: world.counter("frames_without_session") == 4)
        assert levels(world) == [2]
        path.write_text(listed(JOINED))
        hear(world, JOINED, 5)
        eventually(lambda: levels(world) == [1, 2, 3, 5])
        # The fifth waits too if it is heard before the new sessions are read; only the foreign one stays.
        waited = world.counter("frames_without_session") - 1
        assert waited in (3, 4)
        eventually(lambda: world.counter("frames_taken_up") == waited)
    assert world.ledger.wanted_frames(["w-2026-11"]) == []
    assert world.counter("duplicates") == 1
    assert world.ledger.quarantined(10) == []  # the one entry of this address and day is released
    with running(world.follower(Register(), with_sessions(world, path))):  # type: ignore[arg-type]
        hear(world, JOINED, 6)
        eventually(lambda: len(levels(world)) == 5)
    assert world.counter("frames_taken_up") == waited


def test_what_was_wanted_when_the_process_died_is_taken_up_by_the_next(world: World, path: Path) -> None:
    hear(world, JOINED, 1, 2)
    with running(world.follower(Register(), with_sessions(world, path))):  # type: ignore[arg-type]
        eventually(lambda: world.counter("frames_without_session") == 2)
    path.write_text(listed(JOINED))
    sessions = with_sessions(world, path)
    assert sessions.refresh()  # and dies
    with running(world.follower(Register(), with_sessions(world, path))):  # type: ignore[arg-type]
        eventually(lambda: levels(world) == [1, 2])


def test_a_ledger_that_is_away_is_told_of_new_sessions_later(world: World, path: Path) -> None:
    sessions = with_sessions(world, path)
    path.write_text(listed(JOINED))
    real, sessions._ledger = sessions._ledger, Away()  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable):
        sessions.refresh()
    sessions._ledger = real
    assert sessions.refresh()
    assert not sessions.refresh()


class Away:
    def __getattr__(self, _name: str) -> object:
        raise StoreUnavailable("away for a moment")


def test_a_session_replaced_weeks_ago_still_opens_what_a_spool_kept_over_a_restart(
    world: World, path: Path
) -> None:
    path.write_text(listed(BEFORE))
    with_sessions(world, path).refresh()
    path.write_text(listed(JOINED))  # while nothing runs
    sessions = with_sessions(world, path)
    sessions.refresh()
    world.keyring.forget_replaced(NOW + timedelta(days=59))
    hear(world, BEFORE, 1)
    hear(world, JOINED, 2)
    world.catch_up()
    assert levels(world) == [1, 2]
    kept = KeptSessions(world.journal.directory, "w").path
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    world.keyring.forget_replaced(NOW + timedelta(days=61))
    assert len(world.keyring) == 1


def test_a_device_taken_off_the_list_is_not_kept(world: World, path: Path) -> None:
    path.write_text(listed(JOINED, FOREIGN))
    with_sessions(world, path).refresh()
    path.write_text(listed(JOINED))
    with_sessions(world, path).refresh()
    assert [one for one, _at in world.keyring.sessions()] == [JOINED]


@pytest.mark.parametrize("content", ["", "[]", '{"session": [3]}', '{"session": [{"dev_eui": "x"}]}'])
def test_a_spoilt_file_of_kept_sessions_stops_nothing(world: World, path: Path, content: str) -> None:
    world.journal.directory.mkdir(exist_ok=True)
    KeptSessions(world.journal.directory, "w").path.write_text(content)
    path.write_text(listed(JOINED))
    assert with_sessions(world, path).refresh()
    assert len(world.keyring) == 1


def test_the_keyring_goes_on_where_the_ledger_says_a_session_stands(world: World, path: Path) -> None:
    high = 200 * 0x10000  # beyond what is tried for a session never heard of
    path.write_text(listed(JOINED))
    with_sessions(world, path).refresh()
    world.take(envelope(uplink(high, at=NOW)))
    hear_high = data_up(JOINED, high + 1, b"\x00\x01\x24")
    with_sessions(world, path).refresh()
    world.take(envelope(frame_of(hear_high, NOW + MINUTE), sequence=2))
    assert levels(world) == [640, 1]


def test_a_journal_that_is_gone_before_its_frames_are_taken_up_holds_up_nobody(
    world: World, path: Path
) -> None:
    hear(world, JOINED, 1, 2)
    handled(world)
    path.write_text(listed(JOINED))
    with_sessions(world, path).refresh()
    reader = world.reader.another()
    take_up = TakeUp(reader, world.pipeline, world.ledger)
    assert not take_up.step(between=True)  # it knows of the file, and leaves it for later
    reader.close()  # as when it has read in another month since
    world.writer.close()
    for one in world.journal.directory.glob("*.sqlite*"):
        one.unlink()
    assert take_up.step(between=False)
    assert not take_up.step(between=False)


def test_an_unreadable_month_keeps_only_its_own_frames_waiting(world: World, path: Path) -> None:
    hear(world, JOINED, 1)
    handled(world)
    (world.journal.directory / "w-2026-09.sqlite").write_bytes(b"no database at all" * 300)
    path.write_text(listed(JOINED))
    with_sessions(world, path).refresh()
    take_up = TakeUp(world.reader.another(), world.pipeline, world.ledger)
    assert take_up.step(between=False)
    assert levels(world) == [1]


def of_another_worker(world: World, path: Path) -> Sessions:
    """A second worker of this ledger, with a sessions file of its own."""
    keyring = Keyring(reordering=None, keep_replaced=timedelta(days=60))
    return Sessions(
        SessionsFile(path, keyring, lambda: NOW),
        keyring,
        KeptSessions(world.journal.directory, "other"),
        world.ledger,
    )


def test_a_worker_whose_sessions_lag_does_not_write_off_what_another_has_a_key_for(
    world: World, path: Path, tmp_path: Path
) -> None:
    hear(world, JOINED, 1, 2)
    handled(world)
    ahead = tmp_path / "ahead.toml"
    ahead.write_text(listed(JOINED))
    ahead.chmod(0o600)
    lagging = with_sessions(world, path)
    take_up = TakeUp(world.reader.another(), world.pipeline, world.ledger)
    of_another_worker(world, ahead).refresh()
    path.write_text(listed(FOREIGN))  # this worker's file: another device at the same address, so far
    assert lagging.refresh()
    while take_up.step(between=False):
        pass
    assert levels(world) == []
    path.write_text(listed(FOREIGN, JOINED))
    assert lagging.refresh()
    take_up.look()
    while take_up.step(between=False):
        pass
    assert levels(world) == [1, 2]
    assert world.ledger.wanted_frames([world.reader.key("w-2026-11")]) == []


def test_a_key_that_was_wrong_at_first_and_is_corrected_still_opens_what_waited(
    world: World, path: Path
) -> None:
    hear(world, JOINED, 1, 2)
    handled(world)
    take_up = TakeUp(world.reader.another(), world.pipeline, world.ledger)
    for key in (bytes([5]) * 16, JOINED.nwk_s_key):
        path.write_text(listed(replace(JOINED, nwk_s_key=key)))
        world.pipeline._keyring = Keyring(reordering=None)
        file = SessionsFile(path, world.pipeline._keyring, lambda: NOW)
        kept = KeptSessions(world.folder / "fresh", "w")
        assert Sessions(file, world.pipeline._keyring, kept, world.ledger).refresh()
        take_up.look()
        while take_up.step(between=False):
            pass
    assert levels(world) == [1, 2]
