"""Who may write through SensorThings, what stays closed, and what imports and restarts leave alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from udp.auth import KeyWish
from udp.policy import Role
from udp.registry.sql import SqlRegistry
from udp.sensorthings import QualityRule

PLACE = {
    "name": "Markt", "description": "Mitte", "encodingType": "application/geo+json",
    "location": {"type": "Point", "coordinates": [7.3, 51.5]},
}  # fmt: skip
STREAM = {
    "name": "Licht", "description": "Licht",
    "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
    "unitOfMeasurement": {"name": "Lux", "symbol": "lx", "definition": "https://ucum.org/lx"},
    "Sensor": {"name": "S", "description": "S", "encodingType": "text/html", "metadata": "S"},
    "ObservedProperty": {"name": "Licht", "definition": "https://example.org/licht", "description": "L"},
    "Observations": [{"phenomenonTime": "2026-11-20T10:00:00Z", "result": 4711.5}],
}  # fmt: skip
BANK = {"name": "Geheime Bank", "description": "B", "Locations": [PLACE], "Datastreams": [STREAM]}
OPENED = """
[[dataset]]
key = "baenke"
title = "Bänke"
description = "Was an Bänken gemessen wird."
select = [{ kind = "sensorthings" }]
owner = "Stadt"
purpose = "Licht"
legal_basis = "Charta"
access = "open"
licence = "dl-de/zero-2-0"
retention = { raw = "30d", values = "10y", aggregates = "unlimited" }
"""


@pytest.fixture
def write(city):
    def send(method, path, body=None, *, status=201, headers=None):
        url = path if path.startswith("http") else f"/v1.1/{path}"
        answer = city.client.request(
            method, url, json=body, headers=city.operator if headers is None else headers
        )
        assert answer.status_code == status, answer.text
        return answer

    return send


def count(city, name, **headers):
    return city.client.get(f"/v1.1/{name}?$top=0&$count=true", headers=headers).json()["@iot.count"]


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_only_who_runs_the_platform_writes(city, write, method):
    path = "Things" if method == "POST" else write("POST", "Things", BANK).headers["location"]
    before = count(city, "Things", **city.operator)
    asked = write(method, path, {"name": "x", "description": "y"}, status=401, headers={})
    assert asked.headers["www-authenticate"].startswith("Bearer")
    assert asked.headers["content-type"] == "application/problem+json"
    for role in (Role.APP, Role.CREW, Role.CLIMATE, Role.METRICS, Role.HOBBYIST):
        key = {"X-Api-Key": city.keys.create(role, "test")}
        write(method, path, {"name": "x", "description": "y"}, status=403, headers=key)
    scopes = (
        KeyWish(Role.OPERATOR, datasets=("wetter",)), KeyWish(Role.OPERATOR, paths=("/api/v1",)),
    )  # fmt: skip
    for wish in scopes:
        write(method, path, {"name": "x"}, status=403, headers={"X-Api-Key": city.keys.make(wish)})
    write(method, path, {"name": "x"}, status=401, headers={"X-Api-Key": "udp_abcdefghij_" + "x" * 43})
    assert count(city, "Things", **city.operator) == before


def test_a_key_for_this_interface_writes_and_the_audit_log_says_so(city, write):
    key = city.keys.make(KeyWish(Role.OPERATOR, paths=("/v1.1",)))
    write("POST", "Things", BANK, headers={"X-Api-Key": key})
    entries = city.porter.audit.read(20)
    assert any("POST /v1.1/Things" in str(one) for one in entries)


def test_what_is_new_is_closed_until_register_and_policy_both_open_it(city, write):
    sets = ("Things", "Locations", "Datastreams", "Sensors", "ObservedProperties", "FeaturesOfInterest",
            "Observations", "HistoricalLocations")  # fmt: skip
    before = [count(city, name) for name in sets]
    bank = write("POST", "Things", BANK).headers["location"]
    stream = city.client.get(f"{bank}/Datastreams", headers=city.operator).json()["value"][0]["@iot.selfLink"]

    def hidden():
        return city.client.get(bank).status_code == 404 and [count(city, name) for name in sets] == before

    assert hidden()
    city.policy.write_text(city.policy.read_text(encoding="utf-8") + OPENED, encoding="utf-8")
    assert hidden()
    write("PATCH", stream, {"properties": {"zugriff": "open", "lizenz": "dl-de/zero-2-0"}}, status=200)
    shown = city.client.get(f"{bank}?$expand=Locations,HistoricalLocations,Datastreams/Observations").json()
    assert shown["Datastreams"][0]["Observations"][0]["result"] == 4711.5
    assert [count(city, name) - old for name, old in zip(sets, before, strict=True)] == [1] * 8
    city.decide('key = "baenke"', outside="{ place_m = 1000 }")
    rounded = city.client.get(f"{bank}?$expand=Locations,HistoricalLocations").text
    assert "51.5," not in rounded.replace("]", ",")
    assert '"HistoricalLocations":[]' in rounded


def test_nothing_written_shows_in_any_other_exit_before_it_is_open(city, write):
    write("POST", "Things", BANK)
    for path in ("/api/v1/things", "/api/v1/datastreams", "/api/v1/latest", "/metrics"):
        assert "Geheime Bank" not in city.client.get(path).text


def test_expansions_filters_and_guesses_tell_nothing_of_it(city, write):
    made = write("POST", "Things", BANK).json()
    for path in (
        "Datastreams?$filter=Thing/name eq 'Geheime Bank'", "Observations?$filter=result eq 4711.5",
        "Observations?$filter=Datastream/Thing/name eq 'Geheime Bank'&$count=true",
        "Sensors?$expand=Datastreams/Thing&$filter=name eq 'S'",
    ):  # fmt: skip
        found = city.client.get(f"/v1.1/{path}").json()
        assert found["value"] == [] and found.get("@iot.count", 0) == 0
    hidden = city.client.get(made["@iot.selfLink"])
    never = city.client.get("/v1.1/Things(123456)")
    assert hidden.status_code == never.status_code == 404
    assert hidden.json()["title"] == never.json()["title"]


def test_the_next_city_file_leaves_alone_what_was_written(city, write):
    bank = write("POST", "Things", BANK).headers["location"]
    things = city.client.get("/v1.1/Things", headers=city.operator).json()["value"]
    weather = next(one["@iot.selfLink"] for one in things if one["name"] == "Wetter")
    write("PATCH", weather, {"name": "Umbenannt"}, status=200)
    before = city.client.get(f"{bank}?$expand=Datastreams/Observations", headers=city.operator).json()
    assert city.registry.import_city(city.description).retired == 0
    again = city.client.get(f"{bank}?$expand=Datastreams/Observations", headers=city.operator).json()
    assert again == before
    assert city.client.get(weather).json()["name"] == "Umbenannt"
    write("DELETE", bank, status=200)
    city.registry.import_city(city.description)
    assert city.client.get(bank, headers=city.operator).status_code == 404


def test_another_process_finds_it_all(city, write):
    """Acknowledged is on disk: nothing is kept in this process only."""
    write("POST", "Things", BANK)
    other = SqlRegistry(city.registry.database.name)
    number = next(one.id for one in other.inventory().datastreams.values() if one.name == "Licht")
    other.close()
    assert city.store.latest([number]).result.tolist() == [4711.5]


def test_a_city_file_that_moves_a_thing_leaves_a_line_of_history(city):
    def told():
        return city.client.get(
            "/v1.1/Things?$filter=name eq 'Wetter'&$expand=Locations,HistoricalLocations/Locations"
        ).json()["value"][0]

    before = told()
    assert len(before["HistoricalLocations"]) == 1
    city.clock[0] += timedelta(days=1)
    things = tuple(
        replace(one, location=replace(one.location, latitude=51.6)) if one.key == "wetter-1" else one
        for one in city.description.things
    )
    city.registry.import_city(replace(city.description, things=things))
    after = told()
    assert after["@iot.id"] == before["@iot.id"]
    old, new = after["HistoricalLocations"]
    was, is_told = before["Locations"][0], old["Locations"][0]
    assert [is_told[key] for key in ("@iot.id", "location")] == [was[key] for key in ("@iot.id", "location")]
    assert new["Locations"] == after["Locations"]
    assert new["time"] == "2026-11-22T12:00:00Z"
    assert after["Locations"][0]["location"]["coordinates"][1] == 51.6
    city.registry.import_city(replace(city.description, things=things))
    assert told() == after


def test_what_a_device_measures_is_not_deleted_from_here(city, write):
    found = city.client.get("/v1.1/Datastreams", headers=city.operator).json()["value"]
    fed = next(one for one in found if one["name"].startswith("Füllstand, =1+1"))
    for link in ("", "/Thing", "/Sensor", "/ObservedProperty"):
        address = city.client.get(f"{fed['@iot.selfLink']}{link}", headers=city.operator).json()[
            "@iot.selfLink"
        ]
        write("DELETE", address, status=409)
    assert city.client.get(fed["@iot.selfLink"]).status_code == 200


def test_where_a_device_measures_is_not_deleted_and_its_values_stay(measured, write):
    path = f"/v1.1/Datastreams({measured.ids['behaelter-1/fill_level']})/Observations"
    row = measured.client.get(path).json()["value"][0]["@iot.selfLink"]
    place = measured.client.get(f"{row}/FeatureOfInterest").json()["@iot.selfLink"]
    write("DELETE", place, status=409)
    assert measured.client.get(f"{path}?$top=0&$count=true").json()["@iot.count"] == 48
    location = measured.client.get(f"{row}/Datastream/Thing/Locations").json()["value"][0]["@iot.selfLink"]
    write("DELETE", location, status=409)


def test_an_observation_of_a_device_is_corrected_by_a_revision_that_stays_traceable(measured, write):
    path = f"Datastreams({measured.ids['wetter-1/air_temperature']})/Observations"
    row = measured.client.get(f"/v1.1/{path}").json()["value"][0]
    write("PATCH", row["@iot.selfLink"], {"result": 3.5}, status=200)
    assert measured.client.get(row["@iot.selfLink"]).json()["result"] == 3.5
    write("DELETE", row["@iot.selfLink"], status=200)
    assert measured.client.get(row["@iot.selfLink"]).status_code == 404
    kept = measured.store.latest([measured.ids["wetter-1/air_temperature"]])
    assert (kept.revision.tolist(), kept.rule.tolist()) == ([2], [QualityRule.WITHDRAWN])
