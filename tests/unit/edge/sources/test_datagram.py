"""Gateways are heard, acknowledged after the commit, passed on; rubbish disturbs nobody."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.lorawan.keyring import Keyring
from edge.lorawan.receiver import Receiver
from edge.lorawan.sessions import Session
from edge.sources import semtech
from edge.sources.datagram import DatagramSettings, DatagramSource, GatewayName
from edge.wire.identifiers import DevAddr, DevEUI, GatewayEUI
from edge.wire.messages import Clock, Frame, GatewayStatus, Message, Uplink

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
GATEWAY = bytes.fromhex("AA555A0000000001")
# The published frame of lora-packet's README; it carries "test".
FRAME = bytes.fromhex("40F17DBE4900020001954378762B11FF0D")
SESSION = Session(
    dev_eui=DevEUI.parse("0102030405060708"),
    dev_addr=DevAddr.parse("49BE7DF1"),
    nwk_s_key=bytes.fromhex("44024241ED4CE9A68C6A8BC055233FD3"),
    app_s_key=bytes.fromhex("EC925802AE430CA77FD3DD73CB2CC588"),
)


def rxpk(data: bytes = FRAME, **fields: Any) -> dict[str, Any]:
    return {
        "time": "2026-07-01T11:59:58.123456Z", "tmst": 3512348611, "freq": 868.1, "chan": 2, "rfch": 0,
        "stat": 1, "modu": "LORA", "datr": "SF7BW125", "codr": "4/5", "rssi": -35, "lsnr": 5.1,
        "size": len(data), "data": base64.b64encode(data).decode(), **fields,
    }  # fmt: skip


def datagram(kind: int, body: Any = None, token: bytes = b"\x12\x34", gateway: bytes = GATEWAY) -> bytes:
    octets = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"\x02" + token + bytes([kind]) + gateway + octets


class Station:
    """A source and a forwarder's socket facing it."""

    def __init__(self, configuration: DatagramSettings) -> None:
        receiver = Receiver(Keyring([SESSION]))
        self.source = DatagramSource(
            configuration, agent="crx-gw-1", open_frame=receiver.open, now=lambda: NOON
        )
        self.forwarder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.forwarder.connect(("127.0.0.1", self.source.port))
        self.forwarder.settimeout(5)

    def hear(self, *octets: bytes) -> list[Message]:
        # Loopback UDP puts a datagram into the receiver's queue before send() returns.
        for one in octets:
            self.forwarder.send(one)
        return self.source.hear()

    def answers(self) -> list[bytes]:
        self.forwarder.setblocking(False)
        found = []
        try:
            while True:
                found.append(self.forwarder.recv(65535))
        except BlockingIOError:
            return found
        finally:
            self.forwarder.settimeout(5)

    def close(self) -> None:
        self.source.close()
        self.forwarder.close()


@pytest.fixture
def station() -> Iterator[Station]:
    running = Station(DatagramSettings(listen_port=0, gateway_clock="gps"))
    yield running
    running.close()


def test_a_frame_becomes_an_uplink_with_the_gateways_time(station: Station) -> None:
    (uplink,) = station.hear(datagram(0, {"rxpk": [rxpk()]}))
    assert isinstance(uplink, Uplink)
    assert (uplink.dev_eui, uplink.f_cnt, uplink.f_port, uplink.payload) == (SESSION.dev_eui, 2, 1, b"test")
    assert uplink.received_at == datetime(2026, 7, 1, 11, 59, 58, 123456, UTC)
    assert uplink.clock is Clock.GPS
    assert (uplink.data_rate, uplink.frequency_hz) == ("SF7BW125", 868_100_000)
    (reception,) = uplink.receptions
    assert (reception.gateway, reception.gateway_name) == (GatewayEUI(GATEWAY), "crx-gw-1")
    assert (reception.rssi_dbm, reception.snr_db) == (-35.0, 5.1)
    assert station.source.clock_offset == timedelta(seconds=1, microseconds=876544)


def test_the_acknowledgement_waits_for_the_commit(station: Station) -> None:
    station.hear(datagram(0, {"rxpk": [rxpk()]}))
    assert station.answers() == []
    station.source.settle(stored=True)
    assert station.answers() == [b"\x02\x12\x34\x01"]


def test_what_could_not_be_stored_is_not_acknowledged_but_counted(station: Station) -> None:
    station.hear(datagram(0, {"rxpk": [rxpk()]}))
    station.source.settle(stored=False)
    station.source.settle(stored=True)
    assert station.answers() == []
    assert station.source.counts["refused"] == 1


def test_a_pull_is_answered_at_once(station: Station) -> None:
    assert station.hear(datagram(2)) == []
    assert station.answers() == [b"\x02\x12\x34\x04"]


def test_only_frames_with_a_good_checksum_go_on(station: Station) -> None:
    heard = station.hear(datagram(0, {"rxpk": [rxpk(stat=-1), rxpk(stat=0), rxpk()]}))
    assert len(heard) == 1
    assert station.source.counts["bad crc"] == 2


def test_unknown_devices_and_joins_travel_on_as_frames(station: Station) -> None:
    stranger, join, proprietary = b"\x40" + bytes(16), bytes(23), b"\xe0\x01"
    heard = station.hear(datagram(0, {"rxpk": [rxpk(stranger), rxpk(join), rxpk(proprietary)]}))
    assert [type(message) for message in heard] == [Frame, Frame, Frame]
    assert [message.phy_payload for message in heard if isinstance(message, Frame)] == [
        stranger, join, proprietary,
    ]  # fmt: skip


def test_without_satellites_the_agents_clock_counts(station: Station) -> None:
    (uplink,) = station.hear(datagram(0, {"rxpk": [rxpk(time=None)]}))
    assert isinstance(uplink, Uplink)
    assert (uplink.received_at, uplink.clock) == (NOON, Clock.NTP)


def test_gps_milliseconds_are_time_too(station: Station) -> None:
    # 2017-01-01T00:00:00Z is GPS second 1167264018 (IERS Bulletin C 52: 18 leap seconds since 1980).
    (uplink,) = station.hear(datagram(0, {"rxpk": [rxpk(time=None, tmms=1_167_264_018_000)]}))
    assert isinstance(uplink, Uplink)
    assert (uplink.received_at, uplink.clock) == (datetime(2017, 1, 1, tzinfo=UTC), Clock.GPS)


def test_statistics_become_a_status(station: Station) -> None:
    stat = {
        "time": "2026-07-01 11:59:00 GMT",
        "rxnb": 5,
        "rxok": 4,
        "rxfw": 3,
        "ackr": 99.5,
        "dwnb": 2,
        "txnb": 1,
    }
    (status,) = station.hear(datagram(0, {"stat": stat}))
    assert status == GatewayStatus(
        gateway=GatewayEUI(GATEWAY), received_at=datetime(2026, 7, 1, 11, 59, tzinfo=UTC), clock=Clock.GPS,
        packets_received=5, packets_valid=4, packets_forwarded=3, acknowledged_percent=99.5,
        downlinks_received=2, packets_sent=1,
    )  # fmt: skip


def test_named_gateways_only_are_heard_where_any_is_named() -> None:
    station = Station(DatagramSettings(listen_port=0, gateway=(GatewayName("AA555A0000000001", "rathaus"),)))
    (uplink,) = station.hear(datagram(0, {"rxpk": [rxpk()]}))
    assert isinstance(uplink, Uplink)
    assert uplink.receptions[0].gateway_name == "rathaus"
    assert station.hear(datagram(0, {"rxpk": [rxpk()]}, gateway=bytes(8))) == []
    assert station.source.counts["unknown gateway"] == 1
    station.close()


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x02",
        b"\x09" + datagram(0)[1:],
        datagram(7),
        datagram(0, b"{"),
        datagram(0, b"\xff\xfe"),
        datagram(0, b"[" * 50_000),
        datagram(0, []),
        datagram(0, {"rxpk": 3}),
        datagram(0, {"rxpk": [3, None, {}]}),
        datagram(0, {"rxpk": [rxpk(data=FRAME) | {"data": "no base64!"}]}),
        datagram(0, {"rxpk": [rxpk() | {"data": base64.b64encode(bytes(256)).decode()}]}),
        datagram(0, {"stat": 4}),
    ],
)
def test_rubbish_is_counted_and_what_follows_is_heard(station: Station, octets: bytes) -> None:
    heard = station.hear(octets, datagram(0, {"rxpk": [rxpk()]}))
    assert len(heard) == 1
    assert station.source.counts["malformed"] >= 1


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
_packet = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("time", "tmms", "freq", "datr", "rssi", "lsnr", "stat"), _json)
)


@settings(max_examples=80, deadline=None)
@given(packets=st.lists(_packet, max_size=3), stat=_json)
def test_odd_values_cost_at_most_themselves(packets: list[dict[str, Any]], stat: Any) -> None:
    body = json.dumps({"rxpk": [rxpk() | packet for packet in packets], "stat": stat}).encode()
    good, _, bad = semtech.content(semtech.parse(datagram(0, body)))
    assert len(good) + len(bad) >= len(packets)


@given(st.binary(max_size=80))
def test_any_octets_are_a_datagram_or_a_datagram_error(octets: bytes) -> None:
    with contextlib.suppress(semtech.DatagramError):
        semtech.content(semtech.parse(octets))


def test_servers_further_on_hear_all_and_their_downlinks_come_back() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        target = f"127.0.0.1:{server.getsockname()[1]}"
        dead = "no-such-host.invalid:1700"
        station = Station(DatagramSettings(listen_port=0, forward_to=(dead, target)))
        push, pull = datagram(0, {"rxpk": [rxpk()]}), datagram(2)
        assert len(station.hear(push, pull)) == 1
        octets, _ = server.recvfrom(65535)
        assert octets == push
        octets, address = server.recvfrom(65535)
        assert octets == pull
        assert station.forwarder.recv(100) == b"\x02\x12\x34\x04"
        downlink = b"\x02\x77\x88\x03" + b'{"txpk":{}}'
        server.sendto(b"\x02\x12\x34\x01", address)  # its PUSH_ACK is nobody's business but ours
        server.sendto(downlink, address)
        assert station.forwarder.recv(100) == downlink
        station.hear(datagram(5, token=b"\x00\x01"), datagram(5, token=b"\x77\x88"))
        octets, _ = server.recvfrom(65535)
        assert octets == datagram(5, token=b"\x77\x88")  # and not the one that answers another server
        station.close()
