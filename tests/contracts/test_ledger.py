"""What every ledger must keep, whichever database is behind it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from edge.wire.identifiers import GatewayEUI
from edge.wire.messages import Reception
from ingest.conditions import Conditions
from udp.errors import StoreRejected, StoreUnavailable
from udp.ledger.port import (
    Page,
    Quarantined,
    Remembered,
    SeenUplink,
    SequenceRun,
    SessionCounter,
    WaitingFrames,
)
from udp.ledger.sql import SqlLedger

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EUI = bytes.fromhex("0102030405060708")
SESSION = b"\x26\x01\x1b\xda"


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[SqlLedger]:
    made = SqlLedger(ledger_url)
    yield made
    made.close()


def seen(
    f_cnt: int = 1, *, gateway: int = 1, at: datetime = NOW, way: str = "edge", session: bytes = SESSION
) -> SeenUplink:
    return SeenUplink(
        identity=EUI + session + f_cnt.to_bytes(4, "big"), dev_eui=EUI.hex().upper(), session=session,
        f_cnt=f_cnt, received_at=at, way=way,
        receptions=(Reception(GatewayEUI(gateway.to_bytes(8, "big")), f"gw-{gateway}", at, -97.5, 7.25),),
    )  # fmt: skip


def run(
    first: int, last: int, *, floor: int = 1, agent: str = "crx-gw-1", spool: bytes = b"s", at: datetime = NOW
) -> SequenceRun:
    return SequenceRun(agent, spool, first, last, floor, at - timedelta(seconds=1), at)


def aside(octets: bytes = b"\xff", at: datetime = NOW) -> Quarantined:
    return Quarantined(at, "edge", "udp/v1/x/up", "not CBOR", "look at it", octets)


def test_an_empty_ledger_knows_nothing(ledger: SqlLedger) -> None:
    assert ledger.remembered([seen().identity]) == {}
    assert ledger.remembered([]) == {}
    assert ledger.cursor("w-2026-11") == 0
    report = ledger.report()
    assert (report.devices, report.gateways, report.agents, report.gaps, report.quarantine) == (
        [],
        [],
        [],
        [],
        0,
    )
    assert ledger.quarantined(5) == []


def test_the_first_time_stays(ledger: SqlLedger) -> None:
    ledger.write(Page(uplinks=[seen(at=NOW)]))
    ledger.write(Page(uplinks=[seen(at=NOW - timedelta(hours=1), gateway=2), seen(2)]))
    known = ledger.remembered([seen(1).identity, seen(2).identity, seen(3).identity])
    assert known == {seen(1).identity: Remembered(NOW, b""), seen(2).identity: Remembered(NOW, b"")}


def test_more_identities_than_a_statement_takes(ledger: SqlLedger) -> None:
    many = [seen(number) for number in range(2_345)]
    ledger.write(Page(uplinks=many))
    assert len(ledger.remembered([one.identity for one in many])) == 2_345
    assert ledger.report().devices[0].uplinks == 2_345


def test_every_reception_is_kept_once(ledger: SqlLedger) -> None:
    later = NOW + timedelta(milliseconds=70)
    ledger.write(Page(uplinks=[seen(), seen(gateway=2, at=later)]))
    ledger.write(Page(uplinks=[seen(), seen(gateway=2, at=later), seen(way="chirpstack", at=later)]))
    receptions = ledger.receptions(seen().identity)
    assert [(way, one.gateway_name) for way, one in receptions] == [
        ("edge", "gw-1"),
        ("chirpstack", "gw-1"),
        ("edge", "gw-2"),
    ]
    assert receptions[0][1] == seen().receptions[0]
    device = ledger.report().devices[0]
    assert (device.uplinks, device.duplicates) == (1, 2)
    assert [(one.gateway, one.receptions) for one in ledger.report().gateways] == [
        ("0000000000000001", 2),
        ("0000000000000002", 1),
    ]


def test_the_last_frame_counters_show_who_hears_a_device(ledger: SqlLedger) -> None:
    for number in range(1, 101):
        if number % 10 == 0:
            continue  # nobody hears every tenth
        at = NOW + timedelta(minutes=number)
        page = [seen(number, at=at), seen(number, at=at, way="chirpstack")]
        if number % 4 == 0:
            page.append(seen(number, gateway=2, at=at + timedelta(milliseconds=5)))
        ledger.write(Page(uplinks=page))
    (hearing,) = ledger.hearing().values()
    # The last is 99: 50 to 99, of which 50, 60, 70, 80 and 90 are missing.
    assert (hearing.sent, hearing.missing) == (50, 5)
    assert [(one.gateway, one.name, one.uplinks) for one in hearing.gateways] == [
        ("0000000000000001", "gw-1", 45),
        ("0000000000000002", "gw-2", 10),
    ]
    assert hearing.gateways[0].last_received_at == NOW + timedelta(minutes=99)
    assert hearing.gateways[1].last_received_at == NOW + timedelta(minutes=96, milliseconds=5)
    assert hearing.gateways[0].rssi_dbm == seen().receptions[0].rssi_dbm


def test_a_gateway_known_by_name_only(ledger: SqlLedger) -> None:
    reception = Reception(None, "packetbroker", NOW)
    one = SeenUplink(seen().identity, "X", SESSION, 1, NOW, "things_stack", (reception,))
    ledger.write(Page(uplinks=[one]))
    assert ledger.receptions(one.identity) == [("things_stack", reception)]


def test_repeating_a_page_adds_nothing_twice_except_counters(ledger: SqlLedger) -> None:
    page = Page([seen(), seen(gateway=2)], [run(1, 1), run(3, 3)], [aside()], {"duplicates": 1})
    ledger.write(page)
    before = ledger.report()
    ledger.write(page)
    after = ledger.report()
    assert (after.devices, after.gateways, after.agents, after.gaps) == (
        before.devices,
        before.gateways,
        before.agents,
        before.gaps,
    )
    assert after.quarantine == before.quarantine == 1
    assert after.counters == {"duplicates": 2, "quarantine_octets": 1}


def test_a_page_whose_cursor_is_reached_changes_nothing(ledger: SqlLedger) -> None:
    page = Page(uplinks=[seen()], counters={"messages": 5}, cursor=("w-2026-11", 7))
    ledger.write(page)
    ledger.write(page)
    ledger.write(Page(uplinks=[seen(9)], cursor=("w-2026-11", 6)))
    assert ledger.cursor("w-2026-11") == 7
    assert ledger.cursor("w-2026-12") == 0
    assert ledger.report().counters == {"messages": 5}
    assert ledger.remembered([seen(9).identity]) == {}


def test_frame_counters_never_heard_are_lost_within_their_session(ledger: SqlLedger) -> None:
    ledger.write(
        Page(
            uplinks=[
                seen(10),
                seen(14),
                seen(0, session=b"new!"),
                seen(2, session=b"new!", at=NOW + timedelta(hours=1)),
            ]
        )
    )
    device = ledger.report().devices[0]
    assert (device.uplinks, device.lost, device.last_f_cnt) == (4, 3 + 1, 2)
    ledger.write(Page(uplinks=[seen(12)]))
    assert ledger.report().devices[0].lost == 3
    assert ledger.report().devices[0].last_received_at == NOW + timedelta(hours=1)


def test_gaps_open_close_and_are_lost_below_the_floor(ledger: SqlLedger) -> None:
    ledger.write(Page(runs=[run(1, 3), run(8, 9)]))
    assert [(gap.first, gap.last, gap.lost) for gap in ledger.report().gaps] == [(4, 7, False)]
    ledger.write(Page(runs=[run(5, 5)]))
    assert [(gap.first, gap.last, gap.lost) for gap in ledger.report().gaps] == [(4, 4, False), (6, 7, False)]
    ledger.write(Page(runs=[run(10, 10, floor=7, at=NOW + timedelta(hours=1))]))
    gaps = ledger.report().gaps
    assert [(gap.first, gap.last, gap.lost) for gap in gaps] == [(4, 4, True), (6, 6, True), (7, 7, False)]
    assert {gap.noticed_at for gap in gaps} == {NOW}
    ledger.write(Page(runs=[run(4, 7, floor=7)]))
    assert ledger.report().gaps == []
    (agent,) = ledger.report().agents
    assert (agent.agent, agent.highest_sequence, agent.last_journalled_at) == (
        "crx-gw-1",
        10,
        NOW + timedelta(hours=1),
    )


def test_what_left_a_spool_before_we_met_is_lost_to_us(ledger: SqlLedger) -> None:
    """Dropped while nobody listened: the very first envelope says so by its floor."""
    ledger.write(Page(runs=[run(500, 510, floor=400)]))
    assert [(gap.first, gap.last, gap.lost) for gap in ledger.report().gaps] == [
        (1, 399, True),
        (400, 499, False),
    ]


def test_what_another_worker_took_before_we_met_closes_the_gap(ledger: SqlLedger) -> None:
    ledger.write(Page(runs=[run(500, 510, floor=500)]))
    ledger.write(Page(runs=[run(1, 499, floor=1)]))
    assert ledger.report().gaps == []


def test_a_new_spool_counts_anew(ledger: SqlLedger) -> None:
    ledger.write(Page(runs=[run(1, 90)]))
    ledger.write(Page(runs=[run(1, 2, spool=b"t", at=NOW + timedelta(minutes=1))]))
    assert ledger.report().gaps == []
    assert [one.highest_sequence for one in ledger.report().agents] == [2]


def test_gauges_replace_and_conditions_come_and_go(ledger: SqlLedger) -> None:
    ledger.write(Page(gauges={"backlog": 7}, conditions={"store": "does not answer", "broker": "drops"}))
    ledger.write(Page(gauges={"backlog": 0}, conditions={"store": ""}))
    assert ledger.report().counters == {"backlog": 0}
    assert ledger.report().conditions == {"broker": "drops"}


@pytest.mark.parametrize("clock", [NOW - timedelta(days=400), datetime(1970, 1, 2, tzinfo=UTC)])
def test_memory_ends_by_when_an_uplink_was_noted_whatever_its_gateways_clock_says(
    ledger_url: str, clock: datetime
) -> None:
    times = [NOW - timedelta(days=70), NOW]
    ledger = SqlLedger(ledger_url, now=lambda: times[0])
    ledger.write(Page(uplinks=[seen(1, at=NOW + timedelta(days=900))]))
    times.pop(0)
    ledger.write(Page(uplinks=[seen(2, at=clock), seen(1, gateway=2)]))
    assert ledger.forget(NOW - timedelta(days=60)) == 1
    assert list(ledger.remembered([seen(1).identity, seen(2).identity])) == [seen(2).identity]
    assert ledger.receptions(seen(1).identity) == []
    assert ledger.report().devices[0].uplinks == 2
    ledger.close()


def test_what_is_forgotten_leaves_its_highest_counter(ledger_url: str) -> None:
    days = [NOW - timedelta(days=70), NOW]
    ledger = SqlLedger(ledger_url, now=lambda: days[0])
    key = (EUI.hex().upper(), SESSION)
    ledger.write(Page(uplinks=[seen(7), seen(5), seen(300, session=b"other")]))
    days.pop(0)
    ledger.write(Page(uplinks=[seen(9), seen(6)]))
    assert ledger.session_counters([key, ("00", SESSION)]) == {key: SessionCounter(9, -1)}
    ledger.forget(NOW - timedelta(days=60))
    assert ledger.session_counters([key]) == {key: SessionCounter(9, 7)}
    ledger.write(Page(uplinks=[seen(10)]))
    ledger.forget(NOW - timedelta(days=60))
    assert ledger.session_counters([key]) == {key: SessionCounter(10, 7)}
    ledger.close()


def test_a_transmission_known_under_another_identity_is_noted_under_that(ledger: SqlLedger) -> None:
    ledger.write(Page(uplinks=[seen(1)]))
    copy = seen(1, gateway=2)._replace(identity=b"another", also=(b"a third", seen(1).identity))
    ledger.write(Page(uplinks=[copy]))
    assert list(ledger.remembered([b"another", seen(1).identity])) == [seen(1).identity]
    assert len(ledger.receptions(seen(1).identity)) == 2
    assert ledger.report().devices[0].duplicates == 1


def test_the_payload_of_the_first_delivery_is_remembered(ledger: SqlLedger) -> None:
    ledger.write(Page(uplinks=[seen(1)._replace(payload=b"digest")]))
    ledger.write(Page(uplinks=[seen(1)._replace(payload=b"other")]))
    assert ledger.remembered([seen(1).identity]) == {seen(1).identity: Remembered(NOW, b"digest")}


OLDER = """
CREATE TABLE uplinks (identity {blob} PRIMARY KEY, received_at BIGINT NOT NULL);
CREATE TABLE sessions (dev_eui TEXT, session {blob}, lowest BIGINT NOT NULL, highest BIGINT NOT NULL,
 heard BIGINT NOT NULL, duplicates BIGINT NOT NULL, last_f_cnt BIGINT NOT NULL,
 last_received_at BIGINT NOT NULL,
 PRIMARY KEY (dev_eui, session));
CREATE TABLE conditions (subject TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE quarantine (id {serial} PRIMARY KEY, digest {blob} NOT NULL UNIQUE, at BIGINT NOT NULL,
 way TEXT NOT NULL, origin TEXT NOT NULL, reason TEXT NOT NULL, remedy TEXT NOT NULL, octets {blob} NOT NULL);
INSERT INTO conditions VALUES ('store', 'away')
"""


def test_a_ledger_of_an_older_version_is_taken_over(ledger_url: str) -> None:
    postgresql = ledger_url.startswith("postgresql")
    kinds = {"blob": "BYTEA", "serial": "BIGSERIAL"} if postgresql else {"blob": "BLOB", "serial": "INTEGER"}
    engine = create_engine(ledger_url)
    with engine.begin() as connection:
        for statement in OLDER.format(**kinds).split(";"):
            connection.execute(text(statement))
        connection.execute(text("INSERT INTO uplinks VALUES (:i, 5)"), {"i": seen(1).identity})
        values = {"eui": EUI.hex().upper(), "session": SESSION}
        connection.execute(text("INSERT INTO sessions VALUES (:eui, :session, 1, 1, 1, 0, 1, 5)"), values)
        connection.execute(
            text("INSERT INTO quarantine VALUES (1, :b, 1, 'edge', 't', 'r', 'm', :b)"), {"b": b"12345"}
        )
    engine.dispose()
    for _ in range(2):
        ledger = SqlLedger(ledger_url, now=lambda: NOW)
        assert list(ledger.remembered([seen(1).identity])) == [seen(1).identity]
        assert ledger.forget(NOW - timedelta(days=60)) == 0, "counts as noted now"
        assert ledger.session_counters([(EUI.hex().upper(), SESSION)]) != {}
        assert ledger.report().conditions == {}
        assert ledger.report().counters == {"quarantine_octets": 5}
        ledger.write(Page(uplinks=[seen(2)], conditions={"x": ""}))
        ledger.close()


def test_two_writers_agree_on_who_was_first(ledger_url: str) -> None:
    one, other = SqlLedger(ledger_url), SqlLedger(ledger_url)
    one.write(Page(uplinks=[seen(at=NOW)]))
    other.write(Page(uplinks=[seen(at=NOW - timedelta(seconds=1), gateway=2)]))
    assert (
        one.remembered([seen().identity])
        == other.remembered([seen().identity])
        == {seen().identity: Remembered(NOW, b"")}
    )
    one.close()
    other.close()


def test_a_ledger_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"nowhere/ledger\.sqlite"):
        SqlLedger(f"sqlite:///{tmp_path}/nowhere/ledger.sqlite")


@pytest.mark.parametrize("name", ["half a name\0", "\ud800"])
def test_what_the_database_never_takes_is_no_outage(ledger: SqlLedger, name: str) -> None:
    """Told as an outage it would be tried again for ever, and everybody behind it would wait."""
    one = seen()
    poisoned = one._replace(receptions=(one.receptions[0].__class__(None, name, NOW),))
    try:
        ledger.write(Page([poisoned], cursor=("w-2026-11", 1)))
    except (StoreRejected, UnicodeEncodeError):
        assert ledger.cursor("w-2026-11") == 0
    else:
        assert ledger.cursor("w-2026-11") == 1


def test_words_of_others_that_no_database_takes_end_no_process(ledger: SqlLedger) -> None:
    conditions = Conditions("w")
    conditions.say("broker", "it said \0")
    conditions.write_to(ledger)
    conditions.say("broker", "it said nothing")
    conditions.write_to(ledger)
    assert ledger.report().conditions["broker"] == "it said nothing"


def test_a_flood_of_unknown_senders_pushes_out_the_oldest_only(ledger: SqlLedger) -> None:
    flood = [WaitingFrames(n.to_bytes(4, "big"), "w-1", n + 1, n + 1) for n in range(20_100)]
    ledger.write(Page(frames=flood[:50]))
    ledger.write(Page(wanted=[flood[0].dev_addr]))
    ledger.write(Page(frames=flood[50:]))
    ledger.write(Page(wanted=[one.dev_addr for one in flood]))
    kept = ledger.wanted_frames(["w-1"])
    assert len(kept) == 18_000
    assert kept[0] == flood[0]  # somebody vouches for it already
    assert kept[-1] == flood[-1]


def test_frames_that_were_looked_at_and_not_opened_wait_until_they_are_wanted_anew(ledger: SqlLedger) -> None:
    one = WaitingFrames(b"\1\2\3\4", "w-1", 3, 9)
    ledger.write(Page(frames=[one], wanted=[one.dev_addr]))
    ledger.write(Page(unopened=[one]))
    assert ledger.wanted_frames(["w-1"]) == []
    ledger.write(Page(wanted=[one.dev_addr]))
    assert ledger.wanted_frames(["w-1"]) == [one]
