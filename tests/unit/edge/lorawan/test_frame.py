"""Published LoRaWAN frames open, and no changed bit goes unnoticed."""

from __future__ import annotations

import base64
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.lorawan.frame import (
    FrameError,
    MType,
    SessionKeys,
    message_type,
    parse_data_up,
)
from edge.wire.identifiers import DevAddr


class Published(NamedTuple):
    phy_payload: bytes
    nwk_s_key: bytes
    app_s_key: bytes
    dev_addr: str
    f_cnt: int
    f_port: int
    payload: bytes | None  # None: published without its plain text


_SEMTECH_KEY = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C")

PUBLISHED = {
    "lora-packet, README: 'test'": Published(
        bytes.fromhex("40F17DBE4900020001954378762B11FF0D"),
        bytes.fromhex("44024241ED4CE9A68C6A8BC055233FD3"),
        bytes.fromhex("EC925802AE430CA77FD3DD73CB2CC588"),
        "49BE7DF1", 2, 1, b"test",
    ),
    # Its counter stands in the eighth run of 65,536: (7 << 16) | 0x4666.
    "lora-packet, MIC test with a 32-bit counter": Published(
        bytes.fromhex("40531E012680664601457090ED25"),
        bytes.fromhex("7A47F143D7CEF033DFA0D4B75E04A316"),
        bytes.fromhex("F1B0B1D3CC529C55C3019A46EF4582EA"),
        "26011E53", (7 << 16) | 0x4666, 1, None,
    ),
    "The Things Network sample uplink (lora-packet)": Published(
        base64.b64decode("QK4TBCaAAAABb4ldmIEHFOMmgpU="),
        bytes.fromhex("99D58493D1205B43EFF938F0F66C339E"),
        bytes.fromhex("0A501524F8EA5FCBF9BDB5AD7D126F75"),
        "260413AE", 0, 1, None,
    ),
    "npm 'lora', README: two cipher blocks": Published(
        base64.b64decode("QAESAwKBbgACAbB2c5M9hkMWDus2m9lrqJ63NyclM+XZrkifwye9SPgA"),
        _SEMTECH_KEY, _SEMTECH_KEY,
        "02031201", 110, 1, b"AABBCCDDEEFFGGHHIIJJKKLLMMNN",
    ),
}  # fmt: skip


@pytest.fixture(params=PUBLISHED, ids=str)
def published(request: pytest.FixtureRequest) -> Published:
    return PUBLISHED[request.param]


def test_a_published_frame_is_what_its_publisher_says(published: Published) -> None:
    frame = parse_data_up(published.phy_payload)
    keys = SessionKeys(published.nwk_s_key, published.app_s_key)
    assert str(frame.dev_addr) == published.dev_addr
    assert frame.f_cnt16 == published.f_cnt & 0xFFFF
    assert frame.f_port == published.f_port
    assert keys.vouches_for(frame, published.f_cnt)
    if published.payload is not None:
        assert keys.decrypt(frame, published.f_cnt) == published.payload


def test_every_flipped_bit_is_refused(published: Published) -> None:
    keys = SessionKeys(published.nwk_s_key, published.app_s_key)
    for bit in range(8 * len(published.phy_payload)):
        octets = bytearray(published.phy_payload)
        octets[bit // 8] ^= 1 << bit % 8
        try:
            frame = parse_data_up(bytes(octets))
        except FrameError:
            continue
        f_cnt = published.f_cnt & ~0xFFFF | frame.f_cnt16
        assert not keys.vouches_for(frame, f_cnt), f"bit {bit} may be flipped unnoticed"


def test_a_wrong_counter_or_a_wrong_key_is_refused(published: Published) -> None:
    frame = parse_data_up(published.phy_payload)
    keys = SessionKeys(published.nwk_s_key, published.app_s_key)
    assert not keys.vouches_for(frame, published.f_cnt + 0x10000)
    assert not SessionKeys(bytes(16), published.app_s_key).vouches_for(frame, published.f_cnt)


def test_fields_stand_where_the_specification_puts_them() -> None:
    frame = parse_data_up(bytes.fromhex("80 04030201 83 0F10 020304 0A CAFE 11223344".replace(" ", "")))
    assert frame.confirmed
    assert frame.dev_addr == DevAddr.parse("01020304")
    assert frame.f_ctrl == 0x83
    assert frame.f_cnt16 == 0x100F
    assert frame.f_opts == b"\x02\x03\x04"
    assert frame.f_port == 10
    assert frame.frm_payload == b"\xca\xfe"
    assert frame.mic == b"\x11\x22\x33\x44"


def test_a_frame_without_port_carries_no_payload() -> None:
    frame = parse_data_up(bytes.fromhex("4004030201000F1011223344"))
    assert frame.f_port is None
    assert frame.frm_payload == b""


def test_mac_commands_on_port_0_are_encrypted_with_the_network_key() -> None:
    frame = parse_data_up(bytes.fromhex("4004030201000F1000AABB11223344"))
    network, application = bytes(range(16)), bytes(range(16, 32))
    both_network = SessionKeys(network, network)
    assert SessionKeys(network, application).decrypt(frame, 0x100F) == both_network.decrypt(frame, 0x100F)


@pytest.mark.parametrize(
    ("digits", "kind"),
    [("00", MType.JOIN_REQUEST), ("60", MType.UNCONFIRMED_DATA_DOWN), ("E0FF", MType.PROPRIETARY)],
)
def test_other_kinds_of_frames_are_named(digits: str, kind: MType) -> None:
    assert message_type(bytes.fromhex(digits)) is kind
    with pytest.raises(FrameError, match=kind.name):
        parse_data_up(bytes.fromhex(digits))


@pytest.mark.parametrize(
    ("digits", "what"),
    [
        ("", "empty"),
        ("41" + 16 * "00", "major version"),
        ("40" + 10 * "00", "11 octets"),
        ("40" + 255 * "00", "256 octets"),
        ("40" + "00000000" + "0F" + "0000" + 6 * "00", "FOptsLen 15"),
    ],
)
def test_what_is_no_frame_is_refused_with_its_reason(digits: str, what: str) -> None:
    with pytest.raises(FrameError, match=what):
        parse_data_up(bytes.fromhex(digits))


@given(st.binary(max_size=300))
def test_any_octets_are_a_frame_or_a_frame_error(octets: bytes) -> None:
    try:
        frame = parse_data_up(octets)
    except FrameError:
        return
    assert frame.authenticated + frame.mic == octets


def test_keys_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="NwkSKey has 15 octets"):
        SessionKeys(bytes(15), bytes(16))
