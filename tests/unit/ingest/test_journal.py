"""The journal keeps what it took, says why when it cannot, and is read while it is written."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.wire.instants import microseconds
from ingest.committer import CommitSettings, Committer
from ingest.journal import (
    Delivery,
    JournalReader,
    JournalSettings,
    JournalUnavailable,
    JournalWriter,
    erase,
    workers,
)

NOVEMBER = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def one(number: int, at: datetime = NOVEMBER) -> Delivery:
    return Delivery(microseconds(at), "edge", f"topic/{number}", "application/cbor", bytes([number]) * 10)


@pytest.fixture
def settings(tmp_path: Path) -> JournalSettings:
    return JournalSettings(directory=tmp_path / "journal", keep_free_bytes=0)


def test_what_was_appended_is_read_in_order_behind_the_cursor(settings: JournalSettings) -> None:
    writer = JournalWriter(settings, "w", Clock(NOVEMBER))
    reader = JournalReader(settings.directory, "w")
    assert reader.names() == []
    writer.append([one(1), one(2)])
    writer.append([one(3)])
    assert reader.names() == ["w-2026-11"]
    entries = reader.read("w-2026-11", 1, 10)
    assert [entry.row for entry in entries] == [2, 3]
    assert entries[0] == (2, *one(2))
    assert reader.newest("w-2026-11") == 3
    assert [entry.row for entry in reader.read("w-2026-11", 0, 2)] == [1, 2]
    assert len(reader.read("w-2026-11", 0, 10, max_bytes=11)) == 2


def test_a_new_month_is_a_new_file_and_a_clock_set_back_never_writes_behind(
    settings: JournalSettings,
) -> None:
    clock = Clock(NOVEMBER)
    writer = JournalWriter(settings, "w", clock)
    writer.append([one(1)])
    clock.now = NOVEMBER + timedelta(seconds=2)
    writer.append([one(2)])
    clock.now = NOVEMBER
    writer.append([one(3)])
    writer.close()
    JournalWriter(settings, "w", clock).append([one(4)])
    reader = JournalReader(settings.directory, "w")
    assert reader.names() == ["w-2026-11", "w-2026-12"]
    assert reader.newest("w-2026-11") == 1
    assert reader.newest("w-2026-12") == 3


def test_workers_have_journals_of_their_own(settings: JournalSettings) -> None:
    for worker in ("w", "w-2"):
        JournalWriter(settings, worker, Clock(NOVEMBER)).append([one(1)])
    assert workers(settings.directory) == ["w", "w-2"]
    assert JournalReader(settings.directory, "w").names() == ["w-2026-11"]


def test_a_replay_finds_its_beginning(settings: JournalSettings) -> None:
    writer = JournalWriter(settings, "w", Clock(NOVEMBER))
    writer.append([one(n, NOVEMBER + timedelta(seconds=n)) for n in range(5)])
    reader = JournalReader(settings.directory, "w")
    assert reader.first_since("w-2026-11", NOVEMBER + timedelta(seconds=2)) == 2
    assert reader.first_since("w-2026-11", NOVEMBER - timedelta(days=1)) == 0
    assert reader.first_since("w-2026-11", NOVEMBER + timedelta(days=1)) == 5


def test_commits_are_flushed_to_the_disk(settings: JournalSettings) -> None:
    writer = JournalWriter(settings, "w", Clock(NOVEMBER))
    writer.append([one(1)])
    connection = writer._connection
    assert isinstance(connection, sqlite3.Connection)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_full_journal_takes_nothing_more_and_says_what_to_do(settings: JournalSettings) -> None:
    small = JournalSettings(directory=settings.directory, max_bytes=200_000, keep_free_bytes=0)
    writer = JournalWriter(small, "w", Clock(NOVEMBER))
    with pytest.raises(JournalUnavailable, match=r"max_bytes is 200000.*archived"):
        for _ in range(100):
            writer.append([Delivery(0, "edge", "t", "", bytes(20_000))])
    JournalWriter(settings, "w", Clock(NOVEMBER)).append([one(1)])


def test_a_disk_almost_full_takes_nothing_more(settings: JournalSettings) -> None:
    picky = JournalSettings(directory=settings.directory, keep_free_bytes=2**62)
    with pytest.raises(JournalUnavailable, match="keep_free_bytes"):
        JournalWriter(picky, "w", Clock(NOVEMBER)).append([one(1)])


def test_a_write_the_disk_refuses_leaves_nothing_behind_and_can_be_repeated(
    settings: JournalSettings,
) -> None:
    writer = JournalWriter(settings, "w", Clock(NOVEMBER))
    writer.append([one(1)])
    connection = writer._connection
    assert connection is not None
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages + 2}")  # SQLite then says "database or disk is full"
    with pytest.raises(JournalUnavailable, match=r"disk is full.*no restart is needed"):
        writer.append([one(2), Delivery(0, "edge", "t", "", bytes(100_000))])
    writer.append([one(3)])
    reader = JournalReader(settings.directory, "w")
    assert [entry.origin for entry in reader.read("w-2026-11", 0, 10)] == ["topic/1", "topic/3"]


def test_one_commit_serves_everybody_who_came_meanwhile(settings: JournalSettings) -> None:
    committer = Committer(JournalWriter(settings, "w", Clock(NOVEMBER)), CommitSettings())
    committer.start()
    threads = [threading.Thread(target=committer.commit, args=([one(n), one(n)],)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    committer.close()
    assert JournalReader(settings.directory, "w").newest("w-2026-11") == 60


def test_nobody_is_told_durable_while_the_journal_cannot_be_written(settings: JournalSettings) -> None:
    settings.directory.parent.mkdir(exist_ok=True)
    settings.directory.write_text("a file where a folder is meant")
    committer = Committer(JournalWriter(settings, "w", Clock(NOVEMBER)), CommitSettings())
    committer.start()
    with pytest.raises(JournalUnavailable):
        committer.commit([one(1)])
    assert "cannot be written" in committer.trouble
    settings.directory.unlink()
    committer.commit([one(2)])
    assert committer.trouble == ""
    committer.close()
    with pytest.raises(JournalUnavailable, match="closed"):
        committer.commit([one(3)])
    assert JournalReader(settings.directory, "w").newest("w-2026-11") == 1


def test_what_waits_for_the_disk_is_bounded(settings: JournalSettings) -> None:
    committer = Committer(JournalWriter(settings, "w", Clock(NOVEMBER)), CommitSettings(pending_bytes=15))
    answers: list[JournalUnavailable | None] = []
    committer.submit([one(1)], answers.append)  # not started: nothing is written meanwhile
    committer.submit([one(2)], answers.append)
    assert len(answers) == 1
    assert "10 bytes waiting" in str(answers[0])
    committer.start()
    committer.close()
    assert answers[1:] == [None]


def test_erased_bytes_that_still_lie_in_the_log_are_no_success(settings: JournalSettings) -> None:
    writer = JournalWriter(settings, "w", Clock(NOVEMBER))
    writer.append([Delivery(1, "edge", "topic/1", "", b"TRACE-OF-A-CITIZEN" * 300), one(2)])
    path = settings.directory / "w-2026-11.sqlite"
    with closing(sqlite3.connect(path)) as reading:
        rows = reading.execute("SELECT * FROM deliveries")
        rows.fetchone()
        with pytest.raises(JournalUnavailable, match="a reader still holds"):
            erase(path, "edge", "topic/1", patience_s=0.05)
        rows.close()
    erase(path, "edge", "topic/1")
    everywhere = b"".join(one.read_bytes() for one in settings.directory.iterdir())
    assert b"TRACE-OF-A-CITIZEN" not in everywhere
    assert JournalReader(settings.directory, "w").read("w-2026-11", 0, 9)[0].octets == b""
    writer.append([one(3)])
    assert JournalReader(settings.directory, "w").newest("w-2026-11") == 3


def test_a_file_that_goes_beside_it_at_this_moment_refuses_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old months are deleted there, logs folded back, sessions kept anew; a webhook comes only once."""
    settings = JournalSettings(tmp_path / "journal", keep_free_bytes=0)
    writer = JournalWriter(settings, "w", lambda: NOVEMBER)
    writer.append([Delivery(1, "edge", "o", "", b"1")])
    look = os.scandir

    def while_one_goes(folder: Path) -> Iterator[os.DirEntry[str]]:
        for entry in list(look(folder)):
            if entry.name.endswith("-shm"):
                (folder / "v-2026-10.sqlite").unlink()
            yield entry

    (settings.directory / "v-2026-10.sqlite").touch()
    monkeypatch.setattr(
        os, "scandir", lambda folder: sorted(while_one_goes(folder), key=lambda one: one.name, reverse=True)
    )
    writer.append([Delivery(2, "edge", "o", "", b"1")])
    writer.close()
