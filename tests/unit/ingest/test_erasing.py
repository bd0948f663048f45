"""A citizen withdraws: nothing is left anywhere, and no replay brings it back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.erasing import CaughtUp, Eraser
from ingest.journal import ERASED
from udp.store.columns import Period

from .village import NEIGHBOURS, Village, drain, eventually, ttn_uplink

EVER = Period(datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    made = Village(tmp_path)
    yield made
    made.close()


def withdrawn(village: Village) -> list[int]:
    """The Datastreams it had."""
    streams = list(village.registry.inventory().datastreams)
    village.projects.withdraw(village.project.slug)
    eventually(lambda: village.project.slug not in village.project_doors.doors)
    return streams


def erase(village: Village, folder: Path, *, caught_up: bool = True) -> int:
    eraser = Eraser(village.store, village.ledger, folder / "journal", village.now)
    if not caught_up:
        return eraser.run(village.projects, lambda _order: False)
    done = [eraser.run(village.projects, lambda _order: True) for _ in range(2)]
    assert done == [0, 0]  # today's values go when the day is over
    village.ahead += timedelta(days=1)
    return eraser.run(village.projects, lambda _order: True)


def test_withdrawal_deletes_everything_everywhere(village: Village, tmp_path: Path) -> None:
    key = village.key()
    marker = b"TRACE-OF-A-CITIZEN-IN-THE-JOURNAL"
    village.post(ttn_uplink(1, payload=marker), key)
    village.post(b"{not json " + marker, key)
    other = village.approved(NEIGHBOURS)
    village.post(ttn_uplink(1, dev_eui=NEIGHBOURS), "city-key", "stadt")
    village.settle()
    mine = [one for one in village.registry.inventory().datastreams.values() if other.slug not in one.thing]
    village.projects.withdraw(village.project.slug)
    assert erase(village, tmp_path, caught_up=False) == 0
    assert erase(village, tmp_path) == 1
    assert erase(village, tmp_path) == 0
    assert len(village.store.read([one.id for one in mine], EVER)) == 0
    assert len(village.store.latest()) == 2  # the neighbour's
    assert village.ledger.packets(village.project.slug, 10) == []
    assert village.ledger.quarantined(10) == []
    assert [one.dev_eui for one in village.ledger.report().devices] == [str(NEIGHBOURS)]
    village.committer.close()
    octets = b"".join(path.read_bytes() for path in (tmp_path / "journal").glob("*.sqlite*"))
    assert marker not in octets
    assert village.project.slug.encode() not in octets
    rows = [(one.way, len(one.octets) > 0) for one in village.journalled()]
    assert rows == [(ERASED, False), (ERASED, False), ("things_stack", True)]


def test_what_comes_after_the_withdrawal_is_dropped_without_a_trace(village: Village) -> None:
    key = village.key()
    village.post(ttn_uplink(1), key)  # journalled, not handled yet
    streams = withdrawn(village)
    village.settle()
    assert village.post(ttn_uplink(2), key).status_code == 401
    assert len(village.store.read(streams, EVER)) == 0
    assert village.ledger.quarantined(10) == []
    assert village.ledger.report().counters["withdrawn"] == 1


def test_the_same_device_in_a_new_project_does_not_get_old_values_back(
    village: Village, tmp_path: Path
) -> None:
    village.post(ttn_uplink(1), village.key())
    village.settle()
    withdrawn(village)
    journal_before = village.journalled()
    assert erase(village, tmp_path) == 1
    village.project = village.approved(village.project.devices[0].dev_eui)
    drain(village.follower)
    assert len(village.store.latest()) == 0
    # As if the bytes had come back from a backup of the journal: a new pipeline reads them all.
    village.pipeline().handle("another-journal", journal_before)
    assert len(village.store.latest()) == 0


def test_a_platform_that_is_never_idle_deletes_all_the_same(village: Village, tmp_path: Path) -> None:
    village.post(ttn_uplink(1), village.key())
    withdrawn(village)
    folder = tmp_path / "journal"
    caught_up = CaughtUp(folder, village.ledger)
    assert not caught_up(7)  # the project's last delivery waits
    village.settle()
    village.post(ttn_uplink(2, dev_eui=NEIGHBOURS), "city-key", "stadt")  # and so it goes on all day
    assert caught_up(7)
    assert not caught_up(8)  # ordered now
    for path in folder.glob("*.sqlite"):
        path.unlink()
    assert caught_up(8)  # a month that was deleted keeps nobody waiting


def test_an_order_waits_until_doors_and_pipelines_know_of_it(village: Village, tmp_path: Path) -> None:
    village.post(ttn_uplink(1), village.key())
    village.settle()
    withdrawn(village)
    order = village.projects.erasures()[0].ordered_at
    eraser = Eraser(village.store, village.ledger, tmp_path / "journal", lambda: order + timedelta(seconds=9))
    eraser.run(village.projects, lambda _order: True)
    assert [one.octets != b"" for one in village.journalled()] == [True]
