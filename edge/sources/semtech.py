"""The words of the Semtech UDP packet-forwarder protocol, version 2 (Semtech PROTOCOL.TXT 1.4).

Twelve octets of header (version, token, identifier, gateway EUI), then JSON. Nothing is sent here.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Final, NamedTuple

from edge.wire.identifiers import GatewayEUI

VERSIONS: Final = (1, 2)  # version 1 differs in nothing we use
_HEADER: Final = 12
_ACK_HEADER: Final = 4
_LONGEST_FRAME: Final = 255
_GPS_EPOCH: Final = datetime(1980, 1, 6, tzinfo=UTC)
# GPS time runs ahead of UTC by the leap seconds since 1980: 18 since 2017-01-01 (IERS Bulletin C).
_LEAP_SECONDS: Final = timedelta(seconds=18)


class Kind(IntEnum):
    """Identifier of a datagram."""

    PUSH_DATA = 0
    PUSH_ACK = 1
    PULL_DATA = 2
    PULL_RESP = 3
    PULL_ACK = 4
    TX_ACK = 5


class DatagramError(ValueError):
    """The datagram is not of this protocol; the text says what is wrong."""


class Datagram(NamedTuple):
    """A datagram from a gateway; `body` is JSON, or empty."""

    version: int
    token: bytes
    kind: Kind
    gateway: GatewayEUI
    body: bytes


@dataclass(frozen=True, slots=True)
class RxPacket:
    """One frame the concentrator received, as far as we use it; `crc` is 1 ok, -1 failed, 0 none."""

    phy_payload: bytes
    crc: int
    time: datetime | None
    frequency_hz: int | None
    data_rate: str | None
    rssi_dbm: float | None
    snr_db: float | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """The forwarder's own counters of one reporting interval."""

    time: datetime | None
    received: int
    valid: int
    forwarded: int
    acknowledged_percent: float
    downlinks: int
    sent: int


def parse(octets: bytes) -> Datagram:
    """Split a datagram a gateway sent; DatagramError names what is wrong."""
    if len(octets) < _HEADER:
        raise DatagramError(f"{len(octets)} octets; a gateway's datagram has at least {_HEADER}")
    version, identifier = octets[0], octets[3]
    if version not in VERSIONS:
        raise DatagramError(f"protocol version {version}; known are 1 and 2")
    if identifier not in (Kind.PUSH_DATA, Kind.PULL_DATA, Kind.TX_ACK):
        raise DatagramError(f"identifier {identifier} is not sent by gateways")
    return Datagram(version, octets[1:3], Kind(identifier), GatewayEUI(octets[4:_HEADER]), octets[_HEADER:])


def acknowledgement(datagram: Datagram) -> bytes:
    """PUSH_ACK for PUSH_DATA, PULL_ACK for PULL_DATA."""
    kind = Kind.PUSH_ACK if datagram.kind is Kind.PUSH_DATA else Kind.PULL_ACK
    return bytes((datagram.version, *datagram.token, kind))


def is_downlink(octets: bytes) -> bool:
    """Whether a server's datagram is a PULL_RESP."""
    return len(octets) >= _ACK_HEADER and octets[3] == Kind.PULL_RESP


def content(datagram: Datagram) -> tuple[list[RxPacket], Statistics | None, list[str]]:
    """What a PUSH_DATA carries, and what of it is not understood.

    DatagramError if the whole body is not JSON as it should be; one bad packet spoils only itself.
    """
    try:
        body = json.loads(datagram.body)
    except (ValueError, RecursionError) as error:
        raise DatagramError(f"body is not JSON: {error}") from error
    packets = body.get("rxpk", []) if isinstance(body, dict) else None
    if not isinstance(packets, list):
        raise DatagramError("body holds no list rxpk")
    good: list[RxPacket] = []
    bad: list[str] = []
    for packet in packets:
        try:
            good.append(_rx_packet(packet))
        except DatagramError as error:
            bad.append(str(error))
    statistics = body.get("stat")
    if statistics is not None and not isinstance(statistics, dict):
        bad.append("stat is not an object")
        statistics = None
    return good, None if statistics is None else _statistics(statistics), bad


def _rx_packet(packet: Any) -> RxPacket:
    if not isinstance(packet, dict):
        raise DatagramError(f"rxpk holds {type(packet).__name__}, an object is meant")
    frequency = _number(packet, "freq")
    return RxPacket(
        phy_payload=_frame(packet.get("data")),
        crc=int(_number(packet, "stat") or 0),
        time=_iso_time(packet.get("time")) or _gps_time(_number(packet, "tmms")),
        frequency_hz=None if frequency is None else round(frequency * 1e6),
        data_rate=_data_rate(packet.get("datr")),
        rssi_dbm=_number(packet, "rssi"),
        snr_db=_number(packet, "lsnr"),
    )


def _frame(data: Any) -> bytes:
    if not isinstance(data, str):
        raise DatagramError("rxpk without data")
    try:
        # Some forwarders leave the padding out, which the protocol allows.
        frame = base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DatagramError(f"rxpk data is not base64: {error}") from error
    if not 1 <= len(frame) <= _LONGEST_FRAME:
        raise DatagramError(f"rxpk data has {len(frame)} octets; LoRa carries 1 to {_LONGEST_FRAME}")
    return frame


def _data_rate(value: Any) -> str | None:
    """`SF7BW125`, or bits per second for FSK."""
    if isinstance(value, str):
        return value[:32]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _number(fields: Mapping[str, Any], name: str) -> float | None:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # 1e12 is far beyond any field of the protocol (tmms is the largest) and safe to convert.
    return float(value) if math.isfinite(value) and abs(value) < 1e13 else None


def _iso_time(text: Any) -> datetime | None:
    """UTC time in ISO 8601 with Z, or the `YYYY-MM-DD hh:mm:ss GMT` of stat."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        moment = datetime.fromisoformat(text.removesuffix(" GMT"))
    except ValueError:
        return None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def _gps_time(milliseconds: float | None) -> datetime | None:
    if milliseconds is None or milliseconds <= 0:
        return None
    return _GPS_EPOCH + timedelta(milliseconds=milliseconds) - _LEAP_SECONDS


def _statistics(fields: Mapping[str, Any]) -> Statistics:
    def count(name: str) -> int:
        return max(0, int(_number(fields, name) or 0))

    return Statistics(
        time=_iso_time(fields.get("time")),
        received=count("rxnb"),
        valid=count("rxok"),
        forwarded=count("rxfw"),
        acknowledged_percent=_number(fields, "ackr") or 0.0,
        downlinks=count("dwnb"),
        sent=count("txnb"),
    )
