"""MQTT as a server reads it: any octets give packets or one clear refusal, however they are cut."""

# ruff: noqa: E501 - tables are read line by line

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from udp.api.sensorthings.mqtt import octets, packets
from udp.api.sensorthings.mqtt.octets import Malformed, Octets
from udp.api.sensorthings.mqtt.packets import (
    Answer,
    Connect,
    Decoder,
    Kind,
    Publish,
    Sign,
    Subscribe,
    Unsubscribe,
    Unsupported,
)

# Built by hand from the fields of the standards (3.1.1 and 5.0, clause 3.1).
CONNECT_3 = b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a"
MOST = 4_096


def decoder(version=4):
    made = Decoder(MOST)
    made.version = version
    return made


def all_of(made, content):
    return list(made.feed(content))


def test_a_connect_of_3_1_1():
    content = bytes.fromhex("1013") + bytes.fromhex("00044d51545404c2003c") + b"\0\x01a\0\x01u\0\x01p"
    (found,) = all_of(Decoder(MOST), content)
    assert found == Connect(4, "a", 60, "u", "p", None, clean=True)
    assert "'p'" not in repr(found), "passwords are not shown"


def test_a_connect_of_5_with_properties_and_will():
    will = b"\x05\x18\0\0\0\x01" + b"\0\x01t" + b"\0\x02{}"
    body = b"\0\x04MQTT\x05\x0e\0\x0a" + b"\x08\x21\0\x14\x27\0\0\x10\0" + b"\0\0" + will
    (found,) = all_of(Decoder(MOST), b"\x10" + octets.number(len(body)) + body)
    assert (found.version, found.client, found.keep_alive_s) == (5, "", 10)
    assert found.will == Publish("t", b"{}", 1)
    assert (found.receive_maximum, found.most_packet) == (20, 4096)


@pytest.mark.parametrize("level", [0, 3, 6, 255])
def test_other_versions_are_named_as_such(level):
    body = b"\0\x04MQTT" + bytes([level]) + b"\x02\0\x3c\0\0"
    with pytest.raises(Unsupported, match=r"3\.1\.1 and 5\.0"):
        all_of(Decoder(MOST), bytes([0x10, len(body)]) + body)


BROKEN = {
    "type 0": b"\0\0", "flags of SUBSCRIBE": b"\x80\x06\0\x01\0\x01a\0", "QoS 3": b"\x36\x05\0\x01a\0\x01",
    "no packet number": b"\x82\x06\0\0\0\x01a\0", "no filter": b"\x82\x02\0\x01", "cut": b"\x82\x04\0\x01\0\x09",
    "reserved options": b"\x82\x06\0\x01\0\x01a\xff", "wildcard in PUBLISH": b"\x30\x04\0\x02a+", "empty topic": b"\x30\x02\0\0",
    "no UTF-8": b"\x30\x03\0\x01\xff", "U+0000": b"\x30\x03\0\x01\0", "CONNECT twice": CONNECT_3, "CONNACK": b"\x20\x02\0\0",
    "a length of five octets": b"\x30\xff\xff\xff\xff\x01", "too long": b"\x30\xff\xff\x7f", "PUBACK 0": b"\x40\x02\0\0",
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_mqtt_is_refused(name):
    with pytest.raises(Malformed) as refused:
        all_of(decoder(), BROKEN[name])
    assert refused.value.reason >= 0x80 and str(refused.value)


def test_anything_before_connect_is_refused():
    with pytest.raises(Malformed, match="CONNECT comes first"):
        all_of(Decoder(MOST), b"\xc0\0")


@pytest.mark.parametrize("name", [0x23, 0x0B])
def test_what_was_not_offered_is_refused_in_version_5(name):
    told = bytes([name]) + (b"\0\x01" if name == 0x23 else b"\x01")
    content = (
        b"\x30" + octets.number(4 + len(told)) + b"\0\x01a" + octets.number(len(told)) + told
        if name == 0x23
        else b"\x82"
        + octets.number(7 + len(told))
        + b"\0\x01"
        + octets.number(len(told))
        + told
        + b"\0\x01a\0"
    )
    with pytest.raises(Malformed, match="not offered"):
        all_of(decoder(5), content)


@given(st.binary(max_size=300), st.sampled_from([0, 4, 5]))
def test_any_octets_give_packets_or_one_refusal(content, version):
    made = decoder(version)
    try:
        found = all_of(made, content)
    except Malformed:
        return
    assert all(isinstance(one, Connect | Publish | Subscribe | Unsubscribe | Answer | Sign) for one in found)


texts = st.text(st.characters(exclude_characters="+#\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(texts, st.binary(max_size=200), st.integers(0, 2), st.integers(1, 65_535), st.data())
def test_a_message_is_the_same_however_it_is_cut(topic, payload, qos, number, data):
    sent = Publish(topic, payload, qos, number=number if qos else 0)
    content = packets.publish(4, sent) * 2
    cuts = sorted(data.draw(st.sets(st.integers(0, len(content)), max_size=8)))
    made, found = decoder(), []
    for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
        found += made.feed(content[start:end])
    assert found == [sent, sent]


@given(st.integers(0, 268_435_455))
def test_numbers_of_one_to_four_octets(value):
    written = octets.number(value)
    assert Octets(written).number() == value and len(written) <= 4


@given(st.integers(1, 65_535), st.sampled_from([0, 0x80, 0x87, 0x99]), texts)
def test_paho_reads_the_reasons_we_write(number, reason, why):
    """The properties by a reader that is not ours."""
    written = packets.answer(5, Answer(Kind.PUBACK, number, reason), why)
    if not reason:
        assert written == b"\x40\x02" + number.to_bytes(2)
        return
    told = Properties(PacketTypes.PUBACK)
    head = 2 if written[1] < 0x80 else 3
    assert written[head : head + 3] == number.to_bytes(2) + bytes([reason])
    told.unpack(written[head + 3 :])
    assert told.ReasonString == why


def test_version_3_is_told_only_what_it_knows():
    assert packets.answer(4, Answer(Kind.PUBACK, 7, 0x99), "why") == b"\x40\x02\0\x07"
    assert packets.suback(4, 7, [0, 1, 0x8F]) == b"\x90\x05\0\x07\0\x01\x80"
    assert packets.disconnect(4, 0x97, "slow") == b""
    assert packets.connack(4, 5, {0x1F: "no"}) == b"\x20\x02\0\x05"
    assert packets.answer(4, Answer(Kind.PUBREL, 7)) == b"\x62\x02\0\x07"
    assert paho.MQTTv311 == packets.MQTT_3 and paho.MQTTv5 == packets.MQTT_5
