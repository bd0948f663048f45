"""The rubrics of the city: themes and districts, in the order readers meet them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Theme:
    """A rubric; `note` says once what holds for all its values."""

    key: str
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class District:
    """A part of the city; `key` as in the register."""

    key: str
    name: str


THEMES = (
    Theme("wetter", "Wetter"),
    Theme("luft", "Luft", "Orientierende Messung, nicht zur Überwachung von Grenzwerten."),
    Theme("regen-und-baeche", "Regen und Bäche", "Ersetzt keine amtliche Hochwasserwarnung."),
    Theme("baeume-und-boden", "Bäume und Boden"),
    Theme("teiche", "Teiche"),
    Theme("parken-und-laden", "Parken und Laden"),
    Theme("papier-und-abfall", "Papier und Abfall"),
    Theme("energie", "Energie der Stadt"),
    Theme("schulen", "Schulen"),
    Theme("netz", "Funknetz"),
)


def themes(present: set[str]) -> list[Theme]:
    """The rubrics that have anything to show; unknown ones last, under their own key."""
    known = {theme.key for theme in THEMES}
    return [theme for theme in THEMES if theme.key in present] + [
        Theme(key, key.replace("-", " ").capitalize()) for key in sorted(present - known)
    ]


# The 15 parts of Castrop-Rauxel; those without a measuring point are named too.
DISTRICTS = (
    District("becklem", "Becklem"),
    District("behringhausen", "Behringhausen"),
    District("bladenhorst", "Bladenhorst"),
    District("castrop", "Castrop (Altstadt)"),
    District("deininghausen", "Deininghausen"),
    District("dingen", "Dingen"),
    District("frohlinde", "Frohlinde"),
    District("habinghorst", "Habinghorst"),
    District("henrichenburg", "Henrichenburg"),
    District("ickern", "Ickern"),
    District("merklinde", "Merklinde"),
    District("obercastrop", "Obercastrop"),
    District("poeppinghausen", "Pöppinghausen"),
    District("rauxel", "Rauxel"),
    District("schwerin", "Schwerin"),
)
