"""Laws of the device side of LoRaWAN, by a published frame and by the specification's own words."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st

from edge.lorawan.frame import SessionKeys, parse_data_up
from simulators.frames import Session

NWK_S_KEY = bytes.fromhex("44024241ed4ce9a68c6a8bc055233fd3")
APP_S_KEY = bytes.fromhex("ec925802ae430ca77fd3dd73cb2cc588")
DEV_ADDR = bytes.fromhex("49be7df1")


def test_the_published_frame_comes_out_to_the_byte() -> None:
    """Test frame of the lora-packet library's documentation."""
    frame = Session(DEV_ADDR, NWK_S_KEY, APP_S_KEY).data_up(2, 1, b"test", adr=False)
    assert frame.hex().upper() == "40F17DBE4900020001954378762B11FF0D"


@given(
    f_cnt=st.integers(0, 0xFFFF_FFFF),
    f_port=st.integers(1, 223),
    payload=st.binary(max_size=222),
    address=st.binary(min_size=4, max_size=4),
    keys=st.tuples(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16)),
)
def test_the_platform_reads_what_a_device_writes(
    f_cnt: int, f_port: int, payload: bytes, address: bytes, keys: tuple[bytes, bytes]
) -> None:
    octets = Session(address, *keys).data_up(f_cnt, f_port, payload)
    frame, reader = parse_data_up(octets), SessionKeys(*keys)
    assert reader.vouches_for(frame, f_cnt)
    assert frame.f_port == f_port
    assert bytes(frame.dev_addr) == address
    assert reader.decrypt(frame, f_cnt) == payload


def test_the_mic_covers_the_whole_counter() -> None:
    session = Session(DEV_ADDR, NWK_S_KEY, APP_S_KEY)
    low, high = session.data_up(5, 1, b"x"), session.data_up(5 + 0x1_0000, 1, b"x")
    assert low[:8] == high[:8], "only 16 bits of the counter travel"
    assert low[-4:] != high[-4:]


def test_the_mic_is_a_cmac_over_b0_and_the_message() -> None:
    frame = Session(DEV_ADDR, NWK_S_KEY, APP_S_KEY).data_up(7, 3, bytes(range(40)))
    message = frame[:-4]
    mac = CMAC(algorithms.AES(NWK_S_KEY))
    mac.update(
        bytes.fromhex("490000000000") + DEV_ADDR[::-1] + (7).to_bytes(4, "little") + bytes([0, len(message)])
    )
    mac.update(message)
    assert mac.finalize()[:4] == frame[-4:]


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 32, 51])
def test_a_frame_is_thirteen_octets_longer_than_its_payload(size: int) -> None:
    assert len(Session(DEV_ADDR, NWK_S_KEY, APP_S_KEY).data_up(1, 1, bytes(size))) == size + 13
