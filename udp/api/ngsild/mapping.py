"""From our words to those of Smart Data Models: entity types, attributes, factors, and the @context of them.

Where no model has a word for it, ours stands, under an address of our own vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld"
_MODELS = "https://smartdatamodels.org"
_OURS = "https://purl.org/udp/vocabulary#"
_UNDERSCORE = re.compile(r"_(\w)")


@dataclass(frozen=True, slots=True)
class Word:
    """An attribute: its name, what a result is multiplied with, what single numbers are called instead."""

    name: str
    factor: float = 1.0
    unit: str | None = None
    told_as: Mapping[float, str] | None = None


# Kind of a Thing -> type, and the subject of Smart Data Models it stands in.
TYPES: Mapping[str, tuple[str, str]] = {
    "waste_bin": ("WasteContainer", "dataModel.WasteManagement"),
    "paper_container": ("WasteContainer", "dataModel.WasteManagement"),
    "parking_bay": ("ParkingSpot", "dataModel.Parking"),
    "charging_station": ("EVChargingStation", "dataModel.Transportation"),
    "weather_station": ("WeatherObserved", "dataModel.Weather"),
    "rain_gauge": ("WeatherObserved", "dataModel.Weather"),
    "stream_gauge": ("WaterObserved", "dataModel.WaterNetworkManagement"),
    "pond": ("WaterQualityObserved", "dataModel.WaterQuality"),
    "tree_pit": ("GreenspaceRecord", "dataModel.ParksAndGardens"),
    "school_room": ("IndoorEnvironmentObserved", "dataModel.Environment"),
}
# For Things of other kinds: whoever measures one of these is one of those.
_BY_MEASURE = (
    ({"pm10", "pm2_5", "no2"}, ("AirQualityObserved", "dataModel.Environment")),
    ({"sound_level"}, ("NoiseLevelObserved", "dataModel.Environment")),
    ({"air_temperature", "precipitation"}, ("WeatherObserved", "dataModel.Weather")),
)
_ELSE = ("Thing", "")
# Models that say percentages as shares of one.
WORDS: Mapping[str, Word] = {
    "air_temperature": Word("temperature"),
    "relative_humidity": Word("relativeHumidity", 0.01, "C62"),
    "air_pressure": Word("atmosphericPressure"),
    "wind_speed": Word("windSpeed"),
    "wind_gust": Word("gustSpeed"),
    "wind_direction": Word("windDirection"),
    "precipitation": Word("precipitation"),
    "solar_radiation": Word("solarRadiation"),
    "illuminance": Word("illuminance"),
    "pm10": Word("pm10"),
    "pm2_5": Word("pm25"),
    "no2": Word("no2"),
    "co2": Word("co2"),
    "sound_level": Word("LAeq"),
    "fill_level": Word("fillingLevel", 0.01, "C62"),
    "water_level": Word("height"),
    "water_temperature": Word("temperature"),
    "oxygen_concentration": Word("O2"),
    "turbidity": Word("turbidity"),
    "electrical_conductivity": Word("conductivity"),
    "soil_moisture": Word("soilMoistureVwc", 0.01, "C62"),
    "soil_temperature": Word("soilTemperature"),
    "parking_occupied": Word("status", told_as={0.0: "free", 1.0: "occupied"}),
}
# UCUM -> UN/CEFACT Recommendation 20, which NGSI-LD asks for.
UNITS: Mapping[str, str] = {
    "Cel": "CEL", "%": "P1", "hPa": "A97", "kPa": "KPA", "m/s": "MTS", "deg": "DD", "mm": "MMT", "cm": "CMT",
    "m": "MTR", "m3": "MTQ", "m3/h": "MQH", "ug/m3": "GQ", "[ppm]": "59", "lx": "LUX", "W/m2": "D54",
    "kWh": "KWH", "W": "WTT", "V": "VLT", "A": "AMP", "mg/L": "M1", "uS/cm": "G42", "dB": "2N",
    "dB[A]": "2N", "s": "SEC", "1": "C62",
}  # fmt: skip


def type_of(kind: str, measures: Iterable[str]) -> tuple[str, str]:
    """Type of a Thing and its subject. Poles and the like are what they measure."""
    measured = set(measures)
    if kind == "weather_station" and "sound_level" in measured and "air_temperature" not in measured:
        return _BY_MEASURE[1][1]
    if (found := TYPES.get(kind)) is not None:
        return found
    return next((told for words, told in _BY_MEASURE if words & measured), _ELSE)


def word_for(observed: str, key: str) -> Word:
    """How a Datastream is called; a second one of the same property goes by its own key."""
    if key == observed and (found := WORDS.get(observed)) is not None:
        return found
    return Word(_UNDERSCORE.sub(lambda match: match[1].upper(), key.replace("-", "_")))


def context(ours: Iterable[str]) -> dict[str, Any]:
    """The document behind the Link header: every term that can stand in an answer, then the core's."""
    terms: dict[str, str] = {"Thing": f"{_OURS}Thing"}
    for name, subject in [*TYPES.values(), *(told for _, told in _BY_MEASURE)]:
        terms[name] = f"{_MODELS}/{subject}/{name}"
    known = {word.name for word in WORDS.values()}
    terms |= {name: f"{_MODELS}/{name}" for name in sorted(known)}
    terms |= {name: f"{_OURS}{name}" for name in sorted(set(ours) - terms.keys())}
    terms |= {
        name: f"{_OURS}{name}" for name in ("quality", "datastream", "simulated", "district", "licence")
    }
    return {"@context": [terms, CORE]}
