"""Clients by MQTT that are slow, many, silent, refused, gone or not who they say: nobody else notices."""

# ruff: noqa: E501 - tables of topics are read line by line

import json
import socket
import time
from dataclasses import replace
from datetime import timedelta

import paho.mqtt.client as mqtt
import pytest
from listening import Ear, ear

from udp.access.limits import Quota
from udp.api.sensorthings.mqtt import octets, packets, session
from udp.api.sensorthings.mqtt.packets import Kind, Publish
from udp.auth import KeyWish
from udp.errors import StoreUnavailable
from udp.policy import Role

OPEN = "wetter-1/air_temperature"
FIVE = {"version": mqtt.MQTTv5}


class Plug:
    """A client made of octets, for what a good client never does."""

    def __init__(self, port, *, keep_alive=60, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", port))
        self.keep_alive = keep_alive

    def connect(self, will=None, key=None):
        flags = 2 | (4 if will else 0) | (0xC0 if key else 0)
        body = octets.text("MQTT") + bytes([4, flags]) + self.keep_alive.to_bytes(2) + octets.text("plug")
        if will:
            body += octets.text(will[0]) + octets.text(will[1])
        if key:
            body += octets.text("key") + octets.text(key)
        self.send(packets.packet(Kind.CONNECT, body))
        assert self.take(4) == b"\x20\x02\0\0"
        return self

    def subscribe(self, *topics, qos=0):
        body = b"\0\x01" + b"".join(octets.text(one) + bytes([qos]) for one in topics)
        self.send(packets.packet(Kind.SUBSCRIBE, body, 2))
        assert self.take(4 + len(topics))[:1] == b"\x90"

    def send(self, content):
        self.socket.sendall(content)

    def take(self, count):
        found = b""
        while len(found) < count and (part := self.socket.recv(count - len(found))):
            found += part
        return found

    def closed(self):
        """Whether the server hangs up, whatever it says before."""
        try:
            while self.socket.recv(65_536):
                pass
        except ConnectionResetError:
            pass
        return True


def listener(city):
    return city.client.app.state.mqtt


def limited(city, **more):
    listener(city).settings = replace(listener(city).settings, **more)
    return city.mqtt_port()


def until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def key_of(city):
    return city.operator["Authorization"].partition(" ")[2]


def minutes(city, first, count):
    return [city.clock[0] - timedelta(minutes=first + one) for one in range(count)]


def stands(city, stream):
    path = f"/v1.1/Datastreams({city.ids[stream]})/Observations?$count=true&$top=1000"
    return city.client.get(path, headers=city.operator).json()


def observation(result, minute=0, **more):
    return {"result": result, "phenomenonTime": f"2026-11-20T10:{minute:02}:00Z", **more}


def test_a_client_that_does_not_read_goes_and_nobody_waits_for_it(city):
    port = limited(city, queue_messages=300, queue_bytes=262_144)
    lazy = Plug(port, receive_buffer=4_096).connect()
    lazy.subscribe(
        "#",
        "v1.1/#",
        "v1.1/+",
        "v1.1/+/Observations",
        "+/Observations",
        *(f"v1.1/{n}" for n in ("Observations",)),
    )
    with ear(port) as quick:
        quick.subscribe("v1.1/Observations?$select=result")
        sent = 0
        while listener(city).clients > 1:
            city.measure(OPEN, minutes(city, sent, 100), [float(sent + one) for one in range(100)])
            sent += 100
            heard = [quick.next()[1]["result"] for _ in range(100)]
            assert heard == [float(sent - 100 + one) for one in range(100)]
            assert sent < 20_000
        assert listener(city).figures.dropped["slow"] == 1
    assert lazy.closed()


def test_what_is_not_confirmed_is_bounded(city):
    port = city.mqtt_port()
    lazy = Plug(port).connect()
    lazy.subscribe("v1.1/Observations?$select=result", qos=1)
    city.measure(OPEN, minutes(city, 0, 150), [1.0] * 150)
    until(lambda: listener(city).waiting == 50)
    lazy.socket.settimeout(0.3)
    size = len(
        packets.publish(4, Publish("v1.1/Observations?$select=result", b'{"result":1.0}', 1, number=1))
    )
    assert len(lazy.take(100 * size)) == 100 * size
    with pytest.raises(TimeoutError):
        lazy.take(1)
    lazy.send(b"\x40\x02\0\x01")
    assert len(lazy.take(size)) == size and listener(city).waiting == 49


def test_subscriptions_and_clients_are_counted(city):
    port = limited(city, most_subscriptions=2, most_clients=3, most_clients_per_address=2)
    with ear(port, **FIVE) as one, ear(port):
        assert one.subscribe("v1.1/Things", "v1.1/Sensors", "v1.1/Locations") == [1, 1, 0x97]
        assert one.subscribe("v1.1/Things") == [1], "the same again is not one more"
        assert Plug(port).closed()
    until(lambda: listener(city).clients == 0)
    Plug(port).connect()


def test_silence_is_not_waited_for(city, monkeypatch):
    monkeypatch.setattr(session, "_CONNECT_WITHIN_S", 0.1)
    port = city.mqtt_port()
    assert Plug(port).closed(), "who never says who it is"
    assert Plug(port, keep_alive=1).connect().closed(), "and who promised to be heard every second"
    assert listener(city).figures.dropped["silent"] == 2


@pytest.mark.parametrize(
    "octets_", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0", b"\x10\xff\xff\xff\x7f", b"\xc0\0"]
)
def test_what_is_no_mqtt_ends_the_conversation(city, octets_):
    port = city.mqtt_port()
    plug = Plug(port)
    plug.send(octets_)
    assert plug.closed()
    with ear(port) as other:
        assert other.subscribe("v1.1/Things") == [1]


def test_old_versions_are_told(city):
    plug = Plug(city.mqtt_port())
    plug.send(b"\x10\x10\0\x06MQIsdp\x03\x02\0\x3c\0\x02ab")
    assert plug.take(4) == b"\x20\x02\0\x01" and plug.closed()


def test_a_wrong_key_is_told_at_once_and_a_revoked_one_soon(city):
    port = city.mqtt_port()
    assert (Ear(port, "udp_nobody").connected, Ear(port, "x", **FIVE).connected) == (0x86, 0x86)
    key = city.keys.make(KeyWish(Role.OPERATOR))
    with ear(port, key, **FIVE) as one:
        one.subscribe("v1.1/Observations")
        city.keys.revoke(key.split("_")[1])
        (held,) = (each for each in listener(city)._sessions if each.visitor.key)
        city.client.portal.call(held.look_at_key)
        assert one.wait_for_end() == 0x87


def test_where_nobody_is_let_in_without_a_key(city):
    port = limited(city, anonymous=False)
    assert Ear(port).connected == 0x87
    with ear(port, key_of(city)) as one:
        assert one.subscribe("v1.1/Things") == [1]


def test_a_key_for_one_datastream_opens_nothing_else(city):
    mine, other = city.ids[OPEN], city.ids["behaelter-1/fill_level"]
    key = city.keys.make(KeyWish(Role.OPERATOR, paths=(f"/v1.1/Datastreams({mine})",)))
    with ear(city.mqtt_port(), key, **FIVE) as one:
        topics = [f"v1.1/Datastreams({mine})/Observations", f"v1.1/Datastreams({mine})/#", "#", "v1.1/+", "v1.1/Observations",
                  f"v1.1/Datastreams({other})/Observations"]  # fmt: skip
        assert one.subscribe(*topics) == [1, 1, 0x87, 0x87, 0x87, 0x87]
        assert one.publish(topics[0], observation(1.0))[0] == 0
        for topic in (topics[5], "v1.1/Observations"):
            code, why = one.publish(topic, observation(1.0, Datastream={"@iot.id": mine}))
            assert (code, "is for" in why) == (0x87, True)
    assert (stands(city, OPEN)["@iot.count"], stands(city, "behaelter-1/fill_level")["@iot.count"]) == (1, 0)


def test_a_key_without_the_right_writes_nothing_and_the_limits_of_a_key_hold(city):
    for role in (Role.APP, Role.HOBBYIST, Role.CREW, Role.CLIMATE, Role.METRICS):
        with ear(city.mqtt_port(), city.keys.make(KeyWish(role)), **FIVE) as one:
            assert (
                one.publish(f"v1.1/Datastreams({city.ids[OPEN]})/Observations", observation(1.0))[0] == 0x87
            )
    assert stands(city, OPEN)["@iot.count"] == 0
    few = city.keys.make(KeyWish(Role.OPERATOR, quota=Quota(2, 0)))
    one = Plug(city.mqtt_port()).connect(key=few)
    for number in (1, 2):
        topic = f"v1.1/Datastreams({city.ids[OPEN]})/Observations"
        one.send(
            packets.publish(
                4, Publish(topic, json.dumps(observation(1.0, number)).encode(), 1, number=number)
            )
        )
    assert one.take(4) == b"\x40\x02\0\x01", "connecting is one, this the other"
    assert one.closed() and stands(city, OPEN)["@iot.count"] == 1


def test_last_words_count_like_any_others(city):
    topic = f"v1.1/Datastreams({city.ids[OPEN]})/Observations"
    for key in (None, key_of(city)):
        plug = Plug(city.mqtt_port()).connect(will=(topic, json.dumps(observation(-1.0))), key=key)
        plug.socket.close()
        until(lambda: listener(city).clients == 0)
    until(lambda: stands(city, OPEN)["@iot.count"] == 1)
    assert [one.wanted for one in listener(city).figures.newest()] == ["publish"]
    plug = Plug(city.mqtt_port()).connect(will=(topic, json.dumps(observation(-2.0, 5))), key=key_of(city))
    plug.send(b"\xe0\0")
    assert plug.closed() and stands(city, OPEN)["@iot.count"] == 1, "who says goodbye has no last words"


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


def test_what_cannot_be_stored_now_is_not_confirmed_and_comes_again(city, monkeypatch):
    topic, calls = f"v1.1/Datastreams({city.ids[OPEN]})/Observations", []
    append = city.store.append

    def broken(batch):
        calls.append(len(batch))
        if len(calls) < 3:
            raise StoreUnavailable("the disk is full")
        append(batch)

    monkeypatch.setattr(city.store, "append", broken)
    one = Ear(city.mqtt_port(), key_of(city))
    one.client.reconnect_delay_set(min_delay=1, max_delay=1)
    assert one.publish(topic, observation(5.0))[0] == 0
    assert len(calls) == 3 and [each["result"] for each in stands(city, OPEN)["value"]] == [5.0]
    assert {each.wanted for each in listener(city).figures.newest()} == {"publish now"}
    one.close()


def test_who_sends_only_what_is_refused_must_go(city):
    with ear(city.mqtt_port(), **FIVE) as one:
        for _ in range(20):
            one.publish("v1.1/Observations", {})
        assert one.wait_for_end() == 0x96


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
