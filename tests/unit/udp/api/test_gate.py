"""What is not open does not exist for the public: one negative test per exit."""

import json
from dataclasses import replace

import pytest

from udp.datasets.reading import read_policy
from udp.policy import OPERATOR, PUBLIC, Gate, Role
from udp.sensorthings import Access

HIDDEN = (
    "behaelter-1/battery_voltage",
    "geheim-1/fill_level",
    "intern-1/fill_level",
    "ohne-lizenz-1/fill_level",
)
HIDDEN_THINGS = ("geheim-1", "intern-1", "ohne-lizenz-1")
WORDS = (
    "4711",
    "geheim",
    "intern-1",
    "ohne-lizenz",
    "battery_voltage",
    "Frau S.",
    "schwerin",
    "energie",
    "restricted",
)


def assert_silent(text: str) -> None:
    assert [word for word in WORDS if word in text] == []


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/things",
        "/api/v1/things?format=geojson",
        "/api/v1/datastreams",
        "/api/v1/latest",
        "/metrics",
        "/health",
        "/api",
    ],
)
def test_lists_counts_and_figures_are_silent_about_it(measured, path):
    answer = measured.client.get(path)
    assert answer.status_code == 200
    assert_silent(answer.text)


def test_counts_are_those_of_open_data(measured):
    for path in ("things", "datastreams", "latest"):
        assert measured.client.get(f"/api/v1/{path}").json()["count"] == 2


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("tail", ["", "/observations", "/observations?format=csv", "/observations?every=1h"])
def test_a_hidden_datastream_is_refused_exactly_as_one_that_does_not_exist(measured, hidden, tail):
    number = measured.ids[hidden]
    answer = measured.client.get(f"/api/v1/datastreams/{number}{tail}")
    nothing = measured.client.get(f"/api/v1/datastreams/987654{tail}")
    assert answer.status_code == nothing.status_code == 404
    assert _anonymous(answer, number) == _anonymous(nothing, 987654)


def _anonymous(answer, number):
    return answer.text.replace(f"datastream {number} ", "").replace(f"datastreams/{number}", "")


@pytest.mark.parametrize("key", HIDDEN_THINGS)
def test_a_thing_with_nothing_open_is_refused(measured, key):
    answer = measured.client.get(f"/api/v1/things/{key}")
    assert answer.status_code == 404


def test_an_open_thing_does_not_mention_what_is_restricted_beside(measured):
    answer = measured.client.get("/api/v1/things/behaelter-1")
    assert [one["key"] for one in answer.json()["datastreams"]] == ["fill_level"]
    assert_silent(answer.text)


@pytest.mark.parametrize(
    "query",
    ["theme=energie", "theme=netz", "district=schwerin", "kind=meter", "theme=luft"],
)
@pytest.mark.parametrize("path", ["things", "datastreams", "latest"])
def test_filters_find_nothing_hidden(measured, path, query):
    answer = measured.client.get(f"/api/v1/{path}?{query}")
    name, _, value = query.partition("=")
    invented = measured.client.get(f"/api/v1/{path}?{name}=erfunden")
    if name == "theme":
        assert answer.json()["count"] == 0
    else:
        # What is hidden is refused exactly as what nobody ever heard of.
        assert answer.status_code == invented.status_code == 422
        assert answer.text.replace(f"'{value}'", "'erfunden'") == invented.text
    assert_silent(answer.text.replace(value, ""))


@pytest.mark.parametrize("query", ["thing=geheim-1", "observed_property=fill_level"])
def test_filters_of_datastreams_find_nothing_hidden(measured, query):
    assert_silent(measured.client.get(f"/api/v1/datastreams?{query}").text)


def test_the_etag_of_public_answers_does_not_tell_of_hidden_changes(measured):
    before = measured.client.get("/api/v1/latest").headers["etag"]
    measured.measure("geheim-1/fill_level", [measured.clock[0]], [1.0])
    assert measured.client.get("/api/v1/latest").headers["etag"] == before


def test_operations_are_for_operators(measured):
    assert measured.client.get("/api/v1/operations").status_code == 401
    answer = measured.client.get("/api/v1/operations", headers=measured.operator)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"


def test_a_key_opens_everything_and_forbids_others_to_keep_it(measured):
    for headers in (measured.operator, {"X-Api-Key": measured.operator["Authorization"].split()[1]}):
        answer = measured.client.get("/api/v1/latest", headers=headers)
        assert answer.json()["count"] == 6
        assert "private" in answer.headers["cache-control"]
        for hidden in HIDDEN:
            number = measured.ids[hidden]
            assert measured.client.get(f"/api/v1/datastreams/{number}", headers=headers).status_code == 200


def test_public_and_operator_answers_never_mix(measured):
    for _ in range(3):
        assert measured.client.get("/api/v1/latest", headers=measured.operator).json()["count"] == 6
        assert measured.client.get("/api/v1/latest").json()["count"] == 2


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer wrong"}, {"X-Api-Key": "wrong"}])
@pytest.mark.parametrize(
    "path", ["/api/v1/latest", "/api/v1/things", "/metrics", "/health", "/api/v1/operations"]
)
def test_a_wrong_key_is_refused_not_ignored(measured, path, headers):
    answer = measured.client.get(path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_conditions_name_no_paths_to_the_public(measured):
    assert "/var/lib" not in measured.client.get("/health").text
    assert "/var/lib" in measured.client.get("/health", headers=measured.operator).text


INTERNALS = ("gw-", "AAAAAAAAAAAAAAAA", "gap", "quarantine", "lost", "ledger", "device", "condition", "agent",
             "listeners")  # fmt: skip


def test_metrics_tell_the_public_how_the_interface_answers_and_nothing_else(measured):
    measured.client.get("/api/v1/latest")
    public = measured.client.get("/metrics").text
    families = {line.split()[2] for line in public.splitlines() if line.startswith("# TYPE")}
    assert families <= {"udp_api_request_seconds", "udp_api_request_seconds_created", "udp_build_info"}
    assert "udp_build_info{" in public
    assert [word for word in INTERNALS if word in public] == []


def test_a_scraper_reads_the_figures_but_no_hidden_data(measured):
    key = {"X-Api-Key": measured.keys.create(Role.METRICS, "Prometheus")}
    found = measured.client.get("/metrics", headers=key)
    assert 'udp_gap_messages{agent="gw-geheim",state="open"} 3.0' in found.text
    assert found.headers["cache-control"] == "no-store"
    assert measured.client.get("/api/v1/operations", headers=key).status_code == 403
    assert measured.client.get("/api/v1/latest", headers=key).json()["count"] == 2
    assert "/var/lib" not in measured.client.get("/health", headers=key).text


def test_the_public_knows_an_agent_only_by_what_is_open_of_it(measured):
    inventory = measured.registry.inventory()
    gate = Gate(read_policy())
    assert not gate.agent_visible("gw-rathaus", inventory, PUBLIC)
    assert not gate.agent_visible("erfunden", inventory, PUBLIC)
    assert gate.agent_visible("gw-geheim", inventory, OPERATOR)
    opened = tuple(
        replace(one, access=Access.OPEN, licence="dl-de/zero-2-0") if one.thing == "intern-1" else one
        for one in measured.description.datastreams
    )
    measured.registry.import_city(replace(measured.description, datastreams=opened))
    opened_by_city_alone = measured.registry.inventory()
    assert not gate.agent_visible("gw-rathaus", opened_by_city_alone, PUBLIC)
    measured.decide('key = "netz"', access="open", licence="dl-de/zero-2-0")
    gate = Gate(read_policy(measured.policy))
    assert gate.agent_visible("gw-rathaus", opened_by_city_alone, PUBLIC)


def test_what_becomes_restricted_disappears_at_once(measured):
    before = measured.description
    hidden = tuple(
        replace(one, access=Access.RESTRICTED) if one.thing == "wetter-1" else one
        for one in before.datastreams
    )
    measured.registry.import_city(replace(before, datastreams=hidden))
    assert measured.client.get("/api/v1/latest").json()["count"] == 1
    assert measured.client.get("/api/v1/things/wetter-1").status_code == 404
    assert "wetter-1" not in json.dumps(measured.client.get("/api/v1/things").json())
