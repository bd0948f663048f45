"""NGSI-LD says what /api/v1 says, in the words of Smart Data Models, and refuses what it cannot mean."""

# ruff: noqa: E501 - tables of questions are read line by line

import json
from dataclasses import replace
from datetime import timedelta

import pytest
import rdflib

from udp.sensorthings import Quality

BIN = "urn:ngsi-ld:WasteContainer:behaelter-1"
WEATHER = "urn:ngsi-ld:WeatherObserved:wetter-1"


@pytest.fixture
def measured(city):
    things = [
        replace(one, kind={"bin": "waste_bin"}.get(one.kind, one.kind)) for one in city.description.things
    ]
    city.registry.import_city(replace(city.description, things=tuple(things)))
    now = city.clock[0]
    city.measure(
        "behaelter-1/fill_level", [now - timedelta(hours=one) for one in (3, 2, 1)], [40.0, 55.0, 62.5]
    )
    city.measure("wetter-1/air_temperature", [now - timedelta(minutes=5)], [12.3])
    city.measure("geheim-1/fill_level", [now - timedelta(minutes=5)], [4711.25])
    return city


def ask(city, path, *, status=200, **headers):
    answer = city.client.get(
        f"/ngsi-ld/v1{path}", headers={one.replace("_", "-"): it for one, it in headers.items()}
    )
    assert answer.status_code == status, answer.text
    return answer


def test_a_bin_is_a_waste_container_and_its_level_a_share_of_one(measured):
    (found,) = ask(measured, "/entities?type=WasteContainer").json()
    assert found["id"] == BIN
    level = found["fillingLevel"]
    assert (level["type"], level["value"], level["unitCode"]) == ("Property", 0.625, "C62")
    assert level["observedAt"] == "2026-11-21T11:00:00Z"
    assert level["quality"]["value"] == "good"
    assert found["location"]["value"]["coordinates"] == [7.31, 51.55], "longitude first"
    assert found["simulated"]["value"] is True


def test_key_values_and_single_attributes(measured):
    found = ask(measured, f"/entities/{WEATHER}?attrs=temperature&options=keyValues").json()
    assert found == {"id": WEATHER, "type": "WeatherObserved", "temperature": 12.3}
    whole = "https://smartdatamodels.org/temperature"
    assert ask(measured, f"/entities?attrs={whole}&format=simplified").json()[0]["temperature"] == 12.3


def test_pages_are_counted_and_lead_on(measured):
    first = ask(measured, "/entities?type=WasteContainer,WeatherObserved&limit=1&count=true")
    assert first.headers["NGSILD-Results-Count"] == "2"
    links = first.headers["Link"].split(", ")
    following = next(one for one in links if 'rel="next"' in one).split(">")[0].lstrip("<")
    second = measured.client.get(following)
    assert {first.json()[0]["id"], second.json()[0]["id"]} == {BIN, WEATHER}
    assert 'rel="next"' not in second.headers["Link"]


def test_the_context_lies_here_and_knows_every_word(measured):
    plain = ask(measured, f"/entities/{BIN}")
    assert plain.headers["content-type"] == "application/json"
    assert "http://testserver/ngsi-ld/v1/context.jsonld" in plain.headers["Link"]
    linked = ask(measured, f"/entities/{BIN}", accept="application/ld+json")
    assert linked.headers["content-type"] == "application/ld+json"
    assert linked.json()["@context"].startswith("http://testserver/ngsi-ld/v1/")
    terms = ask(measured, "/context.jsonld").json()["@context"][0]
    core = {"id": "@id", "type": "@type", "name": "https://schema.org/name", "location": "ngsi:location"}
    simplified = ask(measured, f"/entities/{BIN}?options=keyValues").json()
    assert set(simplified) <= terms.keys() | core.keys()
    simplified["location"] = "x"
    words = {**terms, **core, "ngsi": "https://uri.etsi.org/ngsi-ld/"}
    graph = rdflib.Graph().parse(data=json.dumps({"@context": words, **simplified}), format="json-ld")
    level = rdflib.URIRef("https://smartdatamodels.org/fillingLevel")
    assert float(graph.value(rdflib.URIRef(BIN), level)) == 0.625
    kind = rdflib.URIRef("https://smartdatamodels.org/dataModel.WasteManagement/WasteContainer")
    assert graph.value(rdflib.URIRef(BIN), rdflib.RDF.type) == kind


def test_the_past_comes_newest_first_and_as_often_as_asked(measured):
    values = [one["value"] for one in ask(measured, f"/temporal/entities/{BIN}").json()["fillingLevel"]]
    assert values == [0.625, 0.55, 0.4]
    between = "timerel=between&timeAt=2026-11-21T09:30:00Z&endTimeAt=2026-11-21T10:30:00Z"
    assert [
        one["value"] for one in ask(measured, f"/temporal/entities/{BIN}?{between}").json()["fillingLevel"]
    ] == [0.55]
    last = ask(measured, f"/temporal/entities/{BIN}?lastN=1&timerel=after&timeAt=2026-11-20T00:00:00Z").json()
    assert len(last["fillingLevel"]) == 1
    before = ask(measured, f"/temporal/entities/{BIN}?timerel=before&timeAt=2026-11-21T09:30:00Z").json()
    assert [one["value"] for one in before["fillingLevel"]] == [0.4]


def test_what_leaves_in_steps_only_has_no_past_here_and_a_rounded_present(measured):
    measured.decide('key = "papier-und-abfall"', outside='{ time_step = "1d", current = "now" }')
    assert "fillingLevel" not in ask(measured, f"/temporal/entities/{BIN}").json()
    now = ask(measured, f"/entities/{BIN}").json()["fillingLevel"]["observedAt"]
    assert now == "2026-11-21T00:00:00Z"
    seen = measured.client.get(f"/ngsi-ld/v1/temporal/entities/{BIN}", headers=measured.operator).json()
    assert len(seen["fillingLevel"]) == 3


def test_a_bad_value_is_no_present_value(measured):
    measured.measure("wetter-1/air_temperature", [measured.clock[0]], [99.0], quality=Quality.BAD)
    assert "temperature" not in ask(measured, f"/entities/{WEATHER}").json()


@pytest.mark.parametrize(
    "path",
    ["/entities", "/entities?type=Thing&limit=-1",
     "/entities?type=Thing&limit=9999999", "/entities?type=Thing&type=Thing",
     "/entities?type=Thing&options=concise", f"/entities/{BIN}?georel=near",
     f"/temporal/entities/{BIN}?timerel=between&timeAt=2026-11-21T09:30:00Z",
     f"/temporal/entities/{BIN}?timerel=never&timeAt=2026-11-21T09:30:00Z",
     f"/temporal/entities/{BIN}?timerel=before&timeAt=yesterday", f"/temporal/entities/{BIN}?lastN=%C2%B2"],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_the_words_of_the_standard(measured, path):
    found = ask(measured, path, status=400).json()
    assert found["type"] == "https://uri.etsi.org/ngsi-ld/errors/BadRequestData"


@pytest.mark.parametrize(
    "name", ["urn:ngsi-ld:WasteContainer:geheim-1", "urn:ngsi-ld:ParkingSpot:behaelter-1", "x", BIN + "%00"]
)
def test_what_is_hidden_and_what_is_not_there_look_the_same(measured, name):
    found = ask(measured, f"/entities/{name}", status=404).json()
    assert found["type"] == "https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound"
    ask(measured, f"/temporal/entities/{name}", status=404)


@pytest.mark.parametrize(("question", "found"), [
    ("fillingLevel>0.5", {BIN}), ("fillingLevel>0.7", set()), ("fillingLevel==0.6..0.7", {BIN}), ("temperature", {WEATHER}),
    ("fillingLevel|temperature", {BIN, WEATHER}), ("(fillingLevel|temperature);temperature<20", {WEATHER}),
    ("temperature==12.3,99", {WEATHER}), ("temperature!=12.3", set()), ("simulated==true;temperature", {WEATHER}),
    ('temperature;name~="nichts"', set()), ("location.type==Point;temperature>=12.3", {WEATHER}), ("nope==1", set()),
    ("fillingLevel>4000", set()), ("fillingLevel!=0.625", set()), ("name>5", set()),
])  # fmt: skip
def test_entities_are_asked_by_their_values(measured, question, found):
    answer = measured.client.get("/ngsi-ld/v1/entities", params={"q": question, "options": "keyValues"})
    assert answer.status_code == 200, answer.text
    assert {one["id"] for one in answer.json()} == found
    few = measured.client.get("/ngsi-ld/v1/entities", params={"q": question, "type": "WeatherObserved"})
    assert {one["id"] for one in few.json()} == found & {WEATHER}


@pytest.mark.parametrize(("place", "there"), [
    (("near;maxDistance==100", "Point", "[7.3109,51.55]"), True), (("near;maxDistance==50", "Point", "[7.3109,51.55]"), False),
    (("near;minDistance==50", "Point", "[7.3109,51.55]"), True), (("equals", "Point", "[7.31,51.55]"), True),
    (("within", "Polygon", "[[[7.3,51.54],[7.312,51.54],[7.312,51.56],[7.3,51.56],[7.3,51.54]]]"), True),
    (("within", "Polygon", "[[[8.3,51.54],[8.312,51.54],[8.312,51.56],[8.3,51.56],[8.3,51.54]]]"), False),
    (("disjoint", "Point", "[7.31,51.55]"), False), (("intersects", "LineString", "[[7.3,51.55],[7.4,51.55]]"), True),
])  # fmt: skip
def test_entities_are_asked_by_where_they_lie(measured, place, there):
    names = dict(zip(("georel", "geometry", "coordinates"), place, strict=True))
    params = names | {"type": "WasteContainer,WeatherObserved"}
    answer = measured.client.get("/ngsi-ld/v1/entities", params=params)
    assert answer.status_code == 200, answer.text
    assert {one["id"] for one in answer.json()} == ({BIN, WEATHER} if there else set())


@pytest.mark.parametrize("wrong", [
    {"q": "a>"}, {"q": "a>1..2"}, {"q": "a>1,2"}, {"q": "((a"}, {"q": ""}, {"q": "a==1;" * 900}, {"q": "(" * 1500}, {"georel": "within"},
    {"georel": "near", "geometry": "Point", "coordinates": "[1,2]"}, {"georel": "within", "geometry": "Dot", "coordinates": "[1,2]"},
    {"georel": "within", "geometry": "Point", "coordinates": "[200,2]"}, {"georel": "within", "geometry": "Point", "coordinates": "nein"},
    {"georel": "near;maxDistance==5", "geometry": "LineString", "coordinates": "[[1,2],[3,4]]"},
    {"georel": "within", "geometry": "Point", "coordinates": "[7,51]", "geoproperty": "andere"},
])  # fmt: skip
def test_a_question_that_cannot_be_meant_is_refused(measured, wrong):
    answer = measured.client.get("/ngsi-ld/v1/entities", params=wrong | {"type": "WasteContainer"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["type"].endswith("BadRequestData")


def test_what_may_not_be_known_is_found_by_no_question(measured):
    for question in ("fillingLevel==4711.25", "fillingLevel>1000", 'name~="eheim"', "fillingLevel"):
        answer = measured.client.get("/ngsi-ld/v1/entities", params={"q": question, "count": "true"})
        assert "geheim" not in answer.text
        assert answer.headers["NGSILD-Results-Count"] == str(len(answer.json()))
