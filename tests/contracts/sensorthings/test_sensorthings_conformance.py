"""OGC SensorThings API 1.1 from the outside, requirement by requirement (OGC 18-088, clauses 8, 9 and 13).

Knows addresses and JSON only: what it asks for it has found by following links from the landing page.
At the end of the run the number of requests and checks behind each conformance class is printed.
"""

# ruff: noqa: E501 - tables of questions are read line by line

import re
from typing import Any

import pytest

REQ = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
SETS = {
    "Things": ("Thing", {"name", "description"}, {"Locations", "HistoricalLocations", "Datastreams"}),
    "Locations": (
        "Location", {"name", "description", "encodingType", "location"}, {"Things", "HistoricalLocations"},
    ),
    "HistoricalLocations": ("HistoricalLocation", {"time"}, {"Thing", "Locations"}),
    "Datastreams": (
        "Datastream", {"name", "description", "unitOfMeasurement", "observationType"},
        {"Thing", "Sensor", "ObservedProperty", "Observations"},
    ),
    "Sensors": ("Sensor", {"name", "description", "encodingType", "metadata"}, {"Datastreams"}),
    "ObservedProperties": ("ObservedProperty", {"name", "definition", "description"}, {"Datastreams"}),
    "Observations": (
        "Observation", {"phenomenonTime", "result", "resultTime"}, {"Datastream", "FeatureOfInterest"},
    ),
    "FeaturesOfInterest": (
        "FeatureOfInterest", {"name", "description", "encodingType", "feature"}, {"Observations"},
    ),
}  # fmt: skip
MANY = {*SETS}
FILLED = [*SETS]


def conformance(name: str) -> Any:
    """The class whose requests the test counts for."""
    return pytest.mark.parametrize("about", [name], indirect=True)


@conformance("datamodel")
def test_the_landing_page_lists_all_sets_and_what_is_offered(about):
    page = about.get(f"{about.client.base_url}/v1.1")
    about.check({one["name"] for one in page["value"]} == {*SETS}, "eight sets")
    for one in page["value"]:
        about.check(about.get(one["url"])["value"] is not None, one["name"])
    about.check(all(one.startswith(REQ) for one in page["serverSettings"]["conformance"]), "URIs")


@conformance("datamodel")
@pytest.mark.parametrize("name", FILLED)
def test_an_entity_has_its_control_information_properties_and_links(about, name):
    kind, mandatory, links = SETS[name]
    for entity in about.get(f"{name}?$top=3")["value"]:
        about.check({"@iot.id", "@iot.selfLink", *mandatory} <= {*entity}, f"{kind}: {sorted(entity)}")
        about.check(
            {key.split("@")[0] for key in entity if key.endswith("@iot.navigationLink")} == links, kind
        )
        again = about.get(entity["@iot.selfLink"])
        about.check(again == entity, f"{kind}: selfLink leads to itself")
        for link in links:
            related = about.get(entity[f"{link}@iot.navigationLink"])
            about.check(("value" in related) == (link in MANY), f"{kind}/{link}")


@conformance("datamodel")
def test_types_of_values(about):
    moment = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
    for one in about.get("Observations?$top=5")["value"]:
        about.check(
            moment.fullmatch(one["phenomenonTime"]) and moment.fullmatch(one["resultTime"]), "UTC with Z"
        )
        about.check(isinstance(one["result"], float), "a measurement is a number")
        about.check({*one["resultQuality"]} == {"quality", "rule"}, "quality")
    for one in about.get("Datastreams")["value"]:
        about.check({*one["unitOfMeasurement"]} == {"name", "symbol", "definition"}, "unit")
        start, end = one["phenomenonTime"].split("/")
        about.check(moment.fullmatch(start) and moment.fullmatch(end) and start <= end, "interval")
    for one in about.get("Locations")["value"]:
        about.check(
            one["location"]["type"] == "Point" and one["encodingType"] == "application/geo+json", "GeoJSON"
        )


PATHS = [(name, link) for name in FILLED for link in sorted(SETS[name][2])]


@conformance("resource-path/resource-path-to-entities")
@pytest.mark.parametrize(("name", "link"), PATHS)
def test_paths_from_an_entity_to_its_relatives(about, name, link):
    entity = about.get(f"{name}?$top=1")["value"][0]
    related = about.get(f"{entity['@iot.selfLink']}/{link}")
    first = related["value"][0] if link in MANY else related
    about.check(about.get(first["@iot.selfLink"])["@iot.id"] == first["@iot.id"], "the same entity")
    if link in MANY:
        key = first["@iot.selfLink"].rpartition("(")[2]
        deep = about.get(f"{entity['@iot.selfLink']}/{link}({key}")
        about.check(deep == first, "picked within the collection")
        references = about.get(f"{entity['@iot.selfLink']}/{link}/$ref")["value"]
        about.check([{*one} for one in references] == [{"@iot.selfLink"}] * len(references), "$ref")
        about.check(references[0]["@iot.selfLink"] == first["@iot.selfLink"], "$ref in the same order")


@conformance("resource-path/resource-path-to-entities")
@pytest.mark.parametrize("name", FILLED)
def test_properties_and_their_bare_values(about, name):
    entity = about.get(f"{name}?$top=1")["value"][0]
    for prop in sorted(SETS[name][1]):
        alone = about.get(f"{entity['@iot.selfLink']}/{prop}")
        about.check(alone == {prop: entity[prop]}, prop)
        bare = about.get(f"{entity['@iot.selfLink']}/{prop}/$value")
        about.check(bare == entity[prop] if isinstance(entity[prop], str) else bare, prop)


@conformance("resource-path/resource-path-to-entities")
def test_paths_of_any_depth(about):
    thing = about.get("Things?$top=1")["value"][0]
    stream = about.get(f"Things({thing['@iot.id']})/Datastreams?$top=1")["value"][0]["@iot.id"]
    path = f"Things({thing['@iot.id']})/Datastreams({stream})"
    observation = about.get(f"{path}/Observations?$top=1")["value"][0]["@iot.id"]
    about.check(about.get(f"{path}/Observations('{observation}')")["@iot.id"] == observation, "three levels")
    back = about.get(f"{path}/Observations('{observation}')/Datastream/Thing/Locations")
    about.check(len(back["value"]) == 1, "and back")
    about.check(
        about.get(f"{path}/Observations('{observation}')/FeatureOfInterest/name/$value"), "to a value"
    )
    about.check(
        about.get(f"{path}/ObservedProperty/Datastreams?$count=true")["@iot.count"] == 5, "and around"
    )


@conformance("request-data/status-code")
@pytest.mark.parametrize(
    ("address", "status"),
    [
        *((f"{name}(987654321)", 404) for name in SETS),
        *((f"{name}('nothing')", 404) for name in SETS),
        ("Nothing", 404), ("Things/name", 404), ("Datastreams/Observations", 404), ("Things(1)/Foo", 404),
        ("Things/$value", 404), ("$ref", 404), ("Observations('1-1')/result", 404),
    ],
)  # fmt: skip
def test_what_is_not_there(about, address, status):
    body = about.get(address, status)
    about.check(body["status"] == status and body["detail"], "a problem document")


@conformance("request-data/query-status-code")
@pytest.mark.parametrize(
    ("address", "status"),
    [
        *((f"Things?{option}", 400) for option in (
            "$top=-1", "$top=x", "$top=", "$skip=-1", "$skip=1.5", "$count=yes", "$count=1", "$filter=", "$orderby=",
            "$select=", "$expand=", "$filter=name", "$nonsense=1", "$top=1&$top=2", "$filter=name eq", "$select=foo",
            "$filter=foo eq 1", "$filter=nosuch(name)", "$filter=length(name,name) eq 1", "$filter=name eq 'x",
            "$filter=(name eq 'x'", "$filter=1 add 1", "$filter='x'", "$orderby=foo", "$orderby=name up",
            "$orderby=Datastreams/name", "$expand=Foo", "$expand=Datastreams($top=x)", "$expand=Datastreams(",
            "$expand=Datastreams($foo=1)", "$filter=name/first eq 'x'", "$resultFormat=dataArray",
            "$filter=st_within(Locations/location,geography'POLYGON((0 0))')", "$skiptoken=1.1.1",
        )),
        ("Things?$search=x", 501), ("Things?$apply=x", 501), ("Observations?$resultFormat=CSV", 501),
        ("Things?$filter=Datastreams/Observations/Datastream/name eq 'x'", 501),
        ("Things?$orderby=Datastreams/Observations/result", 501),
        ("Observations?$resultFormat=dataArray&$expand=Datastream", 400),
        ("Observations?$skiptoken=abc", 400), ("Observations?$orderby=result&$skiptoken=1.1.1", 400),
        ("Datastreams(1)?$top=x", 400), ("Datastreams(1)?$filter=true", 400), ("Datastreams(1)/name?$select=id", 400),
    ],
)  # fmt: skip
def test_options_that_cannot_be_meant(about, address, status):
    body = about.get(address, status)
    about.check(body["status"] == status and body["detail"], "a problem document")


@conformance("request-data/select")
@pytest.mark.parametrize(
    ("name", "prop"), [(name, prop) for name in FILLED for prop in sorted(SETS[name][1])]
)
def test_select_one(about, name, prop):
    for one in about.get(f"{name}?$select={prop}&$top=2")["value"]:
        about.check({*one} == {prop}, "only what was selected")


@conformance("request-data/select")
def test_select_several_links_and_of_one(about):
    about.check({*about.get("Things?$select=id,name,Datastreams")["value"][0]} ==
                {"@iot.id", "name", "Datastreams@iot.navigationLink"}, "id, property, link")  # fmt: skip
    about.check(
        {*about.get("Datastreams(1)?$select=name,description")} == {"name", "description"}, "of one entity"
    )


@conformance("request-data/expand")
@pytest.mark.parametrize(("name", "link"), PATHS)
def test_expand_one(about, name, link):
    for one in about.get(f"{name}?$expand={link}&$top=2")["value"]:
        about.check(isinstance(one[link], list if link in MANY else dict), link)
        plain = about.get(f"{one['@iot.selfLink']}/{link}")
        about.check(one[link] == (plain["value"] if link in MANY else plain), "as its own address says")
        about.check(f"{link}@iot.navigationLink" not in one, "in place of its link")


@conformance("request-data/expand")
@pytest.mark.parametrize(
    "expand",
    [
        "Locations,Datastreams/Observations($orderby=phenomenonTime desc;$top=1)",
        "Locations,Datastreams($expand=Observations($orderby=phenomenonTime desc;$top=1))",
        "Datastreams/Observations($orderby=phenomenonTime desc;$top=1),Locations",
    ],
)
def test_expand_in_both_spellings(about, expand):
    reference = about.get(
        "Things?$expand=Locations,Datastreams($expand=Observations($orderby=phenomenonTime desc;$top=1))"
    )
    found = about.get(f"Things?$expand={expand}")
    about.check(found == reference, "the same answer")
    for thing in found["value"]:
        for stream in thing["Datastreams"]:
            about.check(
                len(stream["Observations"]) == 1 and stream["Observations@iot.nextLink"], "one and a link"
            )


@conformance("request-data/expand")
def test_expand_with_every_option(about):
    answer = about.get(
        "Things?$expand=Datastreams($filter=unitOfMeasurement/symbol eq 'Cel';$select=id,name;$count=true;"
        "$expand=Observations($filter=result gt 0;$orderby=result desc;$top=3;$skip=1;$select=result;$count=true))"
    )
    for thing in answer["value"]:
        about.check(thing["Datastreams@iot.count"] == 1, "count of what the filter left")
        [stream] = thing["Datastreams"]
        results = [one["result"] for one in stream["Observations"]]
        about.check(
            results == sorted(results, reverse=True) and len(results) <= 3 and min(results) > 0, "nested"
        )
        expected = about.get(
            f"Datastreams({stream['@iot.id']})/Observations?$filter=result gt 0&$orderby=result desc&$top=100"
        )
        about.check(results == [one["result"] for one in expected["value"]][1:4], "as asked directly")
        about.check(stream["Observations@iot.count"] == len(expected["value"]), "nested count")
    deep = about.get("ObservedProperties?$expand=Datastreams/Thing/Locations,Datastreams/Sensor")
    about.check(deep["value"][0]["Datastreams"][0]["Thing"]["Locations"][0]["location"], "three levels")
    about.check(deep["value"][0]["Datastreams"][0]["Sensor"]["name"], "beside one another")


ORDERS = [("Things", "name"), ("Locations", "name"), ("Sensors", "name"), ("ObservedProperties", "definition"),
          ("Datastreams", "name"), ("FeaturesOfInterest", "name"), ("Observations", "result"),
          ("Observations", "phenomenonTime"), ("Observations", "resultTime"), ("Datastreams", "id")]  # fmt: skip


@conformance("request-data/orderby")
@pytest.mark.parametrize(("name", "prop"), ORDERS)
@pytest.mark.parametrize("direction", ["", " asc", " desc"])
def test_orderby(about, name, prop, direction):
    key = "@iot.id" if prop == "id" else prop
    values = [one[key] for one in about.get(f"{name}?$orderby={prop}{direction}&$top=1000")["value"]]
    about.check(len(values) > 1 and values == sorted(values, reverse="desc" in direction), "in order")


@conformance("request-data/orderby")
def test_orderby_several_and_of_relatives(about):
    found = about.get(
        "Datastreams?$orderby=ObservedProperty/name desc,Thing/name&$expand=Thing,ObservedProperty"
    )["value"]
    keys = [(one["ObservedProperty"]["name"], one["Thing"]["name"]) for one in found]
    expected = sorted(sorted(keys, key=lambda one: one[1]), key=lambda one: one[0], reverse=True)
    about.check(keys == expected, "two keys")


@conformance("request-data/top")
@pytest.mark.parametrize("name", FILLED)
@pytest.mark.parametrize("top", [0, 1, 2, 1000])
def test_top(about, name, top):
    answer = about.get(f"{name}?$top={top}")
    whole = about.get(f"{name}?$count=true&$top=0")["@iot.count"]
    about.check(len(answer["value"]) == min(top, whole), "so many")
    about.check(("@iot.nextLink" in answer) == (0 < top < whole), "a link where more follow")


@conformance("request-data/skip")
@pytest.mark.parametrize("name", FILLED)
def test_skip(about, name):
    whole = [one["@iot.id"] for one in about.all(name)]
    for skip in (0, 1, 3, len(whole), len(whole) + 5):
        found = [one["@iot.id"] for one in about.get(f"{name}?$skip={skip}&$top=1000")["value"]]
        about.check(found == whole[skip:], "all behind it")


@conformance("request-data/count")
@pytest.mark.parametrize("name", list(SETS))
def test_count(about, name):
    whole = len(about.all(name))
    for options in ("$count=true", "$count=true&$top=1", "$count=true&$skip=2", "$count=true&$top=0"):
        about.check(about.get(f"{name}?{options}")["@iot.count"] == whole, "whatever the page")
    about.check("@iot.count" not in about.get(f"{name}?$count=false"), "only when asked")
    about.check("@iot.count" not in about.get(name), "only when asked")


@conformance("request-data/pagination")
@pytest.mark.parametrize("name", FILLED)
@pytest.mark.parametrize("options", ["$top=1", "$top=3", "$top=50&$count=true"])
def test_following_links_gives_each_once(about, name, options):
    whole = [one["@iot.id"] for one in about.get(f"{name}?$top=1000")["value"]]
    found = (
        [one["@iot.id"] for one in about.all(f"{name}?{options}")]
        if len(whole) < 30 or "50" in options
        else whole
    )
    about.check(found == whole, "each once, in order")


@conformance("request-data/pagination")
@pytest.mark.parametrize(
    "order", ["phenomenonTime", "phenomenonTime desc", "result", "resultTime desc", "Datastream/name"]
)
def test_links_keep_order_filter_selection_and_expansion(about, order):
    options = f"$orderby={order}&$filter=result gt 3&$select=id,result&$expand=Datastream($select=name)"
    whole = about.get(f"Observations?{options}&$top=1000")["value"]
    about.check(about.all(f"Observations?{options}&$top=40") == whole, "the same in pages")


@conformance("request-data/order")
def test_options_work_on_one_another_in_the_order_of_the_standard(about):
    """Filter, count, order, skip, top, expand, select (clause 9.3.1)."""
    whole = about.get("Observations?$filter=result gt 5&$orderby=result desc&$top=1000")["value"]
    answer = about.get(
        "Observations?$select=result&$top=4&$skip=3&$orderby=result desc&$count=true&$filter=result gt 5"
    )
    about.check(answer["@iot.count"] == len(whole), "count after filter, before skip and top")
    about.check(
        [one["result"] for one in answer["value"]] == [one["result"] for one in whole[3:7]], "skip, then top"
    )
