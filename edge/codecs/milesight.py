"""Milesight sensors: one family of (channel, type, data) blocks, a table of blocks per device.

Little-endian, port 85 (Milesight user guides, chapter "Device Payload"). A block nobody knows has
no known length, so it ends the decoding with an error instead of shifting what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from struct import Struct

from edge.codecs.port import CodecError, Decoded
from edge.wire.messages import FieldValue, Record

PORT = 85

_Fields = dict[str, FieldValue]
_Read = Callable[[bytes, int, _Fields, list[str]], None]
_Block = tuple[int, _Read]
_Blocks = Mapping[int, _Block]

_u16 = Struct("<H").unpack_from
_s16 = Struct("<h").unpack_from
_u32 = Struct("<L").unpack_from
# The last three 16-bit numbers lie far outside every quantity that carries this limit (65.5 m for
# a 4.5 m ranger, 65533 ppm CO2): the devices put them where a measurement failed.
_FAILED = 0xFFFD


class Milesight:
    """Codec of one device: its table of blocks, the join information of all devices included."""

    __slots__ = ("_blocks", "_device")

    def __init__(self, device: str, blocks: _Blocks) -> None:
        self._device = device
        self._blocks = {**_INFORMATION, **blocks}

    def __call__(self, payload: bytes, f_port: int, received_at: datetime) -> Decoded:  # noqa: ARG002
        if f_port != PORT:
            raise CodecError(f"{self._device}: port {f_port} carries no data, expected {PORT}")
        fields: _Fields = {}
        warnings: list[str] = []
        blocks, offset, end = self._blocks, 0, len(payload)
        while offset + 2 <= end:
            block = blocks.get(payload[offset] << 8 | payload[offset + 1])
            if block is None:
                raise CodecError(self._unknown(payload, offset))
            length, read = block
            start = offset + 2
            offset = start + length
            if offset > end:
                raise CodecError(f"{self._device}: block at octet {start - 2} is cut off after {end} octets")
            read(payload, start, fields, warnings)
        if offset != end or not (fields or warnings):
            raise CodecError(f"{self._device}: {end} octets hold no complete block after octet {offset}")
        return Decoded((Record(fields),), tuple(warnings))

    def _unknown(self, payload: bytes, offset: int) -> str:
        channel, kind = payload[offset], payload[offset + 1]
        return f"{self._device}: unknown channel {channel:02x} type {kind:02x} at octet {offset}"


def _number(name: str, unpack: Callable[[bytes, int], tuple[int, ...]], length: int, divisor: int) -> _Block:
    def read(payload: bytes, start: int, fields: _Fields, _: list[str]) -> None:
        value = unpack(payload, start)[0]
        fields[name] = value if divisor == 1 else value / divisor

    return length, read


def _octet(name: str, divisor: int = 1) -> _Block:
    def read(payload: bytes, start: int, fields: _Fields, _: list[str]) -> None:
        fields[name] = payload[start] if divisor == 1 else payload[start] / divisor

    return 1, read


def _measured(name: str, divisor: int = 1) -> _Block:
    """Unsigned 16 bits that may say "failed"."""

    def read(payload: bytes, start: int, fields: _Fields, warnings: list[str]) -> None:
        value = _u16(payload, start)[0]
        if value >= _FAILED:
            warnings.append(f"{name}: measurement failed ({value:04x})")
        else:
            fields[name] = value if divisor == 1 else value / divisor

    return 2, read


def _distance(payload: bytes, start: int, fields: _Fields, warnings: list[str]) -> None:
    """Distance in mm; rangers are blind below some centimetres, so 0 is no distance but no echo."""
    value = _u16(payload, start)[0]
    if value == 0 or value >= _FAILED:
        warnings.append(f"distance: no echo ({value:04x})")
    else:
        fields["distance"] = value


def _alarmed_distance(payload: bytes, start: int, fields: _Fields, warnings: list[str]) -> None:
    _distance(payload, start, fields, warnings)
    fields["distance_alarming"] = payload[start + 2] != 0


def _alarmed_temperature(payload: bytes, start: int, fields: _Fields, _: list[str]) -> None:
    fields["temperature"] = _s16(payload, start)[0] / 10
    fields["temperature_abnormal"] = payload[start + 2] != 0


def _choice(name: str, off: str, on: str) -> _Block:
    def read(payload: bytes, start: int, fields: _Fields, _: list[str]) -> None:
        fields[name] = on if payload[start] else off

    return 1, read


def _rain(octets: int) -> _Block:
    """Accumulated rain in 0.01 mm, then how often the counter was started anew; old and new firmware."""
    unpack = _u16 if octets == 2 else _u32

    def read(payload: bytes, start: int, fields: _Fields, _: list[str]) -> None:
        fields["rainfall_total"] = unpack(payload, start)[0] / 100
        fields["rainfall_counter"] = payload[start + octets]

    return octets + 1, read


_LEVELS = Struct("<BHHH").unpack_from


def _sound(payload: bytes, start: int, fields: _Fields, _: list[str]) -> None:
    """Mode 01, 02: A or C weighted; 05, 06: the same with fast time weighting (user guide 6.2).

    C-weighted levels get names of their own: they must not reach a dB(A) Datastream.
    """
    mode, level, equivalent, maximum = _LEVELS(payload, start)
    if mode not in (1, 2, 5, 6):
        raise CodecError(f"milesight-ws302: unknown weighting mode {mode:02x} at octet {start}")
    weight = "a" if mode & 1 else "c"
    fields["freq_weight"] = weight.upper()
    if mode & 4:
        fields["time_weight"] = "fast"
    fields["l" + weight] = level / 10
    fields[f"l{weight}eq"] = equivalent / 10
    fields[f"l{weight}max"] = maximum / 10


def _switches(payload: bytes, start: int, fields: _Fields, _: list[str]) -> None:
    """Which of the eight outputs the block speaks of as a change, then the state of all eight."""
    for number in range(8):
        fields[f"switch_{number + 1}"] = "on" if payload[start + 1] >> number & 1 else "off"


def _text(name: str, octets: int, show: Callable[[bytes], FieldValue]) -> _Block:
    def read(payload: bytes, start: int, fields: _Fields, _: list[str]) -> None:
        fields[name] = show(payload[start : start + octets])

    return octets, read


def _hardware(octets: bytes) -> str:
    return f"{octets[0]}.{octets[1] >> 4}"


def _software(octets: bytes) -> str:
    return f"{octets[0]}.{octets[1]}"


_INFORMATION: _Blocks = {
    0xFF01: _octet("protocol_version"),
    0xFF09: _text("hardware_version", 2, _hardware),
    0xFF0A: _text("software_version", 2, _software),
    0xFF0B: _text("power_on", 1, lambda _: True),
    0xFF0F: _text("lorawan_class", 1, lambda octets: "ABC"[octets[0]] if octets[0] < 3 else "unknown"),
    0xFF16: _text("serial_number", 8, bytes.hex),
    0x0175: _octet("battery"),
}
_TEMPERATURE: _Blocks = {0x0367: _number("temperature", _s16, 2, 10)}
_HUMIDITY: _Blocks = {0x0468: _octet("humidity", 2)}
_RANGER: _Blocks = {
    **_TEMPERATURE,
    0x0482: (2, _distance),
    0x0500: _choice("position", "normal", "tilt"),
    0x8367: (3, _alarmed_temperature),
    0x8482: (3, _alarmed_distance),
}

em400_mud = Milesight("milesight-em400-mud", _RANGER)
em400_tld = Milesight("milesight-em400-tld", _RANGER)
em410_rdl = Milesight("milesight-em410-rdl", {**_RANGER, 0x06C7: _number("radar_signal_rssi", _s16, 2, 100)})
em500_smtc = Milesight(
    "milesight-em500-smtc",
    {**_TEMPERATURE, **_HUMIDITY, 0x04CA: _measured("humidity", 100), 0x057F: _measured("ec")},
)
wts506 = Milesight(
    "milesight-wts506",
    {
        **_TEMPERATURE,
        **_HUMIDITY,
        0x0584: _measured("wind_direction", 10),
        0x0673: _measured("pressure", 10),
        0x0792: _measured("wind_speed", 10),
        0x0877: _rain(2),
        0x08EC: _rain(4),
    },
)
am319 = Milesight(
    "milesight-am319",
    {
        **_TEMPERATURE,
        **_HUMIDITY,
        0x0500: _choice("activity", "idle", "trigger"),
        0x06CB: _octet("light_level"),
        0x077D: _measured("co2"),
        0x087D: _measured("tvoc"),
        0x0973: _measured("pressure", 10),
        0x0A7D: _measured("hcho", 100),
        0x0B7D: _measured("pm2.5"),
        0x0C7D: _measured("pm10"),
    },
)
em300_di = Milesight(
    "milesight-em300-di", {**_TEMPERATURE, **_HUMIDITY, 0x05C8: _number("pulse", _u32, 4, 1)}
)
ws302 = Milesight("milesight-ws302", {0x055B: (7, _sound)})
ws558 = Milesight(
    "milesight-ws558",
    {
        0x0374: _number("voltage", _u16, 2, 10),
        0x0480: _number("active_power", _u32, 4, 1),
        0x0581: _octet("power_factor"),
        0x0683: _number("power_consumption", _u32, 4, 1),
        0x07C9: _number("total_current", _u16, 2, 1),
        0x0831: (2, _switches),
    },
)
