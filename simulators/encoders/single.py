"""Devices that share their format with no other: bins, class rooms, parking bays, soil."""

from __future__ import annotations

import random
import struct

from simulators.encoders.quantise import Payload, Values, signed, unsigned


def dingtek_df702(values: Values, _rng: random.Random) -> Payload:
    """DF702 heartbeat without GPS (17 octets): level mm, temperature Cel, tilt angle, four alarm nibbles."""
    alarms = (values.get(name, False) for name in ("full", "fire", "tilt", "battery"))
    full, fire, tilt, battery = (bool(alarm) for alarm in alarms)
    angle = signed(values.get("angle", 0), 1, 1)
    return 3, struct.pack(
        ">BBBBBHBbBBBBBBBB",
        *(0x80, 0x00, 0x01, 0x01, 0x11, unsigned(values["level"]), 0, signed(values["temperature"], 1, 1)),
        *(angle < 0, abs(angle), full << 4 | fire, tilt << 4 | battery, 0, 0, 0, 0x81),
    )


def elsys(values: Values, _rng: random.Random) -> Payload:
    """ERS CO2 and ERS Sound on port 5: big-endian (type, data) blocks (ELSYS payload description)."""
    payload = b"\x01" + signed(values["temperature"], 0.1).to_bytes(2, "big", signed=True)
    payload += bytes((0x02, min(100, unsigned(values["humidity"], 1, 1))))
    payload += b"\x04" + unsigned(values.get("light", 0)).to_bytes(2, "big")
    payload += bytes((0x05, unsigned(values.get("motion", 0), 1, 1)))
    if "co2" in values:
        payload += b"\x06" + unsigned(values["co2"]).to_bytes(2, "big")
    if "soundPeak" in values:
        payload += bytes((0x15, unsigned(values["soundPeak"], 1, 1), unsigned(values["soundAvg"], 1, 1)))
    if "vdd" in values:
        payload += b"\x07" + unsigned(values["vdd"]).to_bytes(2, "big")
    return 5, payload


def bosch_tps110(values: Values, _rng: random.Random) -> Payload:
    """TPS110: status on port 1; heartbeat with temperature on port 2 when a temperature is given."""
    occupied = bool(values["occupied"])
    if "temperature" not in values:
        return 1, bytes((occupied,))
    return 2, struct.pack(">Bb", occupied, signed(values["temperature"], 1, 1))


def nwave_nps405(values: Values, _rng: random.Random) -> Payload:
    """NPS405: status on port 1; heartbeat on port 2 when a battery voltage is given."""
    occupied = bool(values["occupied"])
    if "battery_voltage" not in values:
        return 1, bytes((_nwave_duration(values.get("previous_state_duration", 0)) << 1 | occupied,))
    voltage = unsigned(values["battery_voltage"] - 2.5, 0.004, 1)
    temperature = signed(values["temperature"] - 10, 0.5, 1)
    return 2, struct.pack(">BBbBBB", occupied, voltage, temperature, 0, 0x59, 0x0B)


def _nwave_duration(minutes: float) -> int:
    """Seven bits: whole minutes below 90, steps of 5 below 240, hours below 660, then 'longer'."""
    whole = max(0, int(minutes))
    if whole < 90:
        return whole
    if whole < 240:
        return 90 + (whole - 90) // 5
    return min(127, 120 + (whole - 240) // 60)


def dragino_lse01(values: Values, _rng: random.Random) -> Payload:
    """LSE01 on port 2: battery mV, DS18B20 0.1 Cel (7fff: no probe), soil 0.01 %, 0.01 Cel, uS/cm, flags."""
    probe = signed(values["TempC_DS18B20"], 0.1) if "TempC_DS18B20" in values else 0x7FFF
    return 2, struct.pack(
        ">HhHhHB",
        0xC000 | min(0x3FFF, unsigned(values.get("Bat", 3.6), 0.001)),
        probe,
        unsigned(values["water_SOIL"], 0.01),
        signed(values["temp_SOIL"], 0.01),
        unsigned(values["conduct_SOIL"]),
        0x90,
    )
