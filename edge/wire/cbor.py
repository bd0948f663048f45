"""Envelopes and receipts as CBOR (RFC 8949): small integer keys, version first.

Unknown keys are ignored, so fields can be added; an unknown version is refused, so meanings
cannot change in silence. Absent optional values are left out. Times are integer microseconds
since the Unix epoch. The key tables are the protocol: numbers are never used again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import cbor2

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
from edge.wire.topics import agent_name

VERSION: Final = 1
MAX_BYTES: Final = 1_000_000

# Envelope keys.
_VERSION, _AGENT, _SPOOL, _SEQUENCE, _SENT_AT, _MESSAGES, _FLOOR, _RANGES = range(8)
# Keys of messages; 0 is the kind.
_KIND, _RECEIVED_AT, _CLOCK, _RECEPTIONS, _DATA_RATE, _FREQUENCY = range(6)
_DEV_EUI, _SESSION, _F_CNT, _F_PORT, _PAYLOAD, _RECORDS, _CODEC = range(6, 13)
_SENSOR, _PHENOMENON_TIME, _FIELDS, _GATEWAY, _COUNTS = range(13, 18)
_COMMAND_ID, _TARGET, _EXPIRES_AT, _STATE, _AT, _DETAIL = range(18, 24)

_UPLINK, _FRAME, _READING, _GATEWAY_STATUS, _COMMAND, _COMMAND_RESULT = range(1, 7)

# Small unsigned integers are their own encoding (RFC 8949, 3); an envelope is a map of seven entries.
_KEY: Final = [bytes([number]) for number in range(24)]
_ENVELOPE_HEAD: Final = bytes([0xA7]) + _KEY[_VERSION] + bytes([VERSION]) + _KEY[_AGENT]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class WireError(ValueError):
    """The bytes are not an envelope of this protocol; the text says what is wrong with them."""


class UnknownVersion(WireError):
    """A newer agent speaks: update the receiver before the agents."""


def encode(envelope: Envelope) -> bytes:
    """The bytes of an envelope."""
    return assemble(
        agent=envelope.agent,
        spool=envelope.spool,
        sequence=envelope.sequence,
        floor=envelope.floor,
        sent_at=envelope.sent_at,
        messages=[encode_message(item) for item in envelope.messages],
    )


def assemble(
    *, agent: str, spool: bytes, sequence: int, floor: int, sent_at: datetime, messages: Sequence[bytes]
) -> bytes:
    """The bytes of an envelope around messages that are bytes already, as a spool keeps them.

    The same bytes as `encode`; CBOR lets encoded items be put into an array as they are.
    """
    return b"".join(
        (
            _ENVELOPE_HEAD, cbor2.dumps(agent), _KEY[_SPOOL], cbor2.dumps(spool),
            _KEY[_SEQUENCE], cbor2.dumps(sequence), _KEY[_SENT_AT], cbor2.dumps(_microseconds(sent_at)),
            _KEY[_MESSAGES], _array_head(len(messages)), *messages, _KEY[_FLOOR], cbor2.dumps(floor),
        )
    )  # fmt: skip


def encode_message(item: Message) -> bytes:
    """One message as it stands in an envelope, and as a spool keeps it."""
    return cbor2.dumps(_ENCODERS[type(item)](item))


def decode(octets: bytes) -> Envelope:
    """The envelope in `octets`; WireError (UnknownVersion) if there is none."""
    opened = open_envelope(octets)
    try:
        return Envelope(
            agent=opened.agent,
            spool=opened.spool,
            sequence=opened.sequence,
            floor=opened.floor,
            sent_at=opened.sent_at,
            messages=tuple(map(message, opened.contents)),
        )
    except KeyError as error:
        raise WireError(f"envelope lacks key {error}") from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise WireError(f"envelope: {error}") from error


@dataclass(frozen=True, slots=True)
class OpenedEnvelope:
    """An envelope whose messages are still maps, each to be read by `message` on its own: one bad
    message does not spoil its neighbours, and whoever only confirms need not read them at all."""

    agent: str
    spool: bytes
    sequence: int
    floor: int
    sent_at: datetime
    contents: list[Any]


def open_envelope(octets: bytes) -> OpenedEnvelope:
    """The envelope in `octets` with its messages unread; WireError (UnknownVersion) if there is none."""
    content = _versioned_map(octets)
    try:
        contents = content[_MESSAGES]
        sequence, floor = _integer(content[_SEQUENCE]), _integer(content[_FLOOR])
        if not isinstance(contents, list):
            raise TypeError(f"messages are a list, not {type(contents).__name__}")
        if sequence < 1 or floor < 1:
            raise ValueError("sequence numbers start at 1")
        return OpenedEnvelope(
            agent=agent_name(content[_AGENT]),
            spool=_octets(content[_SPOOL]),
            sequence=sequence,
            floor=floor,
            sent_at=_moment(content[_SENT_AT]),
            contents=contents,
        )
    except KeyError as error:
        raise WireError(f"envelope lacks key {error}") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(f"envelope: {error}") from error


def encode_receipt(receipt: Receipt) -> bytes:
    """The bytes of a receipt."""
    ranges = [list(pair) for pair in receipt.ranges]
    return cbor2.dumps({_VERSION: VERSION, _SPOOL: receipt.spool, _RANGES: ranges})


def decode_receipt(octets: bytes) -> Receipt:
    """The receipt in `octets`; WireError if there is none."""
    content = _versioned_map(octets)
    try:
        ranges = tuple((_integer(first), _integer(last)) for first, last in content[_RANGES])
        return Receipt(spool=_octets(content[_SPOOL]), ranges=ranges)
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f"receipt: {error!r}") from error


def message_map(item: Message) -> dict[int, Any]:
    """One message as the map that stands in an envelope (the spool keeps it in this form too)."""
    return _ENCODERS[type(item)](item)


def message(content: Any) -> Message:
    """The message in a map; ValueError, TypeError or KeyError if it is none."""
    if not isinstance(content, dict):
        raise TypeError(f"a message is a map, not {type(content).__name__}")
    kind = content.get(_KIND)
    decoder = _DECODERS.get(kind) if isinstance(kind, int) else None
    if decoder is None:
        raise ValueError(f"message kind {kind!r} is unknown in version {VERSION}")
    return decoder(content)


def _versioned_map(octets: bytes) -> dict[int, Any]:
    if len(octets) > MAX_BYTES:
        raise WireError(f"{len(octets)} bytes; an envelope has at most {MAX_BYTES}")
    try:
        content = cbor2.loads(octets)
    except (cbor2.CBORError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise WireError(f"not CBOR: {error}") from error
    if not isinstance(content, dict):
        raise WireError(f"CBOR {type(content).__name__} instead of a map")
    version = content.get(_VERSION)
    if version != VERSION or not isinstance(version, int) or isinstance(version, bool):
        raise UnknownVersion(f"version {version!r}; this side speaks version {VERSION}")
    return content


def _heard(item: Uplink | Frame) -> dict[int, Any]:
    content: dict[int, Any] = {
        _RECEIVED_AT: _microseconds(item.received_at),
        _CLOCK: int(item.clock),
        _RECEPTIONS: [
            [r.gateway, r.gateway_name, _microseconds(r.received_at), r.rssi_dbm, r.snr_db]
            for r in item.receptions
        ],
    }
    if item.data_rate is not None:
        content[_DATA_RATE] = item.data_rate
    if item.frequency_hz is not None:
        content[_FREQUENCY] = item.frequency_hz
    return content


def _encode_uplink(item: Uplink) -> dict[int, Any]:
    content = {
        _KIND: _UPLINK, **_heard(item), _DEV_EUI: item.dev_eui, _SESSION: item.session,
        _F_CNT: item.f_cnt, _F_PORT: item.f_port, _PAYLOAD: item.payload,
    }  # fmt: skip
    if item.records is not None:
        content[_RECORDS] = [
            [None if record.at is None else _microseconds(record.at), dict(record.fields)]
            for record in item.records
        ]
    if item.codec is not None:
        content[_CODEC] = item.codec
    return content


def _decode_uplink(content: Mapping[int, Any]) -> Uplink:
    records = content.get(_RECORDS)
    return Uplink(
        dev_eui=DevEUI(_octets(content[_DEV_EUI])),
        session=_octets(content[_SESSION]),
        f_cnt=_integer(content[_F_CNT]),
        f_port=_integer(content[_F_PORT]),
        payload=_octets(content[_PAYLOAD]),
        received_at=_moment(content[_RECEIVED_AT]),
        clock=Clock(content[_CLOCK]),
        receptions=_receptions(content[_RECEPTIONS]),
        data_rate=content.get(_DATA_RATE),
        frequency_hz=content.get(_FREQUENCY),
        records=None if records is None else tuple(map(_record, records)),
        codec=content.get(_CODEC),
    )


def _encode_frame(item: Frame) -> dict[int, Any]:
    return {_KIND: _FRAME, **_heard(item), _PAYLOAD: item.phy_payload}


def _decode_frame(content: Mapping[int, Any]) -> Frame:
    return Frame(
        phy_payload=_octets(content[_PAYLOAD]),
        received_at=_moment(content[_RECEIVED_AT]),
        clock=Clock(content[_CLOCK]),
        receptions=_receptions(content[_RECEPTIONS]),
        data_rate=content.get(_DATA_RATE),
        frequency_hz=content.get(_FREQUENCY),
    )


def _encode_reading(item: Reading) -> dict[int, Any]:
    return {
        _KIND: _READING, _RECEIVED_AT: _microseconds(item.received_at), _CLOCK: int(item.clock),
        _SENSOR: item.sensor, _PHENOMENON_TIME: _microseconds(item.phenomenon_time),
        _FIELDS: dict(item.fields),
    }  # fmt: skip


def _decode_reading(content: Mapping[int, Any]) -> Reading:
    return Reading(
        sensor=_text(content[_SENSOR]),
        phenomenon_time=_moment(content[_PHENOMENON_TIME]),
        received_at=_moment(content[_RECEIVED_AT]),
        clock=Clock(content[_CLOCK]),
        fields=_fields(content[_FIELDS]),
    )


def _encode_status(item: GatewayStatus) -> dict[int, Any]:
    return {
        _KIND: _GATEWAY_STATUS, _RECEIVED_AT: _microseconds(item.received_at), _CLOCK: int(item.clock),
        _GATEWAY: item.gateway,
        _COUNTS: [
            item.packets_received, item.packets_valid, item.packets_forwarded,
            item.acknowledged_percent, item.downlinks_received, item.packets_sent,
        ],
    }  # fmt: skip


def _decode_status(content: Mapping[int, Any]) -> GatewayStatus:
    received, valid, forwarded, acknowledged, downlinks, sent = content[_COUNTS]
    return GatewayStatus(
        gateway=GatewayEUI(_octets(content[_GATEWAY])),
        received_at=_moment(content[_RECEIVED_AT]),
        clock=Clock(content[_CLOCK]),
        packets_received=_integer(received),
        packets_valid=_integer(valid),
        packets_forwarded=_integer(forwarded),
        acknowledged_percent=float(acknowledged),
        downlinks_received=_integer(downlinks),
        packets_sent=_integer(sent),
    )


def _encode_command(item: Command) -> dict[int, Any]:
    return {
        _KIND: _COMMAND, _COMMAND_ID: item.command_id, _TARGET: item.target, _F_PORT: item.f_port,
        _PAYLOAD: item.payload, _EXPIRES_AT: _microseconds(item.expires_at),
    }  # fmt: skip


def _decode_command(content: Mapping[int, Any]) -> Command:
    return Command(
        command_id=_text(content[_COMMAND_ID]),
        target=_text(content[_TARGET]),
        f_port=_integer(content[_F_PORT]),
        payload=_octets(content[_PAYLOAD]),
        expires_at=_moment(content[_EXPIRES_AT]),
    )


def _encode_result(item: CommandResult) -> dict[int, Any]:
    return {
        _KIND: _COMMAND_RESULT, _COMMAND_ID: item.command_id, _STATE: item.state.value,
        _AT: _microseconds(item.at), _DETAIL: item.detail,
    }  # fmt: skip


def _decode_result(content: Mapping[int, Any]) -> CommandResult:
    return CommandResult(
        command_id=_text(content[_COMMAND_ID]),
        state=CommandState(content[_STATE]),
        at=_moment(content[_AT]),
        detail=_text(content.get(_DETAIL, "")),
    )


_ENCODERS: Mapping[type, Callable[[Any], dict[int, Any]]] = {
    Uplink: _encode_uplink,
    Frame: _encode_frame,
    Reading: _encode_reading,
    GatewayStatus: _encode_status,
    Command: _encode_command,
    CommandResult: _encode_result,
}
_DECODERS: Mapping[int, Callable[[Mapping[int, Any]], Message]] = {
    _UPLINK: _decode_uplink,
    _FRAME: _decode_frame,
    _READING: _decode_reading,
    _GATEWAY_STATUS: _decode_status,
    _COMMAND: _decode_command,
    _COMMAND_RESULT: _decode_result,
}


def _receptions(content: Any) -> tuple[Reception, ...]:
    return tuple(
        Reception(
            gateway=None if gateway is None else GatewayEUI(_octets(gateway)),
            gateway_name=_text(name),
            received_at=_moment(at),
            rssi_dbm=None if rssi is None else float(rssi),
            snr_db=None if snr is None else float(snr),
        )
        for gateway, name, at, rssi, snr in content
    )


def _record(content: Any) -> Record:
    at, fields = content
    return Record(fields=_fields(fields), at=None if at is None else _moment(at))


def _fields(content: Any) -> dict[str, bool | int | float | str]:
    if not isinstance(content, dict):
        raise TypeError(f"fields are a map, not {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, bool | int | float | str):
            raise TypeError(
                f"field {name!r} holds {type(value).__name__}; a number, truth value or text is meant"
            )
    return content


def _array_head(length: int) -> bytes:
    if length < 24:
        return bytes([0x80 | length])
    if length < 0x100:
        return bytes([0x98, length])
    return b"\x99" + length.to_bytes(2, "big") if length < 0x1_0000 else b"\x9a" + length.to_bytes(4, "big")


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(microseconds: Any) -> datetime:
    return _EPOCH + timedelta(microseconds=_integer(microseconds))


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is not a whole number")
    return value


def _octets(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"{value!r} is not a byte string")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value
