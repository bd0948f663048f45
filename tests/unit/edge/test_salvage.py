"""A spool that breaks while it is used: what can still be read is kept, and the agent goes on."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.spool import Spool, SpoolSettings, SpoolUnavailable
from edge.wire import cbor
from edge.wire.identifiers import DevEUI
from edge.wire.messages import Clock, Uplink

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
