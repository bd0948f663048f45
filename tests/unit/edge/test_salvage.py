"""A spool that breaks while it is used: what can still be read is kept, and the agent goes on."""

from __future__ import annotations

import os
import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.spool import Spool, SpoolSettings, SpoolUnavailable
from edge.wire import cbor
from edge.wire.identifiers import DevEUI
from edge.wire.messages import Clock, Receipt, Uplink

from ..kill_points import every_point

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def uplink(number: int, size: int = 10) -> Uplink:
    return Uplink(
        dev_eui=DevEUI(bytes(8)), session=b"\x26\x01\x1b\xda", f_cnt=number, f_port=1, payload=bytes(size),
        received_at=NOON, clock=Clock.NTP, receptions=(),
    )  # fmt: skip


def opened(tmp_path: Path) -> Spool:
    return Spool(SpoolSettings(tmp_path / "spool.sqlite"), lambda: NOON)


def spoiled(tmp_path: Path, spool: Spool, pages: range) -> None:
    """Overwrite pages of the file behind an open spool: what a dying SD card does."""
    spool._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (tmp_path / "spool.sqlite").open("r+b") as file:
        for page in pages:
            file.seek(4096 * page)
            file.write(os.urandom(4096))
    spool._database.execute("PRAGMA shrink_memory")


def test_damage_found_while_reading_keeps_what_can_still_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(tmp_path)
    spool.write([uplink(number, 500) for number in range(1000)])
    identity = spool.identity
    spoiled(tmp_path, spool, range(60, 64))
    with pytest.raises(SpoolUnavailable, match="cannot be read"):
        spool.run(1, spool.last, max_messages=1000, max_bytes=10**9)
    assert spool.identity != identity
    run = spool.run(1, spool.last, max_messages=1000, max_bytes=10**9)
    assert run is not None
    octets = cbor.assemble(agent="gw-1", spool=b"s", sequence=1, floor=1, sent_at=NOON, messages=run.bodies)
    counters = [message.f_cnt for message in cbor.decode(octets).messages if isinstance(message, Uplink)]
    assert 900 < len(counters) < 1000
    assert counters == sorted(set(counters))
    assert f"{len(counters)} messages of the damaged file" in caplog.text
    spool.write([uplink(1000)])
    assert spool.state().messages == len(counters) + 1


def test_a_message_whose_bytes_are_spoilt_does_not_spoil_the_envelopes_of_others(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.write([uplink(number, 3000) for number in range(20)])
    with sqlite3.connect(tmp_path / "spool.sqlite") as database:
        for number, spoilt in enumerate(
            (b"", b"\xff\xff", b"\xa1", cbor.encode_message(uplink(1)) + b"!"), 3
        ):
            database.execute("UPDATE message SET body = ? WHERE sequence = ?", (spoilt, number))
    spoiled(tmp_path, spool, range(12, 13))
    with pytest.raises(SpoolUnavailable):
        spool.run(1, spool.last, max_messages=1000, max_bytes=10**9)
    run = spool.run(1, spool.last, max_messages=1000, max_bytes=10**9)
    assert run is not None
    assert 10 <= len(run.bodies) <= 16
    assert all(map(cbor.is_message, run.bodies))


def test_a_disk_that_gives_nothing_back_is_waited_for_and_then_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(tmp_path)
    spool.write([uplink(1)])
    identity, sound = spool.identity, spool._database

    class Failing:
        def execute(self, *_: object) -> None:
            failure = sqlite3.OperationalError("disk I/O error")
            failure.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
            raise failure

        def close(self) -> None:
            sound.close()

    monkeypatch.setattr(spool, "_database", Failing())
    for _ in range(9):
        with pytest.raises(SpoolUnavailable, match="I/O"):
            spool.floor  # noqa: B018
        assert spool.identity == identity
    with pytest.raises(SpoolUnavailable, match="I/O"):
        spool.floor  # noqa: B018
    assert spool.identity != identity
    run = spool.run(1, spool.last, max_messages=9, max_bytes=10**9)
    assert run is not None
    assert len(run.bodies) == 1
    assert spool.state().damaged_files == 1


def test_a_new_spool_that_cannot_be_begun_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(tmp_path)
    spool.write([uplink(number, 500) for number in range(1000)])
    spoiled(tmp_path, spool, range(60, 64))
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        patch.setattr(Spool, "_create", full)
        for _ in range(3):
            with pytest.raises(SpoolUnavailable, match="check the disk"):
                spool.run(1, spool.last, max_messages=1000, max_bytes=10**9)
    with pytest.raises(SpoolUnavailable):
        spool.write([uplink(7)])
    assert spool.state().messages > 900
    assert spool.state().damaged_files == 1
    spool.write([uplink(7)])


def damaged_with_a_log(folder: Path) -> None:
    """A spool of 1,200 messages with a hole, the last ten of them in the write-ahead log only."""
    spool = opened(folder)
    spool.write([uplink(number) for number in range(1190)])
    spoiled(folder, spool, range(8, 9))
    database = spool._database
    database.execute("PRAGMA wal_autocheckpoint = 0")
    spool.write([uplink(number) for number in range(1190, 1200)])
    for part in ("", "-wal"):  # as kill -9 leaves them: an orderly end would fold the log back
        (folder / f"copy{part}").write_bytes((folder / f"spool.sqlite{part}").read_bytes())
    spool.close()
    for left in folder.glob("spool.sqlite*"):
        left.unlink()
    for part in ("", "-wal"):
        (folder / f"copy{part}").rename(folder / f"spool.sqlite{part}")


def waiting(spool: Spool) -> list[int]:
    """The counters of all messages."""
    found: list[int] = []
    while run := spool.run(1, spool.last, max_messages=100_000, max_bytes=10**9):
        octets = cbor.assemble(
            agent="gw-1", spool=b"s", sequence=1, floor=1, sent_at=NOON, messages=run.bodies
        )
        found += [one.f_cnt for one in cbor.decode(octets).messages if isinstance(one, Uplink)]
        spool.write([], [Receipt(spool.identity, ((run.first, run.last),))])
    return found


def test_kill_9_at_any_step_of_the_rescue_loses_and_doubles_nothing_and_it_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def start(folder: Path) -> None:
        opened(folder).close()

    template, whole = tmp_path / "template", tmp_path / "whole"
    template.mkdir()
    damaged_with_a_log(template)
    shutil.copytree(template, whole)
    undisturbed = waiting(opened(whole))
    assert 1_000 < len(undisturbed) < 1_200
    assert undisturbed[-10:] == list(range(1190, 1200))
    folders = every_point(start, template, tmp_path)
    assert len(folders) > 30
    for folder in folders:
        caplog.clear()
        names = [one.name for one in folder.iterdir()]
        told_before = any(".damaged-" in one for one in names) and not any(
            one.endswith((".moving", ".unread")) for one in names
        )
        spool = opened(folder)
        assert waiting(spool) == undisturbed, folder.name
        assert spool.state().damaged_files == 1, folder.name
        (aside,) = folder.glob("spool.sqlite.damaged-*Z")
        if not told_before:
            assert f"{len(undisturbed)} messages of the damaged file" in caplog.text, folder.name
            assert aside.name in caplog.text
        assert not list(folder.glob("*.moving")) + list(folder.glob("*.unread"))
        spool.close()
