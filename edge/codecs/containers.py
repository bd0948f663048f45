"""Container level sensors with formats of their own: Dingtek DF702, Teneo filling degree sensor."""

from __future__ import annotations

from datetime import datetime
from struct import Struct

from edge.codecs.port import CodecError, Decoded
from edge.wire.messages import FieldValue, Record

_DF702_PORT = 3
_DF702_HEARTBEAT = Struct(">H").unpack_from
_DF702_STATE = Struct(">bBBBB").unpack_from
_DF702_PLACE = Struct("<ff").unpack_from
# Neither end of the field can be measured: the sensors are blind below some centimetres.
_NO_ECHO = (0, 0xFFFF)


def dingtek_df702(payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG001
    """DF702: heartbeat and alarm frames (17 octets, 25 with GPS), parameter answer (25 octets).

    Frame: 80 00 01, kind, length, body, 81 (TTN device repository, vendor/dingtek/df702).
    """
    _check_df702(payload, f_port)
    kind, length = payload[3], len(payload)
    if kind == 3 and length == 25:
        return Decoded((Record(_df702_parameters(payload)),))
    with_place = payload[7] == 1
    if kind not in (1, 2) or length != (25 if with_place else 17):
        raise CodecError(f"dingtek-df702: kind {kind} at octet 3 with {length} octets is no known frame")
    level = _DF702_HEARTBEAT(payload, 5)[0]
    temperature, negative, angle, full_fire, tilt_battery = _DF702_STATE(payload, 16 if with_place else 8)
    fields: dict[str, FieldValue] = {
        "temperature": temperature,
        "angle": -angle if negative else angle,
        "full": full_fire >> 4 != 0,
        "fire": full_fire & 0x0F != 0,
        "tilt": tilt_battery >> 4 != 0,
        "battery": tilt_battery & 0x0F != 0,
    }
    if with_place:
        _add_place(payload, fields)
    if level in _NO_ECHO:
        return Decoded((Record(fields),), ("level: no echo",))
    fields["level"] = level
    return Decoded((Record(fields),))


def _check_df702(payload: bytes, f_port: int) -> None:
    if f_port != _DF702_PORT:
        raise CodecError(f"dingtek-df702: port {f_port} carries no data, expected {_DF702_PORT}")
    if len(payload) < 17 or payload[4] != len(payload):
        raise CodecError(f"dingtek-df702: {len(payload)} octets do not agree with the length at octet 4")
    if payload[0] != 0x80 or payload[-1] != 0x81:
        raise CodecError("dingtek-df702: the frame does not begin with 80 and end with 81")


def _add_place(payload: bytes, fields: dict[str, FieldValue]) -> None:
    """Position of the GPS variant; (0, 0) and impossible numbers are what it sends without a fix."""
    longitude, latitude = _DF702_PLACE(payload, 8)
    if (longitude or latitude) and abs(longitude) <= 180 and abs(latitude) <= 90:
        fields["longitude"], fields["latitude"] = round(longitude, 6), round(latitude, 6)


def _df702_parameters(payload: bytes) -> dict[str, FieldValue]:
    """Answer to a parameter request: hours, minutes, cm, Cel, degrees, on or off, range in mm."""
    return {
        "periodic_interval": payload[7],
        "detection_interval": payload[8],
        "full_alarm_threshold": payload[9],
        "fire_alarm_threshold": payload[10],
        "tilt_alarm_threshold": payload[11],
        "tilt_enable": payload[12] != 0,
        "ultrasonic_range": 5000 if payload[13] else 2000,
    }


_TENEO_MEASURED, _TENEO_STATUS, _TENEO_CHARGING = 1, 2, 3
_TENEO_CLIMATE = Struct(">hH").unpack_from
_NOTHING_IN_RANGE = 4


def teneo_filling_degree(payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG001
    """Teneo: battery 2.0 V + 0.1 V per step, distance in cm, status octet, climate where fitted.

    3 or 7 octets come without, 4 or 8 octets with a status (TTN device repository,
    vendor/teneo-iot/filling-degree-sensor). A distance next to a status other than
    0 is the sensor's filler and left out.
    """
    if f_port not in (_TENEO_MEASURED, _TENEO_STATUS, _TENEO_CHARGING) or not payload:
        raise CodecError(f"teneo: {len(payload)} octets on port {f_port}, expected port 1, 2 or 3")
    fields: dict[str, FieldValue] = {
        "battery": (20 + payload[0]) / 10,
        "charging": f_port == _TENEO_CHARGING,
        "sensorType": "fillrate",
        "settingsAllowed": True,
        "valid": False,
    }
    if f_port == _TENEO_CHARGING:
        return Decoded((Record(fields),))
    if f_port == _TENEO_STATUS:
        if len(payload) != 2:
            raise CodecError(f"teneo: {len(payload)} octets on port 2, a status has 2")
        return Decoded((Record(fields),), _teneo_status(payload[1], fields))
    return Decoded((Record(fields),), _teneo_measured(payload, fields))


def _teneo_measured(payload: bytes, fields: dict[str, FieldValue]) -> tuple[str, ...]:
    length = len(payload)
    if length not in (3, 4, 7, 8):
        raise CodecError(f"teneo: {length} octets on port 1, a measurement has 3, 4, 7 or 8")
    if length >= 7:
        temperature, humidity = _TENEO_CLIMATE(payload, length - 4)
        fields["temperature"], fields["relativeHumidity"] = temperature / 100, humidity / 100
    status = payload[3] if length in (4, 8) else 0
    if status:
        return _teneo_status(status, fields)
    distance = payload[1] << 8 | payload[2]
    if distance in _NO_ECHO:
        return ("distance: no echo",)
    fields["valid"], fields["distance"] = True, distance
    return ()


def _teneo_status(status: int, fields: dict[str, FieldValue]) -> tuple[str, ...]:
    if status == _NOTHING_IN_RANGE:
        fields["valid"] = True
        return ("distance: nothing in range",)
    fields["errorcode"] = status
    return (f"distance: measurement failed with code {status}",)
