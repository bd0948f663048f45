"""Messages grow old in the journal: gone on time, never before they are handled, and provably."""

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from ingest.ageing import JournalAgeing
from ingest.journal import Delivery, JournalReader, JournalSettings, JournalWriter
from udp.registry.database import Database
from udp.retention.proof import Proofs

NOW = datetime(2026, 11, 21, 13, 30, tzinfo=UTC)
WORKER = "ingest-1"
SECRET = b"geheime-nutzlast"


def micros(moment):
    return int(moment.timestamp() * 1_000_000)


class Handled:
    """Everything, unless a test says less."""

    def __init__(self):
        self.rows = {}

    def cursor(self, journal):
        name, _, _number = journal.partition(":")
        return self.rows.get(name, 1_000_000)


@pytest.fixture
def journal(tmp_path):
    """One message an hour for sixty days, over three months' files."""
    folder = tmp_path / "journal"
    clock = [NOW - timedelta(days=60)]
    writer = JournalWriter(JournalSettings(folder, keep_free_bytes=0), WORKER, lambda: clock[0])
    while clock[0] < NOW:
        writer.append([Delivery(micros(clock[0]), "edge", "udp/v1/a/up", "application/cbor", SECRET * 20)])
        clock[0] += timedelta(hours=1)
    writer.close()
    return folder


@pytest.fixture
def proofs(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/registry.sqlite")
    yield Proofs(database)
    database.close()


def ageing(journal, proofs, handled=None):
    return JournalAgeing(journal, handled or Handled(), proofs, lambda: NOW)


def entries(journal):
    reader = JournalReader(journal, WORKER)
    found = [one for name in reader.names() for one in reader.read(name, 0, 10_000, 10**9)]
    reader.close()
    return found


def test_old_messages_go_with_their_bytes_and_empty_months_with_their_file(journal, proofs):
    names = sorted(path.stem for path in journal.glob("*.sqlite"))
    assert len(names) == 3
    done = ageing(journal, proofs).run(timedelta(days=10), "digest")
    limit = datetime(2026, 11, 11, tzinfo=UTC)
    alive = [one for one in entries(journal) if one.way != "erased"]
    assert min(one.received_at for one in alive) >= micros(limit)
    assert sum(one.count for one in done) == 60 * 24 - len(alive)
    assert all(one.what == "raw" and one.left_over == 0 and len(one.checksum) == 64 for one in done)
    assert sorted(path.stem for path in journal.glob("*.sqlite")) == names[2:]
    left = b"".join(path.read_bytes() for path in journal.iterdir())
    assert left.count(SECRET) == 20 * len(alive)
    assert list(reversed(proofs.read())) == done


def test_rows_keep_their_numbers(journal, proofs):
    newest = sorted(path.stem for path in journal.glob("*.sqlite"))[-1]
    before = {one.row for one in entries(journal) if one.received_at >= micros(NOW - timedelta(days=5))}
    reader = JournalReader(journal, WORKER)
    highest = reader.newest(newest)
    ageing(journal, proofs).run(timedelta(days=10), "")
    assert reader.newest(newest) == highest
    after = {one.row for one in entries(journal) if one.received_at >= micros(NOW - timedelta(days=5))}
    assert before == after
    reader.close()


def test_what_is_not_handled_yet_stays_however_old(journal, proofs):
    handled = Handled()
    first = min(path.stem for path in journal.glob("*.sqlite"))
    handled.rows[first] = 5
    ageing(journal, proofs, handled).run(timedelta(days=10), "")
    reader = JournalReader(journal, WORKER)
    kept = [one for one in reader.read(first, 0, 10_000, 10**9) if one.way != "erased"]
    reader.close()
    assert min(one.row for one in kept) == 6


def test_again_deletes_nothing_twice_and_no_limit_deletes_nothing(journal, proofs):
    assert ageing(journal, proofs).run(None, "") == []
    assert len(ageing(journal, proofs).run(timedelta(days=10), "")) == 3
    assert ageing(journal, proofs).run(timedelta(days=10), "") == []
    assert len(proofs.read()) == 3


def test_the_doors_write_on_meanwhile(journal, proofs):
    writer = JournalWriter(JournalSettings(journal, keep_free_bytes=0), WORKER, lambda: NOW)
    writer.append([Delivery(micros(NOW), "edge", "o", "c", b"1")])
    ageing(journal, proofs).run(timedelta(days=10), "")
    writer.append([Delivery(micros(NOW), "edge", "o", "c", b"2")])
    writer.close()
    assert [one.octets for one in entries(journal)][-2:] == [b"1", b"2"]
    with sqlite3.connect(next(journal.glob("*.sqlite"))) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
