"""Creating entities from the outside (OGC 18-088, 10.2, 13.3): one by one, linked, deep, and in arrays."""

# ruff: noqa: E501 - tables of requests are read line by line

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import samples

CREATE = "create-update-delete/"


def conformance(name):
    return pytest.mark.parametrize("about", [name], indirect=True)


def made_stream(about, **more):
    """A Datastream with parts of its own, at a Thing with a place; addresses of all."""
    place = about.new("Locations", samples.location())
    bank = about.new("Things", samples.thing(Locations=[samples.link(place)]))
    sensor, prop = about.new("Sensors", samples.sensor()), about.new("ObservedProperties", samples.observed())
    links = {
        "Thing": samples.link(bank),
        "Sensor": samples.link(sensor),
        "ObservedProperty": samples.link(prop),
    }
    return {
        "Thing": bank, "Location": place, "Sensor": sensor, "ObservedProperty": prop,
        "Datastream": about.new("Datastreams", samples.stream(**links, **more)),
    }  # fmt: skip


PLAIN = [
    ("Things", samples.thing), ("Locations", samples.location), ("Sensors", samples.sensor),
    ("ObservedProperties", samples.observed), ("FeaturesOfInterest", samples.feature),
]  # fmt: skip


@conformance(CREATE + "create-entity")
@pytest.mark.parametrize(("name", "sample"), PLAIN)
def test_an_entity_is_created_and_stands_as_it_was_written(about, name, sample):
    address = about.new(name, sample())
    seen = about.see(address)
    about.check(seen["@iot.selfLink"] == address, "selfLink")
    about.check({key: seen[key] for key in sample()} == sample(), "as written")
    about.check(
        seen["@iot.id"] in {one["@iot.id"] for one in about.see(f"{name}?$top=1000")["value"]}, "listed"
    )
    about.check(about.new(name, sample()) != address, "twice is two")


@conformance(CREATE + "create-entity")
@pytest.mark.parametrize(("name", "sample"), PLAIN)
def test_what_is_mandatory_must_be_there(about, name, sample):
    for missing in set(sample()) - {"properties"}:
        body = sample()
        del body[missing]
        answer = about.send("POST", name, body, status=400)
        about.check(missing in answer.json()["detail"], "names what is missing")
        about.send("POST", name, sample() | {missing: None}, status=400)


@conformance(CREATE + "create-entity")
def test_what_is_no_entity_is_refused(about):
    for body in (b"", b"{", b"[]", b'"Thing"', b"null", b'{"name": NaN}', b"[" * 100_000):
        about.send("POST", "Things", body, status=400)
    for body in (
        samples.thing(name=""), samples.thing(properties=[1]), samples.thing(colour="red"), samples.thing(name=5),
    ):  # fmt: skip
        about.send("POST", "Things", body, status=400)
    for place in (
        {"type": "Point", "coordinates": [200, 51]}, {"type": "Point", "coordinates": []}, {"type": "Dot"}, 5, "x",
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 1], [1, 0], [0, 0]]]},
    ):  # fmt: skip
        about.send("POST", "Locations", samples.location(location=place), status=400)
    about.send("POST", "Things", samples.thing(), status=415, kind="text/plain")
    about.send("POST", "Thing", samples.thing(), status=404)
    about.send("POST", "Things(1)", samples.thing(), status=405)


@conformance(CREATE + "link-to-existing-entities")
def test_a_datastream_hangs_on_what_it_names(about):
    made = made_stream(about)
    for name in ("Thing", "Sensor", "ObservedProperty"):
        seen = about.see(f"{made['Datastream']}/{name}")
        about.check(seen["@iot.selfLink"] == made[name], name)
        back = about.see(f"{made[name]}/Datastreams")["value"]
        about.check([one["@iot.selfLink"] for one in back] == [made["Datastream"]], f"back from {name}")
    about.check(
        about.see(f"{made['Thing']}/Locations")["value"][0]["@iot.selfLink"] == made["Location"], "place"
    )
    about.check(about.see(f"{made['Location']}/Things")["value"][0]["@iot.selfLink"] == made["Thing"], "back")


@conformance(CREATE + "link-to-existing-entities")
@pytest.mark.parametrize("missing", ["Thing", "Sensor", "ObservedProperty"])
def test_a_datastream_without_its_parts_is_refused(about, missing):
    made = made_stream(about)
    links = {name: samples.link(made[name]) for name in ("Thing", "Sensor", "ObservedProperty")}
    before = about.see("Datastreams?$top=0&$count=true")["@iot.count"]
    about.send(
        "POST", "Datastreams", samples.stream(**{k: v for k, v in links.items() if k != missing}), status=400
    )
    about.send("POST", "Datastreams", samples.stream(**links | {missing: {"@iot.id": 12345}}), status=400)
    about.send("POST", "Datastreams", samples.stream(**links | {missing: {"@iot.id": "x"}}), status=400)
    about.check(about.see("Datastreams?$top=0&$count=true")["@iot.count"] == before, "nothing was made")


@conformance(CREATE + "link-to-existing-entities")
def test_creating_below_an_entity_links_to_it(about):
    bank = about.new("Things", samples.thing())
    place = about.new(f"{bank}/Locations", samples.location())
    about.check(about.see(f"{bank}/Locations")["value"][0]["@iot.selfLink"] == place, "Location")
    stream = about.new(
        f"{bank}/Datastreams", samples.stream(Sensor=samples.sensor(), ObservedProperty=samples.observed())
    )
    about.check(about.see(f"{stream}/Thing")["@iot.selfLink"] == bank, "Datastream")
    value = about.new(f"{stream}/Observations", samples.observation())
    about.check(about.see(f"{value}/Datastream")["@iot.selfLink"] == stream, "Observation")
    other = about.new("Locations", samples.location(7.33))
    about.send("POST", f"{bank}/Locations/$ref", samples.link(other), status=204)
    about.check(about.see(f"{bank}/Locations")["value"][0]["@iot.selfLink"] == other, "$ref")
    about.send("POST", f"{bank}/Locations/$ref", {"@iot.id": 4}, status=400)


@conformance(CREATE + "create-entity")
def test_an_observation_has_its_times_and_where_it_is_about(about):
    made = made_stream(about)
    links = {"Datastream": samples.link(made["Datastream"])}
    address = about.new("Observations", samples.observation(10, 8, **links))
    seen = about.see(address)
    about.check(seen["result"] == 8 and seen["phenomenonTime"] == "2026-11-20T10:00:00Z", "as written")
    about.check(seen["resultTime"] is not None, "resultTime is never null")
    found = about.see(f"{address}/FeatureOfInterest")
    place = about.see(made["Location"])
    about.check(found["feature"] == place["location"], "without a feature it is the Thing's place")
    again = about.new("Observations", samples.observation(11, 9, **links))
    about.check(about.see(f"{again}/FeatureOfInterest")["@iot.id"] == found["@iot.id"], "the same feature")
    about.new(f"{made['Thing']}/Locations", samples.location(7.36, 51.57))
    moved = about.new("Observations", samples.observation(12, 10, **links))
    elsewhere = about.see(f"{moved}/FeatureOfInterest")
    about.check(elsewhere["feature"]["coordinates"] == [7.36, 51.57], "where it is now")
    about.check(elsewhere["@iot.id"] != found["@iot.id"], "another feature")
    sky = about.new("FeaturesOfInterest", samples.feature())
    named = about.new(
        "Observations", samples.observation(13, 11, FeatureOfInterest=samples.link(sky), **links)
    )
    about.check(about.see(f"{named}/FeatureOfInterest")["@iot.selfLink"] == sky, "the one that was named")
    about.check(about.see(f"{sky}/Observations")["value"][0]["@iot.selfLink"] == named, "and back")
    values = about.see(f"{made['Datastream']}/Observations?$orderby=phenomenonTime&$count=true")
    about.check([one["result"] for one in values["value"]] == [8, 9, 10, 11], "one Datastream, in order")
    about.check(values["@iot.count"] == 4, "counted")
    about.check(
        about.see(f"{values['value'][3]['@iot.selfLink']}/Datastream")["@iot.selfLink"] == made["Datastream"],
        "",
    )
    newest = about.see(f"{made['Datastream']}?$expand=Observations($orderby=phenomenonTime desc;$top=1)")
    about.check(newest["Observations"][0]["result"] == 11, "newest by expansion")
    about.check(newest["phenomenonTime"] == "2026-11-20T10:00:00Z/2026-11-20T13:00:00Z", "extent")
    streams = about.see(f"{made['Thing']}/Datastreams")["value"]
    about.check(len(streams) == 1, "what the store keeps apart is one Datastream")
    bare = about.send("POST", "Observations", {"result": 3, **links})
    about.check(bare.json()["phenomenonTime"] == "2026-11-21T12:00:00Z", "without a time it is now")


@conformance(CREATE + "create-entity")
def test_an_observation_is_one_however_often_it_comes(about):
    made = made_stream(about)
    body = samples.observation(5, 4.5, Datastream=samples.link(made["Datastream"]))
    addresses = {about.new("Observations", body) for _ in range(3)}
    about.check(len(addresses) == 1, "one identity")
    about.check(
        about.see(f"{made['Datastream']}/Observations?$count=true")["@iot.count"] == 1, "one Observation"
    )
    other = about.new("Observations", body | {"result": 5})
    about.check(about.see(addresses.pop())["result"] == 4.5, "another result is another Observation")
    about.check(about.see(other)["phenomenonTime"] == body["phenomenonTime"], "of the same time")
    about.check(about.new("Observations", body | {"result": 5}) == other, "which is one, too")


@conformance(CREATE + "create-entity")
def test_what_an_observation_may_not_say(about):
    made = made_stream(about)
    links = {"Datastream": samples.link(made["Datastream"])}
    for more in (
        {"result": "null \0"}, {"result": 10**400}, {"phenomenonTime": "gestern"}, {"phenomenonTime": 5},
        {"phenomenonTime": "2026-11-20T10:00:00"}, {"phenomenonTime": "1950-01-01T00:00:00Z"}, {"resultTime": "x"},
        {"phenomenonTime": "2026-11-20T10:00:00Z/2026-11-19T10:00:00Z"}, {"parameters": 5},
    ):  # fmt: skip
        about.send("POST", "Observations", samples.observation(**links) | more, status=400)
    about.send("POST", "Observations", samples.observation(), status=400)
    about.send("POST", "Observations", samples.observation(Datastream={"@iot.id": 987654}), status=400)
    lost = about.new("Things", samples.thing())
    stream = about.new(
        f"{lost}/Datastreams", samples.stream(Sensor=samples.sensor(), ObservedProperty=samples.observed())
    )
    about.send("POST", f"{stream}/Observations", samples.observation(), status=400)
    about.new(f"{stream}/Observations", samples.observation(FeatureOfInterest=samples.feature()))


@conformance(CREATE + "create-entity")
def test_what_the_store_has_no_column_for_is_kept_too(about):
    made = made_stream(about)
    body = samples.observation(
        7, 1, Datastream=samples.link(made["Datastream"]), parameters={"wer": "Hand"}, resultQuality={"guete": 3},
        validTime="2026-11-20T00:00:00Z/2026-11-21T00:00:00Z",
        phenomenonTime="2026-11-20T07:00:00Z/2026-11-20T08:00:00Z",
    )  # fmt: skip
    seen = about.see(about.new("Observations", body))
    for name in ("parameters", "validTime", "phenomenonTime", "resultQuality"):
        about.check(seen[name] == body[name], name)


@conformance(CREATE + "deep-insert")
def test_a_thing_with_everything_inside_is_one_request(about):
    address = about.new("Things", samples.complete())
    seen = about.see(
        f"{address}?$expand=Locations,Datastreams($expand=Sensor,ObservedProperty,Observations($orderby=phenomenonTime;$expand=FeatureOfInterest)),HistoricalLocations"
    )
    (stream,) = seen["Datastreams"]
    about.check(seen["Locations"][0]["name"] == "Marktplatz", "Location")
    about.check(stream["Sensor"]["name"] == "Lux 1" and stream["ObservedProperty"]["definition"], "parts")
    about.check([one["result"] for one in stream["Observations"]] == [1, 2], "Observations")
    features = [one["FeatureOfInterest"]["name"] for one in stream["Observations"]]
    about.check(features == ["Marktplatz", "Himmel"], "features")
    about.check(len(seen["HistoricalLocations"]) == 1, "history")


@conformance(CREATE + "deep-insert")
def test_other_deep_inserts(about):
    bank = about.new("Things", samples.thing(Locations=[samples.location()]))
    stream = about.new("Datastreams", samples.stream(
        Thing=samples.thing(Locations=[samples.location()]), Sensor=samples.sensor(),
        ObservedProperty=samples.observed(), Observations=[samples.observation()],
    ))  # fmt: skip
    about.check(len(about.see(f"{stream}/Observations")["value"]) == 1, "Datastream with a Thing inside")
    value = about.new("Observations", samples.observation(
        FeatureOfInterest=samples.feature(),
        Datastream=samples.stream(Thing=samples.link(bank), Sensor=samples.sensor(), ObservedProperty=samples.observed()),
    ))  # fmt: skip
    about.check(
        about.see(f"{value}/Datastream/Thing")["@iot.selfLink"] == bank, "Observation with all inside"
    )
    sensor = about.new(
        "Sensors",
        samples.sensor(
            Datastreams=[samples.stream(Thing=samples.link(bank), ObservedProperty=samples.observed())]
        ),
    )
    about.check(len(about.see(f"{sensor}/Datastreams")["value"]) == 1, "Sensor with a Datastream inside")
    place = about.new("Locations", samples.location(Things=[samples.thing()]))
    about.check(len(about.see(f"{place}/Things")["value"]) == 1, "Location with a Thing inside")


@conformance(CREATE + "deep-insert-status-code")
def test_a_mistake_deep_inside_creates_nothing_at_all(about):
    sets = (
        "Things",
        "Locations",
        "Datastreams",
        "Sensors",
        "ObservedProperties",
        "FeaturesOfInterest",
        "Observations",
    )
    before = [about.see(f"{name}?$top=0&$count=true")["@iot.count"] for name in sets]
    stream = samples.stream(Sensor=samples.sensor(), ObservedProperty=samples.observed())
    for wrong in (
        samples.complete(Locations=[{"name": "nur Name"}]),
        samples.complete(Datastreams=[stream | {"Sensor": {"name": "x"}}]),
        samples.complete(Datastreams=[stream | {"ObservedProperty": {"@iot.id": 99}}]),
        samples.complete(Datastreams=[stream | {"Observations": [samples.observation(), {"resultTime": "2026-11-20T01:00:00Z"}]}]),
        samples.complete(Datastreams={}), samples.complete(Datastreams=[5]),
        samples.complete(Datastreams=[{key: value for key, value in stream.items() if key != "Sensor"}]),
    ):  # fmt: skip
        about.send("POST", "Things", wrong, status=400)
    after = [about.see(f"{name}?$top=0&$count=true")["@iot.count"] for name in sets]
    about.check(before == after, "nothing was made")


@conformance(CREATE + "deep-insert")
def test_ten_thousand_entities_in_one_body_are_too_many(about):
    about.send("POST", "Things", samples.thing(Locations=[samples.location()] * 10_000), status=413)
    about.send("POST", "Things", b'{"name": "' + b"x" * 10_000_001 + b'"}', status=413)


@conformance("data-array/data-array")
def test_many_observations_in_one_array(about):
    first, second = made_stream(about), made_stream(about)
    names = ["phenomenonTime", "result"]
    body = [
        {"Datastream": samples.link(first["Datastream"]), "components": names, "dataArray@iot.count": 3,
         "dataArray": [["2026-11-20T01:00:00Z", 1], ["2026-11-20T02:00:00Z"], ["2026-11-20T03:00:00Z", 3]]},
        {"Datastream": samples.link(second["Datastream"]), "components": [*names, "FeatureOfInterest/id"],
         "dataArray": [["2026-11-20T01:00:00Z", 5, samples.link(about.new("FeaturesOfInterest", samples.feature()))["@iot.id"]],
                       ["2026-11-20T01:00:00Z", 5, 77]]},
    ]  # fmt: skip
    answer = about.send("POST", "CreateObservations", body).json()
    about.check([one == "error" for one in answer] == [False, True, False, False, True], "one answer per row")
    about.check(
        [about.see(one)["result"] for one in answer if one != "error"] == [1, 3, 5], "each where it says"
    )
    about.check(about.send("POST", "CreateObservations", body).json() == answer, "repeating changes nothing")
    about.check(about.see(f"{first['Datastream']}/Observations?$count=true")["@iot.count"] == 2, "counted")
    read = about.see(f"{first['Datastream']}/Observations?$resultFormat=dataArray")["value"][0]
    about.check(read["dataArray@iot.count"] == 2, "and read as an array")
    for wrong in (
        {},
        [5],
        [{}],
        [{"Datastream": {"@iot.id": 1}, "components": names}],
        [{"components": names, "dataArray": []}],
    ):
        about.send("POST", "CreateObservations", wrong, status=400)
    lost = [
        {"Datastream": {"@iot.id": 987654}, "components": names, "dataArray": [["2026-11-20T01:00:00Z", 1]]}
    ]
    about.check(about.send("POST", "CreateObservations", lost).json() == ["error"], "unknown Datastream")
