"""Bins, containers, bays, charging points and trees as people know them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from udp.api.mobile import words
from udp.api.mobile.answers import Feature, feature, moment, ordered
from udp.api.mobile.outlook import full_from
from udp.api.mobile.reading import Present, Reading
from udp.api.mobile.spot import Spot
from udp.derived.classes import fill_class, moisture_class, tension_class
from udp.sensorthings import Location, Thing

BIN, CONTAINER, BAY, CHARGING, TREE = (
    "waste_bin", "paper_container", "parking_bay", "charging_station", "tree_pit",
)  # fmt: skip
_HOUR = timedelta(hours=1)
# The register is published monthly; what it said longer ago may have changed since.
_REGISTER_FRESH = timedelta(days=92)
WANTED = frozenset({"fill_level", "fill_class", "parking_occupied", "soil_tension", "soil_moisture"})


def bins(told: Present) -> list[Feature]:
    """Every bin, with and without sensor."""
    return [_bin(told, one) for one in told.things(BIN)]


def _bin(told: Present, thing: Thing) -> Feature:
    word, reading = _fill(told, thing)
    said = {
        "sensor": told.measures(thing, "fill_level"),
        "fuellstand": word,
        "prognose": _outlook(told, thing, word),
    }
    used = [reading] if reading else []
    return feature(thing, "abfallbehaelter", told, used, said=said, text=words.FILL_TEXT[word])


def _fill(told: Present, thing: Thing) -> tuple[words.FillWord, Reading | None]:
    """The smoothed class where it is up to date, else that of the newest value."""
    level, smooth = told.sure(thing, "fill_level"), told.sure(thing, "fill_class")
    if level is None:
        return "unbekannt", None
    if smooth is not None and smooth.stand >= level.stand and smooth.value in (0, 1, 2):
        return words.FILL[int(smooth.value)], level
    found = fill_class(level.value)
    return ("unbekannt", None) if found is None else (words.FILL[found], level)


def _outlook(told: Present, thing: Thing, word: str) -> dict[str, Any] | None:
    return full_from(told, thing) if word in ("leer", "halb") else None


def containers(told: Present) -> list[Feature]:
    """One feature per site: free where one container has room, full where all are known to be full."""
    return [_site(told, site, members) for site, members in _sites(told.things(CONTAINER))]


def _site(told: Present, site: Thing, members: list[Thing]) -> Feature:
    each = [(one, *_fill(told, one)) for one in members]
    levels = [word for _, word, _ in each]
    free: bool | None = any(word in ("leer", "halb") for word in levels) or (
        None if "unbekannt" in levels else False
    )
    said = {
        "sensor": any(told.measures(one, "fill_level") for one in members),
        "frei": {True: "ja", False: "nein", None: "unbekannt"}[free],
        "fuellstand": _emptiest(levels),
        "wochenprofil": _week(told, members),
        "behaelter": [
            {
                "id": one.key,
                "name": one.name,
                "fuellstand": word,
                "stand": moment(reading.stand) if reading else None,
                "prognose": _outlook(told, one, word),
            }
            for one, word, reading in each
        ],
    }
    used = [reading for _, _, reading in each if reading]
    return feature(
        site, "papiercontainer", told, used, said=said, text=words.SITE_TEXT[free], members=members
    )


def _week(told: Present, members: list[Thing]) -> dict[str, Any] | None:
    """From series that leave by the hour at the coarsest; others would be told finer than they may."""
    if told.weeks is None:
        return None
    view = told.view
    streams = [
        one.id
        for member in members
        for one in view.of_thing.get(member.key, ())
        if one.observed_property.key == "fill_level" and view.finest.get(one.id, _HOUR) <= _HOUR
    ]
    return told.weeks.profile(streams) if streams else None


def _emptiest(levels: list[words.FillWord]) -> words.FillWord:
    """What somebody who comes finds: the emptiest; full only where no container is unknown."""
    for word in ("leer", "halb", "unbekannt", "voll"):
        if word in levels:
            return word
    return "unbekannt"


def next_free(features: Iterable[Feature], at: Spot | None) -> dict[str, Any] | None:
    """The nearest site known to have room; None without a place to start from, and where there is none."""
    if at is None:
        return None
    free = [one for one in features if one["properties"]["frei"] == "ja"]
    for one in ordered(free, at, 1):
        told = one["properties"]
        return {
            key: told[key]
            for key in (
                "id",
                "name",
                "ortsteil",
                "fuellstand",
                "entfernung_m",
                "navigation",
                "stand",
                "gueltig_bis",
            )
        }
    return None


def parking(told: Present) -> list[Feature]:
    """One feature per site; of single bays the present state only, never since when."""
    return [_car_park(told, site, members) for site, members in _sites(told.things(BAY))]


def _car_park(told: Present, site: Thing, members: list[Thing]) -> Feature:
    readings = {one.key: told.sure(one, "parking_occupied") for one in members}
    states = {key: _bay(one) for key, one in readings.items()}
    free, occupied, unknown = (list(states.values()).count(word) for word in ("frei", "belegt", "unbekannt"))
    said = {
        "frei": free,
        "belegt": occupied,
        "unbekannt": unknown,
        "plaetze": [{"id": one.key, "name": one.name, "zustand": states[one.key]} for one in members],
    }
    # The newest report says how fresh the sums are; the oldest would tell how long that bay has been taken.
    known = [one for key, one in readings.items() if one and states[key] != "unbekannt"]
    newest = max(known, key=lambda one: one.stand, default=None)
    text = words.parking_text(free, occupied, unknown)
    return feature(site, "parkplatz", told, [newest] if newest else [], said=said, text=text, members=members)


def _bay(reading: Reading | None) -> words.BayWord:
    """A mean between both, of a step, says neither."""
    if reading is None or reading.value not in (0.0, 1.0):
        return "unbekannt"
    return "belegt" if reading.value else "frei"


def charging(told: Present) -> list[Feature]:
    """Charging points. Their state is their operator's to say; bays beside them stand in /parking."""
    return [
        feature(
            one,
            "ladesaeule",
            told,
            [],
            said={
                "zustand": "unbekannt",
                "betreiber": str(one.properties.get("operator", "")) or None,
                "leistung_kw": _number(one.properties.get("power_kw")),
                "ladepunkte": _whole(one.properties.get("charging_points")),
                "stecker": str(one.properties.get("plugs", "")) or None,
                "register": _register(told, one),
            },
            text=words.CHARGING_TEXT,
        )
        for one in told.things(CHARGING)
    ]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    found = _number(value)
    return None if found is None else int(found)


def _register(told: Present, thing: Thing) -> dict[str, Any] | None:
    """What the Bundesnetzagentur's register said and when; too long ago, and it is not known any more."""
    stand = thing.properties.get("register_stand")
    if not isinstance(stand, str):
        return None
    fresh = told.now.date() - date.fromisoformat(stand) <= _REGISTER_FRESH
    word = {"In Betrieb": "in Betrieb", "In Wartung": "in Wartung"}.get(
        str(thing.properties.get("status", ""))
    )
    return {
        "betrieb": word if fresh and word else "unbekannt",
        "stand": stand,
        "quelle": str(thing.properties.get("source", "")),
    }


def trees(told: Present) -> list[Feature]:
    """Trees whose soil is measured."""
    return [_tree(told, one) for one in told.things(TREE)]


def _tree(told: Present, thing: Thing) -> Feature:
    tension, moisture = told.sure(thing, "soil_tension"), told.sure(thing, "soil_moisture")
    reading, found = (
        (tension, tension_class(tension.value)) if tension
        else (moisture, moisture_class(moisture.value)) if moisture
        else (None, None)
    )  # fmt: skip
    word: words.SoilWord = "unbekannt" if found is None else words.SOIL[found]
    basis = None if found is None else "Saugspannung" if tension else "Bodenfeuchte, Bodenart angenommen"
    used = [reading] if reading and found is not None else []
    return feature(
        thing, "baum", told, used, said={"wasser": word, "grundlage": basis}, text=words.SOIL_TEXT[word]
    )


def _sites(things: Iterable[Thing]) -> list[tuple[Thing, list[Thing]]]:
    """Things with one property `site` are one place, in the middle of its members."""
    grouped: dict[str, list[Thing]] = defaultdict(list)
    for one in things:
        grouped[str(one.properties.get("site") or one.key)].append(one)
    return [(_middle(key, members), members) for key, members in sorted(grouped.items())]


def _middle(key: str, members: list[Thing]) -> Thing:
    first = members[0]
    if key == first.key:
        return first
    where = Location(
        round(sum(one.location.latitude for one in members) / len(members), 6),
        round(sum(one.location.longitude for one in members) / len(members), 6),
        first.location.district,
        first.location.district_name,
    )
    name = str(first.properties.get("site_name") or first.name)
    return replace(first, key=key, name=name, location=where, simulated=any(one.simulated for one in members))


ALL: Mapping[str, Callable[[Present], list[Feature]]] = {
    "abfallbehaelter": bins,
    "papiercontainer": containers,
    "parkplatz": parking,
    "ladesaeule": charging,
    "baum": trees,
}
