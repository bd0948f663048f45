from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.operator.conditions import meaning
from dashboards.operator.findings import Severity, findings
from dashboards.operator.refresh import in_order
from dashboards.operator.report import (
    AgentState,
    DeviceState,
    GatewayState,
    ModuleState,
    ModuleStream,
    Operations,
    QuarantineEntry,
    SequenceGap,
)
from dashboards.operator.silence import Arrivals, device_limit, silent_devices

NOW = datetime(2026, 11, 21, 14, 20, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def device(quiet: timedelta | None = MINUTE, interval: timedelta = HOUR, **more: object) -> DeviceState:
    heard = None if quiet is None else NOW - quiet
    return replace(
        DeviceState("0101010101010101", "Papierkorb 1", True, interval, heard, 42, 100, 3, 0),
        **more,  # type: ignore[arg-type]
    )


def agent(quiet: timedelta = MINUTE, **health: float) -> AgentState:
    return AgentState("crx-gw-1", "Rathaus", 4711, NOW - quiet - timedelta(seconds=1), NOW - quiet, health)


HEALTHY = Operations(
    at=NOW,
    devices=(device(),),
    gateways=(GatewayState("0016c001f1500801", "Rathaus", NOW - MINUTE, 900),),
    agents=(agent(backlog_age=1.0, dropped_messages=0.0, clock_offset=0.01, disk_free=4000.0),),
    gaps=(),
    quarantine=0,
    quarantined=(),
    counters={},
    conditions={},
)


def gap(*, lost: bool, noticed: timedelta) -> SequenceGap:
    return SequenceGap("crx-gw-1", 10, 14, NOW - noticed, lost)


def test_a_healthy_platform_has_no_findings_and_is_in_order() -> None:
    assert findings(HEALTHY, NOW) == []
    assert in_order([], HEALTHY, NOW)


@pytest.mark.parametrize(
    ("trouble", "severity", "words"),
    [
        ({"conditions": {"broker": "drops; set max_queued_bytes"}}, Severity.CRITICAL, "MQTT-Vermittler"),
        ({"agents": (agent(11 * MINUTE),)}, Severity.CRITICAL, "Agent crx-gw-1 schweigt"),
        ({"agents": (agent(dropped_messages=3.0),)}, Severity.CRITICAL, "verworfen"),
        ({"agents": (agent(refused_messages=500.0),)}, Severity.CRITICAL, "lehnt ab, was crx-gw-1 sendet"),
        ({"agents": (agent(damaged_files=1.0),)}, Severity.CRITICAL, "Speicher von crx-gw-1 war beschädigt"),
        ({"agents": (agent(backlog_age=1000.0),)}, Severity.WARNING, "Rückstand"),
        ({"agents": (agent(clock_offset=-9.0),)}, Severity.WARNING, "Uhr"),
        ({"agents": (agent(disk_free=10.0),)}, Severity.WARNING, "Platz"),
        (
            {"agents": (replace(agent(), last_sent_at=NOW + MINUTE),)},
            Severity.WARNING,
            "Uhr von crx-gw-1 geht vor",
        ),
        (
            {"agents": (agent(), replace(agent(), agent="neu", last_sent_at=None, last_journalled_at=None))},
            Severity.WARNING,
            "1 Agent hat sich noch nie gemeldet",
        ),
        (
            {"gateways": (GatewayState("aa", "", NOW - 2 * HOUR, 1),)},
            Severity.WARNING,
            "Gateway aa schweigt",
        ),
        ({"gaps": (gap(lost=True, noticed=MINUTE),)}, Severity.CRITICAL, "5 Nachrichten verloren"),
        ({"gaps": (gap(lost=False, noticed=HOUR),)}, Severity.WARNING, "5 Nachrichten noch unterwegs"),
        ({"gaps": (gap(lost=False, noticed=MINUTE),)}, Severity.NOTICE, "5 Nachrichten noch unterwegs"),
        ({"devices": (device(4 * HOUR),)}, Severity.WARNING, "1 Gerät schweigt"),
        (
            {"devices": (device(31 * MINUTE, 10 * MINUTE),)},
            Severity.WARNING,
            "1 Gerät schweigt",
        ),
        ({"devices": (device(None),)}, Severity.NOTICE, "noch nie gehört"),
        ({"devices": (device(known=False),)}, Severity.NOTICE, "nicht im Register"),
        ({"devices": (device(lost=50),)}, Severity.NOTICE, "30 %"),
        (
            {"quarantine": 3, "quarantined": (QuarantineEntry(NOW - HOUR, "edge", "x", "r", "do", "00ff"),)},
            Severity.WARNING,
            "3 Lieferungen in Quarantäne",
        ),
    ],
)
def test_each_trouble_is_named_with_severity_and_remedy(
    trouble: dict[str, object], severity: Severity, words: str
) -> None:
    (finding,) = findings(replace(HEALTHY, **trouble), NOW)  # type: ignore[arg-type]
    assert finding.severity is severity
    assert words in finding.what.replace("\u00a0", " ")
    assert finding.remedy or "set" in finding.detail


def test_an_old_report_proves_nothing() -> None:
    later = NOW + 3 * MINUTE
    (finding,) = findings(HEALTHY, later)
    assert finding.severity is Severity.CRITICAL
    assert not in_order([], HEALTHY, later)


def test_silence_from_the_start_is_not_order() -> None:
    nothing = replace(HEALTHY, devices=(), gateways=(), agents=())
    found = findings(nothing, NOW)
    assert [one.what for one in found] == ["Noch nichts empfangen"]
    assert not in_order([], nothing, NOW)


def test_the_worst_stands_first() -> None:
    broken = replace(
        HEALTHY,
        devices=(device(None), device(7 * HOUR)),
        gaps=(gap(lost=True, noticed=HOUR), gap(lost=False, noticed=HOUR)),
    )
    severities = [one.severity for one in findings(broken, NOW)]
    assert severities == sorted(severities)
    assert len(set(severities)) == 3


@given(st.integers(1, 200_000), st.integers(0, 1_000_000))
def test_silent_is_three_intervals_with_a_floor_by_rhythm(interval: int, quiet: int) -> None:
    one = device(timedelta(seconds=quiet), timedelta(seconds=interval))
    floor = 1800 if interval < 7200 else 6 * 3600
    silent = bool(silent_devices(replace(HEALTHY, devices=(one,))))
    assert silent == (quiet > max(3 * interval, floor))
    assert device_limit(timedelta(seconds=interval)) >= timedelta(seconds=floor)


def test_a_fifth_of_lost_frames_is_to_be_expected() -> None:
    assert findings(replace(HEALTHY, devices=(device(lost=25),)), NOW) == []


def gateway(stat: timedelta, heard: timedelta, number: int = 1) -> GatewayState:
    return GatewayState(
        f"000000000000000{number}", f"Gateway {number}", NOW - heard, 900,
        f"crx-gw-{number}", NOW - stat, timedelta(seconds=30),
    )  # fmt: skip


def module(*quiet: timedelta | None, sensor: str = "air") -> ModuleState:
    streams = [
        ModuleStream(f"Wert {number}", MINUTE, None if one is None else NOW - one)
        for number, one in enumerate(quiet)
    ]
    return ModuleState("crx-gw-1", sensor, "Pole 1", streams)


def later(operations: Operations, by: timedelta) -> Operations:
    """The same report, `by` later, with nothing new in it but the agents' word."""
    return replace(
        operations, at=NOW + by, agents=(replace(agent(), last_journalled_at=NOW + by),), devices=()
    )


def test_a_gateway_is_silent_five_minutes_after_its_last_sign_and_speaks_again() -> None:
    live = replace(HEALTHY, gateways=(gateway(MINUTE, MINUTE), gateway(MINUTE, MINUTE, 2)))
    arrivals = Arrivals()
    told = []
    for minutes in range(8):
        report = later(live, minutes * MINUTE)
        spoke = replace(live.gateways[1], last_stat_at=report.at)
        report = replace(report, gateways=(live.gateways[0], spoke))
        report = replace(report, catching_up=arrivals.note(report))
        told.append([one.what for one in findings(report, report.at)])
    assert told == [[]] * 5 + [["Gateway Gateway 1 schweigt"]] * 3
    report = later(live, 8 * MINUTE)
    back = replace(report, gateways=[replace(one, last_stat_at=report.at) for one in live.gateways])
    assert findings(replace(back, catching_up=arrivals.note(back)), back.at) == []


def test_statistics_alone_or_receptions_alone_are_a_sign_of_life() -> None:
    for one in (gateway(MINUTE, 3 * HOUR), gateway(3 * HOUR, MINUTE)):
        assert findings(replace(HEALTHY, gateways=(one,)), NOW) == []


def test_a_silent_agent_is_one_finding_not_two() -> None:
    broken = replace(HEALTHY, agents=(agent(HOUR),), gateways=(gateway(HOUR, HOUR),), modules=(module(HOUR),))
    assert [one.what for one in findings(broken, NOW)] == ["Agent crx-gw-1 schweigt"]


def test_a_history_that_still_arrives_is_no_silence_and_a_stop_of_it_is() -> None:
    """Times far in the past that advance; then they stand still."""
    arrivals = Arrivals()
    told = []
    for minutes in range(10):
        report = later(replace(HEALTHY, modules=(module(HOUR),)), minutes * MINUTE)
        arrived = NOW - 24 * HOUR + min(minutes, 5) * HOUR
        heard = [replace(gateway(HOUR, HOUR, number), last_received_at=arrived, last_stat_at=arrived)
                 for number in (1, 2)]  # fmt: skip
        past = replace(module(HOUR), streams=(ModuleStream("PM10", MINUTE, arrived),))
        report = replace(report, gateways=heard, modules=(past,))
        report = replace(report, catching_up=arrivals.note(report), devices=(
            device(known=True, last_received_at=arrived - MINUTE),))  # fmt: skip
        told.append(len(findings(report, report.at)))
    assert told == [0] * 8 + [4, 4]


def test_a_restart_of_the_page_does_not_forget_an_outage_while_others_are_live() -> None:
    report = replace(HEALTHY, gateways=(gateway(HOUR, HOUR), gateway(MINUTE, MINUTE, 2)))
    assert Arrivals().note(report) == frozenset()


def test_a_stale_module_is_named_without_its_pole_and_ends_with_its_return() -> None:
    silent = replace(HEALTHY, modules=(module(20 * MINUTE, 20 * MINUTE), module(MINUTE, sensor="sound")))
    (finding,) = findings(silent, NOW)
    assert finding.what.replace("\u00a0", " ") == "Modul air von Pole 1 schweigt seit 20 Minuten"
    assert finding.severity is Severity.WARNING
    assert findings(replace(silent, modules=(module(MINUTE, MINUTE),)), NOW) == []


def test_a_module_that_gives_only_some_values_is_told_with_the_missing_ones() -> None:
    (finding,) = findings(replace(HEALTHY, modules=(module(20 * MINUTE, MINUTE, None),)), NOW)
    assert "Es fehlen: Wert 0;" in finding.detail


@pytest.mark.parametrize(
    "subject",
    ["store", "journal", "journal files", "registry", "pipeline", "retention", "broker 127.0.0.1:1883",
     "mqtt 127.0.0.1:1883", "things stack eu1:8883", "pull luft-land"],
)  # fmt: skip
def test_what_ingest_says_of_itself_is_told_in_german_with_a_remedy(subject):
    what, follows, remedy = meaning(subject)
    assert not what.startswith("Eingang meldet")
    assert follows.endswith(".")
    assert remedy.endswith(".")
    assert subject.rpartition(" ")[2] in what or " " not in subject or subject == "journal files"


def test_what_nobody_foresaw_is_told_all_the_same():
    assert meaning("weather") == ("Eingang meldet: weather", "", "")
