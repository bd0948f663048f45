"""Adeunis Pulse: a meter's pulse counter now and at the earlier moments the device kept.

Frames 0x5a (channel A) and 0x5b (channel B), periodic data with history (Adeunis Pulse user guide,
2.2.2; technical reference manual): code, status, 32-bit counter, 16-bit differences into the past,
and with bit 2 of the status the device's time in seconds since 2013-01-01 UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from edge.codecs.port import CodecError, Decoded
from edge.wire.messages import FieldValue, Record

PORT = 1

_CHANNELS = {0x5A: "0x5a Pulse 4 data - channel A", 0x5B: "0x5b Pulse 4 data - channel B"}
_EPOCH = datetime(2013, 1, 1, tzinfo=UTC)
_CONFIGURED, _LOW_BATTERY, _TIMESTAMP, _HARDWARE_ERROR = 1, 2, 4, 8


class Pulse:
    """Codec for devices that save every `period` (register S321): the frame does not carry it."""

    __slots__ = ("_period",)

    def __init__(self, period: timedelta) -> None:
        self._period = period

    def __call__(self, payload: bytes, f_port: int, received_at: datetime) -> Decoded:
        """Newest record first; its time is the device's, else None for the moment of reception."""
        with_time = _check(payload, f_port)
        counters, at = _counters(payload, with_time), None
        if with_time:
            at = _EPOCH + timedelta(seconds=int.from_bytes(payload[-4:], "big"))
        newest: dict[str, FieldValue] = {**_status(payload), "bytes.counterValues": counters[0]}
        records = [Record(newest, at)]
        moment = at or received_at
        for counter in counters[1:]:
            moment -= self._period
            records.append(Record({"bytes.counterValues": counter}, moment))
        return Decoded(tuple(records))


def _check(payload: bytes, f_port: int) -> bool:
    """Whether the frame carries the device's time; CodecError for anything that is no such frame."""
    if f_port != PORT:
        raise CodecError(f"adeunis-pulse: port {f_port} carries no data, expected {PORT}")
    if len(payload) < 6 or payload[0] not in _CHANNELS:
        raise CodecError(f"adeunis-pulse: {payload[:1].hex() or 'nothing'} at octet 0, expected 5a or 5b")
    with_time = payload[1] & _TIMESTAMP != 0
    if len(payload) % 2 or len(payload) < (10 if with_time else 6):
        raise CodecError(f"adeunis-pulse: {len(payload)} octets end within a difference or the time")
    return with_time


def _counters(payload: bytes, with_time: bool) -> list[int]:
    counters = [int.from_bytes(payload[2:6], "big")]
    for start in range(6, len(payload) - (4 if with_time else 0), 2):
        earlier = counters[-1] - (payload[start] << 8 | payload[start + 1])
        counters.append(earlier % (1 << 32))  # the counter starts again at 0 after 32 bits
    return counters


def _status(payload: bytes) -> dict[str, FieldValue]:
    status = payload[1]
    return {
        "bytes.type": _CHANNELS[payload[0]],
        "bytes.status.frameCounter": status >> 5,
        "bytes.status.hardwareError": status & _HARDWARE_ERROR != 0,
        "bytes.status.lowBattery": status & _LOW_BATTERY != 0,
        "bytes.status.configurationDone": status & _CONFIGURED != 0,
        "bytes.status.timestamp": status & _TIMESTAMP != 0,
    }


hourly = Pulse(timedelta(hours=1))
