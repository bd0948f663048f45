"""What the spool acknowledged is there again after anything; what it lets go, it counts."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.priority import Priority, priority_of
from edge.spool import Spool, SpoolSettings, SpoolUnavailable
from edge.wire import cbor
from edge.wire.identifiers import DevEUI, GatewayEUI
from edge.wire.messages import Clock, Frame, GatewayStatus, Message, Reading, Receipt, Uplink

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


class Time:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.moment = NOON

    def __call__(self) -> datetime:
        return self.moment


def uplink(number: int, size: int = 10) -> Uplink:
    return Uplink(
        dev_eui=DevEUI(bytes(8)), session=b"\x26\x01\x1b\xda", f_cnt=number, f_port=1, payload=bytes(size),
        received_at=NOON, clock=Clock.NTP, receptions=(),
    )  # fmt: skip


def frame(size: int = 20) -> Frame:
    return Frame(phy_payload=bytes(size), received_at=NOON, clock=Clock.NTP, receptions=())


def health() -> Reading:
    return Reading("agent", NOON, NOON, Clock.NTP, {"backlog_messages": 1})


def opened(tmp_path: Path, clock: Time | None = None, **bounds: float) -> Spool:
    return Spool(SpoolSettings(tmp_path / "spool.sqlite", **bounds), clock or Time())  # type: ignore[arg-type]


def waiting(spool: Spool) -> list[int]:
    found: list[int] = []
    first = 1
    while run := spool.run(first, spool.last, max_messages=1000, max_bytes=10**9):
        found += range(run.first, run.last + 1)
        first = run.last + 1
    return found


def test_messages_come_out_as_they_went_in(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    messages: list[Message] = [uplink(1), frame(), health()]
    spool.write(messages)
    run = spool.run(1, 3, max_messages=10, max_bytes=10**6)
    assert run is not None
    assert run.bodies == tuple(cbor.encode_message(message) for message in messages)
    assert (run.first, run.last, spool.floor, spool.last) == (1, 3, 1, 3)


def test_numbers_are_never_used_again_even_when_all_is_confirmed(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.write([uplink(1), uplink(2)])
    spool.write([], [Receipt(spool.identity, ((1, 2),))])
    assert spool.state().messages == 0
    assert spool.floor == 3
    identity = spool.identity
    spool.close()
    again = opened(tmp_path)
    again.write([uplink(3)])
    assert again.identity == identity
    assert waiting(again) == [3]


def test_a_receipt_for_another_spool_deletes_nothing(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.write([uplink(1)])
    spool.write([], [Receipt(b"another!", ((1, 100),))])
    assert waiting(spool) == [1]


def test_a_run_ends_at_a_gap_and_at_its_bounds(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.write([uplink(number) for number in range(1, 11)])
    spool.write([], [Receipt(spool.identity, ((4, 5),))])
    run = spool.run(1, 10, max_messages=10, max_bytes=10**6)
    assert run is not None
    assert (run.first, run.last) == (1, 3)
    run = spool.run(4, 10, max_messages=2, max_bytes=10**6)
    assert run is not None
    assert (run.first, run.last) == (6, 7)
    run = spool.run(4, 10, max_messages=10, max_bytes=1)
    assert run is not None
    assert (run.first, run.last) == (6, 6)
    assert spool.run(4, 5, max_messages=10, max_bytes=10**6) is None


def test_health_goes_first_then_foreign_frames_then_the_oldest_data(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(tmp_path, max_bytes=100_000)
    spool.write([uplink(number, 1000) for number in range(30)])
    spool.write([frame(1000) for _ in range(30)])
    spool.write([health() for _ in range(100)])
    with caplog.at_level(logging.WARNING):
        spool.write([uplink(number, 1000) for number in range(40)])
    kept = waiting(spool)
    assert not set(kept) & set(range(61, 161))  # all health
    assert set(range(1, 31)) <= set(kept)  # no data yet
    frames = [number for number in kept if 31 <= number <= 60]
    assert frames
    assert frames == list(range(frames[0], 61))  # the oldest frames
    spool.write([uplink(number, 1000) for number in range(40)])
    kept = waiting(spool)
    data = [*range(1, 31), *range(161, spool.last + 1)]
    assert kept == data[-len(kept) :]  # the newest data
    state = spool.state()
    assert state.octets <= 100_000
    assert state.dropped + state.messages == spool.last
    assert "let go" in caplog.text
    spool.close()
    assert opened(tmp_path, max_bytes=100_000).state() == state


def test_age_is_running_time_so_that_a_jumping_clock_empties_nothing(tmp_path: Path) -> None:
    clock = Time()
    spool = opened(tmp_path, clock, max_hours=3.0)
    spool.write([uplink(1)])
    clock.moment += timedelta(days=3650)
    spool.write([uplink(2)])
    clock.moment -= timedelta(days=5000)
    spool.write([uplink(3)])
    assert waiting(spool) == [1, 2, 3]
    for number in range(4, 8):
        clock.moment += timedelta(minutes=59)
        spool.write([uplink(number)])
    assert waiting(spool) == [4, 5, 6, 7]
    assert spool.state().dropped == 3


def test_priorities_follow_the_kind_of_message() -> None:
    status = GatewayStatus(GatewayEUI(bytes(8)), NOON, Clock.NTP, 0, 0, 0, 0.0, 0, 0)
    weather = Reading("weather", NOON, NOON, Clock.NTP, {"air_temperature": 20.0})
    assert [priority_of(message) for message in (status, health(), frame(), weather, uplink(1))] == [
        Priority.HEALTH, Priority.HEALTH, Priority.FOREIGN, Priority.DATA, Priority.DATA,
    ]  # fmt: skip


def fill_up(spool: Spool) -> None:
    """Let SQLite itself say that there is no room, as on a full disk."""
    (pages,) = spool._database.execute("PRAGMA page_count").fetchone()
    spool._database.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_changes_nothing_and_passes_by_itself(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.write([uplink(1)])
    state = spool.state()
    fill_up(spool)
    for _ in range(3):
        with pytest.raises(SpoolUnavailable, match="full"):
            spool.write([uplink(2, 100_000)])
    assert (spool.state(), spool.last) == (state, 1)
    spool._database.execute("PRAGMA max_page_count = 1000000")
    spool.write([uplink(2, 100_000)])
    assert waiting(spool) == [1, 2]


def test_a_receipt_is_kept_on_a_full_disk(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.write([uplink(number, 5000) for number in range(20)])
    fill_up(spool)
    with pytest.raises(SpoolUnavailable):
        spool.write([uplink(number, 5000) for number in range(20)])
    spool.write([], [Receipt(spool.identity, ((1, 20),))])
    spool.write([uplink(21)])
    assert waiting(spool) == [21]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_really_full_disk_passes_when_receipts_come(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let us mount a tmpfs")
    try:
        spool = opened(disk)
        acknowledged = 0
        with pytest.raises(SpoolUnavailable, match="disk"):
            for _ in range(2000):
                spool.write([uplink(number, 1000) for number in range(20)])
                acknowledged += 20
        assert waiting(spool) == list(range(1, acknowledged + 1))
        for first in range(1, acknowledged, 500):
            spool.write([], [Receipt(spool.identity, ((first, first + 499),))])
        assert spool.state().messages == 0
        spool.write([uplink(number, 1000) for number in range(20)])
        assert spool.state().messages == 20
        spool.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("damage", ["header", "middle", "rubbish"])
def test_a_damaged_file_is_moved_aside_and_a_new_spool_begins(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(tmp_path)
    spool.write([uplink(number, 500) for number in range(200)])
    identity = spool.identity
    spool.close()
    path = tmp_path / "spool.sqlite"
    octets = bytearray(path.read_bytes())
    if damage == "header":
        octets[:100] = bytes(100)
    elif damage == "middle":
        octets[4096:40960] = os.urandom(36864)
    else:
        octets = bytearray(b"this was never a database" * 1000)
    path.write_bytes(octets)
    with caplog.at_level(logging.ERROR):
        fresh = opened(tmp_path)
    assert fresh.identity != identity
    fresh.write([uplink(1)])
    assert waiting(fresh) == [1]  # each damage hits the root of the table: there is nothing to be read
    assert fresh.state().damaged_files == 1
    (aside,) = tmp_path.glob("spool.sqlite.damaged-*Z")
    assert aside.read_bytes() == octets
    assert str(aside) in caplog.text


def test_a_spool_of_a_newer_agent_is_left_alone(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with sqlite3.connect(tmp_path / "spool.sqlite") as database:
        database.execute("PRAGMA user_version = 9")
    with pytest.raises(SpoolUnavailable, match="update the agent"):
        opened(tmp_path)


_WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from edge.spool import Spool, SpoolSettings
from edge.wire.messages import Clock, Reading
now = lambda: datetime(2026, 7, 1, tzinfo=UTC)
spool = Spool(SpoolSettings(Path(sys.argv[1])), now)
number = spool.last
while True:
    number += 1
    spool.write([Reading("weather", now(), now(), Clock.NTP, {"number": number})] * 3)
    print(spool.last, flush=True)
"""


def test_kill_9_loses_nothing_that_was_written(tmp_path: Path) -> None:
    acknowledged = 0
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path / "spool.sqlite")], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(7):
                acknowledged = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().split("\n")
            acknowledged = max([acknowledged, *(int(line) for line in rest[:-1])])
        spool = opened(tmp_path)
        assert waiting(spool)[:acknowledged] == list(range(1, acknowledged + 1))
        spool.close()


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_counters_always_say_what_is_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = opened(folder, max_bytes=100_000)
    for _ in range(data.draw(st.integers(1, 10))):
        messages: list[Message] = data.draw(
            st.lists(st.sampled_from([uplink(1, 3000), frame(2000), health()]), max_size=20)
        )
        first = data.draw(st.integers(1, spool.last + 1))
        last = data.draw(st.integers(first, spool.last + 5))
        spool.write(messages, [Receipt(spool.identity, ((first, last),))])
    state = spool.state()
    assert state.messages == len(waiting(spool))
    assert state.octets <= 100_000
    spool.close()
    assert opened(folder, max_bytes=100_000).state() == state
