"""The words apps show, in German and English: what is not known is said to be unknown, never empty."""

from __future__ import annotations

from typing import Literal, NamedTuple

FillWord = Literal["leer", "halb", "voll", "unbekannt"]
BayWord = Literal["frei", "belegt", "unbekannt"]
SoilWord = Literal["gut", "mäßig", "trocken", "unbekannt"]
AirWord = Literal["sehr gut", "gut", "mäßig", "schlecht", "sehr schlecht", "unbekannt"]
Kind = Literal["abfallbehaelter", "papiercontainer", "parkplatz", "ladesaeule", "baum", "klimastation"]


class Text(NamedTuple):
    """A finished sentence in both languages."""

    de: str
    en: str


FILL: tuple[FillWord, ...] = ("leer", "halb", "voll")
SOIL: tuple[SoilWord, ...] = ("gut", "mäßig", "trocken")
AIR: tuple[AirWord, ...] = ("sehr gut", "gut", "mäßig", "schlecht", "sehr schlecht")

FILL_TEXT = {
    "leer": Text("Der Behälter ist leer.", "The container is empty."),
    "halb": Text("Der Behälter ist halb voll.", "The container is half full."),
    "voll": Text("Der Behälter ist voll.", "The container is full."),
    "unbekannt": Text("Der Füllstand ist nicht bekannt.", "The fill level is not known."),
}
SITE_TEXT = {
    True: Text("Hier ist noch Platz.", "There is room here."),
    False: Text("Hier ist alles voll.", "Everything is full here."),
    None: Text("Ob hier Platz ist, ist nicht bekannt.", "Whether there is room is not known."),
}
SOIL_TEXT = {
    "gut": Text("Der Baum hat genug Wasser.", "The tree has enough water."),
    "mäßig": Text("Der Boden wird trocken.", "The soil is getting dry."),
    "trocken": Text("Der Baum hat Durst.", "The tree is thirsty."),
    "unbekannt": Text("Wie trocken der Boden ist, ist nicht bekannt.", "How dry the soil is is not known."),
}
CHARGING_TEXT = Text(
    "Ob die Säule frei ist, meldet ihr Betreiber uns nicht.",
    "Its operator does not tell us whether the charging point is free.",
)
_WEEKDAYS = ("Mo", "Di", "Mi", "Do", "Fr", "Sa", "So")


def parking_text(free: int, occupied: int, unknown: int) -> Text:
    """How many bays are free, as far as known."""
    if not free + occupied:
        return Text("Ob ein Platz frei ist, ist nicht bekannt.", "Whether a bay is free is not known.")
    total = free + occupied + unknown
    rest = (f", {unknown} unbekannt", f", {unknown} unknown") if unknown else ("", "")
    return Text(f"{free} von {total} Plätzen frei{rest[0]}.", f"{free} of {total} bays free{rest[1]}.")


def weekday(number: int) -> str:
    """Short German name; 0 is Monday."""
    return _WEEKDAYS[number]
