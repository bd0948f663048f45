"""What becomes of deliveries: one Observation each, whatever comes, however often."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import datetime, timedelta

import cbor2
import pytest
from chirpstack_api import integration

from edge.lorawan.sessions import Session
from edge.wire import cbor
from edge.wire.identifiers import DevAddr, GatewayEUI
from edge.wire.messages import Clock, GatewayStatus, Reading, Record
from ingest.normalise import Bindings
from udp.errors import StoreRejected, StoreUnavailable
from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Ints, Observations

from .conftest import (
    BATTERY,
    BIN,
    HEARD,
    LEVEL,
    NOW,
    STRANGER,
    WEATHER,
    World,
    data_up,
    delivery,
    envelope,
    frame_of,
    inventory,
    uplink,
)  # fmt: skip

UP = "application/1/device/0102030405060708/event/up"


def chirpstack_up(f_cnt: int = 1, at: datetime = NOW, gateway: str = "00000000000000aa") -> dict[str, object]:
    return {
        "deduplicationId": "3ac7e3c4", "time": at.isoformat(), "devAddr": "26011bda",
        "fCnt": f_cnt, "fPort": 2,
        "deviceInfo": {"devEui": "0102030405060708"}, "data": b64encode(b"\x02\x80\x24").decode(),
        "rxInfo": [{"gatewayId": gateway, "rssi": -100, "snr": 5.5}],
        "txInfo": {"frequency": 868100000},
    }  # fmt: skip


def test_an_uplink_becomes_observations_with_both_times(world: World) -> None:
    world.take(envelope(uplink(at=NOW - timedelta(minutes=3))))
    assert world.values(LEVEL) == [(NOW - timedelta(minutes=3), 640.0)]
    assert world.values(BATTERY) == [(NOW - timedelta(minutes=3), 3.6)]
    stored = world.everything(LEVEL)
    assert stored.result_time.tolist() == stored.phenomenon_time.tolist()
    assert (stored.quality[0], stored.rule[0]) == (Quality.GOOD, QualityRule.PASSED)
    assert world.everything(BATTERY).quality[0] == Quality.UNCHECKED


def test_a_record_with_its_own_time_keeps_it_and_is_known_when_heard(world: World) -> None:
    old = NOW - timedelta(hours=2)
    records = (Record({"level": 700}, at=old), Record({"level": 710}))
    world.take(envelope(uplink(records=records, codec="two-numbers")))
    assert world.values() == [(old, 700.0), (NOW, 710.0)]
    assert [str(one) for one in world.everything().result_time] == ["2026-11-20T12:00:00.000000"] * 2


def test_one_uplink_by_two_gateways_chirpstack_twice_and_again_is_one_observation(world: World) -> None:
    proto = integration.UplinkEvent(dev_addr="26011bda", f_cnt=1, f_port=2, data=b"\x02\x80\x24")
    proto.device_info.dev_eui = "0102030405060708"
    proto.time.FromDatetime(NOW + timedelta(milliseconds=300))
    info = proto.rx_info.add()
    info.gateway_id, info.rssi, info.snr = "00000000000000bb", -101, 4.5
    second = uplink(gateway=2, at=NOW + timedelta(milliseconds=80))
    third = chirpstack_up(at=NOW + timedelta(milliseconds=200))
    world.hear(
        delivery(envelope(uplink(gateway=1))),
        delivery(envelope(second, agent="crx-gw-2"), origin="udp/v1/crx-gw-2/up"),
        delivery(json.dumps(third).encode(), way="chirpstack", origin=UP),
        delivery(proto.SerializeToString(), way="chirpstack", origin="/chirpstack?event=up"),
    )  # fmt: skip
    world.catch_up()
    world.restart()
    world.hear(delivery(envelope(uplink(gateway=1))))
    world.catch_up()
    assert world.values() == [(NOW, 640.0)]
    receptions = world.ledger.receptions(uplink().identity)
    assert [(way, one.gateway_name) for way, one in receptions] == [
        ("edge", "gw-1"), ("edge", "gw-2"),
        ("chirpstack", "00000000000000aa"), ("chirpstack", "00000000000000bb"),
    ]  # fmt: skip
    assert world.counter("duplicates") == 4
    device = world.ledger.report().devices[0]
    assert (device.uplinks, device.duplicates, device.lost) == (1, 3, 0)


@pytest.mark.parametrize("batch", [1, 3, 2_000])
def test_the_same_message_a_hundred_times_in_any_order_is_one_observation(world: World, batch: int) -> None:
    world.hear(
        *(
            delivery(envelope(uplink(number % 3 + 1, at=NOW + timedelta(seconds=number % 3))))
            for number in range(300)
        )
    )
    world.catch_up(batch=batch)
    assert len(world.values()) == 3
    assert world.counter("duplicates") == 297


def test_malformed_bytes_go_to_the_quarantine_with_reason_and_remedy(world: World) -> None:
    world.take(b"\xff\x00garbage", envelope(uplink()))
    (entry,) = world.ledger.quarantined(10)
    assert entry.octets == b"\xff\x00garbage"
    assert "udp/v1/crx-gw-1/up" in entry.reason and "not CBOR" in entry.reason
    assert entry.remedy
    assert len(world.values()) == 1


def test_an_unknown_version_asks_for_an_update(world: World) -> None:
    octets = cbor2.dumps({0: 9})
    world.take(octets)
    (entry,) = world.ledger.quarantined(10)
    assert "version 9" in entry.reason and "update ingest" in entry.remedy and entry.octets == octets


def test_an_agent_speaks_for_itself_only(world: World) -> None:
    octets = envelope(uplink(), agent="crx-gw-2")
    world.take(octets)
    (entry,) = world.ledger.quarantined(10)
    assert "crx-gw-2" in entry.reason and "topic of crx-gw-1" in entry.reason and entry.octets == octets
    assert world.values() == []
    assert world.ledger.report().agents == []


def test_a_foreign_topic_is_named(world: World) -> None:
    world.hear(delivery(b"hello", way="unknown", origin="somewhere/else"))
    world.catch_up()
    (entry,) = world.ledger.quarantined(10)
    assert "somewhere/else" in entry.reason and "[[mqtt]] topics" in entry.remedy


def test_a_huge_envelope_is_refused_but_kept(world: World) -> None:
    octets = cbor2.dumps({0: 1, 1: "crx-gw-1", 9: bytes(cbor.MAX_BYTES)})
    world.take(octets)
    (entry,) = world.ledger.quarantined(10)
    assert str(cbor.MAX_BYTES) in entry.reason and entry.octets == octets


def test_an_unknown_device_waits_for_its_registration(world: World) -> None:
    world.take(envelope(uplink(), uplink(dev_eui=STRANGER)))
    (entry,) = world.ledger.quarantined(10)
    assert str(STRANGER) in entry.reason and f"register DevEUI {STRANGER}" in entry.remedy
    assert cbor.message(cbor2.loads(entry.octets)) == uplink(dev_eui=STRANGER)
    assert len(world.values()) == 1


def test_one_bad_message_does_not_spoil_its_neighbours(world: World) -> None:
    content = cbor2.loads(
        envelope(
            uplink(1), uplink(2, at=NOW + timedelta(seconds=1)), uplink(3, at=NOW + timedelta(seconds=2))
        )
    )
    content[5][1][8] = 2**40  # FCnt
    world.take(cbor2.dumps(content))
    assert len(world.values()) == 2
    (entry,) = world.ledger.quarantined(10)
    assert "message 2" in entry.reason and "32 bits" in entry.reason
    assert world.ledger.report().agents[0].highest_sequence == 3


def test_a_payload_the_codec_cannot_read_is_kept(world: World) -> None:
    world.take(envelope(uplink(payload=b"\x01")))
    (entry,) = world.ledger.quarantined(10)
    assert str(BIN) in entry.reason and "two-numbers" in entry.reason and "profile" in entry.remedy


def test_a_codec_with_a_fault_stops_nobody_else(world: World) -> None:
    def broken(payload: bytes, f_port: int, at: datetime) -> None:
        raise ZeroDivisionError("codec")

    world.codec = broken  # type: ignore[assignment]
    records = (Record({"level": 1}),)
    world.take(
        envelope(uplink(1), uplink(2, at=NOW + timedelta(seconds=1), records=records, codec="two-numbers"))
    )
    (entry,) = world.ledger.quarantined(10)
    assert "ZeroDivisionError" in entry.reason and "fault of ingest" in entry.remedy
    assert [value for _time, value in world.values()] == [1.0]


def test_records_of_another_codec_are_decoded_anew(world: World) -> None:
    world.take(envelope(uplink(records=(Record({"level": 1}),), codec="something-else")))
    assert world.values() == [(NOW, 640.0)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "text", 10**400])
def test_what_is_no_finite_number_is_set_aside(world: World, value: object) -> None:
    record = Record({"level": value, "battery": 3.5})  # type: ignore[dict-item]
    world.take(envelope(uplink(records=(record,), codec="two-numbers")))
    (entry,) = world.ledger.quarantined(10)
    assert "'level'" in entry.reason and "profile" in entry.remedy
    assert world.values() == []


def test_an_impossible_value_is_kept_and_flagged(world: World) -> None:
    world.take(envelope(uplink(level=60_000)))
    stored = world.everything()
    assert (stored.result[0], stored.quality[0], stored.rule[0]) == (60_000, Quality.BAD, QualityRule.RANGE)


def test_a_clock_ahead_of_ours_is_flagged_and_its_time_kept(world: World) -> None:
    ahead = NOW + timedelta(hours=1)
    world.take(envelope(uplink(1, at=ahead)), envelope(uplink(2, at=NOW), sequence=2))
    stored = world.everything()
    assert world.values() == [(NOW, 640.0), (ahead, 640.0)]
    assert stored.rule.tolist() == [QualityRule.PASSED, QualityRule.CLOCK]
    assert stored.quality.tolist() == [Quality.GOOD, Quality.SUSPECT]


def test_readings_and_gateway_statistics_reach_their_sensors(world: World) -> None:
    reading = Reading("weather", NOW, NOW, Clock.NTP, {"air_temperature": 7.5, "other": 1})
    status = GatewayStatus(GatewayEUI(bytes(8)), NOW, Clock.GPS, 12, 11, 11, 100.0, 0, 0)
    world.hear(
        delivery(envelope(reading, agent="crx-pole-1"), origin="udp/v1/crx-pole-1/up"),
        delivery(envelope(status)),
    )
    world.catch_up()
    assert world.values(WEATHER) == [(NOW, 7.5)]
    assert world.values(HEARD) == [(NOW, 12.0)]


def test_an_unregistered_sensor_says_how_to_register_it(world: World) -> None:
    world.take(envelope(Reading("humidity", NOW, NOW, Clock.NTP, {"x": 1.0})))
    (entry,) = world.ledger.quarantined(10)
    assert "'humidity'" in entry.reason and "crx-gw-1" in entry.reason and "import-city" in entry.remedy


def test_a_frame_is_opened_with_ingests_own_keys_and_meets_its_uplink(world: World) -> None:
    session = Session(BIN, DevAddr(b"\x26\x01\x1b\xda"), bytes(range(16)), bytes(range(16, 32)))
    octets = data_up(session, 1, b"\x02\x80\x24")
    world.take(envelope(frame_of(octets), frame_of(octets)))
    assert len(world.ledger.quarantined(10)) == 1  # one entry per unknown address and day
    assert "26011BDA" in world.ledger.quarantined(1)[0].reason
    assert world.counter("frames_without_session") == 2
    world.keyring.add(session)
    world.take(envelope(frame_of(octets), uplink(1, gateway=3), sequence=3))
    assert world.values() == [(NOW, 640.0)]
    assert world.counter("duplicates") == 1


class Refusing:
    """A store that never takes one value, and otherwise is the real one."""

    def __init__(self, world: World, refused: float) -> None:
        self._store = world.store
        self._refused = refused

    def append(self, batch: Observations) -> Ints:
        if self._refused in batch.result.tolist():
            raise StoreRejected(f"{self._refused} is not to my taste")
        return self._store.append(batch)


def test_what_the_store_refuses_is_set_aside_alone(world: World) -> None:
    pipeline = world.new_pipeline(store=Refusing(world, 5.0))
    world.hear(*(delivery(envelope(uplink(n, level=n, at=NOW + timedelta(seconds=n)))) for n in range(1, 12)))
    world.catch_up(pipeline)
    assert [value for _time, value in world.values()] == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    (entry,) = world.ledger.quarantined(10)
    assert "not to my taste" in entry.reason


class Failing:
    """A part that fails the first time a method is called, before or after doing its work."""

    def __init__(self, real: object, method: str, *, after: bool) -> None:
        self._real, self._method, self._after, self._failed = real, method, after, False

    def __getattr__(self, name: str) -> object:
        real = getattr(self._real, name)
        if name != self._method or self._failed:
            return real

        def fail(*arguments: object) -> None:
            self._failed = True
            if self._after:
                real(*arguments)
            raise StoreUnavailable("away for a moment")

        return fail


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("part", ["store", "ledger"])
def test_an_outage_at_any_step_repeats_and_never_skips_or_doubles(
    world: World, part: str, after: bool
) -> None:
    real, method = (world.store, "append") if part == "store" else (world.ledger, "write")
    pipeline = world.new_pipeline(**{part: Failing(real, method, after=after)})
    world.hear(
        *(
            delivery(envelope(uplink(n, level=n, at=NOW + timedelta(seconds=n)), sequence=n))
            for n in range(1, 6)
        )
    )
    with pytest.raises(StoreUnavailable):
        world.catch_up(pipeline)
    world.catch_up(pipeline)
    assert [value for _time, value in world.values()] == [1, 2, 3, 4, 5]
    assert world.counter("duplicates") == 0
    assert world.ledger.report().devices[0].uplinks == 5


def test_a_new_inventory_counts_from_the_next_batch_on(world: World) -> None:
    world.take(envelope(uplink(1)))
    world.pipeline.bind(Bindings(inventory(version=2, scale=0.1)))
    world.take(envelope(uplink(2, at=NOW + timedelta(minutes=1)), sequence=2))
    assert [value for _time, value in world.values()] == [640.0, 64.0]


@pytest.mark.parametrize("crash", [False, True])
def test_of_two_workers_that_share_a_ledger_one_is_first(world: World, crash: bool) -> None:
    """Both ask before either has stored anything: the claim in the ledger decides."""
    second = uplink(gateway=2, at=NOW - timedelta(milliseconds=80), level=640)
    world.hear(delivery(envelope(uplink(gateway=1))), delivery(envelope(second, sequence=2)))
    first_entry, second_entry = world.waiting("w-2026-11")
    one = world.new_pipeline(
        shared=True, store=Failing(world.store, "append", after=False) if crash else None
    )
    if crash:
        with pytest.raises(StoreUnavailable):
            one.handle("w-1-2026-11", [first_entry])
    else:
        one.handle("w-1-2026-11", [first_entry])
    world.new_pipeline(shared=True).handle("w-2-2026-11", [second_entry])
    if crash:
        assert world.values() == []
        world.new_pipeline(shared=True).handle("w-1-2026-11", [first_entry])  # started again, it repeats
    assert world.values() == [(NOW, 640.0)]
    assert len(world.ledger.receptions(uplink().identity)) == 2
    assert world.counter("duplicates") == 1


@pytest.mark.parametrize("name", ["\ud800", "a\0b"])
def test_a_name_that_is_no_text_stops_nobody(world: World, name: str) -> None:
    world.hear(
        delivery(json.dumps(chirpstack_up(gateway=name)).encode(), way="chirpstack", origin=UP),
        delivery(json.dumps({"level": name}).encode(), way="chirpstack", origin=UP.replace("/up", "/log")),
        delivery(envelope(uplink(2))),
    )
    world.catch_up()
    assert world.values() == [(NOW, 640.0)]
    assert ["no text" in one.reason for one in world.ledger.quarantined(10)] == [True, True]


def test_one_uplink_by_the_edge_and_by_the_things_stack_is_one_observation(world: World) -> None:
    message = {
        "end_device_ids": {"dev_eui": "0102030405060708", "dev_addr": "26011BDA"},
        "uplink_message": {
            "session_key_id": b64encode(b"abcd").decode(), "f_cnt": 1, "f_port": 2,
            "frm_payload": b64encode(b"\x02\x80\x24").decode(),
            "received_at": (NOW + timedelta(milliseconds=200)).isoformat(),
        },
    }  # fmt: skip
    world.hear(
        delivery(envelope(uplink(1))),
        delivery(json.dumps(message).encode(), way="things_stack", origin="v3/a@t/devices/x/up"),
    )
    world.catch_up()
    assert world.values() == [(NOW, 640.0)]
    assert world.counter("duplicates") == 1
