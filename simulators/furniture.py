"""What stands in the virtual city without a sensor: most bins, and the charging points of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from simulators.city import City
from simulators.inventory import near
from simulators.places import Place

PLAIN_BINS = 60
CHARGING_POINTS = 100
_FIRST_BIN = 201
_POWER_KW = (11, 22, 22, 22, 50)


@dataclass(frozen=True, slots=True)
class Fixture:
    """A Thing nobody measures."""

    key: str
    name: str
    kind: str
    theme: str
    place: Place
    note: str
    properties: Mapping[str, str | int] = field(default_factory=lambda: MappingProxyType({}))


def fixtures(city: City) -> Iterator[Fixture]:
    """The same for the same seed."""
    districts = list(city.places.districts.values())
    for number in range(PLAIN_BINS):
        key = f"behaelter-{_FIRST_BIN + number}"
        place = near(city.seed, key, districts[number % len(districts)], 650)
        yield Fixture(
            key,
            f"Abfallbehälter {_FIRST_BIN + number} {place.name}",
            "waste_bin",
            "papier-und-abfall",
            place,
            "Behälter ohne Sensor.",
        )
    for number in range(1, CHARGING_POINTS + 1):
        key = f"ladesaeule-{number:03d}"
        place = near(city.seed, key, districts[number % len(districts)], 800)
        power = _POWER_KW[number % len(_POWER_KW)]
        yield Fixture(
            key,
            f"Ladesäule {number:03d} {place.name}",
            "charging_station",
            "parken-und-laden",
            place,
            "Ladesäule; ob sie frei ist, weiß ihr Betreiber.",
            MappingProxyType({"operator": "Erfundene Stadtwerke", "power_kw": power}),
        )
