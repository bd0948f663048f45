"""Read the JSON of network servers: what is not there is zero, what is there must be what it claims."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from edge.wire.identifiers import DevAddr, DevEUI, GatewayEUI
from edge.wire.messages import Clock, Reception, Record, Uplink
from ingest.heard import EMPTY_PORTS, Empty, Joined, Unusable

Object = Mapping[str, Any]
_NOTHING: Object = {}


def parse(octets: bytes, whose: str) -> Object:
    """The JSON object in `octets`; Unusable names `whose` it should have been."""
    remedy = f"set the {whose} integration to JSON or protobuf and look at what was sent"
    try:
        content = json.loads(octets)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"{whose} event is not JSON: {error}", remedy) from error
    if not isinstance(content, dict):
        raise Unusable(f"{whose} event is a JSON {type(content).__name__}, not an object", remedy)
    return content


def table(source: Object, name: str) -> Object:
    """The object under `name`; empty if it is absent or null."""
    value = source.get(name)
    if value is None:
        return _NOTHING
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {value!r}, not an object")  # noqa: TRY004
    return value


def tables(source: Object, name: str) -> list[Object]:
    """The list of objects under `name`; empty if it is absent or null."""
    value = source.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError(f"{name} is {value!r}, not a list of objects")
    return value


def text(source: Object, name: str) -> str:
    """The text under `name`; empty if it is absent or null."""
    value = source.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, not text")  # noqa: TRY004
    # JSON can escape what no UTF-8 holds and no database keeps.
    if any(one == "\0" or "\ud800" <= one <= "\udfff" for one in value):
        raise ValueError(f"{name} is {value!r}: half a surrogate pair or a NUL is no text")
    return value


def integer(source: Object, name: str) -> int:
    """The whole number under `name`, 0 if it is absent; protobuf's JSON writes 64 bits as text."""
    value = source.get(name)
    if value is None:
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}, not a whole number")  # noqa: TRY004
    return value


def number(source: Object, name: str) -> float:
    """The number under `name`, 0.0 if it is absent."""
    value = source.get(name)
    if value is None:
        return 0.0
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}, not a number")  # noqa: TRY004
    return float(value)


def octets(source: Object, name: str) -> bytes:
    """The Base64 text under `name` as bytes; none if it is absent."""
    try:
        return base64.b64decode(text(source, name), validate=True)
    except binascii.Error as error:
        raise ValueError(f"{name} is not Base64: {error}") from error


def moment(source: Object, name: str) -> datetime | None:
    """The RFC 3339 time under `name` in UTC, finer than a microsecond cut off; None if absent."""
    value = text(source, name)
    if not value:
        return None
    parsed = datetime.fromisoformat(value)
    if parsed.tzinfo is None:
        raise ValueError(f"{name} {value!r} lacks its offset from UTC")
    return parsed.astimezone(UTC)


def measured(source: Object, name: str) -> float | None:
    """The number under `name`, 0.0 if it is absent; None for what is no finite number (NaN, also as text)."""
    value = source.get(name)
    if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):  # protobuf's JSON
        return None
    found = number(source, name)
    return found if math.isfinite(found) else None


def gateway(digits: str) -> GatewayEUI | None:
    """The gateway's EUI if `digits` are one; networks also name gateways otherwise."""
    try:
        return GatewayEUI.parse(digits)
    except ValueError:
        return None


def uplink(
    *,
    dev_eui: DevEUI,
    session: bytes,
    numbers: tuple[int, int],
    payload: bytes,
    received_at: datetime,
    receptions: tuple[Reception, ...],
    data_rate: str | None,
    frequency_hz: int,
    records: tuple[Record, ...] | None = None,
    codec: str | None = None,
) -> Uplink | Empty:
    """What a network server says it has heard. `numbers`: (FCnt, FPort); its clock stamped it.

    `records`, `codec`: what its own codec made of the payload, where that is wanted.
    """
    f_cnt, f_port = numbers
    if f_port in EMPTY_PORTS:
        return Empty(dev_eui, session, f_cnt, received_at, receptions)
    return Uplink(
        dev_eui=dev_eui,
        session=session,
        f_cnt=f_cnt,
        f_port=f_port,
        payload=payload,
        received_at=received_at,
        clock=Clock.SERVER,
        receptions=receptions,
        data_rate=data_rate,
        frequency_hz=frequency_hz or None,
        records=records,
        codec=codec,
    )


def joined(dev_eui: str, dev_addr: str) -> Joined:
    """A device has a new session."""
    return Joined(DevEUI.parse(dev_eui), DevAddr.parse(dev_addr))


def lora(factor: int, bandwidth_khz: int) -> str | None:
    """The data rate as the packet forwarder writes it, e.g. SF7BW125; None where nothing is said."""
    return f"SF{factor}BW{bandwidth_khz}" if factor else None
