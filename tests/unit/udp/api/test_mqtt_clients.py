"""Clients by MQTT that are slow, many, silent, refused, gone or not who they say: nobody else notices."""

# ruff: noqa: E501 - tables of topics are read line by line

import json

import paho.mqtt.client as mqtt
import pytest
from listening import Ear, ear
from plug import Plug, key_of, limited, listener, minutes, observation, stands, until

from udp.access.crowd import Crowd
from udp.access.limits import Quota
from udp.api.sensorthings.mqtt import packets, session
from udp.api.sensorthings.mqtt.links import SocketLink
from udp.api.sensorthings.mqtt.packets import Publish
from udp.auth import KeyWish
from udp.errors import StoreUnavailable
from udp.policy import Role

OPEN = "wetter-1/air_temperature"
FIVE = {"version": mqtt.MQTTv5}


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
    size = len(packets.publish(4, Publish("v1.1/Observations?$select=result", b'{"result":1}', 1, number=1)))
    assert len(lazy.take(100 * size)) == 100 * size
    lazy.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        lazy.take(1)
    lazy.socket.settimeout(60)
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
    port = city.mqtt_port()
    with monkeypatch.context() as impatient:
        impatient.setattr(session, "_CONNECT_WITHIN_S", 0.1)
        assert Plug(port).closed(), "who never says who it is"
    assert Plug(port, keep_alive=1).connect().closed(), "and who promised to be heard every second"
    until(lambda: listener(city).figures.dropped["silent"] == 2)


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


def test_a_stranger_s_address_has_its_share_as_over_http(city, monkeypatch):
    monkeypatch.setattr(
        SocketLink, "peer", property(lambda _link: "192.0.2.7", lambda _link, _peer: None), raising=False
    )
    listener(city).desk.crowd = Crowd(3, 4, lambda: 0.0)
    with ear(city.mqtt_port(), **FIVE) as one:
        assert [one.subscribe("v1.1/Things", "v1.1/Sensors") for _ in range(3)] == [
            [1, 1],
            [1, 1],
            [0x97, 0x97],
        ]
        assert "requests a minute" in one.why[-1]
        assert Ear(city.mqtt_port(), **FIVE).connected == 0x97
        with ear(city.mqtt_port(), key_of(city), **FIVE) as known:
            assert known.subscribe("v1.1/Things") == [1], "a key has limits of its own"
