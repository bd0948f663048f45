"""Events of ChirpStack and The Things Stack, with everything that may be absent absent."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from chirpstack_api import integration
from google.protobuf.json_format import MessageToJson
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import cbor
from edge.wire.identifiers import DevAddr, DevEUI, GatewayEUI
from edge.wire.messages import Envelope, Receipt, Uplink
from ingest.heard import Empty, Joined, Noted, Unusable
from ingest.sources import chirpstack, edge, things_stack

UP = "application/17c8/device/0101010101010101/event/up"
TTS = "v3/app@ttn/devices/dev-1/up"
YEARS = (datetime(2020, 1, 1), datetime(2060, 1, 1))  # noqa: DTZ001  # hypothesis wants naive bounds
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)

# Field by field as ChirpStack's documentation of events shows it; values made up.
CHIRPSTACK_UP = {
    "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d", "time": "2026-07-04T09:15:00.123456789+00:00",
    "deviceInfo": {"tenantName": "Stadt CR", "devEui": "0101010101010101", "deviceClassEnabled": "CLASS_A"},
    "devAddr": "00189440", "adr": True, "dr": 5, "fCnt": 42, "fPort": 2, "confirmed": False,
    "data": "A2cBEA==", "object": {"distance": 640},
    "rxInfo": [{"gatewayId": "0016c001f1500812", "uplinkId": 4217106255, "rssi": -97, "snr": 7.5,
                "crcStatus": "CRC_OK", "gwTime": "2026-07-04T09:15:00.1+00:00"}],
    "txInfo": {"frequency": 868100000, "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 7}}},
    "regionConfigId": "eu868",
}  # fmt: skip
THINGS_STACK_PARTS = ("uplink_message", "end_device_ids", "join_accept")
THINGS_STACK_UP = {
    "end_device_ids": {"device_id": "dev-1", "dev_eui": "0004A30B001C0530", "dev_addr": "00BCB929"},
    "received_at": "2026-07-04T09:15:00.400Z",
    "uplink_message": {
        "session_key_id": "AXA50tHUrmDpxLjRMkUYXQ==", "f_port": 1, "f_cnt": 7, "frm_payload": "gmTNxQ==",
        "rx_metadata": [
            {"gateway_ids": {"gateway_id": "eui-9c5c8e00001a05c4", "eui": "9C5C8E00001A05C4"},
             "rssi": -35, "snr": 5.2, "time": "2026-07-04T09:15:00.1Z"},
            {"gateway_ids": {"gateway_id": "packetbroker"}, "snr": 3},
        ],
        "settings": {"data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7}},
                     "frequency": "868300000"},
        "received_at": "2026-07-04T09:15:00.200Z",
    },
}  # fmt: skip


def without(content: dict[str, object], *names: str) -> dict[str, object]:
    return {key: value for key, value in content.items() if key not in names}


def read_chirpstack(content: object, origin: str = UP) -> object:
    return chirpstack.read(origin, json.dumps(content).encode())


def read_tts(content: object) -> object:
    return things_stack.read(TTS, json.dumps(content).encode())


def test_chirpstack_uplink_as_json() -> None:
    uplink = read_chirpstack(CHIRPSTACK_UP)
    assert isinstance(uplink, Uplink)
    assert (uplink.dev_eui, uplink.session) == (DevEUI.parse("0101010101010101"), DevAddr.parse("00189440"))
    assert (uplink.f_cnt, uplink.f_port, uplink.payload) == (42, 2, bytes.fromhex("03670110"))
    assert uplink.received_at == datetime(2026, 7, 4, 9, 15, 0, 123456, UTC)
    assert (uplink.data_rate, uplink.frequency_hz) == ("SF7BW125", 868_100_000)
    (reception,) = uplink.receptions
    assert reception.gateway == GatewayEUI.parse("0016C001F1500812")
    assert (reception.rssi_dbm, reception.snr_db) == (-97.0, 7.5)
    assert reception.received_at == datetime(2026, 7, 4, 9, 15, 0, 100_000, UTC)


def test_chirpstack_zero_fields_are_absent_and_mean_zero() -> None:
    uplink = read_chirpstack(
        {**without(CHIRPSTACK_UP, "fCnt"), "rxInfo": [{"gatewayId": "0016c001f1500812"}]}
    )
    assert isinstance(uplink, Uplink)
    assert uplink.f_cnt == 0
    assert (uplink.receptions[0].rssi_dbm, uplink.receptions[0].snr_db) == (0.0, 0.0)


@pytest.mark.parametrize("content", [without(CHIRPSTACK_UP, "fPort"), {**CHIRPSTACK_UP, "fPort": 0}])
def test_a_frame_without_application_port_is_heard_and_measures_nothing(content: dict[str, object]) -> None:
    empty = read_chirpstack(content)
    assert isinstance(empty, Empty)
    assert empty.f_cnt == 42


@given(
    f_cnt=st.integers(0, 2**32 - 1), f_port=st.integers(1, 223), data=st.binary(max_size=60),
    rssi=st.integers(-140, 0), at=st.datetimes(*YEARS),
)  # fmt: skip
def test_chirpstack_json_and_protobuf_say_the_same(
    f_cnt: int, f_port: int, data: bytes, rssi: int, at: datetime
) -> None:
    event = integration.UplinkEvent(dev_addr="00189440", f_cnt=f_cnt, f_port=f_port, data=data)
    event.device_info.dev_eui = "0101010101010101"
    event.time.FromDatetime(at)
    info = event.rx_info.add()
    info.gateway_id, info.rssi = "0016c001f1500812", rssi
    binary = chirpstack.read(UP, event.SerializeToString())
    assert binary == chirpstack.read("/chirpstack?event=up", MessageToJson(event).encode())
    assert isinstance(binary, Uplink)
    assert (binary.f_cnt, binary.f_port, binary.payload) == (f_cnt, f_port, data)
    assert binary.received_at == at.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("status", integration.StatusEvent(margin=7)),
        ("ack", integration.AckEvent(f_cnt_down=1)),
        ("txack", integration.TxAckEvent(downlink_id=1)),
        ("location", integration.LocationEvent(deduplication_id="1")),
    ],
)
def test_other_chirpstack_events_are_noted(kind: str, event: object) -> None:
    origin = f"application/1/device/0101010101010101/event/{kind}"
    assert chirpstack.read(origin, event.SerializeToString()) == Noted(kind)  # type: ignore[attr-defined]
    assert read_chirpstack({}, origin) == Noted(kind)


def test_a_log_event_is_noted_by_its_level() -> None:
    origin = "application/1/device/0101010101010101/event/log"
    assert read_chirpstack({"level": "ERROR", "code": "UPLINK_CODEC"}, origin) == Noted("log_error")
    assert chirpstack.read(
        origin, integration.LogEvent(level=integration.WARNING).SerializeToString()
    ) == Noted("log_warning")


def test_a_join_names_device_and_new_address() -> None:
    event = integration.JoinEvent(dev_addr="00189441")
    event.device_info.dev_eui = "0101010101010101"
    joined = Joined(DevEUI.parse("0101010101010101"), DevAddr.parse("00189441"))
    origin = "application/1/device/0101010101010101/event/join"
    assert chirpstack.read(origin, event.SerializeToString()) == joined
    assert chirpstack.read("/chirpstack?event=join", MessageToJson(event).encode()) == joined


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (without(CHIRPSTACK_UP, "time"), "time"),
        (without(CHIRPSTACK_UP, "deviceInfo"), "DevEUI"),
        (without(CHIRPSTACK_UP, "devAddr"), "DevAddr"),
        ({**CHIRPSTACK_UP, "fPort": 300}, "FPort 300"),
        ({**CHIRPSTACK_UP, "fCnt": -1}, "FCnt -1"),
        ({**CHIRPSTACK_UP, "fCnt": True}, "fCnt"),
        ({**CHIRPSTACK_UP, "data": "%%"}, "Base64"),
        ({**CHIRPSTACK_UP, "rxInfo": {}}, "rxInfo"),
        ({**CHIRPSTACK_UP, "time": "2026-07-04T09:15:00"}, "offset"),
        ([], "neither JSON nor protobuf"),
    ],
)
def test_what_is_wrong_with_a_chirpstack_event_is_named(content: object, named: str) -> None:
    with pytest.raises(Unusable, match=named) as caught:
        read_chirpstack(content)
    assert caught.value.remedy


def test_an_unknown_chirpstack_event_and_broken_protobuf_are_named() -> None:
    with pytest.raises(Unusable, match="'dance' is unknown"):
        chirpstack.read("application/1/device/01/event/dance", b"{}")
    with pytest.raises(Unusable, match="neither JSON nor protobuf"):
        chirpstack.read(UP, b"\x0a\xff\xff\xff")


@given(JSON_VALUES | st.fixed_dictionaries({}, optional=dict.fromkeys(CHIRPSTACK_UP, JSON_VALUES)))
def test_no_json_breaks_the_chirpstack_reader(content: object) -> None:
    try:
        read_chirpstack(content)
    except Unusable as problem:
        assert problem.reason


@given(st.binary(max_size=200), st.sampled_from(["up", "join", "status", "log", "x"]))
def test_no_bytes_break_the_chirpstack_reader(octets: bytes, kind: str) -> None:
    try:
        chirpstack.read(f"/chirpstack?event={kind}", octets)
    except Unusable as problem:
        assert problem.reason


def test_things_stack_uplink() -> None:
    uplink = read_tts(THINGS_STACK_UP)
    assert isinstance(uplink, Uplink)
    assert uplink.session == DevAddr.parse("00BCB929")
    assert (uplink.f_cnt, uplink.f_port, uplink.payload) == (7, 1, bytes.fromhex("8264cdc5"))
    assert uplink.received_at == datetime(2026, 7, 4, 9, 15, 0, 200_000, UTC)
    assert (uplink.data_rate, uplink.frequency_hz) == ("SF7BW125", 868_300_000)
    assert [one.gateway_name for one in uplink.receptions] == ["eui-9c5c8e00001a05c4", "packetbroker"]
    assert uplink.receptions[1].gateway is None
    assert uplink.receptions[1].rssi_dbm == 0.0


@given(f_cnt=st.integers(0, 2**32 - 1), f_port=st.integers(0, 223), payload=st.binary(max_size=50))
def test_things_stack_leaves_out_whatever_is_zero(f_cnt: int, f_port: int, payload: bytes) -> None:
    full = {"f_cnt": f_cnt, "f_port": f_port, "frm_payload": b64encode(payload).decode()}
    message = {**without(THINGS_STACK_UP["uplink_message"], *full), **{k: v for k, v in full.items() if v}}  # type: ignore[arg-type]
    heard = read_tts({**THINGS_STACK_UP, "uplink_message": message})
    assert isinstance(heard, Uplink if f_port else Empty)
    assert heard.f_cnt == f_cnt  # type: ignore[attr-defined]
    if isinstance(heard, Uplink):
        assert (heard.f_port, heard.payload) == (f_port, payload)


def test_things_stack_without_address_is_known_by_its_session_key() -> None:
    device = without(THINGS_STACK_UP["end_device_ids"], "dev_addr")  # type: ignore[arg-type]
    uplink = read_tts({**THINGS_STACK_UP, "end_device_ids": device})
    assert isinstance(uplink, Uplink)
    assert uplink.session == bytes.fromhex("017039d2d1d4ae60e9c4b8d13245185d")
    message = without(THINGS_STACK_UP["uplink_message"], "session_key_id")  # type: ignore[arg-type]
    with pytest.raises(Unusable):
        read_tts({**THINGS_STACK_UP, "end_device_ids": device, "uplink_message": message})


def test_things_stack_joins_and_other_messages() -> None:
    ids = THINGS_STACK_UP["end_device_ids"]
    joined = read_tts({"end_device_ids": ids, "join_accept": {}})
    assert joined == Joined(DevEUI.parse("0004A30B001C0530"), DevAddr.parse("00BCB929"))
    assert read_tts({"end_device_ids": ids, "downlink_ack": {}}) == Noted("downlink_ack")
    with pytest.raises(Unusable, match="neither uplink_message"):
        read_tts({"hello": 1})


@given(JSON_VALUES | st.fixed_dictionaries({}, optional=dict.fromkeys(THINGS_STACK_PARTS, JSON_VALUES)))
def test_no_json_breaks_the_things_stack_reader(content: object) -> None:
    try:
        read_tts(content)
    except Unusable as problem:
        assert problem.reason


def opened(agent: str, sequence: int, count: int, spool: bytes = b"s") -> cbor.OpenedEnvelope:
    return cbor.OpenedEnvelope(agent, spool, sequence, 1, datetime(2026, 1, 1, tzinfo=UTC), [{}] * count)


def test_receipts_join_neighbouring_ranges_per_agent_and_spool() -> None:
    found = edge.receipts(
        [
            opened("a", 4, 2),
            opened("a", 1, 3),
            opened("a", 9, 1),
            opened("b", 1, 1),
            opened("a", 1, 1, b"t"),
            opened("c", 1, 0),
        ]
    )
    assert found == {
        "a": [Receipt(b"s", ((1, 5), (9, 9))), Receipt(b"t", ((1, 1),))],
        "b": [Receipt(b"s", ((1, 1),))],
    }


@pytest.mark.parametrize("origin", ["udp/v1/crx-gw-1/up", "/edge/v1/crx-gw-1/up"])
def test_an_envelope_is_opened_for_the_agent_it_comes_from(origin: str) -> None:
    octets = cbor.encode(Envelope("crx-gw-1", b"s", 1, 1, datetime(2026, 1, 1, tzinfo=UTC), ()))
    assert edge.open_envelope(origin, octets).agent == "crx-gw-1"
    with pytest.raises(Unusable, match="crx-gw-1 was named on the topic of crx-gw-2"):
        edge.open_envelope(origin.replace("gw-1", "gw-2"), octets)


def test_a_nan_costs_its_field_and_never_the_uplink() -> None:
    event = integration.UplinkEvent(dev_addr="00189440", f_cnt=42, f_port=2, data=b"\x03")
    event.device_info.dev_eui = "0101010101010101"
    event.time.GetCurrentTime()
    event.object["distance"] = float("nan")
    event.object["nested"] = {"list": [float("inf")]}
    info = event.rx_info.add()
    info.gateway_id, info.rssi, info.snr = "0016c001f1500812", -97, float("nan")
    uplink = chirpstack.read(UP, event.SerializeToString())
    assert isinstance(uplink, Uplink)
    assert (uplink.f_cnt, uplink.payload) == (42, b"\x03")
    assert (uplink.receptions[0].rssi_dbm, uplink.receptions[0].snr_db) == (-97.0, None)
    as_json = {**CHIRPSTACK_UP, "object": {"distance": float("nan")}, "rxInfo": [{"snr": float("nan")}]}
    uplink = read_chirpstack(as_json)
    assert isinstance(uplink, Uplink)
    assert uplink.receptions[0].snr_db is None


@pytest.mark.parametrize(
    ("level", "kind"), [("INFO", "log_info"), ("ERROR", "log_error"), ("free text 17", "log_other")]
)
def test_log_events_are_counted_under_few_names(level: str, kind: str) -> None:
    origin = "application/17c8/device/0101010101010101/event/log"
    assert read_chirpstack({"level": level, "code": "UPLINK_F_CNT_RESET"}, origin) == Noted(kind)


def test_the_things_stacks_normalized_copy_of_an_uplink_is_noted_and_no_second_uplink() -> None:
    message = {
        **without(THINGS_STACK_UP, "uplink_message"),
        "uplink_normalized": {**THINGS_STACK_UP["uplink_message"], "normalized_payload": {"air": {}}},  # type: ignore[dict-item]
    }
    assert read_tts(message) == Noted("uplink_normalized")
