"""Events at the interface: staff sees all of them, others what concerns open Datastreams, in whole hours."""

import threading
import time
from datetime import timedelta

import httpx2
import pytest
import uvicorn

from udp.events.port import EventKind, Trouble

from .conftest import NOW

BEFORE = NOW - timedelta(hours=5, minutes=17)


@pytest.fixture
def eventful(city):
    level, secret = city.ids["behaelter-1/fill_level"], city.ids["geheim-1/fill_level"]
    city.events.begin(
        [
            Trouble(EventKind.SILENT, "device:0000000000000001", "=1+1 schweigt", BEFORE, "behaelter-1"),
            Trouble(EventKind.SILENT, "device:0000000000000003", "Zähler schweigt", BEFORE, "geheim-1"),
            Trouble(EventKind.SILENT, "gateway:gw-rathaus", "Gateway schweigt", BEFORE, "intern-1"),
            Trouble(EventKind.BATTERY, "device:0000000000000001", "Batterie leer", BEFORE, "behaelter-1"),
            Trouble(
                EventKind.STUCK, f"datastream:{level}", "steht", BEFORE, "behaelter-1", level, {"value": 7}
            ),
            Trouble(EventKind.STUCK, f"datastream:{secret}", "steht", BEFORE, "geheim-1", secret),
        ],
        NOW - timedelta(minutes=12, seconds=3),
    )
    return city


def test_staff_sees_every_event_and_others_only_what_is_open(eventful):
    staff = eventful.client.get("/api/v1/events", headers=eventful.operator).json()
    assert staff["count"] == 6
    assert staff["events"][-1]["subject"] == "device:0000000000000001"
    assert staff["events"][-1]["opened_at"].startswith("2026-11-21T11:47:57")
    answer = eventful.client.get("/api/v1/events")
    assert [(one["kind"], one["thing"]) for one in answer.json()["events"]] == [
        ("stuck", "behaelter-1"),
        ("silent", "behaelter-1"),
    ]
    for word in ("0000000000000001", "Zähler", "gateway", "Batterie", "11:47", "06:43", '"value"'):
        assert word not in answer.text


def test_what_is_over_leaves_the_open_ones_and_stays_in_the_list(eventful):
    first = eventful.events.open_events()[0]
    eventful.events.end([first.id], NOW)
    asked = {"headers": eventful.operator}
    assert eventful.client.get("/api/v1/events", **asked).json()["count"] == 5
    whole = eventful.client.get("/api/v1/events?state=all&kind=silent", **asked).json()["events"]
    assert [one["closed_at"] is None for one in whole] == [True, True, False]
    late = eventful.client.get("/api/v1/events?state=all&since=2026-11-21T11:55:00Z", **asked).json()
    assert [one["id"] for one in late["events"]] == [first.id]
    for wrong in ("state=closed", "kind=loud", "since=gestern", "limit=0"):
        assert eventful.client.get(f"/api/v1/events?{wrong}", **asked).status_code == 422


def test_operations_and_metrics_tell_of_events_to_operators_only(eventful):
    report = eventful.client.get("/api/v1/operations", headers=eventful.operator).json()
    assert len(report["events"]) == 6
    assert report["devices"][0]["silent_after_s"] is None
    figures = eventful.client.get("/metrics", headers=eventful.operator).text
    assert 'udp_events_open{kind="silent"} 3.0' in figures
    assert "udp_events_open" not in eventful.client.get("/metrics").text


def test_live_events_need_a_key_and_tell_what_opens_and_closes(eventful):
    assert eventful.client.get("/api/v1/events/live").status_code == 401
    server = uvicorn.Server(uvicorn.Config(eventful.client.app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx2.stream(
            "GET", f"http://127.0.0.1:{port}/api/v1/events/live", headers=eventful.operator, timeout=20
        ) as answer:
            lines = answer.iter_lines()
            first = next(line for line in lines if line.startswith("data: "))
            assert first.count('"closed_at":null') + first.count('"closed_at": null') == 6
            eventful.events.end([eventful.events.open_events()[0].id], NOW)
            second = next(line for line in lines if line.startswith("data: "))
            assert '"closed_at":"2026' in second.replace(" ", "")
            eventful.client.app.state.event_feed.close()
            assert [line for line in lines if line.startswith("data: ")] == []
    finally:
        server.should_exit = True
        thread.join(timeout=10)
