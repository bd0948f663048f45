"""The calls that QGIS and Masterportal make, letter by letter as their programs write them.

QGIS 3.38: src/core/providers/sensorthings; Masterportal 3.19: its SensorThings layer and charts.
"""
# ruff: noqa: E501 - tables of questions are read line by line

import pytest

SETS = ("Things", "Locations", "HistoricalLocations", "Datastreams", "Sensors", "ObservedProperties",
        "Observations", "FeaturesOfInterest")  # fmt: skip


@pytest.fixture
def get(filled):
    """A GET of a literal address below /v1.1."""

    def got(address):
        answer = filled.client.get(f"/v1.1/{address}", headers={"Origin": "https://masterportal.example"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["access-control-allow-origin"] == "*"
        return answer.json()

    return got


@pytest.mark.parametrize("name", SETS)
def test_qgis_counts_every_set(get, name):
    answer = get(f"{name}?$top=0&$count=true")
    assert isinstance(answer["@iot.count"], int)
    assert answer["value"] == []


@pytest.mark.parametrize("shape", ["Point", "MultiPoint", "Polygon", "LineString"])
@pytest.mark.parametrize(
    ("name", "field"),
    [("Locations", "location"), ("FeaturesOfInterest", "feature"), ("Datastreams", "observedArea")],
)
def test_qgis_probes_geometries(get, name, field, shape):
    answer = get(
        f"{name}?$top=0&$count=true&$filter={field}/type eq '{shape}' or {field}/geometry/type eq '{shape}'"
    )
    assert answer["@iot.count"] == ((7 if field == "observedArea" else 4) if shape == "Point" else 0)


def test_qgis_asks_for_an_extent(get):
    area = "geography'Polygon ((7.30 51.49, 7.33 51.49, 7.33 51.52, 7.30 51.52, 7.30 51.49))'"
    answer = get(f"Locations?$filter=geo.intersects(location, {area})&$top=200&$count=false")
    assert "@iot.count" not in answer
    assert [one["location"]["coordinates"] for one in answer["value"]] == [[7.32, 51.51]] or len(
        answer["value"]
    ) == 2
    for one in answer["value"]:
        longitude, latitude = one["location"]["coordinates"]
        assert 7.30 <= longitude <= 7.33
        assert 51.49 <= latitude <= 51.52


def test_qgis_follows_opaque_links(get, filled):
    answer = get("Observations?$top=7&$count=false")
    found = list(answer["value"])
    while link := answer.get("@iot.nextLink"):
        answer = filled.client.get(link).json()
        found += answer["value"]
    assert len({one["@iot.id"] for one in found}) == len(found) == 7 * 43


MASTERPORTAL_ROOT = "Things?$expand=Locations,Datastreams/Observations($orderby=phenomenonTime%20desc;$top=1)"


def test_masterportal_loads_its_layer(get, filled):
    answer = get(MASTERPORTAL_ROOT)
    assert len(answer["value"]) == 4
    for thing in answer["value"]:
        assert thing["Locations"][0]["location"]["type"] == "Point"
        for stream in thing["Datastreams"]:
            [newest] = stream["Observations"]
            assert (
                newest["phenomenonTime"]
                == get(f"Datastreams({stream['@iot.id']})/Observations?$orderby=phenomenonTime desc&$top=1")[
                    "value"
                ][0]["phenomenonTime"]
            )
            assert stream["phenomenonTime"].endswith(newest["phenomenonTime"])
            following = filled.client.get(stream["Observations@iot.nextLink"]).json()
            assert following["value"][0]["phenomenonTime"] <= newest["phenomenonTime"]
            assert following["value"][0]["@iot.id"] != newest["@iot.id"]


def test_masterportal_follows_nested_links(get, filled):
    answer = get("Things?$expand=Datastreams($top=1)")
    two = next(one for one in answer["value"] if "Datastreams@iot.nextLink" in one)
    following = filled.client.get(two["Datastreams@iot.nextLink"]).json()
    assert following["value"][0]["@iot.id"] > two["Datastreams"][0]["@iot.id"]
    assert "@iot.nextLink" not in following


def test_masterportal_filters_what_it_expands(get):
    answer = get(
        "Things?$expand=Datastreams($filter=ObservedProperty/name eq 'Lufttemperatur';"
        "$expand=ObservedProperty,Observations($orderby=phenomenonTime desc;$top=2))"
    )
    names = {
        stream["ObservedProperty"]["name"] for thing in answer["value"] for stream in thing["Datastreams"]
    }
    assert names == {"Lufttemperatur"}
    assert {len(s["Observations"]) for t in answer["value"] for s in t["Datastreams"]} == {2}


@pytest.mark.parametrize(
    ("address", "count"),
    [
        ("Datastreams?$filter=startswith(Thing/name,'Mast O''Neil 1')", 2),
        ("Sensors?$filter=startswith(Datastreams/name,'Füllstand')", 1),
        ("Observations?$filter=indexof(Datastream/name,'Mast') ge 1&$top=1000", 7 * 43),
        ("Locations?$filter=startswith(Things/name,'Mast')", 4),
        ("Things?$filter=startswith(Things/name,'Mast')", 4),
        ("Datastreams?$filter=indexof(Datastream/name,'Mast') ge 1", 7),
        ("Things?$filter=indexof(Datastreams/name,'temperatur') ge 1", 3),
        ("Things?$filter=st_intersects(Locations/location,geography'POLYGON ((7.29 51.49,7.31 51.49,7.31 51.51,7.29 51.51,7.29 51.49))')", 1),
        ("Things?$filter=st_within(Locations/location,geography'POLYGON ((7 51,8 51,8 52,7 52,7 51))')", 4),
        ("Datastreams?$filter=st_within(Thing/Locations/location,geography'POLYGON ((7 51,8 51,8 52,7 52,7 51))')", 7),
    ],
)  # fmt: skip
def test_masterportal_filters_by_related_entities(get, address, count):
    assert len(get(address)["value"]) == count


def test_masterportal_draws_the_last_day(get, filled):
    number = filled.open_ids[0]
    answer = get(
        f"Datastreams({number})/Observations?$filter=resultTime gt now() sub duration'PT24H'"
        "&$orderby=phenomenonTime desc&$select=result,resultTime&$top=1000"
    )
    everything = get(f"Datastreams({number})/Observations?$top=1000")["value"]
    expected = [one for one in everything if one["resultTime"] > "2026-11-20T12:00:00Z"]
    assert len(answer["value"]) == len(expected) > 0
    assert all({*one} == {"result", "resultTime"} for one in answer["value"])
    assert all(one["resultTime"] is not None for one in everything)


def test_a_form_may_turn_plus_into_a_blank(get):
    plain = get("Observations?$filter=phenomenonTime ge 2026-11-21T00:00:00Z&$count=true&$top=0")
    formed = get("Observations?$filter=phenomenonTime+ge+2026-11-21T01:00:00+01:00&$count=true&$top=0")
    assert plain == formed


def test_the_display_name_of_masterportal(get):
    assert {one["properties"]["type"] for one in get("Datastreams")["value"]} == {
        "Füllstand",
        "Lufttemperatur",
    }
