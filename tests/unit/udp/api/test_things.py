"""Things and Datastreams: described once, found by theme, district and kind, ready for maps."""

from dataclasses import replace

import pytest

from udp.api import schemas


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
        ("?theme=nirgends", []),
    ],
)
def test_things_are_found(measured, query, expected):
    assert keys(measured.client.get(f"/api/v1/things{query}")) == expected


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
