"""Meters: Adeunis Pulse (water) and KLAX (electricity), which send their last values along."""

from __future__ import annotations

import itertools
import random

from simulators.encoders.quantise import Payload, Values, signed, unsigned

_ADEUNIS_EPOCH = 1_356_998_400  # 2013-01-01T00:00:00Z (Adeunis Pulse technical reference manual)
_KLAX_WATT_HOURS = 1


def adeunis_pulse(values: Values, _rng: random.Random) -> Payload:
    """Frame 0x5a, channel A: counter now and, as 16-bit differences, at each earlier hour given.

    The status byte holds a 3-bit frame counter, then hardware error, low battery (bit 1),
    timestamp present (bit 2) and configuration done (bit 0).
    """
    with_time = "timestamp" in values
    status = (int(values.get("frame_counter", 0)) & 7) << 5 | 1
    status |= bool(values.get("low_battery", False)) << 1 | with_time << 2
    counters = [int(values["counter"])]
    while (earlier := f"counter_{len(counters)}") in values:
        counters.append(int(values[earlier]))
    payload = bytes((0x5A, status)) + (counters[0] % (1 << 32)).to_bytes(4, "big")
    for later, former in itertools.pairwise(counters):
        payload += unsigned(later - former).to_bytes(2, "big")
    if with_time:
        payload += (int(values["timestamp"]) - _ADEUNIS_EPOCH).to_bytes(4, "big")
    return 1, payload


def klax(values: Values, rng: random.Random) -> Payload:
    """KLAX 2.0, header version 0: register 0 in Wh, newest first, every 15 minutes; registers 1-3 unused."""
    battery = min(10, unsigned(values.get("battery", 100), 10, 1))
    readings = [values["energy"]]
    for age in (1, 2, 3):
        readings.append(values.get(f"energy_{age}", readings[-1]))
    message = int(values.get("message_index", rng.randrange(256))) & 0xFF
    header = bytes((0, 0x40 | battery, message, 0x11))
    identity = int(values.get("server_id", 0x0901454D4800006EFD0F)).to_bytes(10, "big")
    active_and_valid, second_unused = 0b1001, 0b0011_0000
    energies = b"".join(signed(reading, 1, 4).to_bytes(4, "big", signed=True) for reading in readings)
    first = bytes((1, active_and_valid | second_unused, _KLAX_WATT_HOURS)) + energies + bytes(16)
    second = bytes((1, 0b0111_0101, 0)) + bytes(32)
    return 3, header + b"\x03" + identity + first + second
