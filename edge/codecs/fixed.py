"""Sensors with one frame of fixed layout: Dragino LSE01 (soil), MClimate CO2 sensor."""

from __future__ import annotations

from datetime import datetime
from struct import Struct

from edge.codecs.port import CodecError, Decoded
from edge.wire.messages import FieldValue, Record

_LSE01 = Struct(">HhHhHB")
_LSE01_PORT = 2
_NO_PROBE = 0x7FFF


def dragino_lse01(payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG001
    """LSE01: battery mV (14 bits), external probe, soil moisture, temperature, conductivity (user manual)."""
    if f_port != _LSE01_PORT:
        raise CodecError(f"dragino-lse01: unknown port {f_port}, expected {_LSE01_PORT}")
    if len(payload) != _LSE01.size:
        raise CodecError(f"dragino-lse01: {len(payload)} octets, expected {_LSE01.size}")
    battery, probe, moisture, temperature, conductivity, _flags = _LSE01.unpack(payload)
    fields: dict[str, FieldValue] = {
        "Bat": (battery & 0x3FFF) / 1000,
        "water_SOIL": moisture / 100,
        "temp_SOIL": temperature / 100,
        "conduct_SOIL": conductivity,
    }
    if probe != _NO_PROBE:
        fields["TempC_DS18B20"] = probe / 10
    return Decoded((Record(fields),))


_MCLIMATE = Struct(">BHHBB")
_MCLIMATE_PORT = 2
_KEEP_ALIVE = 1


def mclimate_co2(payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG001
    """MClimate keep-alive: CO2, temperature 0.1 Cel above -40, humidity 1/256, battery 8 mV above 1.6 V.

    Humidity and voltage are rounded to two decimals, as the vendor gives them.
    """
    if f_port != _MCLIMATE_PORT:
        raise CodecError(f"mclimate-co2-sensor: unknown port {f_port}, expected {_MCLIMATE_PORT}")
    if len(payload) != _MCLIMATE.size:
        raise CodecError(f"mclimate-co2-sensor: {len(payload)} octets, expected {_MCLIMATE.size}")
    command, co2, temperature, humidity, battery = _MCLIMATE.unpack(payload)
    if command != _KEEP_ALIVE:
        raise CodecError(f"mclimate-co2-sensor: octet 0 is {command:02x}, only 01 (keep-alive) is readable")
    fields: dict[str, FieldValue] = {
        "CO2": co2,
        "sensorTemperature": (temperature - 400) / 10,
        "relativeHumidity": round(humidity * 100 / 256, 2),
        "batteryVoltage": round((battery * 8 + 1600) / 1000, 2),
    }
    return Decoded((Record(fields),))
