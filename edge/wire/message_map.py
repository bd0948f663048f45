"""Messages as CBOR maps with small integer keys, and back; the key table is the protocol.

A number is never used again. Unknown keys are ignored, so that fields can be added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

from edge.wire.identifiers import DevEUI, GatewayEUI
from edge.wire.instants import instant, microseconds
from edge.wire.messages import (
    Clock,
    Command,
    CommandResult,
    CommandState,
    Frame,
    GatewayStatus,
    Message,
    Reading,
    Reception,
    Record,
    Uplink,
)

# Keys of messages; 0 is the kind.
_KIND, _RECEIVED_AT, _CLOCK, _RECEPTIONS, _DATA_RATE, _FREQUENCY = range(6)
_DEV_EUI, _SESSION, _F_CNT, _F_PORT, _PAYLOAD, _RECORDS, _CODEC = range(6, 13)
_SENSOR, _PHENOMENON_TIME, _FIELDS, _GATEWAY, _COUNTS = range(13, 18)
_COMMAND_ID, _TARGET, _EXPIRES_AT, _STATE, _AT, _DETAIL = range(18, 24)

_UPLINK, _FRAME, _READING, _GATEWAY_STATUS, _COMMAND, _COMMAND_RESULT = range(1, 7)

# Made once: `bool | int | ...` inside a call is made anew each time, three times per uplink.
_VALUE: Final = (bool, int, float, str)

T = TypeVar("T")


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
        raise ValueError(f"message kind {kind!r} is unknown in this version")
    try:
        return decoder(content)
    except (OverflowError, AttributeError) as error:  # a time beyond the calendar, for instance
        raise ValueError(str(error)) from error


def _heard(item: Uplink | Frame) -> dict[int, Any]:
    content: dict[int, Any] = {
        _RECEIVED_AT: microseconds(item.received_at),
        _CLOCK: int(item.clock),
        _RECEPTIONS: [
            [r.gateway, r.gateway_name, microseconds(r.received_at), r.rssi_dbm, r.snr_db]
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
            [None if record.at is None else microseconds(record.at), dict(record.fields)]
            for record in item.records
        ]
    if item.codec is not None:
        content[_CODEC] = item.codec
    return content


def _decode_uplink(content: Mapping[int, Any]) -> Uplink:
    records = content.get(_RECORDS)
    return Uplink(
        dev_eui=DevEUI(octets_of(content[_DEV_EUI])),
        session=octets_of(content[_SESSION]),
        f_cnt=integer(content[_F_CNT]),
        f_port=integer(content[_F_PORT]),
        payload=octets_of(content[_PAYLOAD]),
        received_at=moment(content[_RECEIVED_AT]),
        clock=Clock(content[_CLOCK]),
        receptions=_receptions(content[_RECEPTIONS]),
        data_rate=_optional(text_of, content.get(_DATA_RATE)),
        frequency_hz=_optional(integer, content.get(_FREQUENCY)),
        records=None if records is None else tuple(map(_record, records)),
        codec=_optional(text_of, content.get(_CODEC)),
    )


def _encode_frame(item: Frame) -> dict[int, Any]:
    return {_KIND: _FRAME, **_heard(item), _PAYLOAD: item.phy_payload}


def _decode_frame(content: Mapping[int, Any]) -> Frame:
    return Frame(
        phy_payload=octets_of(content[_PAYLOAD]),
        received_at=moment(content[_RECEIVED_AT]),
        clock=Clock(content[_CLOCK]),
        receptions=_receptions(content[_RECEPTIONS]),
        data_rate=_optional(text_of, content.get(_DATA_RATE)),
        frequency_hz=_optional(integer, content.get(_FREQUENCY)),
    )


def _encode_reading(item: Reading) -> dict[int, Any]:
    return {
        _KIND: _READING, _RECEIVED_AT: microseconds(item.received_at), _CLOCK: int(item.clock),
        _SENSOR: item.sensor, _PHENOMENON_TIME: microseconds(item.phenomenon_time),
        _FIELDS: dict(item.fields),
    }  # fmt: skip


def _decode_reading(content: Mapping[int, Any]) -> Reading:
    return Reading(
        sensor=text_of(content[_SENSOR]),
        phenomenon_time=moment(content[_PHENOMENON_TIME]),
        received_at=moment(content[_RECEIVED_AT]),
        clock=Clock(content[_CLOCK]),
        fields=_fields(content[_FIELDS]),
    )


def _encode_status(item: GatewayStatus) -> dict[int, Any]:
    return {
        _KIND: _GATEWAY_STATUS, _RECEIVED_AT: microseconds(item.received_at), _CLOCK: int(item.clock),
        _GATEWAY: item.gateway,
        _COUNTS: [
            item.packets_received, item.packets_valid, item.packets_forwarded,
            item.acknowledged_percent, item.downlinks_received, item.packets_sent,
        ],
    }  # fmt: skip


def _decode_status(content: Mapping[int, Any]) -> GatewayStatus:
    received, valid, forwarded, acknowledged, downlinks, sent = content[_COUNTS]
    return GatewayStatus(
        gateway=GatewayEUI(octets_of(content[_GATEWAY])),
        received_at=moment(content[_RECEIVED_AT]),
        clock=Clock(content[_CLOCK]),
        packets_received=integer(received),
        packets_valid=integer(valid),
        packets_forwarded=integer(forwarded),
        acknowledged_percent=float(acknowledged),
        downlinks_received=integer(downlinks),
        packets_sent=integer(sent),
    )


def _encode_command(item: Command) -> dict[int, Any]:
    return {
        _KIND: _COMMAND, _COMMAND_ID: item.command_id, _TARGET: item.target, _F_PORT: item.f_port,
        _PAYLOAD: item.payload, _EXPIRES_AT: microseconds(item.expires_at),
    }  # fmt: skip


def _decode_command(content: Mapping[int, Any]) -> Command:
    return Command(
        command_id=text_of(content[_COMMAND_ID]),
        target=text_of(content[_TARGET]),
        f_port=integer(content[_F_PORT]),
        payload=octets_of(content[_PAYLOAD]),
        expires_at=moment(content[_EXPIRES_AT]),
    )


def _encode_result(item: CommandResult) -> dict[int, Any]:
    return {
        _KIND: _COMMAND_RESULT, _COMMAND_ID: item.command_id, _STATE: item.state.value,
        _AT: microseconds(item.at), _DETAIL: item.detail,
    }  # fmt: skip


def _decode_result(content: Mapping[int, Any]) -> CommandResult:
    return CommandResult(
        command_id=text_of(content[_COMMAND_ID]),
        state=CommandState(content[_STATE]),
        at=moment(content[_AT]),
        detail=text_of(content.get(_DETAIL, "")),
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
            gateway=None if gateway is None else GatewayEUI(octets_of(gateway)),
            gateway_name=text_of(name),
            received_at=moment(at),
            rssi_dbm=None if rssi is None else float(rssi),
            snr_db=None if snr is None else float(snr),
        )
        for gateway, name, at, rssi, snr in content
    )


def _record(content: Any) -> Record:
    at, fields = content
    return Record(fields=_fields(fields), at=None if at is None else moment(at))


def _fields(content: Any) -> dict[str, bool | int | float | str]:
    if not isinstance(content, dict):
        raise TypeError(f"fields are a map, not {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, _VALUE):
            raise TypeError(
                f"field {name!r} holds {type(value).__name__}; a number, truth value or text is meant"
            )
    return content


def _optional(read: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else read(value)


def moment(microseconds: Any) -> datetime:
    """The UTC time; TypeError if it is no whole number, OverflowError beyond the year 9999."""
    return instant(integer(microseconds))


def integer(value: Any) -> int:
    """`value` if it is a whole number, else TypeError."""
    if type(value) is not int:  # a truth value is none
        raise TypeError(f"{type(value).__name__} where a whole number is meant")
    return value


def octets_of(value: Any) -> bytes:
    """`value` if it is a byte string, else TypeError."""
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} where a byte string is meant")
    return value


def text_of(value: Any) -> str:
    """`value` if it is text, else TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where text is meant")
    return value
