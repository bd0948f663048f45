"""SensorThings by MQTT from the outside (OGC 18-088, clause 14), with real clients on a real port."""

# ruff: noqa: E501 - tables of requests are read line by line

import sys
from pathlib import Path
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import samples
from listening import ear

KEY = "key-of-this-test"
REQ = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
RECEIVE, CREATE = (
    "receive-updates-via-mqtt/receive-updates",
    "create-observations-via-mqtt/observations-creation",
)
VERSIONS = (mqtt.MQTTv311, mqtt.MQTTv5)


def conformance(name):
    return pytest.mark.parametrize("about", [name], indirect=True)


def path_of(address):
    """`http://.../v1.1/Things(1)` as `Things(1)`."""
    return address.partition("/v1.1/")[2]


@pytest.fixture
def port(outside):
    settings = outside.get(f"{outside.client.base_url}/v1.1")["serverSettings"]
    (address,) = settings[REQ + RECEIVE]["endpoints"]
    return urlsplit(address).port


@pytest.fixture
def everything(about):
    """One entity of each type, and what changes it."""
    sensor, prop = about.new("Sensors", samples.sensor()), about.new("ObservedProperties", samples.observed())
    thing = about.new("Things", samples.thing(Locations=[samples.location()]))
    stream = about.new(
        f"{thing}/Datastreams",
        samples.stream(Sensor=samples.link(sensor), ObservedProperty=samples.link(prop)),
    )
    place = about.see(f"{thing}/Locations")["value"][0]["@iot.selfLink"]
    history = about.see(f"{thing}/HistoricalLocations")["value"][0]["@iot.selfLink"]
    value = about.new(f"{stream}/Observations", samples.observation(3, 3))
    feature = about.see(f"{value}/FeatureOfInterest")["@iot.selfLink"]
    return {
        "Things": thing, "Locations": place, "HistoricalLocations": history, "Datastreams": stream, "Sensors": sensor,
        "ObservedProperties": prop, "Observations": value, "FeaturesOfInterest": feature,
    }  # fmt: skip


def change(name, n):
    """What a PATCH may say of an entity of this set, each `n` something else."""
    text, moved = f"Neu {n}", round(7.3 + n / 1000, 3)
    return {
        "Things": {"name": text, "description": text, "properties": {"farbe": text}},
        "Locations": {"name": text, "description": text, "location": {"type": "Point", "coordinates": [moved, 51.56]}},
        "HistoricalLocations": {"time": f"2026-01-02T03:{n % 60:02}:05Z"},
        "Datastreams": {"name": text, "description": text, "unitOfMeasurement": {"name": text, "symbol": "klx", "definition": "https://ucum.org/klx"}},
        "Sensors": {"name": text, "description": text, "metadata": text},
        "ObservedProperties": {"name": text, "description": text, "definition": f"https://example.org/light{n}"},
        "Observations": {"result": n + 0.5, "validTime": f"2026-11-20T00:{n % 60:02}:00Z/2026-11-21T00:00:00Z", "parameters": {"a": n}},
        "FeaturesOfInterest": {"name": text, "description": text, "feature": {"type": "Point", "coordinates": [moved, 51.6]}},
    }[name]  # fmt: skip


SETS = (
    "Things",
    "Locations",
    "HistoricalLocations",
    "Datastreams",
    "Sensors",
    "ObservedProperties",
    "Observations",
    "FeaturesOfInterest",
)


@conformance(RECEIVE)
def test_the_landing_page_says_where_and_what(about):
    settings = about.get(f"{about.client.base_url}/v1.1")["serverSettings"]
    for name in (RECEIVE, CREATE):
        about.check(REQ + name in settings["conformance"], name)
        about.check(settings[REQ + name]["endpoints"], "endpoints")


@conformance(RECEIVE)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_new_entity_of_each_set(about, port, everything, version):
    links = {
        "Sensor": samples.link(everything["Sensors"]),
        "ObservedProperty": samples.link(everything["ObservedProperties"]),
    }
    wanted = {
        "Things": ("Things", samples.thing()), "Locations": ("Locations", samples.location()), "Sensors": ("Sensors", samples.sensor()),
        "ObservedProperties": ("ObservedProperties", samples.observed()), "FeaturesOfInterest": ("FeaturesOfInterest", samples.feature()),
        "Datastreams": (f"{everything['Things']}/Datastreams", samples.stream(**links)),
        "Observations": (f"{everything['Datastreams']}/Observations", samples.observation(5, 5)),
        "HistoricalLocations": ("HistoricalLocations", {"time": "2026-02-01T00:00:00Z", "Thing": samples.link(everything["Things"]),
                                                        "Locations": [samples.link(everything["Locations"])]}),
    }  # fmt: skip
    for name, (where, body) in wanted.items():
        with ear(port, KEY, version=version) as one:
            about.check(one.subscribe(f"v1.1/{name}", f"v1.1/{name}?$select=@iot.id") == [1, 1], "granted")
            address = about.new(where, body)
            heard = dict([one.next(), one.next()])
            about.check(heard[f"v1.1/{name}"] == about.see(address), f"{name}: as over HTTP")
            about.check(
                heard[f"v1.1/{name}?$select=@iot.id"] == {"@iot.id": heard[f"v1.1/{name}"]["@iot.id"]},
                "$select",
            )
            about.check(one.heard.empty(), "once")


@conformance(RECEIVE)
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_changed_entity_by_set_entity_and_selection(about, port, everything, method):
    for n, name in enumerate(SETS):
        address, changed = everything[name], change(name, n)
        whole = {key: value for key, value in about.see(address).items() if "@" not in key}
        selected = sorted(changed)[:2]
        set_, entity = f"v1.1/{name}", f"v1.1/{path_of(address)}"
        chosen = f"{entity}?$select={','.join(selected)}"
        with ear(port, KEY) as one:
            one.subscribe(set_, entity, chosen)
            about.send(method, address, {**whole, **changed} if method == "PUT" else changed, status=200)
            heard = dict([one.next(), one.next(), one.next()])
            now = about.see(address)
            about.check(heard[set_] == now and heard[entity] == now, f"{name}: complete")
            about.check(heard[chosen] == {key: now[key] for key in selected}, f"{name}: selected only")


@conformance(RECEIVE)
def test_each_property_alone(about, port, everything):
    with ear(port, KEY) as one:
        for name in SETS:
            address = everything[name]
            topics = {key: f"v1.1/{path_of(address)}/{key}" for key in change(name, 0)}
            about.check(set(one.subscribe(*topics.values())) == {1}, name)
            for prop, value in change(name, 1).items():
                about.send("PATCH", address, {prop: value}, status=200)
                about.check(one.next() == (topics[prop], {prop: about.see(address)[prop]}), f"{name}/{prop}")
            about.check(one.heard.empty(), "nothing of what stayed")


RELATIVE = [
    ("Things", "Datastreams", "Thing"), ("Things", "Observations", "Datastream/Thing"), ("Things", "HistoricalLocations", "Thing"),
    ("Things", "Locations", "Things"), ("Locations", "Things", "Locations"), ("Locations", "Datastreams", "Thing/Locations"),
    ("Sensors", "Datastreams", "Sensor"), ("Sensors", "Observations", "Datastream/Sensor"),
    ("ObservedProperties", "Datastreams", "ObservedProperty"), ("FeaturesOfInterest", "Observations", "FeatureOfInterest"),
    ("Datastreams", "Observations", "Datastream"), ("Datastreams", "Things", "Datastreams"), ("Datastreams", "Sensors", "Datastreams"),
    ("Datastreams", "ObservedProperties", "Datastreams"), ("Observations", "Datastreams", "Observations"),
    ("Observations", "FeaturesOfInterest", "Observations"), ("HistoricalLocations", "Things", "HistoricalLocations"),
    ("HistoricalLocations", "Locations", "HistoricalLocations"),
]  # fmt: skip


@conformance(RECEIVE)
def test_by_a_path_over_other_entities(about, port, everything):
    for n, (changed, root, link) in enumerate(RELATIVE):
        topic = f"v1.1/{path_of(everything[root])}/{link}"
        with ear(port, KEY) as one:
            about.check(one.subscribe(topic) == [1], topic)
            about.send("PATCH", everything[changed], change(changed, n), status=200)
            about.check(one.next() == (topic, about.see(everything[changed])), topic)


@conformance(RECEIVE)
def test_what_is_created_together_is_told_one_by_one(about, port):
    sets = [
        "Things",
        "Locations",
        "Datastreams",
        "Sensors",
        "ObservedProperties",
        "Observations",
        "HistoricalLocations",
    ]
    with ear(port, KEY) as one:
        one.subscribe(*(f"v1.1/{name}" for name in sets))
        thing = about.new("Things", samples.complete())
        heard = [one.next() for _ in range(8)]
        about.check(one.heard.empty(), "no more than that")
        for topic, entity in heard:
            about.check(about.see(entity["@iot.selfLink"]) == entity, topic)
        about.check(("v1.1/Things", about.see(thing)) in heard, "the root")
        about.check(sorted({topic[5:] for topic, _ in heard}) == sorted(sets), "all sets")


@conformance(RECEIVE)
def test_a_thing_that_moves_is_in_another_place(about, port, everything):
    topic = f"v1.1/{path_of(everything['Things'])}/Locations"
    with ear(port, KEY) as one:
        one.subscribe(topic, f"v1.1/{path_of(everything['Things'])}/HistoricalLocations?$select=time")
        place = about.new(f"{everything['Things']}/Locations", samples.location(7.33))
        heard = dict([one.next(), one.next()])
        about.check(heard[topic] == about.see(place), "the new place")
        about.check(len(heard) == 2, "and the history")


@conformance(RECEIVE)
def test_nothing_is_told_of_before_and_of_others(about, port, everything):
    other = about.new("Things", samples.thing())
    with ear(port, KEY) as one:
        one.subscribe(
            f"v1.1/{path_of(everything['Things'])}", f"v1.1/{path_of(everything['Datastreams'])}/Observations"
        )
        about.send("PATCH", other, {"name": "fremd"}, status=200)
        about.send("PATCH", everything["Things"], {"name": "mein"}, status=200)
        about.check(one.next()[1]["name"] == "mein", "only what was asked for")
        one.client.unsubscribe(f"v1.1/{path_of(everything['Things'])}")
        about.send("PATCH", everything["Things"], {"name": "noch einmal"}, status=200)
        value = about.new(f"{everything['Datastreams']}/Observations", samples.observation(9, 9))
        about.check(one.next()[1] == about.see(value), "what is left")


@conformance(CREATE)
@pytest.mark.parametrize("version", VERSIONS)
def test_an_observation_by_the_set_and_by_its_datastream(about, port, everything, version):
    stream, feature = everything["Datastreams"], everything["FeaturesOfInterest"]
    linked = {"Datastream": samples.link(stream)}
    with ear(port, KEY, version=version) as one:
        one.subscribe(f"v1.1/{path_of(stream)}/Observations")
        for qos in (0, 1, 2):
            ways = {
                "v1.1/Observations": samples.observation(10 + qos, 1.5, **linked),
                f"v1.1/{path_of(stream)}/Observations": samples.observation(13 + qos, 2.5),
                f"v1.1/{path_of(everything['Things'])}/{path_of(stream)}/Observations": samples.observation(16 + qos, 3.5),
                f"v1.1/{path_of(feature)}/Observations": samples.observation(19 + qos, 4.5, **linked),
            }  # fmt: skip
            for topic, body in ways.items():
                about.check(one.publish(topic, body, qos)[0] == 0, "confirmed")
                _, heard = one.next()
                about.check(
                    {key: heard[key] for key in ("result", "phenomenonTime")}
                    == {key: body[key] for key in ("result", "phenomenonTime")},
                    topic,
                )
                about.check(about.see(heard["@iot.selfLink"]) == heard, "it stands there")


@conformance(CREATE)
def test_with_a_feature_of_its_own_inline(about, port, everything):
    stream = everything["Datastreams"]
    with ear(port, KEY) as one:
        one.subscribe("v1.1/FeaturesOfInterest", f"v1.1/{path_of(stream)}/Observations")
        one.publish(
            f"v1.1/{path_of(stream)}/Observations",
            samples.observation(2, 2, FeatureOfInterest=samples.feature(name="Mond")),
        )
        heard = dict([one.next(), one.next()])
        about.check(heard["v1.1/FeaturesOfInterest"]["name"] == "Mond", "the feature")
        value = heard[f"v1.1/{path_of(stream)}/Observations"]
        about.check(about.see(value["FeatureOfInterest@iot.navigationLink"])["name"] == "Mond", "and of it")


BAD = [
    ("v1.1/Observations", {"result": 1}, 0x99), ("v1.1/Observations", b"{", 0x99), ("v1.1/Observations", {"result": "x"}, 0x99),
    ("v1.1/Datastreams(999999)/Observations", {"result": 1}, 0x90), ("v1.1/Things", {"name": "x"}, 0x90), ("anything", {}, 0x90),
    ("v1.1/Observations?$select=id", {"result": 1}, 0x90), ("$SYS/broker/uptime", {}, 0x90), ("v1.1/Datastreams", {}, 0x90),
]  # fmt: skip


@conformance(CREATE)
def test_what_is_no_observation_is_refused_with_a_reason(about, port):
    before = about.see("Observations?$top=0&$count=true")["@iot.count"]
    with ear(port, KEY, version=mqtt.MQTTv5) as five, ear(port, KEY) as three:
        for topic, body, reason in BAD:
            code, why = five.publish(topic, body)
            about.check((code, bool(why)) == (reason, True), f"{topic}: {code:#x}, and why")
            about.check(
                three.publish(topic, body)[0] == 0, "3.1.1 has no word for no, and must not try for ever"
            )
    about.check(about.see("Observations?$top=0&$count=true")["@iot.count"] == before, "nothing was made")


@conformance(CREATE)
def test_nobody_writes_without_the_right(about, port, everything):
    before = about.see(f"{everything['Datastreams']}/Observations?$count=true")["@iot.count"]
    with ear(port, version=mqtt.MQTTv5) as one:
        for topic in (
            "v1.1/Observations",
            f"v1.1/{path_of(everything['Datastreams'])}/Observations",
            "v1.1/Datastreams(1)/Observations",
        ):
            code, why = one.publish(
                topic, samples.observation(7, 7, Datastream=samples.link(everything["Datastreams"]))
            )
            about.check((code, "key" in why) == (0x87, True), f"{code:#x} {why}")
    about.check(
        about.see(f"{everything['Datastreams']}/Observations?$count=true")["@iot.count"] == before, "nothing"
    )
