"""The Things Stack v3 application messages, the same JSON by MQTT and by webhook.

Fields as in The Things Stack's data formats. Zero fields are absent: no `f_cnt` means 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from edge.wire.identifiers import DevAddr, DevEUI
from edge.wire.messages import FieldValue, Reception, Record
from ingest.heard import Heard, Noted, Unusable
from ingest.sources import fields
from ingest.sources.fields import Object
from udp.citizens.offer import FORMATTER_CODEC

WAY = "things_stack"
ALL_EVENTS = "v3/+/devices/+/+"
ALL_UPLINKS = "v3/+/devices/+/up"
ALL_JOINS = "v3/+/devices/+/join"
_OTHER = (
    "downlink_ack", "downlink_nack", "downlink_sent", "downlink_failed", "downlink_queued",
    "downlink_queue_invalidated", "location_solved", "service_data", "uplink_normalized",
)  # fmt: skip
_DEEPEST = 4
_REMEDY = "compare the message with The Things Stack's data formats; replay after an update of ingest"


def read(_origin: str, octets: bytes) -> Heard:
    """The message in `octets`; Unusable says what is wrong with it."""
    content = fields.parse(octets, "The Things Stack")
    try:
        if "uplink_message" in content:
            return _uplink(content)
        if "join_accept" in content:
            return _join(content)
    except (ValueError, OverflowError) as error:
        raise Unusable(f"The Things Stack message: {error}", _REMEDY) from error
    for kind in _OTHER:
        if kind in content:
            return Noted(kind)
    raise Unusable("The Things Stack message holds neither uplink_message nor any other known part", _REMEDY)


def _uplink(content: Object) -> Heard:
    message = fields.table(content, "uplink_message")
    received_at = fields.moment(message, "received_at") or fields.moment(content, "received_at")
    if received_at is None:
        raise ValueError("received_at is absent")
    device = fields.table(content, "end_device_ids")
    settings = fields.table(message, "settings")
    return fields.uplink(
        dev_eui=DevEUI.parse(fields.text(device, "dev_eui")),
        session=_session(message, device),
        numbers=(fields.integer(message, "f_cnt"), fields.integer(message, "f_port")),
        payload=fields.octets(message, "frm_payload"),
        received_at=received_at,
        receptions=tuple(_reception(one, received_at) for one in fields.tables(message, "rx_metadata")),
        data_rate=_data_rate(settings),
        frequency_hz=fields.integer(settings, "frequency"),
        records=_decoded(message),
        codec=FORMATTER_CODEC,
    )


def _decoded(message: Object) -> tuple[Record, ...]:
    """What the payload formatter in The Things Stack said; only devices registered for it use that."""
    found = dict(_flat(fields.table(message, "decoded_payload"), "", 0))
    return (Record(found),) if found else ()


def _flat(content: Object, prefix: str, depth: int) -> Iterator[tuple[str, FieldValue]]:
    """Numbers, truth values and texts, nested names with dots; lists and what lies deeper are no values."""
    for name, value in content.items():
        if isinstance(value, bool | int | float | str):
            yield f"{prefix}{name}", value
        elif isinstance(value, dict) and depth < _DEEPEST:
            yield from _flat(value, f"{prefix}{name}.", depth + 1)


def _session(message: Object, device: Object) -> bytes:
    """The DevAddr, as every other way names the session; session_key_id only where it is absent."""
    address = fields.text(device, "dev_addr")
    key = b"" if address else fields.octets(message, "session_key_id")
    return key or DevAddr.parse(address)


def _reception(metadata: Object, received_at: datetime) -> Reception:
    identifiers = fields.table(metadata, "gateway_ids")
    at = fields.moment(metadata, "time") or fields.moment(metadata, "received_at") or received_at
    return Reception(
        gateway=fields.gateway(fields.text(identifiers, "eui")),
        gateway_name=fields.text(identifiers, "gateway_id"),
        received_at=at,
        rssi_dbm=fields.measured(metadata, "rssi"),
        snr_db=fields.measured(metadata, "snr"),
    )


def _data_rate(settings: Object) -> str | None:
    lora = fields.table(fields.table(settings, "data_rate"), "lora")
    return fields.lora(fields.integer(lora, "spreading_factor"), fields.integer(lora, "bandwidth") // 1000)


def _join(content: Object) -> Heard:
    device = fields.table(content, "end_device_ids")
    return fields.joined(fields.text(device, "dev_eui"), fields.text(device, "dev_addr"))
