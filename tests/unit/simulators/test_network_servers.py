"""Laws of the virtual ChirpStack and Things Stack: their words, their missing zeros, their identity."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from chirpstack_api import integration
from google.protobuf.json_format import Parse

from simulators.chirpstack import ChirpStack, to_json
from simulators.city import City, Way
from simulators.things_stack import ThingsStack, airtime_s, topic
from simulators.timetable import Transmission
from simulators.uplinks import Encoder, Uplink

MESSAGES = {
    "up": integration.UplinkEvent,
    "join": integration.JoinEvent,
    "status": integration.StatusEvent,
    "ack": integration.AckEvent,
    "txack": integration.TxAckEvent,
    "log": integration.LogEvent,
    "location": integration.LocationEvent,
}


@pytest.fixture(scope="module")
def frames(city: City, morning: list[Transmission]) -> list[Uplink]:
    encoder = Encoder(city)
    return [encoder.uplink(one, number % 3) for number, one in enumerate(morning) if one.heard]


def test_seven_kinds_of_events_say_the_same_in_json_and_protobuf(city: City, frames: list[Uplink]) -> None:
    server = ChirpStack(city)
    midnight = [replace(frame, time=frame.time // 86_400 * 86_400 + 5) for frame in frames[::4]]
    events = [event for frame in midnight for event in server.events(frame)]
    events += list(server.events(replace(frames[0], repeat=1)))
    assert {event.kind for event in events} == set(MESSAGES)
    for event in events:
        read = MESSAGES[event.kind]()
        Parse(json.dumps(to_json(event)), read)
        assert read == event.message
        again = MESSAGES[event.kind]()
        again.ParseFromString(event.message.SerializeToString())
        assert again == event.message
        assert event.topic.split("/")[3] == event.device.keys.dev_eui.hex()


def test_defaults_stand_in_the_event_but_not_in_what_gateways_add(city: City, frames: list[Uplink]) -> None:
    frame = replace(next(one for one in frames if len(one.heard) > 1), f_cnt=0, spreading_factor=12)
    body = to_json(ChirpStack(city).up(frame))
    assert body["fCnt"] == 0
    assert body["dr"] == 0
    assert body["confirmed"] is False
    assert base64.b64decode(body["data"]) == frame.payload
    assert body["deviceInfo"]["deviceClassEnabled"] == "CLASS_A"
    assert body["time"].endswith("+00:00")
    for heard, ear in zip(body["rxInfo"], frame.heard, strict=True):
        assert heard["gatewayId"] == city.gateways[ear.gateway].eui.hex()
        assert heard["rssi"] == ear.rssi_dbm
        assert "board" not in heard
        assert "rfChain" not in heard
        assert "context" not in heard


def test_the_same_frame_has_the_same_deduplication_id_in_every_run(city: City, frames: list[Uplink]) -> None:
    first, again = (to_json(ChirpStack(city).up(frames[0]))["deduplicationId"] for _ in range(2))
    assert first == again
    assert to_json(ChirpStack(city).up(frames[1]))["deduplicationId"] != first


def test_the_things_stack_leaves_out_what_is_zero(city: City, frames: list[Uplink]) -> None:
    frame = replace(next(one for one in frames if one.device.way.by_things_stack), f_cnt=0)
    message = ThingsStack(city).up(frame)["uplink_message"]
    assert "f_cnt" not in message
    assert message["f_port"] == frame.f_port
    assert base64.b64decode(message["frm_payload"]) == frame.payload
    assert base64.b64decode(message["session_key_id"]) == frame.device.keys.session_key_id
    assert message["settings"]["frequency"] == str(frame.frequency_hz)
    counted = ThingsStack(city).up(replace(frame, f_cnt=17))["uplink_message"]
    assert counted["f_cnt"] == 17


def test_things_stack_devices_are_no_devices_of_the_towns_network(city: City) -> None:
    theirs = {device.keys.dev_addr[:2] for device in city.devices if device.way.by_things_stack}
    ours = {device.keys.dev_addr[:2] for device in city.devices if device.way is Way.RADIO}
    assert theirs == {bytes.fromhex("260b")}
    assert theirs.isdisjoint(ours)
    device = next(one for one in city.devices if one.way.by_things_stack)
    assert topic(device) == f"v3/castrop-rauxel-buerger@ttn/devices/{device.thing}/up"


@pytest.mark.parametrize(
    ("factor", "size", "seconds"), [(7, 13, 0.046336), (7, 33, 0.071936), (12, 64, 2.793472)]
)
def test_airtime_is_that_of_the_calculators(factor: int, size: int, seconds: float) -> None:
    """Values of the airtime formula in Semtech AN1200.13 (explicit header, CR 4/5, low rate from SF11)."""
    assert airtime_s(factor, size) == pytest.approx(seconds, abs=1e-6)
