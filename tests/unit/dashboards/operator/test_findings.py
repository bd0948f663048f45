from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.operator.findings import Severity, findings, silent_after, silent_devices
from dashboards.operator.refresh import in_order
from dashboards.operator.report import (
    AgentState,
    DeviceState,
    GatewayState,
    Operations,
    QuarantineEntry,
    SequenceGap,
)

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
        ({"conditions": {"broker": "would drop; set max_queued_bytes"}}, Severity.CRITICAL, "broker"),
        ({"agents": (agent(11 * MINUTE),)}, Severity.CRITICAL, "Agent crx-gw-1 schweigt"),
        ({"agents": (agent(dropped_messages=3.0),)}, Severity.CRITICAL, "verworfen"),
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
            "Gateway aa hört nichts",
        ),
        ({"gaps": (gap(lost=True, noticed=MINUTE),)}, Severity.CRITICAL, "5 Nachrichten verloren"),
        ({"gaps": (gap(lost=False, noticed=HOUR),)}, Severity.WARNING, "5 Nachrichten noch unterwegs"),
        ({"gaps": (gap(lost=False, noticed=MINUTE),)}, Severity.NOTICE, "5 Nachrichten noch unterwegs"),
        ({"devices": (device(7 * HOUR),)}, Severity.WARNING, "1 Gerät schweigt"),
        ({"devices": (device(None),)}, Severity.NOTICE, "noch nie gehört"),
        ({"devices": (device(known=False),)}, Severity.NOTICE, "nicht im Register"),
        ({"devices": (device(lost=20),)}, Severity.NOTICE, "10 %"),
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
def test_silent_is_three_intervals_but_never_less_than_six_hours(interval: int, quiet: int) -> None:
    one = device(timedelta(seconds=quiet), timedelta(seconds=interval))
    silent = bool(silent_devices(replace(HEALTHY, devices=(one,))))
    assert silent == (quiet > max(3 * interval, 6 * 3600))
    assert silent_after(timedelta(seconds=interval)) >= 6 * HOUR
