"""ChirpStack v4 integration events, JSON (protobuf's JSON mapping, camelCase) or protobuf.

Fields as in chirpstack-api `integration.proto` and `gw.proto` 4.x. Zero fields may be absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from chirpstack_api import integration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message

from edge.wire.identifiers import DevAddr, DevEUI
from edge.wire.messages import Reception
from ingest.heard import Heard, Noted, Unusable
from ingest.sources import fields
from ingest.sources.fields import Object

ALL_EVENTS = "application/+/device/+/event/+"
_PROTOBUF: Mapping[str, Callable[[], Message]] = {
    "up": integration.UplinkEvent,
    "join": integration.JoinEvent,
    "status": integration.StatusEvent,
    "ack": integration.AckEvent,
    "txack": integration.TxAckEvent,
    "log": integration.LogEvent,
    "location": integration.LocationEvent,
}
_KINDS = (*_PROTOBUF, "integration")
_LEVELS = ("info", "warning", "error")
_REMEDY = "compare the event with ChirpStack's integration documentation; replay after an update of ingest"


def event_of(topic: str) -> str:
    """The kind of event a topic (`application/<id>/device/<eui>/event/<kind>`) or `?event=` names."""
    return topic.rpartition("/")[2] if "=" not in topic else topic.rpartition("event=")[2]


def read(origin: str, octets: bytes) -> Heard:
    """The event in `octets`; Unusable says what is wrong with it."""
    kind = event_of(origin)
    if kind not in _KINDS:
        raise Unusable(f"ChirpStack event {kind!r} is unknown", f"known are {', '.join(_KINDS)}")
    try:
        event = _object(kind, octets)
        return _READERS.get(kind, _noted)(kind, event)
    except (ValueError, OverflowError) as error:
        raise Unusable(f"ChirpStack {kind} event: {error}", _REMEDY) from error


def _object(kind: str, octets: bytes) -> Object:
    # "{" would be protobuf field 15 of wire type 3 (group), which no event has: no doubt is left.
    if octets.lstrip()[:1] == b"{" or kind not in _PROTOBUF:
        return fields.parse(octets, "ChirpStack")
    message = _PROTOBUF[kind]()
    try:
        message.ParseFromString(octets)
    except DecodeError as error:
        raise Unusable(f"ChirpStack {kind} event is neither JSON nor protobuf: {error}", _REMEDY) from error
    # What ChirpStack's own codec made of the payload: nobody here reads it, and one NaN in it has no JSON.
    if kind == "up":
        message.ClearField("object")
    content: Object = MessageToDict(message)
    return content


def _up(_kind: str, event: Object) -> Heard:
    received_at = fields.moment(event, "time")
    if received_at is None:
        raise ValueError("time is absent")
    transmitted = fields.table(event, "txInfo")
    return fields.uplink(
        dev_eui=DevEUI.parse(fields.text(fields.table(event, "deviceInfo"), "devEui")),
        session=DevAddr.parse(fields.text(event, "devAddr")),
        numbers=(fields.integer(event, "fCnt"), fields.integer(event, "fPort")),
        payload=fields.octets(event, "data"),
        received_at=received_at,
        receptions=tuple(_reception(one, received_at) for one in fields.tables(event, "rxInfo")),
        data_rate=_data_rate(transmitted),
        frequency_hz=fields.integer(transmitted, "frequency"),
    )


def _reception(info: Object, received_at: datetime) -> Reception:
    name = fields.text(info, "gatewayId")
    at = fields.moment(info, "gwTime") or fields.moment(info, "nsTime") or received_at
    return Reception(
        gateway=fields.gateway(name),
        gateway_name=name,
        received_at=at,
        rssi_dbm=fields.measured(info, "rssi"),
        snr_db=fields.measured(info, "snr"),
    )


def _data_rate(transmitted: Object) -> str | None:
    lora = fields.table(fields.table(transmitted, "modulation"), "lora")
    factor, bandwidth = fields.integer(lora, "spreadingFactor"), fields.integer(lora, "bandwidth")
    # gw.proto gives hertz; older integrations gave kilohertz.
    return fields.lora(factor, bandwidth // 1000 if bandwidth >= 1000 else bandwidth)


def _join(_kind: str, event: Object) -> Heard:
    device = fields.table(event, "deviceInfo")
    return fields.joined(fields.text(device, "devEui"), fields.text(event, "devAddr"))


def _log(_kind: str, event: Object) -> Heard:
    level = (fields.text(event, "level") or "INFO").lower()
    return Noted(f"log_{level if level in _LEVELS else 'other'}")  # free text would make endless counters


def _noted(kind: str, _event: Object) -> Heard:
    return Noted(kind)


_READERS: Mapping[str, Callable[[str, Object], Heard]] = {"up": _up, "join": _join, "log": _log}
