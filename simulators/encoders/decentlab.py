"""Decentlab devices write version 2, id, a flag per sensor, then big-endian words (data sheets)."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Sequence

from simulators.encoders.quantise import Payload, Values, unsigned

PORT = 1
_MIDDLE = 32768


def mbx(values: Values, rng: random.Random) -> Payload:
    """DL-MBX: distance in mm and how many of the sensor's samples were usable (0: no echo)."""
    samples = values.get("number_of_valid_samples", rng.randint(8, 11))
    return _frame(values, [unsigned(values["distance"]), unsigned(samples)])


def ctd10(values: Values, _rng: random.Random) -> Payload:
    """DL-CTD10: depth mm, temperature 0.1 Cel, conductivity uS/cm, freezing flag."""
    return _frame(
        values,
        [
            _offset(values["water_depth"], 1),
            _offset(values["temperature"], 0.1),
            unsigned(values["electrical_conductivity"]),
            int(values.get("freezing_flag", 0)),
        ],
    )


def tbrg(values: Values, _rng: random.Random) -> Payload:
    """DL-TBRG (0.1 mm per tip): tips of the interval, its length, and the 32-bit total, low word first."""
    total = unsigned(values["cumulative_precipitation"], 0.1, 4)
    interval = unsigned(values.get("precipitation_interval", 600))
    return _frame(values, [unsigned(values["precipitation"], 0.1), interval, total & 0xFFFF, total >> 16])


def atm41(values: Values, rng: random.Random) -> Payload:
    """DL-ATM41: seventeen words; what the caller leaves out follows from the rest or is calm."""
    speed, direction = values["wind_speed"], values["wind_direction"] % 360
    radians, air = math.radians(direction), values["air_temperature"]
    vapour = values["relative_humidity"] / 100 * 0.61094 * math.exp(17.625 * air / (air + 243.04))
    return _frame(
        values,
        [
            _offset(values["solar_radiation"], 1),
            _offset(values["precipitation"], 0.001),
            _offset(values.get("lightning_strike_count", 0), 1),
            _offset(values.get("lightning_average_distance", 0), 1),
            _offset(speed, 0.01),
            _offset(direction, 0.1),
            _offset(values.get("maximum_wind_speed", speed * rng.uniform(1.2, 1.9)), 0.01),
            _offset(air, 0.1),
            _offset(values.get("vapor_pressure", vapour), 0.01),
            _offset(values["atmospheric_pressure"], 0.01),
            _offset(values["relative_humidity"], 0.1),
            _offset(values.get("sensor_temperature_internal", air + 0.2), 0.1),
            _offset(values.get("x_orientation_angle", 0.2), 0.1),
            _offset(values.get("y_orientation_angle", -0.4), 0.1),
            _offset(values.get("compass_heading", 0), 1),
            _offset(values.get("north_wind_speed", speed * math.cos(radians)), 0.01),
            _offset(values.get("east_wind_speed", speed * math.sin(radians)), 0.01),
        ],
    )


def optod(values: Values, _rng: random.Random) -> Payload:
    """DL-OPTOD: status, temperature, saturation and concentration, all in 0.01."""
    concentration = _offset(values["oxygen_concentration"], 0.01)
    return _frame(
        values,
        [
            unsigned(values.get("status", 0)),
            _offset(values["temperature"], 0.01),
            _offset(values["oxygen_saturation"], 0.01),
            concentration,
            _offset(values.get("oxygen_concentration_alt", values["oxygen_concentration"]), 0.01),
        ],
    )


def _offset(value: float, resolution: float) -> int:
    """A word that holds negative values by standing 32768 above them."""
    return max(0, min(0xFFFF, round(value / resolution) + _MIDDLE))


def _frame(values: Values, words: Sequence[int]) -> Payload:
    battery = unsigned(values.get("battery_voltage", 3.1), 0.001)
    device = unsigned(values.get("device_id", 1))
    return PORT, struct.pack(f">BHH{len(words) + 1}H", 2, device, 0b11, *words, battery)
