"""Decentlab sensors: version, device id, a flag for each sensor block, then big-endian words.

One protocol for all devices, a table of words for each (Decentlab data sheets, protocol version 2).
A block is present when its flag is set; the last block is always the battery.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from struct import Struct

from edge.codecs.port import CodecError, Decoded
from edge.wire.messages import FieldValue, Record

PORT = 1
VERSION = 2

_HEAD = Struct(">BHH")


@dataclass(frozen=True, slots=True)
class Quantity:
    """One value: (word - offset) / divisor; `wide` takes the next word as its upper half.

    `valid_by` is the position of a word in the block that says 0 when this value means nothing.
    """

    name: str
    word: int
    offset: int = 0
    divisor: int = 1
    wide: bool = False
    valid_by: int | None = None


class Decentlab:
    """Codec of one device: its sensor block, then the battery."""

    __slots__ = ("_device", "_layouts", "_quantities", "_words")

    def __init__(self, device: str, words: int, quantities: Sequence[Quantity]) -> None:
        self._device = device
        self._words = words
        self._quantities = tuple(
            (q.name, q.word, q.offset, q.divisor, q.wide, q.valid_by) for q in quantities
        )
        # flags -> (number of words in the sensor block, whether the battery follows, all words)
        self._layouts = {
            flags: (words * (flags & 1), bool(flags & 2), Struct(f">{words * (flags & 1) + (flags >> 1)}H"))
            for flags in (0b01, 0b10, 0b11)
        }

    def __call__(self, payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG002
        if f_port != PORT:
            raise CodecError(f"{self._device}: port {f_port} carries no data, expected {PORT}")
        if len(payload) < _HEAD.size:
            raise CodecError(f"{self._device}: {len(payload)} octets are shorter than the 5 octet head")
        version, device_id, flags = _HEAD.unpack_from(payload)
        if version != VERSION:
            raise CodecError(f"{self._device}: protocol version {version} at octet 0, expected {VERSION}")
        layout = self._layouts.get(flags)
        if layout is None:
            raise CodecError(f"{self._device}: flags {flags:#06x} name blocks this device does not have")
        sensor_words, with_battery, structure = layout
        if len(payload) != _HEAD.size + structure.size:
            expected = _HEAD.size + structure.size
            raise CodecError(f"{self._device}: {len(payload)} octets, flags {flags:#06x} need {expected}")
        words = structure.unpack_from(payload, _HEAD.size)
        fields: dict[str, FieldValue] = {"protocol_version": version, "device_id": device_id}
        warnings = self._read(words, fields) if sensor_words else ()
        if with_battery:
            fields["battery_voltage"] = words[-1] / 1000
        return Decoded((Record(fields),), warnings)

    def _read(self, words: Sequence[int], fields: dict[str, FieldValue]) -> tuple[str, ...]:
        warnings: tuple[str, ...] = ()
        for name, word, offset, divisor, wide, valid_by in self._quantities:
            if valid_by is not None and words[valid_by] == 0:
                warnings += (f"{name}: no valid sample",)
                continue
            value = words[word] - offset
            if wide:
                value += words[word + 1] << 16
            fields[name] = value if divisor == 1 else value / divisor
        return warnings


def _shifted(name: str, word: int, divisor: int = 1) -> Quantity:
    """Values that may be negative stand 32768 above themselves."""
    return Quantity(name, word, 32768, divisor)


dl_mbx = Decentlab(
    "decentlab-dl-mbx",
    2,
    # Without a single usable echo the distance word holds whatever was there before.
    (Quantity("distance", 0, valid_by=1), Quantity("number_of_valid_samples", 1)),
)
dl_ctd10 = Decentlab(
    "decentlab-dl-ctd10",
    4,
    (
        _shifted("water_depth", 0),
        _shifted("temperature", 1, 10),
        Quantity("electrical_conductivity", 2),
        Quantity("freezing_flag", 3),
    ),
)
# DL-TBRG counts tips of 0.1 mm (DL-TBRG data sheet; the 0.2 mm bucket needs an entry of its own).
dl_tbrg = Decentlab(
    "decentlab-dl-tbrg",
    4,
    (
        Quantity("precipitation", 0, divisor=10),
        Quantity("precipitation_interval", 1),
        Quantity("cumulative_precipitation", 2, divisor=10, wide=True),
    ),
)
dl_atm41 = Decentlab(
    "decentlab-dl-atm41",
    17,
    (
        _shifted("solar_radiation", 0),
        _shifted("precipitation", 1, 1000),
        _shifted("lightning_strike_count", 2),
        _shifted("lightning_average_distance", 3),
        _shifted("wind_speed", 4, 100),
        _shifted("wind_direction", 5, 10),
        _shifted("maximum_wind_speed", 6, 100),
        _shifted("air_temperature", 7, 10),
        _shifted("vapor_pressure", 8, 100),
        _shifted("atmospheric_pressure", 9, 100),
        _shifted("relative_humidity", 10, 10),
        _shifted("sensor_temperature_internal", 11, 10),
        _shifted("x_orientation_angle", 12, 10),
        _shifted("y_orientation_angle", 13, 10),
        _shifted("compass_heading", 14),
        _shifted("north_wind_speed", 15, 100),
        _shifted("east_wind_speed", 16, 100),
    ),
)
dl_optod = Decentlab(
    "decentlab-dl-optod",
    5,
    (
        Quantity("status", 0),
        _shifted("temperature", 1, 100),
        _shifted("oxygen_saturation", 2, 100),
        _shifted("oxygen_concentration", 3, 100),
        _shifted("oxygen_concentration_alt", 4, 100),
    ),
)
dl_ntu = Decentlab(
    "decentlab-dl-ntu",
    5,
    (
        Quantity("status", 0),
        _shifted("temperature", 1, 100),
        Quantity("turbidity_in_ntu", 2, divisor=10),
        Quantity("turbidity_in_fnu", 3, divisor=10),
        Quantity("turbidity_in_mg_l", 4, divisor=10),
    ),
)
