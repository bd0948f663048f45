"""Things and Datastreams: described once, found by theme, district and kind, ready for maps."""

from dataclasses import replace

import pytest

from udp.api import schemas
from udp.derived.round import Deriving
from udp.sensorthings import ObservedProperty


def keys(answer):
    return [one["key"] for one in answer.json()["things"]]


def test_answers_are_what_the_description_says(measured):
    client = measured.client
    schemas.ThingsAnswer.model_validate_json(client.get("/api/v1/things").content)
    schemas.ThingAnswer.model_validate_json(client.get("/api/v1/things/wetter-1").content)
    schemas.DatastreamsAnswer.model_validate_json(client.get("/api/v1/datastreams").content)
    number = measured.ids["wetter-1/air_temperature"]
    schemas.DatastreamAnswer.model_validate_json(client.get(f"/api/v1/datastreams/{number}").content)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["behaelter-1", "wetter-1"]),
        ("?theme=wetter", ["wetter-1"]),
        ("?district=castrop", ["behaelter-1"]),
        ("?kind=bin", ["behaelter-1"]),
        ("?kind=bin&theme=wetter", []),
        ("?theme=energie", []),
    ],
)
def test_things_are_found(measured, query, expected):
    assert keys(measured.client.get(f"/api/v1/things{query}")) == expected


@pytest.mark.parametrize("path", ["things", "datastreams", "latest", "live"])
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("theme=nirgends", ("theme", "nirgends", "luft", "wetter")),
        ("district=schwerin", ("district", "known are castrop, ickern")),
        ("thema=luft", ("thema", "known here are", "theme", "district")),
        ("theme=luft&theme=luft", ("theme", "2 times")),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(measured, path, query, words):
    answer = measured.client.get(f"/api/v1/{path}?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    detail = answer.json()["detail"]
    assert [word for word in words if word not in detail] == []


@pytest.mark.parametrize("path", ["/health?x=1", "/metrics?x=1", "/api/v1/things/wetter-1?x=1",
                                  "/api/v1/operations?x=1"])  # fmt: skip
def test_addresses_without_parameters_take_none(measured, path):
    answer = measured.client.get(path, headers=measured.operator)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("x:")


def test_an_unknown_kind_is_refused_and_a_hidden_one_too(measured):
    for kind in ("meter", "erfunden"):
        answer = measured.client.get(f"/api/v1/things?kind={kind}")
        assert (answer.status_code, answer.json()["detail"]) == (
            422, f"kind: {kind!r} is not known; known are bin, weather_station",
        )  # fmt: skip
    assert keys(measured.client.get("/api/v1/things?kind=meter", headers=measured.operator)) == ["geheim-1"]


def test_operators_read_why_something_is_not_open(measured):
    listed = measured.client.get("/api/v1/datastreams", headers=measured.operator).json()["datastreams"]
    assert {one["access"]: one["exemption"] for one in listed} == {
        "open": None, "restricted": "personal", "internal": "personal",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 2), ("?thing=wetter-1", 1), ("?observed_property=fill_level", 1), ("?theme=wetter", 1),
     ("?district=castrop", 1), ("?thing=wetter-1&observed_property=fill_level", 0)],
)  # fmt: skip
def test_datastreams_are_found(measured, query, count):
    answer = measured.client.get(f"/api/v1/datastreams{query}").json()
    assert (answer["count"], len(answer["datastreams"])) == (count, count)


def test_geojson_has_longitude_first(measured):
    answer = measured.client.get("/api/v1/things?format=geojson&theme=wetter")
    assert answer.headers["content-type"] == "application/geo+json"
    (feature,) = answer.json()["features"]
    assert feature["geometry"] == {"type": "Point", "coordinates": [7.31, 51.55, 98.0]}
    assert feature["properties"]["simulated"] is True


def test_every_link_leads_somewhere(measured):
    for thing in measured.client.get("/api/v1/things").json()["things"]:
        assert measured.client.get(thing["self"]).json()["key"] == thing["key"]
        for stream in thing["datastreams"]:
            assert measured.client.get(stream["self"]).json()["id"] == stream["id"]
            assert measured.client.get(stream["observations"]).status_code == 200


def test_lists_are_not_sent_twice(measured):
    first = measured.client.get("/api/v1/things")
    again = measured.client.get("/api/v1/things", headers={"If-None-Match": f'"x", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")


def test_an_unknown_format_is_refused(measured):
    answer = measured.client.get("/api/v1/things?format=kml")
    assert answer.status_code == 422
    assert "geojson" in answer.json()["detail"]


def test_a_new_import_is_seen(measured):
    city = measured.description
    renamed = tuple(replace(one, name="Neuer Name") for one in city.things)
    measured.registry.import_city(replace(city, things=renamed))
    assert measured.client.get("/api/v1/things/wetter-1").json()["name"] == "Neuer Name"


def test_what_is_computed_says_formula_version_and_inputs(city):
    city.registry.import_city(_with_humidity(city.description))
    Deriving(city.registry, city.store, lambda: city.clock[0]).round()
    listed = city.client.get("/api/v1/datastreams?thing=wetter-1").json()["datastreams"]
    by_key = {one["key"]: one for one in listed}
    inputs = [by_key[key]["id"] for key in ("air_temperature", "relative_humidity")]
    how = by_key["heat_index"]["derived"]
    assert (how["formula"], how["version"], how["inputs"]) == ("heat_index", "1", inputs)
    assert "National Weather Service" in how["source"]
    assert by_key["air_temperature"]["derived"] is None
    number = by_key["heat_index"]["id"]
    assert city.client.get(f"/v1.1/Datastreams({number})").json()["properties"]["derived"] == how


def _with_humidity(description):
    (air,) = (one for one in description.datastreams if one.key == "air_temperature")
    humid = replace(air, id=len(description.datastreams), key="relative_humidity",
                    observed_property=ObservedProperty("relative_humidity", "Feuchte", ""))  # fmt: skip
    return replace(description, datastreams=(*description.datastreams, humid))
