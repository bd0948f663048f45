"""From field names to channels, as far as a name leaves no doubt; the rest is left for a person to decide."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from udp.device_types.flat import flatten, number_in, units
from udp.device_types.foreign import Example


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a name means: property, unit and the range that is plausible outdoors in Germany or indoors."""

    property: str
    unit: str
    minimum: float
    maximum: float
    internal: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A field of the codec with its published values; `quantity` None where nobody but a person knows."""

    field: str
    values: tuple[Any, ...]
    quantity: Quantity | None = None
    scale: float = 1.0
    unit_said: str = ""


_AIR = Quantity("air_temperature", "Cel", -40, 85)
_HUMIDITY = Quantity("relative_humidity", "%", 0, 100)
_SOIL = Quantity("soil_moisture", "%", 0, 100)
_SOIL_TEMPERATURE = Quantity("soil_temperature", "Cel", -30, 60)
_WATER = Quantity("water_temperature", "Cel", -5, 50)
_PERCENT = Quantity("battery_level", "%", 0, 100, internal=True)
_VOLT = Quantity("battery_voltage", "V", 0, 30, internal=True)
_PRESSURE = Quantity("air_pressure", "hPa", 300, 1100)
_DISTANCE = Quantity("distance", "mm", 0, 20000, internal=True)
_EC = Quantity("electrical_conductivity", "uS/cm", 0, 30000)

_NAMES: dict[str, Quantity] = {
    **dict.fromkeys(("airtemperature", "tempc", "temperature", "temp", "temperaturec"), _AIR),
    **dict.fromkeys(("humidity", "relativehumidity", "airhumidity", "rh", "hum"), _HUMIDITY),
    **dict.fromkeys(("soiltemperature", "tempsoil", "soiltemp"), _SOIL_TEMPERATURE),
    **dict.fromkeys(("soilmoisture", "watersoil", "moisture", "vwc"), _SOIL),
    **dict.fromkeys(("watertemperature", "watertemp"), _WATER),
    **dict.fromkeys(("pressure", "barometricpressure", "airpressure", "barometer"), _PRESSURE),
    **dict.fromkeys(("batteryvoltage", "batv", "vbat", "batteryv", "vdd", "batteryvoltagev"), _VOLT),
    **dict.fromkeys(("batterylevel", "batterypercent", "batterypercentage", "battery"), _PERCENT),
    **dict.fromkeys(("distance", "distancemm"), _DISTANCE),
    **dict.fromkeys(("conductivity", "electricalconductivity", "ec", "soilconductivity"), _EC),
    **dict.fromkeys(("co2", "co2ppm", "co2concentration"), Quantity("co2", "[ppm]", 300, 10000)),
    **dict.fromkeys(
        ("light", "illuminance", "illumination", "lux"), Quantity("illuminance", "lx", 0, 200000)
    ),
    **dict.fromkeys(("windspeed",), Quantity("wind_speed", "m/s", 0, 75)),
    **dict.fromkeys(("winddirection",), Quantity("wind_direction", "deg", 0, 360)),
    **dict.fromkeys(("pm25",), Quantity("pm2_5", "ug/m3", 0, 1000)),
    **dict.fromkeys(("pm10",), Quantity("pm10", "ug/m3", 0, 1000)),
    **dict.fromkeys(("no2",), Quantity("no2", "ug/m3", 0, 1000)),
    **dict.fromkeys(("occupied", "parkingoccupied"), Quantity("parking_occupied", "1", 0, 1)),
}
# What a device may say instead of our unit, and the factor to ours.
_FACTORS: dict[tuple[str, str], float] = {
    ("hPa", "Pa"): 0.01,
    ("hPa", "kPa"): 10.0,
    ("V", "mV"): 0.001,
    ("mm", "cm"): 10.0,
    ("mm", "m"): 1000.0,
}
_SPELLINGS = {
    "°C": "Cel",
    "℃": "Cel",
    "ppm": "[ppm]",
    "µS/cm": "uS/cm",
    "μS/cm": "uS/cm",
    "lux": "lx",
    "°": "deg",
}
_INNER = frozenset({"value", "data", "decoded", "bytes", "payload"})


def propose(examples: Sequence[Example], labels: Sequence[str] = ()) -> list[Proposal]:
    """One proposal per field that shows a number, in the order of the examples."""
    values: dict[str, list[Any]] = {name: [] for name in labels}
    said: dict[str, str] = {}
    for example in examples:
        for name, value in flatten(example.data):
            if number_in(value) is not None:
                values.setdefault(name, []).append(value)
        said |= units(example.data)
    taken: set[str] = set()
    found: list[Proposal] = []
    for name, seen in values.items():
        quantity, scale = _meaning(name, [number_in(one) or 0.0 for one in seen], said.get(name, ""))
        if quantity is not None and quantity.property in taken:
            quantity = None  # two fields of one meaning: a person must say which is which
        if quantity is not None:
            taken.add(quantity.property)
        found.append(Proposal(name, tuple(seen), quantity, scale, said.get(name, "")))
    return found


def _meaning(field: str, numbers: Sequence[float], said: str) -> tuple[Quantity | None, float]:
    words = [re.sub(r"[^a-z0-9]", "", part.lower()) for part in field.split(".")]
    word = next((one for one in reversed(words) if one not in _INNER and not one.isdigit()), "")
    quantity = _NAMES.get(word)
    if quantity is None:
        return None, 1.0
    if (
        word == "battery"
        and not said
        and any(0 < number <= 15 and number != int(number) for number in numbers)
    ):
        quantity = _VOLT
    unit = _SPELLINGS.get(said, said)
    scale = 1.0 if not unit or unit == quantity.unit else _FACTORS.get((quantity.unit, unit))
    if scale is None:
        return None, 1.0
    if quantity is _DISTANCE and not unit and word != "distancemm":
        return None, 1.0  # metres, centimetres and millimetres are all in use
    if not all(quantity.minimum <= scale * number <= quantity.maximum for number in numbers):
        return None, 1.0  # another unit than the name suggests
    return quantity, scale
