"""How warm it is and how the air is, now: the city in the middle of its stations, and each of them."""

from __future__ import annotations

from statistics import median
from typing import Any

from udp.api.mobile import words
from udp.api.mobile.answers import VERSION, Feature, feature, moment
from udp.api.mobile.reading import Present, Reading
from udp.api.mobile.words import Text
from udp.sensorthings import Thing

_THEMES = ("wetter", "luft")
# Name in the answer -> observed property, unit for people.
_MEASURED = {
    "temperatur": ("air_temperature", "°C"),
    "gefuehlt": ("heat_index", "°C"),
    "feuchte": ("relative_humidity", "%"),
    "wind": ("wind_speed", "m/s"),
}
_FELT = "Näherung (Heat Index des National Weather Service), nicht die Gefühlte Temperatur des DWD"
_AIR = "air_quality_index"
WANTED = frozenset({*(key for key, _ in _MEASURED.values()), _AIR})


def stations(told: Present) -> list[Feature]:
    """Every place outdoors that measures weather or air; what is not fresh is null or unknown."""
    return [_station(told, one) for one in _outdoors(told)]


def city(told: Present) -> dict[str, Any]:
    """The middle (median) of the city's own fresh stations, and the worst fresh air; null where none is."""
    own = [one for one in _outdoors(told) if not _citizens(told, one)]
    said: dict[str, Any] = {}
    used: list[Reading] = []
    for name, (measured, unit) in _MEASURED.items():
        found = [one for thing in own if (one := told.sure(thing, measured))]
        used += found
        said[name] = (
            {
                "wert": round(median(one.value for one in found), 1),
                "einheit": unit,
                "stationen": len(found),
                "stand": moment(min(one.stand for one in found)),
            }
            if found
            else None
        )
    air = [one for thing in own if (one := told.sure(thing, _AIR))]
    worst = max((one.value for one in air), default=None)
    return {
        "version": VERSION,
        "stand": moment(max((one.stand for one in [*used, *air]), default=None)),
        "gueltig_bis": moment(min((one.until for one in [*used, *air]), default=None)),
        "simuliert": any(one.simulated for one in own),
        **said,
        "luft": _air_word(worst),
        "gefuehlt_ist": _FELT,
    }


def _outdoors(told: Present) -> list[Thing]:
    return [
        thing
        for _, thing in sorted(told.view.things.items())
        if thing.theme in _THEMES and any(told.measures(thing, one) for one, _ in _MEASURED.values())
    ]


def _citizens(told: Present, thing: Thing) -> bool:
    return any(one.id in told.view.citizens for one in told.view.of_thing.get(thing.key, ()))


def _station(told: Present, thing: Thing) -> Feature:
    readings = {name: told.of(thing, measured) for name, (measured, _) in _MEASURED.items()}
    air = told.sure(thing, _AIR)
    said: dict[str, Any] = {name: _value(one, _MEASURED[name][1]) for name, one in readings.items()}
    said["luft"] = _air_word(air.value if air else None)
    used = [one for one in (*readings.values(), air) if one]
    warm = readings["temperatur"]
    text = (
        Text(
            f"Es sind {warm.value:.0f} °C.".replace("-0 ", "0 "),
            f"It is {warm.value:.0f} °C.".replace("-0 ", "0 "),
        )
        if warm and not warm.doubtful
        else Text("Die Temperatur ist gerade nicht bekannt.", "The temperature is not known now.")
    )
    return feature(thing, "klimastation", told, used, said=said, text=text)


def _value(one: Reading | None, unit: str) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "wert": round(one.value, 1),
        "einheit": unit,
        "stand": moment(one.stand),
        "qualitaet": "fraglich" if one.doubtful else "ohne Auffälligkeit",
    }


def _air_word(index: float | None) -> words.AirWord:
    if index is None or not 1 <= index <= len(words.AIR):
        return "unbekannt"
    return words.AIR[int(index) - 1]
