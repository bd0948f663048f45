from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboards.interface import Interface
from dashboards.operator.refresh import OperatorRefresh
from dashboards.page_directory import PageDirectory
from dashboards.templating import operator_environment
from dashboards.wording import LocalTime
from edge.wire.settings import Secret

NOW = datetime(2026, 11, 21, 14, 20, tzinfo=UTC)


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


@pytest.fixture
def operations(city: Any) -> dict[str, Any]:
    """A healthy answer of /api/v1/operations, which the city then gives."""
    heard = iso(NOW - timedelta(minutes=1))
    city.operations = {
        "now": iso(NOW),
        "conditions": {},
        "counters": {"messages_edge": 12345},
        "agents": [
            {
                "agent": "crx-gw-1",
                "thing_name": None,
                "highest_sequence": 4711,
                "last_sent_at": heard,
                "last_journalled_at": heard,
                "health": {"backlog_messages": 0.0, "disk_free": 4000.0},
            }
        ],
        "gateways": [
            {"gateway": "0016c001f1500801", "thing_name": None, "last_received_at": heard, "receptions": 9}
        ],
        "devices": [
            {
                "dev_eui": "0101010101010101",
                "known": True,
                "thing_name": "Papierkorb 1",
                "expected_interval_s": 3600.0,
                "last_received_at": heard,
                "last_f_cnt": 42,
                "uplinks": 100,
                "duplicates": 3,
                "lost": 0,
            }
        ],
        "gaps": [],
        "quarantine": {"count": 0, "newest": []},
    }
    return city.operations


@pytest.fixture
def page(city: Any, api: str, clock: Any, local: LocalTime, tmp_path: Path) -> Iterator[Any]:
    """Draws and returns the page's text."""
    with Interface(api, timedelta(seconds=5), Secret("sesam")) as interface:
        refresh = OperatorRefresh(
            interface,
            PageDirectory(tmp_path / "betrieb", mode=0o640),
            operator_environment(),
            time=local,
            city="Castrop-Rauxel",
            now=clock,
        )

        def draw() -> str:
            refresh.round()
            return (tmp_path / "betrieb/index.html").read_text(encoding="utf-8").replace("\u00a0", " ")

        yield draw


def test_order_is_claimed_when_it_is_proven(operations: dict[str, Any], page: Any) -> None:
    text = page()
    assert "Alles in Ordnung" in text
    assert "Papierkorb 1" in text
    assert "12.345" in text
    assert "Meldungen: Agenten" in text and "messages_edge" in text
    assert 'http-equiv="refresh"' not in text


def test_order_is_not_claimed_in_trouble(operations: dict[str, Any], page: Any) -> None:
    operations["conditions"] = {"store": "disk is full; make room in /var/lib/udp"}
    text = page()
    assert "Alles in Ordnung" not in text
    assert "kritisch" in text
    assert "make room in /var/lib/udp" in text


def test_order_is_not_claimed_without_a_report(city: Any, operations: dict[str, Any], page: Any) -> None:
    assert "Alles in Ordnung" in page()
    city.down = True
    text = page()
    assert "Alles in Ordnung" not in text
    assert "Kein Lagebericht" in text
    assert "Läuft udp run?" in text


def test_order_is_not_claimed_with_an_old_report(operations: dict[str, Any], page: Any, clock: Any) -> None:
    clock.now = NOW + timedelta(minutes=3)
    text = page()
    assert "Alles in Ordnung" not in text
    assert "Der Lagebericht ist alt" in text


def test_a_wrong_key_is_told(city: Any, operations: dict[str, Any], page: Any) -> None:
    city.key = "anderer"
    text = page()
    assert "401" in text
    assert "operator_key" in text
    assert "sesam" not in text


def test_quarantine_shows_reason_remedy_and_bytes_as_text(operations: dict[str, Any], page: Any) -> None:
    operations["quarantine"] = {
        "count": 60,
        "newest": [
            {
                "at": iso(NOW),
                "way": "edge",
                "origin": "<img src=x>",
                "reason": "no CBOR",
                "remedy": "look at the agent",
                "octets": "00ff" * 50,
            }
        ],
    }
    text = page()
    for words in ("no CBOR", "look at the agent", "00ff00ff", "60 Lieferungen in Quarantäne", "1 von 60"):
        assert words in text
    assert "<img" not in text


def test_gaps_are_listed_with_agent_and_times(operations: dict[str, Any], page: Any) -> None:
    operations["gaps"] = [
        {
            "agent": "crx-gw-1",
            "first": 6,
            "last": 8,
            "noticed_at": iso(NOW - timedelta(hours=2)),
            "lost": True,
        }
    ]
    text = page()
    assert "6 bis 8" in text
    assert "13:20 Uhr (vor 2 Stunden)" in text
    assert "verloren" in text


def test_unheard_parts_do_not_break_the_page(operations: dict[str, Any], page: Any) -> None:
    operations["agents"].append(
        {
            "agent": "crx-gw-2",
            "highest_sequence": None,
            "last_sent_at": None,
            "last_journalled_at": None,
            "health": {},
        }
    )
    operations["devices"].append(
        {
            "dev_eui": "02",
            "known": False,
            "thing_name": None,
            "expected_interval_s": None,
            "last_received_at": None,
        }
    )
    text = page()
    assert "noch nie" in text
    assert "crx-gw-2" in text


def test_the_page_is_not_for_others_on_the_machine(
    operations: dict[str, Any], page: Any, tmp_path: Path
) -> None:
    page()
    assert (tmp_path / "betrieb/index.html").stat().st_mode & 0o777 == 0o640


def test_a_silent_gateway_and_a_stale_module_are_shown_until_they_return(
    operations: dict[str, Any], page: Any
) -> None:
    old, fresh = iso(NOW - timedelta(minutes=16)), iso(NOW - timedelta(seconds=20))
    silent = {
        "gateway": "0016c001f1500802", "thing_name": "Gateway Ickern", "agent": "crx-gw-2",
        "last_received_at": old, "last_stat_at": old, "stat_interval_s": 30.0, "receptions": 5,
    }  # fmt: skip
    stream = {"key": "pm10", "name": "PM10", "expected_interval_s": 60.0, "last_measured_at": old}
    operations["gateways"].append(silent)
    operations["modules"] = [
        {"agent": "crx-pole-1", "sensor": "air", "thing_name": "Pole 1", "streams": [stream]},
        {"agent": "crx-pole-1", "sensor": "sound", "thing_name": "Pole 1",
         "streams": [stream | {"name": "Schall", "last_measured_at": fresh}]},
    ]  # fmt: skip
    for _ in range(2):
        text = page()
        assert text.count("Gateway Gateway Ickern schweigt") == 1
        assert text.count("Modul air von Pole 1 schweigt seit 16 Minuten") == 1
        assert text.count("✕ schweigt") == 2
    silent["last_stat_at"] = stream["last_measured_at"] = fresh
    text = page()
    assert "schweigt" not in text.split("Stumm ist")[0]
    assert "Alles in Ordnung" in text


def test_every_table_scrolls_in_a_region_a_keyboard_reaches(operations: dict[str, Any], page: Any) -> None:
    text = page()
    regions = text.count('<div class="rollbar" tabindex="0" role="region" aria-labelledby=')
    assert regions == text.count("<table>") > 3


def test_large_sizes_are_told_in_gigabytes(operations: dict[str, Any], page: Any) -> None:
    operations["agents"][0]["health"]["disk_free"] = 123_456.0
    text = page()
    assert "123,5 GB" in text
    assert "Bericht vom <time" in text


def test_the_page_says_which_gateways_hear_a_device_and_what_is_missing(
    operations: dict[str, Any], page: Any
) -> None:
    heard = [
        {"gateway": f"{number:016X}", "name": f"Gateway Nr. {number}", "uplinks": 40 - number,
         "last_received_at": iso(NOW), "rssi_dbm": -100.0 - number, "snr_db": 4.6 if number == 1 else None}
        for number in range(1, 6)
    ]  # fmt: skip
    heard[2]["rssi_dbm"] = None
    operations["devices"][0] |= {"lost": 9, "recent_sent": 50, "recent_missing": 7, "heard_by": heard}
    text = page()
    # In the table of losses and in that of all devices.
    assert text.count("<td>7 von 50</td>") == 2
    assert text.count("<td>Nr. 1 39× (−101/5) · Nr. 2 38× (−102) · Nr. 3 37× · +2</td>") == 2


def test_the_models_report_is_linked_once_it_stands(
    operations: dict[str, Any], page: Any, tmp_path: Path
) -> None:
    assert "Bericht der Modelle" not in page()
    report = tmp_path / "betrieb/bericht/index.html"
    report.parent.mkdir(parents=True)
    report.write_text("Bericht", encoding="utf-8")
    assert 'href="/betrieb/bericht/"' in page()
