"""Changing and deleting entities from the outside (OGC 18-088, 10.3, 10.4), and where Things were."""

# ruff: noqa: E501 - tables of requests are read line by line

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import samples

CHANGE = "create-update-delete/"
PLAIN = [
    ("Things", samples.thing), ("Locations", samples.location), ("Sensors", samples.sensor),
    ("ObservedProperties", samples.observed), ("FeaturesOfInterest", samples.feature),
]  # fmt: skip


def conformance(name):
    return pytest.mark.parametrize("about", [name], indirect=True)


def whole(about):
    """A Thing with everything; addresses by type."""
    bank = about.new("Things", samples.complete())
    seen = about.see(
        f"{bank}?$expand=Locations,HistoricalLocations,Datastreams($expand=Sensor,ObservedProperty,Observations($orderby=phenomenonTime;$expand=FeatureOfInterest))"
    )
    stream = seen["Datastreams"][0]
    first, second = stream["Observations"]
    return {
        "Thing": bank, "Location": seen["Locations"][0]["@iot.selfLink"], "Datastream": stream["@iot.selfLink"],
        "Sensor": stream["Sensor"]["@iot.selfLink"], "ObservedProperty": stream["ObservedProperty"]["@iot.selfLink"],
        "Observation": first["@iot.selfLink"], "Other": second["@iot.selfLink"],
        "FeatureOfInterest": second["FeatureOfInterest"]["@iot.selfLink"],
        "HistoricalLocation": seen["HistoricalLocations"][0]["@iot.selfLink"],
    }  # fmt: skip


@conformance(CHANGE + "update-entity")
def test_a_patch_leaves_what_else_was_said_of_an_observation(about):
    address = whole(about)["Observation"]
    said = {
        "validTime": "2026-11-20T00:00:00Z/2026-11-21T00:00:00Z",
        "parameters": {"a": 1},
        "resultQuality": {"dqc": "ok"},
    }
    about.send("PATCH", address, said, status=200)
    about.send("PATCH", address, {"result": 99.0}, status=200)
    about.send("PATCH", address, {"parameters": {"a": 2}}, status=200)
    seen = about.see(address)
    about.check(
        (seen["result"], seen["parameters"], seen["validTime"]) == (99.0, {"a": 2}, said["validTime"]), "kept"
    )
    about.check(seen["resultQuality"]["dqc"] == "ok", "and the quality it was given")
    about.send("PATCH", address, {"validTime": None}, status=200)
    about.check("validTime" not in about.see(address), "until it is taken back")


@conformance(CHANGE + "update-entity")
@pytest.mark.parametrize(("name", "sample"), PLAIN)
def test_patch_changes_what_it_says_and_nothing_else(about, name, sample):
    address = about.new(name, sample())
    before = about.see(address)
    answer = about.send("PATCH", address, {"name": "Neu", "properties": {"alt": False}}, status=200)
    about.check(answer.headers["location"] == address, "Location header")
    seen = about.see(address)
    about.check(seen == before | {"name": "Neu", "properties": {"alt": False}}, "as said")
    about.check(answer.json() == seen, "the answer is the entity")
    about.send("PATCH", address, {"name": None}, status=400)
    about.send("PATCH", address, {"name": 5}, status=400)
    about.send("PATCH", address, {"colour": "red"}, status=400)
    about.send("PATCH", f"{name}(42)", {"name": "x"}, status=404)
    about.send("PATCH", name, {"name": "x"}, status=405)
    about.check(about.see(address) == seen, "refused is unchanged")


@conformance(CHANGE + "update-entity")
def test_patch_of_datastreams_and_their_links(about):
    made = whole(about)
    sensor = about.new("Sensors", samples.sensor(name="Lux 2"))
    body = {
        "name": "Helligkeit",
        "unitOfMeasurement": {"name": "x", "symbol": "klx", "definition": "y"},
        "Sensor": samples.link(sensor),
    }
    about.send("PATCH", made["Datastream"], body, status=200)
    seen = about.see(f"{made['Datastream']}?$expand=Sensor")
    about.check(seen["name"] == "Helligkeit" and seen["Sensor"]["name"] == "Lux 2", "link")
    about.check(seen["unitOfMeasurement"]["symbol"] == "klx", "unit")
    about.check(len(about.see(f"{made['Datastream']}/Observations")["value"]) == 2, "values stay")
    about.send("PATCH", made["Datastream"], {"Sensor": samples.sensor()}, status=400)
    about.send("PATCH", made["Datastream"], {"Sensor": {"@iot.id": 77}}, status=400)
    about.send("PATCH", made["Thing"], {"Datastreams": [samples.stream()]}, status=400)


@conformance(CHANGE + "update-entity")
def test_patch_of_observations(about):
    made = whole(about)
    about.send("PATCH", made["Observation"], {"result": 20}, status=200)
    about.check(about.see(made["Observation"])["result"] == 20, "result")
    before = about.see(made["Observation"])
    about.send("PATCH", made["Observation"], {"phenomenonTime": "2026-11-19T01:00:00Z"}, status=200)
    seen = about.see(made["Observation"])
    about.check(seen["phenomenonTime"] == "2026-11-19T01:00:00Z", "also by its former address")
    about.check(seen["result"] == before["result"], "the result stays")
    about.check(
        about.see(f"{made['Datastream']}/Observations?$count=true")["@iot.count"] == 2, "moved, not copied"
    )
    about.send("PATCH", made["Observation"], {"resultTime": "2026-11-19T02:00:00Z"}, status=200)
    about.check(about.see(made["Observation"])["resultTime"] == "2026-11-19T02:00:00Z", "when it was known")
    about.send("PATCH", made["Observation"], {"result": "x"}, status=200)
    about.check(about.see(made["Observation"])["result"] == "x", "a text instead of a number")
    about.send("PATCH", made["Observation"], {"phenomenonTime": "x"}, status=400)


@conformance(CHANGE + "update-entity-put")
@pytest.mark.parametrize(("name", "sample"), PLAIN)
def test_put_says_everything(about, name, sample):
    address = about.new(name, sample(properties={"weg": 1}))
    body = {key: value for key, value in sample(name="Neu").items() if key != "properties"}
    about.send("PUT", address, body, status=200)
    seen = about.see(address)
    about.check(seen["name"] == "Neu" and "properties" not in seen, "what is not said is gone")
    about.check(about.see(address)["@iot.selfLink"] == address, "the same entity")
    about.send("PUT", address, {"name": "nur"}, status=400)
    about.send("PUT", f"{name}(42)", body, status=404)
    about.send("PUT", name, body, status=405)


@conformance(CHANGE + "update-entity-put")
def test_put_of_datastreams_and_observations(about):
    made = whole(about)
    about.send("PUT", made["Datastream"], samples.stream(name="Ganz neu"), status=200)
    about.check(about.see(made["Datastream"])["name"] == "Ganz neu", "Datastream")
    about.send("PUT", made["Observation"], samples.observation(1, 99), status=200)
    about.check(about.see(made["Observation"])["result"] == 99, "Observation")
    about.send("PUT", made["Observation"], {"phenomenonTime": "2026-11-20T01:00:00Z"}, status=400)


@conformance(CHANGE + "update-entity-jsonpatch")
def test_json_patch(about):
    kind = "application/json-patch+json"
    address = about.new("Things", samples.thing(properties={"a": 1, "b": [1, 2], "c/d": 3}))
    steps = [
        {"op": "test", "path": "/properties/a", "value": 1}, {"op": "replace", "path": "/name", "value": "Neu"},
        {"op": "add", "path": "/properties/b/-", "value": 3}, {"op": "add", "path": "/properties/b/0", "value": 0},
        {"op": "remove", "path": "/properties/c~1d"}, {"op": "copy", "from": "/properties/a", "path": "/properties/e"},
        {"op": "move", "from": "/properties/a", "path": "/properties/f"},
    ]  # fmt: skip
    about.send("PATCH", address, steps, status=200, kind=kind)
    seen = about.see(address)
    about.check(
        seen["properties"] == {"b": [0, 1, 2, 3], "e": 1, "f": 1} and seen["name"] == "Neu", "applied"
    )
    for wrong in (
        {}, [5], [{"op": "test", "path": "/name", "value": "Alt"}], [{"op": "remove", "path": "/name"}],
        [{"op": "replace", "path": "/nichts", "value": 1}], [{"op": "add", "path": "/name"}], [{"op": "x", "path": "/name"}],
        [{"op": "add", "path": "/colour", "value": 1}], [{"op": "remove", "path": ""}], [{"op": "remove", "path": "name"}],
        [{"op": "replace", "path": "/name", "value": "Da"}, {"op": "remove", "path": "/properties/weg"}],
    ):  # fmt: skip
        about.send("PATCH", address, wrong, status=400, kind=kind)
    about.check(about.see(address) == seen, "refused is unchanged")
    value = whole(about)["Observation"]
    about.send("PATCH", value, [{"op": "replace", "path": "/result", "value": 7}], status=200, kind=kind)
    about.check(about.see(value)["result"] == 7, "Observation")


GONE_WITH = {
    "Thing": {"Thing", "Datastream", "HistoricalLocation", "Observation", "Other"},
    "Location": {"Location", "HistoricalLocation"},
    "Datastream": {"Datastream", "Observation", "Other"},
    "Sensor": {"Sensor", "Datastream", "Observation", "Other"},
    "ObservedProperty": {"ObservedProperty", "Datastream", "Observation", "Other"},
    "FeatureOfInterest": {"FeatureOfInterest", "Other"},
    "Observation": {"Observation"},
    "HistoricalLocation": {"HistoricalLocation"},
}


@conformance(CHANGE + "delete-entity")
@pytest.mark.parametrize("kind", [*GONE_WITH])
def test_deleting_takes_along_what_cannot_be_without_it(about, kind):
    made = whole(about)
    about.send("DELETE", made[kind], status=200)
    for name, address in made.items():
        about.see(address, status=404 if name in GONE_WITH[kind] else 200)
    about.send("DELETE", made[kind], status=404)
    about.send("PATCH", made[kind], {"name": "x"}, status=404)
    for name in (
        "Things",
        "Locations",
        "Datastreams",
        "Sensors",
        "HistoricalLocations",
        "FeaturesOfInterest",
    ):
        listed = {one["@iot.selfLink"] for one in about.see(f"{name}?$top=1000")["value"]}
        about.check(not listed & {made[one] for one in GONE_WITH[kind]}, f"not among {name}")


@conformance(CHANGE + "delete-entity")
def test_a_deleted_observation_is_neither_listed_nor_counted(about):
    made = whole(about)
    about.send("DELETE", made["Observation"], status=200)
    found = about.see(f"{made['Datastream']}/Observations?$count=true")
    about.check(found["@iot.count"] == 1 and [one["result"] for one in found["value"]] == [2], "one is left")
    about.check(
        about.see(f"{made['Datastream']}/Observations?$filter=result lt 2")["value"] == [], "nor found"
    )
    about.new(f"{made['Datastream']}/Observations", samples.observation(1, 1))
    about.check(about.see(made["Observation"])["result"] == 1, "and may be written again")
    about.send("DELETE", "Things", status=405)
    about.send("DELETE", "Things(1)/name", status=404)


@conformance(CHANGE + "historical-location-auto-creation")
def test_every_move_leaves_a_line_of_history(about):
    bank = about.new("Things", samples.thing())
    about.check(about.see(f"{bank}/HistoricalLocations")["value"] == [], "nowhere, no history")
    places = [about.new(f"{bank}/Locations", samples.location(7.3 + n / 100)) for n in range(2)]
    places.append(about.new("Locations", samples.location(7.35)))
    about.send("PATCH", bank, {"Locations": [samples.link(places[2])]}, status=200)
    history = about.see(f"{bank}/HistoricalLocations?$expand=Locations,Thing")["value"]
    about.check([one["Locations"][0]["@iot.selfLink"] for one in history] == places, "one line per place")
    about.check(all(one["time"] == "2026-11-21T12:00:00Z" for one in history), "with its time")
    about.check({one["Thing"]["@iot.selfLink"] for one in history} == {bank}, "of the Thing")
    now = about.see(f"{bank}/Locations")["value"]
    about.check([one["@iot.selfLink"] for one in now] == places[2:], "one place now")
    about.check(len(about.see(f"{places[0]}/HistoricalLocations")["value"]) == 1, "and back")
    about.send("PATCH", bank, {"name": "Steht"}, status=200)
    about.check(len(about.see(f"{bank}/HistoricalLocations")["value"]) == 3, "who stays leaves none")


@conformance(CHANGE + "historical-location-manual-creation")
def test_history_can_be_told_afterwards(about):
    bank = about.new("Things", samples.thing(Locations=[samples.location()]))
    here = about.see(f"{bank}/Locations")["value"][0]["@iot.id"]
    old, later = about.new("Locations", samples.location(7.2)), about.new("Locations", samples.location(7.5))
    links = {"Thing": samples.link(bank), "Locations": [samples.link(old)]}
    line = about.new("HistoricalLocations", {"time": "2020-01-01T00:00:00Z", **links})
    about.check(about.see(line)["time"] == "2020-01-01T00:00:00Z", "time")
    about.check(about.see(f"{line}/Locations")["value"][0]["@iot.selfLink"] == old, "place")
    about.check(about.see(f"{bank}/Locations")["value"][0]["@iot.id"] == here, "earlier changes nothing now")
    about.new(
        "HistoricalLocations",
        {"time": "2026-11-21T13:00:00Z", "Thing": samples.link(bank), "Locations": [samples.link(later)]},
    )
    about.check(about.see(f"{bank}/Locations")["value"][0]["@iot.selfLink"] == later, "later is where it is")
    about.send("PATCH", line, {"time": "2021-01-01T00:00:00Z"}, status=200)
    about.check(about.see(line)["time"] == "2021-01-01T00:00:00Z", "corrected")
    for wrong in (
        {"time": "2020-01-01T00:00:00Z"}, {**links}, {"time": "x", **links}, {"time": "2020-01-01T00:00:00Z", **links, "Locations": []},
        {"time": "2020-01-01T00:00:00Z", **links, "Thing": {"@iot.id": 1}},
    ):  # fmt: skip
        about.send("POST", "HistoricalLocations", wrong, status=400)
