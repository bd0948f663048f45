"""What clients by MQTT are told, by whom it may be, and what those see who run the platform."""

import time
from datetime import timedelta

import paho.mqtt.client as mqtt
from listening import ear
from plug import key_of, limited, listener, minutes, observation, until

from udp.auth import KeyWish
from udp.errors import StoreUnavailable
from udp.policy import Role

OPEN = "wetter-1/air_temperature"
FIVE = {"version": mqtt.MQTTv5}


def test_nothing_is_retained_and_nobody_hears_another_client(city):
    with ear(city.mqtt_port(), key_of(city)) as writer, ear(city.mqtt_port(), key_of(city)) as reader:
        reader.subscribe("#")
        topic = f"v1.1/Datastreams({city.ids[OPEN]})/Observations"
        writer.publish(topic, observation(3.0), retain=True)
        assert reader.next()[1]["result"] == 3.0
        for other in ("chat", "v1.1/Things", f"v1.1/Datastreams({city.ids[OPEN]})/name", "$SYS/broker/load"):
            writer.publish(other, {"name": "von mir"}, retain=True)
        with ear(city.mqtt_port(), key_of(city)) as later:
            later.subscribe("#", topic)
            writer.publish(topic, observation(4.0, 1))
            assert {later.next()[1]["result"], later.next()[1]["result"]} == {4.0}
            assert reader.next()[1]["result"] == 4.0 and reader.heard.empty() and later.heard.empty()


def test_those_who_run_the_platform_see_it(city, caplog):
    with ear(city.mqtt_port(), **FIVE) as one:
        one.subscribe("v1.1/Observations", "v1.1/Datastreams(99999)")
        one.publish("v1.1/Observations", observation(1.0))
        seen = city.client.get("/api/v1/operations", headers=city.operator).json()["mqtt"]
        assert (seen["clients"], seen["subscriptions"], seen["refused"], seen["created"]) == (1, 1, 2, 0)
        newest = seen["refusals"][0]
        assert (newest["wanted"], newest["who"], newest["topic"]) == (
            "publish",
            "nobody",
            "v1.1/Observations",
        )
        assert newest["origin"] == "127.0.0.0/24" and "key" in newest["why"]
        assert "refused to publish 'v1.1/Observations'" in caplog.text
        figures = city.client.get("/metrics", headers=city.operator).text
        assert "udp_sensorthings_mqtt_clients 1.0" in figures
        assert 'udp_sensorthings_mqtt_refused_total{wanted="publish"} 1.0' in figures
        assert "sensorthings_mqtt" not in city.client.get("/metrics").text
        health = city.client.get("/health", headers=city.operator).json()["parts"]["mqtt"]
        assert health == {"status": "ok", "detail": "1 clients, 1 subscriptions"}
        assert city.client.get("/health").json()["parts"]["mqtt"]["detail"] == "answers"


def test_writing_by_mqtt_is_in_the_audit_log_once_per_client(city):
    key = city.keys.make(KeyWish(Role.OPERATOR))
    with ear(city.mqtt_port(), key) as one:
        for minute in range(3):
            one.publish(f"v1.1/Datastreams({city.ids[OPEN]})/Observations", observation(1.0, minute))
    lines = [each for each in city.porter.audit.read() if each.what == "sensorthings"]
    assert [(each.who, each.origin) for each in lines] == [(f"key {key.split('_')[1]}", "127.0.0.0/24")]
    assert "MQTT PUBLISH" in lines[0].subject


def test_late_and_corrected_values_are_told_too(city):
    with ear(city.mqtt_port()) as one:
        one.subscribe("v1.1/Observations")
        city.measure(OPEN, [city.clock[0] - timedelta(days=3)], [7.0])
        first = one.next()[1]
        assert first["result"] == 7.0
        key = city.operator | {"Content-Type": "application/json"}
        city.client.patch(
            first["@iot.selfLink"].replace("http://localhost:8080", ""), content='{"result": 8}', headers=key
        )
        second = one.next()[1]
        assert (second["@iot.id"], second["result"]) == (first["@iot.id"], 8.0)
        city.client.delete(first["@iot.selfLink"].replace("http://localhost:8080", ""), headers=key)
        city.measure(OPEN, [city.clock[0]], [9.0])
        assert one.next()[1]["result"] == 9.0, "deleting is not told: the standard has no word for it"


def test_the_policy_counts_from_the_next_look_on(city):
    with ear(city.mqtt_port()) as one:
        one.subscribe("v1.1/Observations", "v1.1/Datastreams")
        city.decide('key = "wetter"', access="internal", exemption="state")
        until(lambda: city.client.get(f"/v1.1/Datastreams({city.ids[OPEN]})").status_code == 404)
        city.measure(OPEN, minutes(city, 5, 1), [4711.0])
        city.measure("behaelter-1/fill_level", minutes(city, 5, 1), [50.0])
        topic, told = one.next()
        assert (topic, told["result"]) == ("v1.1/Observations", 50.0)
        city.decide('key = "wetter"', access="open", licence="dl-de/zero-2-0")
        assert one.next()[0] == "v1.1/Datastreams", "what is opened is new to whom it is opened"
        city.measure(OPEN, minutes(city, 1, 1), [-1.5])
        assert one.next()[1]["result"] == -1.5


def test_when_updates_stop_it_is_told_and_they_go_on(city, monkeypatch):
    with ear(city.mqtt_port()) as one:
        one.subscribe("v1.1/Observations")
        with monkeypatch.context() as broken:
            broken.setattr(
                type(city.store), "arrivals", lambda *_: (_ for _ in ()).throw(StoreUnavailable("gone"))
            )
            until(lambda: city.client.get("/health").json()["parts"]["mqtt"]["status"] == "warning")
            city.measure(OPEN, [city.clock[0]], [6.0])
        assert one.next()[1]["result"] == 6.0
        until(lambda: city.client.get("/health").json()["parts"]["mqtt"]["status"] == "ok")


def test_a_client_that_reads_loses_nothing_of_a_flood(city):
    """More than its place holds, many times over, by several topics at once."""
    limited(city, queue_messages=400)
    topics = [
        f"v1.1/{path}"
        for path in ("Observations", "+/Observations", f"Datastreams({city.ids[OPEN]})/Observations")
    ]
    with ear(city.mqtt_port()) as one:
        one.subscribe(*topics, qos=0)
        city.measure(OPEN, minutes(city, 0, 5_000), [float(number) for number in range(5_000)])
        heard = {}
        for _ in range(15_000):
            topic, told = one.next()
            heard.setdefault(topic, []).append(told["result"])
        assert {topic: sorted(values) for topic, values in heard.items()} == {
            "v1.1/Observations": [float(number) for number in range(5_000)],
            topics[2]: sorted([float(number) for number in range(5_000)] * 2),
        }
        assert not listener(city).figures.dropped


def test_a_client_that_reads_steadily_is_waited_for(city):
    """A few hundred messages a second, as over a thin line or on a busy machine: three seconds for a part."""
    limited(city, queue_messages=100)
    with ear(city.mqtt_port()) as one:
        hear = one.client.on_message

        def slowly(*told):
            time.sleep(0.002)  # the client's own slowness, which is what is tested
            hear(*told)

        one.client.on_message = slowly
        one.subscribe("v1.1/Observations", qos=1)
        city.measure(OPEN, minutes(city, 0, 1_200), [float(number) for number in range(1_200)])
        assert sorted(one.next()[1]["result"] for _ in range(1_200)) == [float(n) for n in range(1_200)]
        assert not listener(city).figures.dropped


def test_what_a_client_writes_makes_no_lines_of_its_own_in_the_log(city, caplog):
    with ear(city.mqtt_port(), **FIVE) as one:
        one.subscribe("v1.1/Datastreams(1)/x\n2026-01-01 ERROR root: everything is lost")
        assert one.codes == [0x87]
    assert not any("\n" in line.getMessage() for line in caplog.records)
    refusal = listener(city).figures.newest()[0]
    assert "\n" not in refusal.topic + refusal.why and "x?2026" in refusal.topic


def test_who_wants_no_reasons_gets_none(city):
    told = mqtt.Properties(mqtt.PacketTypes.CONNECT)
    told.RequestProblemInformation = 0
    made = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    answers = []
    made.on_connect = lambda client, *_: client.subscribe("$SYS/#")
    made.on_subscribe = lambda _c, _u, _m, codes, properties: answers.append(
        (codes[0].value, properties.json())
    )
    made.connect("127.0.0.1", city.mqtt_port(), properties=told)
    made.loop_start()
    until(lambda: answers)
    made.disconnect()
    made.loop_stop()
    assert answers == [(0x87, {})]


def test_the_landing_page_names_only_what_leads_here(city):
    def endpoints(base):
        page = city.client.get(f"{base}/v1.1").json()["serverSettings"]
        (mine,) = {tuple(value["endpoints"]) for key, value in page.items() if key != "conformance"}
        assert len([key for key in page if key in page["conformance"]]) == 2
        return list(mine)

    assert endpoints("http://testserver") == ["ws://testserver/mqtt"]
    port = city.mqtt_port()
    assert endpoints("http://localhost:8080") == [f"mqtt://localhost:{port}", "ws://localhost:8080/mqtt"]
    assert endpoints("https://daten.example.de") == ["wss://daten.example.de/mqtt"], (
        "the port is of this machine only"
    )
    limited(city, public=("mqtts://daten.example.de:8883",))
    assert endpoints("https://daten.example.de") == ["mqtts://daten.example.de:8883"]
