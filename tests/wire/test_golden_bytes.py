"""The bytes of the protocol, for ever: a change here needs a new version on the wire.

Written out by hand from RFC 8949 and the key table in edge/wire/cbor.py, not made by the code.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from edge.wire import cbor
from edge.wire.identifiers import DevEUI, GatewayEUI
from edge.wire.messages import (
    Clock,
    Command,
    CommandResult,
    CommandState,
    Envelope,
    Frame,
    GatewayStatus,
    Message,
    Reading,
    Receipt,
    Reception,
    Record,
    Uplink,
)

# 2026-07-01T12:00:00Z is Unix second 1782907200.
AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
AT_HEX = "1b" + format(1_782_907_200 * 1_000_000, "016x")
GATEWAY = GatewayEUI.parse("AA555A0000000001")
HEARD = (Reception(GATEWAY, "gw-1", AT, -35.0, 5.5), Reception(None, "ttn", AT))
HEARD_HEX = (
    f"82 85 48aa555a0000000001 6467772d31 {AT_HEX} fbc041800000000000 fb4016000000000000"
    f"85 f6 6374746e {AT_HEX} f6 f6"
)

GOLDEN: dict[str, tuple[Message, str]] = {
    "uplink": (
        Uplink(
            dev_eui=DevEUI.parse("0102030405060708"), session=bytes.fromhex("26011BDA"), f_cnt=65_536,
            f_port=1, payload=b"\xca\xfe", received_at=AT, clock=Clock.GPS, receptions=HEARD,
            data_rate="SF7BW125", frequency_hz=868_100_000,
            records=(Record({"level": 5, "ok": True, "t": 1.5, "s": "x"}), Record({}, AT)), codec="c",
        ),
        f"ad 00 01 01 {AT_HEX} 02 01 03 {HEARD_HEX} 04 685346374257313235 05 1a33be27a0"
        "06 480102030405060708 07 4426011bda 08 1a00010000 09 01 0a 42cafe"
        f"0b 82 82 f6 a4 656c6576656c 05 626f6b f5 6174 fb3ff8000000000000 6173 6178 82 {AT_HEX} a0"
        "0c 6163",
    ),
    "uplink, raw": (
        Uplink(
            dev_eui=DevEUI.parse("0102030405060708"), session=b"s", f_cnt=0, f_port=223, payload=b"",
            received_at=AT, clock=Clock.UNKNOWN, receptions=(),
        ),
        f"a9 00 01 01 {AT_HEX} 02 06 03 80 06 480102030405060708 07 4173 08 00 09 18df 0a 40",
    ),
    "frame": (
        Frame(phy_payload=b"\xe0\x01", received_at=AT, clock=Clock.NTP, receptions=HEARD),
        f"a5 00 02 01 {AT_HEX} 02 02 03 {HEARD_HEX} 0a 42e001",
    ),
    "reading": (
        Reading("weather", AT, AT, Clock.DEVICE, {"t": -5.5}),
        f"a6 00 03 01 {AT_HEX} 02 04 0d 6777656174686572 0e {AT_HEX} 0f a1 6174 fbc016000000000000",
    ),
    "gateway status": (
        GatewayStatus(GATEWAY, AT, Clock.SERVER, 5, 4, 3, 99.5, 2, 1),
        f"a5 00 04 01 {AT_HEX} 02 03 10 48aa555a0000000001 11 86 05 04 03 fb4058e00000000000 02 01",
    ),
    "command": (
        Command("c1", "pond-1", 5, b"\x01", AT),
        f"a6 00 05 12 626331 13 66706f6e642d31 09 05 0a 4101 14 {AT_HEX}",
    ),
    "command result": (
        CommandResult("c1", CommandState.FAILED, AT, "no"),
        f"a5 00 06 12 626331 15 666661696c6564 16 {AT_HEX} 17 626e6f",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", GOLDEN)
def test_a_message_is_these_bytes(kind: str) -> None:
    message, golden = GOLDEN[kind]
    assert cbor.encode_message(message).hex() == golden.replace(" ", "")


@pytest.mark.parametrize("kind", GOLDEN)
def test_an_envelope_is_these_bytes_and_back(kind: str) -> None:
    message, golden = GOLDEN[kind]
    envelope = Envelope("gw-1", b"spool-id", 300, 7, AT, (message, message))
    octets = bytes.fromhex(
        f"a7 00 01 01 6467772d31 02 4873706f6f6c2d6964 03 19012c 04 {AT_HEX} 05 82 {golden} {golden} 06 07"
    )
    assert cbor.encode(envelope).hex() == octets.hex()
    assert cbor.decode(octets) == envelope


def test_a_receipt_is_these_bytes_and_back() -> None:
    receipt = Receipt(b"spool-id", ((1, 24), (30, 30)))
    octets = bytes.fromhex("a3 00 01 02 4873706f6f6c2d6964 07 82 82 01 1818 82 181e 181e")
    assert cbor.encode_receipt(receipt) == octets
    assert cbor.decode_receipt(octets) == receipt


def test_keys_of_a_later_time_are_passed_over() -> None:
    message, golden = GOLDEN["frame"]
    later = bytes.fromhex("a6" + golden.replace(" ", "")[2:] + "1863 6568656c6c6f".replace(" ", ""))
    envelope = bytes.fromhex(
        f"a8 00 01 01 6467772d31 02 4873706f6f6c2d6964 03 01 04 {AT_HEX} 05 81 {later.hex()} 06 01 1863 f5"
    )
    assert cbor.decode(envelope).messages == (message,)


@pytest.mark.parametrize("version", ["02", "00", "f5", "f6", "fb3ff0000000000000"])
def test_another_version_is_refused(version: str) -> None:
    with pytest.raises(cbor.UnknownVersion, match="this side speaks version 1"):
        cbor.decode(bytes.fromhex(f"a1 00 {version}"))
