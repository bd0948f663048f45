"""Milesight devices write little-endian (channel, type, data) blocks on port 85 (Milesight user guides)."""

from __future__ import annotations

import random

from simulators.encoders.quantise import Payload, Values, signed, unsigned

PORT = 85


def em400(values: Values, _rng: random.Random) -> Payload:
    """EM400-MUD and EM400-TLD: battery %, temperature 0.1 Cel, distance mm, position."""
    return PORT, _battery(values) + _temperature(values) + _distance(values) + _position(values)


def em410_rdl(values: Values, rng: random.Random) -> Payload:
    """EM410-RDL: as EM400 with the radar's signal strength in 0.01 dBm."""
    strength = values.get("radar_signal_rssi", rng.uniform(5.0, 12.0))
    return PORT, em400(values, rng)[1] + b"\x06\xc7" + _s16(strength, 0.01)


def em500_smtc(values: Values, _rng: random.Random) -> Payload:
    """EM500-SMTC: soil temperature 0.1 Cel, moisture 0.5 %, conductivity uS/cm."""
    conductivity = b"\x05\x7f" + _u16(values["ec"], 1)
    return PORT, _battery(values) + _temperature(values) + _humidity(values) + conductivity


def wts506(values: Values, _rng: random.Random) -> Payload:
    """WTS506: one frame with all six quantities; rain beyond 16 bits goes out in the 32-bit block."""
    total, counter = values["rainfall_total"], int(values.get("rainfall_counter", 0)) & 0xFF
    if total <= 655.35:
        rain = b"\x08\x77" + _u16(total, 0.01)
    else:
        rain = b"\x08\xec" + unsigned(total, 0.01, 4).to_bytes(4, "little")
    return PORT, b"".join(
        (
            _battery(values) + _temperature(values) + _humidity(values),
            b"\x05\x84" + _u16(values["wind_direction"] % 360, 0.1),
            b"\x06\x73" + _u16(values["pressure"], 0.1),
            b"\x07\x92" + _u16(values["wind_speed"], 0.1),
            rain + bytes((counter,)),
        )
    )


def ws302(values: Values, _rng: random.Random) -> Payload:
    """WS302: A-weighted with fast time weighting (mode 05), levels in 0.1 dB."""
    levels = b"".join(_u16(values[name], 0.1) for name in ("la", "laeq", "lamax"))
    return PORT, _battery(values) + b"\x05\x5b\x05" + levels


def em300_di(values: Values, _rng: random.Random) -> Payload:
    """EM300-DI: 32-bit pulse counter that starts again at zero; climate only when given."""
    payload = _battery(values)
    if "temperature" in values:
        payload += _temperature(values)
    if "humidity" in values:
        payload += _humidity(values)
    return PORT, payload + b"\x05\xc8" + (int(values["pulse"]) % (1 << 32)).to_bytes(4, "little")


def am319(values: Values, rng: random.Random) -> Payload:
    """AM319: the nine quantities of a class room in one frame."""
    return PORT, b"".join(
        (
            _temperature(values) + _humidity(values),
            b"\x05\x00" + bytes((bool(values.get("activity", False)),)),
            b"\x06\xcb" + bytes((unsigned(values.get("light_level", 2), 1, 1),)),
            b"\x07\x7d" + _u16(values["co2"], 1),
            b"\x08\x7d" + _u16(values.get("tvoc", rng.randint(20, 60)), 1),
            b"\x09\x73" + _u16(values["pressure"], 0.1),
            b"\x0a\x7d" + _u16(values.get("hcho", 0.02), 0.01),
            b"\x0b\x7d" + _u16(values["pm2.5"], 1),
            b"\x0c\x7d" + _u16(values["pm10"], 1),
        )
    )


def _battery(values: Values) -> bytes:
    return b"\x01\x75" + bytes((min(100, unsigned(values.get("battery", 100), 1, 1)),))


def _temperature(values: Values) -> bytes:
    return b"\x03\x67" + _s16(values["temperature"], 0.1)


def _humidity(values: Values) -> bytes:
    return b"\x04\x68" + bytes((min(200, unsigned(values["humidity"], 0.5, 1)),))


def _distance(values: Values) -> bytes:
    return b"\x04\x82" + _u16(values["distance"], 1)


def _position(values: Values) -> bytes:
    return b"\x05\x00" + bytes((bool(values.get("tilted", False)),))


def _u16(value: float, resolution: float) -> bytes:
    return unsigned(value, resolution).to_bytes(2, "little")


def _s16(value: float, resolution: float) -> bytes:
    return signed(value, resolution).to_bytes(2, "little", signed=True)
