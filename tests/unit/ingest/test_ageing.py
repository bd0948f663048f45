"""Messages grow old in the journal: gone on time, never before they are handled, and provably."""

import shutil
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from ingest.ageing import JournalAgeing
from ingest.journal import Delivery, JournalReader, JournalSettings, JournalUnavailable, JournalWriter
from udp.registry.database import Database
from udp.retention.proof import Proofs

from ..kill_points import every_point

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


def old_and_new(folder):
    """Eight messages of three months, six of which are too old, and a platform's database."""
    clock = [NOW]
    writer = JournalWriter(JournalSettings(folder / "journal", keep_free_bytes=0), WORKER, lambda: clock[0])
    for days in (60, 59, 40, 39, 15, 14, 3, 1):
        clock[0] = NOW - timedelta(days=days)
        writer.append([Delivery(micros(clock[0]), "edge", "o", "application/cbor", SECRET * 20)])
    writer.close()
    database = Database(f"sqlite:///{folder}/registry.sqlite")
    Proofs(database)
    database.close()


def age(folder):
    database = Database(f"sqlite:///{folder}/registry.sqlite")
    try:
        ageing(folder / "journal", Proofs(database)).run(timedelta(days=10), "digest")
        assert not Proofs(database).begun()
        return {(one.dataset, one.count, one.checksum, one.left_over) for one in Proofs(database).read()}
    finally:
        database.close()


def test_kill_9_at_any_moment_leaves_one_whole_proof_of_each_deletion(tmp_path):
    template = tmp_path / "template"
    template.mkdir()
    old_and_new(template)
    whole = tmp_path / "whole"
    shutil.copytree(template, whole)
    undisturbed = age(whole)
    assert sorted(count for _, count, _, _ in undisturbed) == [2, 2, 2]
    folders = every_point(age, template, tmp_path, since="PRAGMA secure_delete")
    assert len(folders) > 20
    for folder in folders:
        assert age(folder) == undisturbed, folder.name
        assert len(list((folder / "journal").glob("*.sqlite"))) == 1
        left = b"".join(path.read_bytes() for path in (folder / "journal").iterdir())
        assert left.count(SECRET) == 20 * 2, folder.name


def test_a_reader_that_holds_old_pages_is_named_and_the_proof_waits_for_it(journal, proofs):
    first = min(journal.glob("*.sqlite"))
    with sqlite3.connect(first, isolation_level=None) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM deliveries").fetchone()
        hasty = JournalAgeing(journal, Handled(), proofs, lambda: NOW, patience_s=0.1)
        with pytest.raises(JournalUnavailable, match=f"{first.stem}: a reader still holds"):
            hasty.run(timedelta(days=10), "digest")
        # The other months do not wait for it.
        assert len(proofs.read()) == 2
        assert first.stem not in {one.dataset for one in proofs.read()}
        assert [one.deletion.dataset for one in proofs.begun()] == [first.stem]
        reader.execute("COMMIT")
    reader.close()
    (proof,) = ageing(journal, proofs).run(timedelta(days=10), "digest")
    assert (proof.dataset, proof.left_over, proof.deleted) == (first.stem, 0, proof.count)
    assert not proofs.begun()
    assert not first.exists()


def test_a_longer_time_said_meanwhile_keeps_what_is_left(journal, proofs):
    first = min(journal.glob("*.sqlite"))
    before = entries(journal)
    with sqlite3.connect(first, isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")  # nothing can be overwritten while somebody writes
        with pytest.raises(JournalUnavailable, match="locked"):
            JournalAgeing(journal, Handled(), proofs, lambda: NOW, patience_s=0.1).run(timedelta(days=10), "")
        writer.execute("COMMIT")
    writer.close()
    (proof,) = ageing(journal, proofs).run(None, "")
    assert (proof.deleted, proof.left_over, proof.holds) == (0, proof.count, False)
    kept = [one for one in before if one.received_at < micros(NOW - timedelta(days=30))]
    assert [one.octets for one in entries(journal)][:5] == [one.octets for one in kept[:5]]
