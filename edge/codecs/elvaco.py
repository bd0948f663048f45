"""Elvaco CMi modules in heat meters: one octet that names the telegram, then plain M-Bus records.

The records say themselves what they are, so one decoder reads what the modules in Landis+Gyr,
Kamstrup and other meters send. Power comes in kW, energy in kWh, flow in m3/h. `error_flag` is the
meter's bit field; what its bits mean is the meter's, and not in the published payloads.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from edge.codecs.mbus import INSTANT, MBusRecord, records
from edge.codecs.port import CodecError, Decoded
from edge.wire.messages import FieldValue, Record

PORT: Final = 2


def cmi(payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG001
    """The meter's present values. Stored, minimum and maximum values and unknown records are named in
    a warning: their length is known, so they hide nothing that follows."""
    if f_port != PORT:
        raise CodecError(f"elvaco: port {f_port} carries no telegram, expected {PORT}")
    if len(payload) < 2:
        raise CodecError(f"elvaco: {len(payload)} octets hold no telegram")
    fields: dict[str, FieldValue] = {}
    warnings: list[str] = []
    for one in records(payload, 1):
        if not one.quantity or one.function != INSTANT or one.storage or one.tariff:
            warnings.append(f"{_named(one)}: not a present value that is known here")
        elif one.value is None:
            warnings.append(f"{one.quantity}: the meter gives no valid value")
        elif one.quantity in fields:
            warnings.append(f"{one.quantity}: stands twice, the first one counts")
        else:
            fields[one.quantity] = one.value
    if not fields:
        raise CodecError("elvaco: the telegram holds no present values")
    return Decoded((Record(fields),), tuple(warnings))


def _named(one: MBusRecord) -> str:
    return f"record at octet {one.octet} (VIF {one.vif.hex()}, storage {one.storage}, tariff {one.tariff})"
