"""What is restricted does not exist for the public: not in a path, a count, an expansion, a filter or a link."""
# ruff: noqa: E501 - tables of questions are read line by line

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from udp.sensorthings import ObservedProperty

WORDS = ("Verborgen", "4711", "restricted", "personal")
SETS = ("Things", "Locations", "HistoricalLocations", "Datastreams", "Sensors", "ObservedProperties",
        "Observations", "FeaturesOfInterest")  # fmt: skip
EXPANSIONS = (
    "Things?$expand=Locations,HistoricalLocations,Datastreams/Observations,Datastreams/Sensor",
    "Sensors?$expand=Datastreams($expand=Thing,Observations)",
    "ObservedProperties?$expand=Datastreams($expand=Thing/Locations,Sensor,Observations($top=1000);$count=true)",
    "Locations?$expand=Things/Datastreams/Observations",
    "FeaturesOfInterest?$expand=Observations($expand=Datastream/Thing;$count=true;$top=1000)",
    "Observations?$top=10000&$expand=Datastream/Sensor,FeatureOfInterest",
    "Datastreams?$expand=Thing/Datastreams/Thing/Datastreams",
)


def assert_silent(answer):
    assert [word for word in WORDS if word in answer.text] == []


@pytest.mark.parametrize("name", SETS)
def test_sets_and_counts_are_those_of_open_data(filled, name):
    public = filled.client.get(f"/v1.1/{name}?$count=true&$top=10000")
    assert public.status_code == 200
    assert_silent(public)
    body = public.json()
    assert body["@iot.count"] == len(body["value"])
    operator = filled.client.get(f"/v1.1/{name}?$count=true", headers=filled.operator).json()
    more = operator["@iot.count"] > body["@iot.count"]
    assert more or name in ("HistoricalLocations", "ObservedProperties")


@pytest.mark.parametrize("address", EXPANSIONS)
def test_expansions_lead_nowhere_hidden(filled, address):
    answer = filled.client.get(f"/v1.1/{address}")
    assert answer.status_code == 200
    assert_silent(answer)
    hidden = {str(one) for one in filled.hidden_ids}
    streams = {
        part.split("(")[1].split(")")[0] for part in answer.text.split("/") if part.startswith("Datastreams(")
    }
    assert not streams & hidden


def hidden_addresses(filled):
    """The addresses that the operator sees and the public must not."""
    for name in SETS:
        known = [filled.client.get(f"/v1.1/{name}?$top=10000&$select=selfLink", headers=headers).json()["value"]
                 for headers in ({}, filled.operator)]  # fmt: skip
        open_, all_ = ({one["@iot.selfLink"] for one in found} for found in known)
        assert open_ <= all_
        yield from sorted(all_ - open_)[:8]


def test_guessed_addresses_are_refused_like_those_that_never_were(filled):
    count = 0
    for link in hidden_addresses(filled):
        address = link.removeprefix("http://testserver")
        name = address.removeprefix("/v1.1/").split("(")[0]
        never = f"/v1.1/{name}('9-1')" if name == "Observations" else f"/v1.1/{name}(987654)"
        for tail in ("", "/name", "/Datastreams", "/Observations", "/Thing", "?$select=id", "?$expand=Foo"):
            answer, nothing = filled.client.get(address + tail), filled.client.get(never + tail)
            assert answer.status_code == nothing.status_code == 404
            texts = [one.text.replace(path.removeprefix("/v1.1/"), "X")
                     for one, path in ((answer, address), (nothing, never))]  # fmt: skip
            assert texts[0] == texts[1]
            count += 1
    assert count > 100


def test_an_open_path_does_not_lead_on_to_what_is_hidden(filled):
    number, hidden = filled.open_ids[0], filled.hidden_ids[0]
    prop = filled.client.get(f"/v1.1/Datastreams({number})/ObservedProperty").json()["@iot.id"]
    for address in (
        f"Datastreams({number})/ObservedProperty/Datastreams({hidden})",
        f"ObservedProperties({prop})/Datastreams({hidden})/Observations",
        f"Datastreams({number})/Observations('{hidden}-1')",
    ):
        assert filled.client.get(f"/v1.1/{address}").status_code == 404


@pytest.mark.parametrize(
    "condition",
    [
        "result eq 4711.25",
        "result gt 4000",
        "Datastream/Sensor/name eq 'Verborgen-Fühler'",
        "startswith(Datastream/Thing/name,'Verborgen')",
        "Datastream/Thing/Datastreams/Sensor/name eq 'Verborgen-Fühler'",
        "Datastream/ObservedProperty/Datastreams/properties/zugriff eq 'restricted'",
        "Datastream/properties/zugriff ne 'open'",
    ],
)
def test_no_filter_is_a_side_channel(filled, condition):
    """A count that moves with a hidden value would tell it bit by bit."""
    public = filled.client.get("/v1.1/Observations", params={"$filter": condition, "$count": "true"})
    operator = filled.client.get(
        "/v1.1/Observations", params={"$filter": condition, "$count": "true"}, headers=filled.operator
    )
    assert public.json() == {"@iot.count": 0, "value": []}
    assert operator.json()["@iot.count"] > 0
    turned = filled.client.get(
        "/v1.1/Observations", params={"$filter": f"not ({condition})", "$count": "true"}
    )
    assert turned.json()["@iot.count"] == 7 * 43


def test_times_of_hidden_series_move_no_public_answer(filled):
    addresses = ["/v1.1/Things?$expand=Datastreams", "/v1.1/Observations?$count=true", "/v1.1/Sensors"]
    before = [filled.client.get(one) for one in addresses]
    hidden = next(name for name, number in filled.ids.items() if number in filled.hidden_ids)
    filled.measure(hidden, [filled.clock[0]], [1.0])
    after = [filled.client.get(one) for one in addresses]
    assert [(one.text, one.headers["etag"]) for one in before] == [
        (one.text, one.headers["etag"]) for one in after
    ]


def test_what_may_leave_in_coarse_steps_only_does_not_leave_here(filled):
    """Single values at their own times would tell when a car came."""
    parking = ObservedProperty("parking_occupied", "Stellplatz belegt", "https://example.org/parking")
    city = filled.description
    streams = tuple(
        replace(one, observed_property=parking) if one.key == "fill_level" and one.thing == "ding-0" else one
        for one in city.datastreams
    )
    filled.registry.import_city(replace(city, datastreams=streams))
    number = filled.ids["ding-0/fill_level"]
    for address in (
        f"Datastreams({number})",
        f"Datastreams({number})/Observations",
        f"Observations('{number}-1')",
    ):
        assert filled.client.get(f"/v1.1/{address}").status_code == 404
    for address in (
        "Datastreams",
        "Observations?$top=10000",
        "Things?$expand=Datastreams",
        "ObservedProperties",
    ):
        text = filled.client.get(f"/v1.1/{address}").text
        assert f"Datastreams({number})" not in text
        assert f"'{number}-" not in text
        assert "parking" not in text
    assert filled.client.get(f"/v1.1/Datastreams({number})", headers=filled.operator).status_code == 200


def test_a_wrong_key_is_refused(filled):
    assert filled.client.get("/v1.1/Things", headers={"X-Api-Key": "wrong"}).status_code == 401


def test_what_a_key_opened_is_kept_by_nobody(filled):
    assert "private" in filled.client.get("/v1.1/Things", headers=filled.operator).headers["cache-control"]
    assert "public" in filled.client.get("/v1.1/Things").headers["cache-control"]


SEGMENTS = st.sampled_from(
    [*SETS, "Thing", "Sensor", "Datastream", "ObservedProperty", "FeatureOfInterest", "$ref", "$value", "name",
     "properties", "id", "Things(1)", "Datastreams(1)", "Datastreams(3)", "Observations('1-1')",
     "Observations(1)", "Datastreams('x')", "Things()", "Datastreams(-1)", "Datastreams(99999999999999999999)"]
)  # fmt: skip
OPTION = st.sampled_from(["$filter", "$orderby", "$select", "$expand", "$top", "$skip", "$count", "$resultFormat",
                          "$skiptoken", "$search", "$nonsense", "plain"])  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=60),
    st.sampled_from([
        "result gt 1", "Datastream/Thing/name eq 'x'", "name", "id desc", "Datastreams", "Things/Datastreams/Observations",
        "Observations($top=1;$expand=Datastream)", "0", "5", "-1", "99999999999", "true", "dataArray", "1.2.3",
        "st_relate(location,geography'POINT(1 1)','T*F**F***')", "geo.length(feature) eq 0", "(((", "' or 1 eq 1",
        "geography'POLYGON((0 0))' eq null", "properties/a/b/c eq null", "result div 0 eq null", "time eq null",
        "phenomenonTime lt 9999-12-31T23:59:59Z add duration'P9999D'", "year(phenomenonTime) eq 2026",
        "Observations/result gt 4000", "not not true", "date(phenomenonTime) eq 2026-11-21", "1 add 1",
        "phenomenonTime gt 0001-01-01T00:00:00Z", "id eq '1-9999999999999999'", "resultTime eq phenomenonTime",
    ]),
)  # fmt: skip


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(path=st.lists(SEGMENTS, max_size=5), options=st.dictionaries(OPTION, VALUES, max_size=3))
def test_no_address_breaks_it_or_makes_it_talk(filled, path, options):
    answer = filled.client.get("/v1.1/" + "/".join(path), params=options)
    assert answer.status_code in (200, 204, 400, 404, 413, 414, 501), answer.text
    if answer.status_code == 200:
        assert_silent(answer)
    elif answer.status_code >= 400:
        problem = json.loads(answer.text)
        assert problem["status"] == answer.status_code
        assert problem["detail"]
