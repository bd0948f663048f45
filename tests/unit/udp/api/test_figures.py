"""Health, metrics and the operators' report: what runs, what is wrong, by name."""

from dataclasses import replace
from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from udp.api import schemas
from udp.api.current import read_snapshot
from udp.api.operations import content
from udp.ledger.port import Page


def samples(city, **more):
    text = city.client.get("/metrics", **more).text
    return {
        (one.name, *sorted(one.labels.values())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_metrics_can_be_read_by_prometheus_and_hold_the_ledger(measured):
    found = samples(measured, headers=measured.operator)
    assert found["udp_ledger_figure", "messages_edge"] == 9
    assert found["udp_quarantine_entries",] == 1
    assert found["udp_gap_messages", "gw-rathaus", "open"] == 3
    assert (
        found["udp_gap_oldest_noticed_timestamp_seconds", "gw-rathaus", "open"]
        == measured.clock[0].timestamp()
    )
    assert (
        found["udp_gateway_last_received_timestamp_seconds", "AAAAAAAAAAAAAAAA"]
        == measured.clock[0].timestamp()
    )
    assert found["udp_device_uplinks_total",] == 1
    assert found["udp_condition", "store"] == 1


def test_requests_are_counted_by_route_and_never_by_what_callers_write(measured):
    for path in ("/api/v1/things/a", "/api/v1/things/b", "/api/v1/erfunden", "/erfunden.html"):
        measured.client.get(path)
    measured.client.request("ERFUNDEN", "/api/v1/things")
    found = samples(measured)
    assert found["udp_api_request_seconds_count", "/api/v1/things/{key}", "404", "GET"] == 2
    assert "erfunden" not in measured.client.get("/metrics").text.lower()


def test_health_names_its_parts(measured):
    answer = measured.client.get("/health")
    health = schemas.HealthAnswer.model_validate_json(answer.content)
    assert answer.status_code == 200
    assert set(health.parts) == {"registry", "store", "ledger", "pipeline", "mqtt"}
    assert health.status == "warning"
    assert health.parts["pipeline"].status == "warning"


def test_health_is_good_when_all_is_well(measured):
    measured.ledger.write(Page(conditions={"store": ""}))
    assert measured.client.get("/health").json()["status"] == "ok"


def test_health_warns_of_silence(measured):
    measured.clock[0] += timedelta(hours=1)
    assert measured.client.get("/health").json()["parts"]["ledger"] == {
        "status": "warning",
        "detail": "last message 3600 s ago",
    }


def test_health_fails_with_its_store_and_tells_operators_why(measured):
    measured.store.close()
    answer = measured.client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["parts"]["store"] == {"status": "failed", "detail": "does not answer"}
    told = measured.client.get("/health", headers=measured.operator).json()["parts"]["store"]["detail"]
    assert told != "does not answer"


def test_the_operators_report_joins_ledger_and_register(measured):
    report = measured.client.get("/api/v1/operations", headers=measured.operator).json()
    heard, silent = report["devices"]
    assert (heard["dev_eui"], heard["thing"], heard["uplinks"], heard["stale"]) == (
        "0000000000000001", "behaelter-1", 1, False,
    )  # fmt: skip
    assert (silent["thing_name"], silent["last_received_at"], silent["stale"]) == (
        "Zähler von Frau S.",
        None,
        True,
    )
    assert report["stale_devices"] == ["0000000000000003"]
    assert report["conditions"] == {"store": "disk /var/lib/x is full; make room"}
    assert [(gap["agent"], gap["first"], gap["last"]) for gap in report["gaps"]] == [
        ("gw-geheim", 6, 8), ("gw-rathaus", 6, 8),
    ]  # fmt: skip
    (entry,) = report["quarantine"]["newest"]
    assert (entry["reason"], entry["remedy"], entry["octets"]) == ("no CBOR", "look at the agent", "00ff")
    assert {one["agent"]: one["health"] for one in report["agents"]}["gw-rathaus"] == {"fill_level": 4711.25}


def test_devices_the_register_does_not_know_are_shown(measured):
    report = measured.ledger.report()
    inventory = measured.registry.inventory()
    stranger = replace(report.devices[0], dev_eui="FFFFFFFFFFFFFFFF")
    body = content(
        replace(report, devices=[stranger]),
        [],
        inventory,
        read_snapshot(measured.store, None),
        measured.clock[0],
        hearing={},
    )
    assert [one["known"] for one in body["devices"]] == [True, True, False]
