"""What a ledger keeps beside uplinks: the quarantine, frames that wait, what workers say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from udp.ledger.port import Page, Quarantined, WaitingFrames
from udp.ledger.quarantining import QuarantineLimits, digest
from udp.ledger.sql import SqlLedger

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def url(ledger_url: str) -> str:
    return ledger_url


@pytest.fixture
def ledger(url: str) -> Iterator[SqlLedger]:
    made = SqlLedger(url)
    yield made
    made.close()


def aside(octets: bytes = b"\xff", at: datetime = NOW) -> Quarantined:
    return Quarantined(at, "edge", "udp/v1/x/up", "not CBOR", "look at it", octets)


def test_the_quarantine_is_read_newest_first_and_can_be_left(ledger: SqlLedger) -> None:
    ledger.write(
        Page(
            quarantined=[
                aside(b"a"),
                aside(b"b", NOW + timedelta(hours=1)),
                aside(b"a", NOW + timedelta(hours=2)),
            ]
        )
    )
    assert [one.octets for one in ledger.quarantined(10)] == [b"b", b"a"]
    assert ledger.quarantined(1) == [aside(b"b", NOW + timedelta(hours=1))]
    ledger.write(Page(released=[aside(b"b", NOW)]))
    assert [one.octets for one in ledger.quarantined(10)] == [b"a"]


def test_the_quarantine_is_bounded(url: str) -> None:
    ledger = SqlLedger(url, quarantine=QuarantineLimits(entries=3))
    for number in range(5):
        ledger.write(Page(quarantined=[aside(bytes([number]), NOW + timedelta(seconds=number))]))
    assert [one.octets for one in ledger.quarantined(10)] == [b"\x04", b"\x03", b"\x02"]
    ledger.close()


def test_the_quarantine_is_bounded_in_octets_and_released_octets_count_no_more(url: str) -> None:
    ledger = SqlLedger(url, quarantine=QuarantineLimits(octets=1_000))
    big = [aside(bytes([number]) * 300, NOW + timedelta(seconds=number)) for number in range(5)]
    for one in big:
        ledger.write(Page(quarantined=[one, one]))
    assert ledger.quarantined(10) == [big[4], big[3], big[2]]
    ledger.write(Page(released=[big[4], big[0]]))
    assert ledger.report().counters["quarantine_octets"] == 600
    ledger.write(Page(quarantined=big[:2]))
    assert len(ledger.quarantined(10)) == 3
    ledger.close()


def test_the_quarantine_is_asked_for_a_time(ledger: SqlLedger) -> None:
    entries = [aside(bytes([n]), NOW + timedelta(seconds=n)) for n in range(4)]
    ledger.write(Page(quarantined=entries))
    found = ledger.quarantined_between(NOW + timedelta(seconds=1), NOW + timedelta(seconds=2))
    assert set(found) == {digest(entries[1]), digest(entries[2])}


def test_frames_wait_are_wanted_and_taken_up(ledger: SqlLedger) -> None:
    def wait(first: int, last: int, journal: str = "w-1", address: bytes = b"addr") -> WaitingFrames:
        return WaitingFrames(address, journal, first, last)

    ledger.write(Page(frames=[wait(5, 5), wait(8, 8), wait(1, 1, "v-1"), wait(6, 6, address=b"else")]))
    assert ledger.wanted_frames(["w-1", "v-1"]) == []
    ledger.write(Page(wanted=[b"addr", b"nobody"]))
    assert ledger.wanted_frames(["w-1"]) == [wait(5, 8)]
    ledger.write(Page(frames=[wait(12, 12)]))
    ledger.write(Page(taken_up=[wait(5, 8)]))
    assert ledger.wanted_frames(["w-1"]) == []
    ledger.write(Page(wanted=[b"addr"]))
    assert ledger.wanted_frames(["w-1", "v-1"]) == [wait(1, 1, "v-1"), wait(9, 12)]
    ledger.write(Page(taken_up=[wait(9, 12)]))
    assert ledger.wanted_frames(["w-1"]) == []


def test_workers_are_added_up_and_never_overwrite_one_another(url: str) -> None:
    now = [NOW]
    ledger = SqlLedger(url, now=lambda: now[0])
    for worker, backlog, age, text_ in (("a", 7, 30, "store away"), ("b", 5, 90, "no route")):
        gauges = {"journal_backlog_messages": backlog, "journal_backlog_age_s": age}
        ledger.write(Page(worker=worker, gauges=gauges, conditions={"store": text_, "mqtt": "refused"}))
    report = ledger.report()
    assert report.counters == {"journal_backlog_messages": 12, "journal_backlog_age_s": 90}
    assert report.conditions == {"store": "a: store away; b: no route", "mqtt": "refused"}
    ledger.write(Page(worker="a", conditions={"store": "", "mqtt": ""}))
    assert ledger.report().conditions == {"store": "no route", "mqtt": "refused"}
    now[0] = NOW + timedelta(minutes=6)
    ledger.write(Page(worker="b"))
    (silent,) = (text for subject, text in ledger.report().conditions.items() if subject == "worker a")
    assert "7 messages" in silent and "udp-ingest retire a" in silent
    ledger.forget_worker("a")
    assert ledger.report().counters == {"journal_backlog_messages": 5, "journal_backlog_age_s": 90}
    assert [one.worker for one in ledger.report().workers] == ["b"]
    ledger.close()


def test_a_process_without_a_journal_is_told_silent_without_advice_for_ingest(url: str) -> None:
    now = [NOW]
    ledger = SqlLedger(url, now=lambda: now[0])
    ledger.write(Page(worker="wetter", conditions={"Regenradar": ""}))
    now[0] = NOW + timedelta(minutes=4)
    assert ledger.report().conditions == {}
    now[0] = NOW + timedelta(minutes=6)
    ((subject, said),) = ledger.report().conditions.items()
    assert subject == "worker wetter" and "start it again" in said
    assert "journal" not in said and "udp-ingest" not in said
    ledger.close()
