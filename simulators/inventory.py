"""Which device hangs where: the lists behind `build_city`, one function per kind of Thing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from simulators.city import Access, City, Device, Way, gateways, make_keys
from simulators.noise import key_of, uniform
from simulators.places import Place, Places

_DISTRICT_SHARE = {
    "castrop": 12, "rauxel": 7, "ickern": 7, "habinghorst": 6, "schwerin": 4, "obercastrop": 4,
    "henrichenburg": 3, "frohlinde": 3, "dingen": 2, "merklinde": 2, "behringhausen": 1, "bladenhorst": 1,
    "deininghausen": 1, "becklem": 1, "poeppinghausen": 1,
}  # fmt: skip
_SCHOOLS = (
    ("Gesamtschule", "ickern"), ("Grundschule", "habinghorst"), ("Gymnasium", "castrop"),
    ("Grundschule", "schwerin"), ("Realschule", "rauxel"), ("Grundschule", "henrichenburg"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Draft:
    """A device before it knows its number and its way."""

    thing: str
    name: str
    kind: str
    theme: str
    place: Place
    profile: str
    interval_s: int
    access: Access = Access.OPEN
    exemption: str | None = None
    citizen: bool = False
    geometry: dict[str, float] = field(default_factory=dict)
    expected_interval_s: int = 0
    note: str = ""


def build_city(seed: int, places: Places) -> City:
    """Everything that hangs, stands and floats in the virtual city of this seed."""
    drafts = [
        *_waste_bins(seed, places),
        *_paper_containers(places),
        *_tree_pits(seed, places),
        *_streams(places),
        *_rain_gauges(places),
        *_weather_stations(places),
        *_school_rooms(seed, places),
        *_parking_bays(seed, places),
        *_meters(seed, places),
        *_ponds(places),
        *_sound(places),
        *_citizens(seed, places),
    ]
    devices = tuple(_finish(seed, index, draft) for index, draft in enumerate(drafts))
    return City(seed, places, gateways(seed, places.gateways), _share_an_address(devices), places.poles)


def _finish(seed: int, index: int, draft: _Draft) -> Device:
    chance = float(uniform(key_of(seed, "way", draft.thing), 0))
    if draft.citizen:
        way = Way.THINGS_MQTT if index % 2 else Way.THINGS_WEBHOOK
    elif chance < 0.085:
        way = Way.CHIRPSTACK
    elif chance < 0.085 + 0.14:
        way = Way.RADIO_UNKNOWN
    else:
        way = Way.RADIO
    return Device(
        index=index,
        thing=draft.thing,
        name=draft.name,
        kind=draft.kind,
        theme=draft.theme,
        place=draft.place,
        profile=draft.profile,
        interval_s=draft.interval_s,
        keys=make_keys(seed, draft.thing, way),
        way=way,
        also_chirpstack=way.by_radio and bool(uniform(key_of(seed, "also", draft.thing), 0) < 0.28),
        access=draft.access,
        exemption=draft.exemption,
        citizen=draft.citizen,
        geometry=draft.geometry,
        expected_interval_s=draft.expected_interval_s or draft.interval_s,
        note=draft.note,
    )


def _share_an_address(devices: tuple[Device, ...]) -> tuple[Device, ...]:
    """Give two radio devices one DevAddr: it is not unique in the world, only the MIC tells them apart."""
    first, second = [device for device in devices if device.way is Way.RADIO][:2]
    twin = replace(second, keys=replace(second.keys, dev_addr=first.keys.dev_addr))
    return tuple(twin if one is second else one for one in devices)


def near(seed: int, key: str, middle: Place, radius_m: float) -> Place:
    """An invented point around a known one."""
    angle, far = uniform(key_of(seed, "near", key), np.arange(2))
    north = radius_m * float(far) ** 0.5 * float(np.cos(2 * np.pi * angle))
    east = radius_m * float(far) ** 0.5 * float(np.sin(2 * np.pi * angle))
    latitude = round(middle.latitude + north / 111_200, 6)
    longitude = round(middle.longitude + east / (111_200 * float(np.cos(np.radians(latitude)))), 6)
    return Place(middle.id, middle.name, middle.district, latitude, longitude, "sim_only")


def _waste_bins(seed: int, places: Places) -> Iterator[_Draft]:
    market = places.places["altstadt-markt"]
    yield _Draft(
        "unterflur-altstadt-markt", "Unterflurbehälter Altstadt-Markt", "waste_bin", "papier-und-abfall",
        market, "milesight-em400-tld", 3600, geometry={"empty_mm": 2400.0, "full_mm": 350.0},
        note="Ein Unterflurbehälter am Markt besteht; dieser hier ist simuliert.",
    )  # fmt: skip
    spread = [name for name, share in _DISTRICT_SHARE.items() for _ in range(share)]
    districts = ["poeppinghausen"] * 4 + spread
    for number, district in enumerate(districts, start=1):
        key = f"behaelter-{number:03d}"
        place = near(seed, key, places.districts[district], 650)
        yield _Draft(
            key, f"Abfallbehälter {number:03d} {place.name}", "waste_bin", "papier-und-abfall", place,
            "dingtek-df702", 3600, geometry={"empty_mm": 1200.0, "full_mm": 200.0},
        )  # fmt: skip


def _paper_containers(places: Places) -> Iterator[_Draft]:
    for site in places.paper_sites:
        for letter in "ab":
            yield _Draft(
                f"{site.id}-{letter}", f"Papiercontainer {site.name} {letter.upper()}", "paper_container",
                "papier-und-abfall", site, "milesight-em400-mud", 3600,
                geometry={"empty_mm": 1650.0, "full_mm": 300.0},
            )  # fmt: skip


def _tree_pits(seed: int, places: Places) -> Iterator[_Draft]:
    trench = places.places["schoettelkamp"]
    for number in range(1, 13):
        key = f"baumrigole-schoettelkamp-{number:02d}"
        yield _Draft(
            key, f"Baumrigole Schöttelkamp {number}", "tree_pit", "baeume-und-boden",
            near(seed, key, trench, 150), "milesight-em500-smtc", 3600,
        )  # fmt: skip
    sites = ("pferderennbahn", "stadtgarten", "rathaus", "erin-turm", "ickern-mitte", "halde-schwerin")
    for number in range(1, 19):
        middle = places.places[sites[number % len(sites)]]
        key = f"stadtbaum-{number:02d}"
        yield _Draft(
            key, f"Stadtbaum {number} {middle.name}", "tree_pit", "baeume-und-boden",
            near(seed, key, middle, 200), "dragino-lse01", 3600,
        )  # fmt: skip


def _streams(places: Places) -> Iterator[_Draft]:
    profiles = ("milesight-em410-rdl", "decentlab-dl-mbx", "decentlab-dl-ctd10", "decentlab-dl-mbx",
                "milesight-em410-rdl", "decentlab-dl-mbx")  # fmt: skip
    for site, profile in zip(places.streams, profiles, strict=True):
        geometry = {} if profile == "decentlab-dl-ctd10" else {"zero_mm": 3500.0}
        yield _Draft(
            f"pegel-{site.id}", f"Pegel {site.name}", "stream_gauge", "regen-und-baeche", site, profile, 600,
            geometry=geometry,
        )  # fmt: skip


def _rain_gauges(places: Places) -> Iterator[_Draft]:
    for district in ("castrop", "ickern", "henrichenburg", "frohlinde", "poeppinghausen", "dingen"):
        place = places.districts[district]
        yield _Draft(
            f"regen-{district}", f"Regenmesser {place.name}", "rain_gauge", "regen-und-baeche", place,
            "decentlab-dl-tbrg", 600,
        )  # fmt: skip


def _weather_stations(places: Places) -> Iterator[_Draft]:
    sites = (
        "rathaus",
        "halde-schwerin",
        "altstadt-markt",
        "stadtgarten",
        "ickern-mitte",
        "schloss-bladenhorst",
    )
    for site in sites:
        place = places.places[site]
        yield _Draft(
            f"wetter-{site}", f"Klimastation {place.name}", "weather_station", "wetter", place,
            "decentlab-dl-atm41", 600,
        )  # fmt: skip


def _school_rooms(seed: int, places: Places) -> Iterator[_Draft]:
    for school, (sort, district) in enumerate(_SCHOOLS, start=1):
        middle = near(seed, f"schule-{school}", places.districts[district], 400)
        for number in range(1, 5):
            key = f"schule-{school}-raum-{number}"
            profile = "milesight-am319" if number == 4 else "elsys-ers-co2"
            yield _Draft(
                key, f"{sort} {middle.name}, Raum {number}", "school_room", "schulen", middle, profile, 900,
                access=Access.INTERNAL, exemption="data_protection", expected_interval_s=1800,
            )  # fmt: skip


def _parking_bays(seed: int, places: Places) -> Iterator[_Draft]:
    for site, count in (("altstadt-parken", 16), ("widumer-tor", 10), ("hbf", 8), ("rathaus", 6)):
        middle = places.places[site]
        for number in range(1, count + 1):
            key = f"parken-{site}-{number:02d}"
            profile = "nwave-nps405" if number % 2 else "bosch-tps110"
            yield _Draft(
                key, f"Stellplatz {number} {middle.name}", "parking_bay", "parken-und-laden",
                near(seed, key, middle, 60), profile, 21_600,
            )  # fmt: skip


def _meters(seed: int, places: Places) -> Iterator[_Draft]:
    buildings = (
        "Rathaus", "Stadthalle", "Hallenbad", "Bücherei", "Feuerwache", "Betriebshof",
        "Sporthalle", "Kita", "Gesamtschule", "Gymnasium", "Jugendzentrum", "Musikschule",
    )  # fmt: skip
    for number, building in enumerate(buildings, start=1):
        district = list(_DISTRICT_SHARE)[number % 6] if number > 1 else "rauxel"
        place = near(seed, f"gebaeude-{number}", places.districts[district], 350)
        # A small house tells when somebody is at home.
        closed = building == "Kita"
        water = ("adeunis-pulse", 3600) if number % 2 else ("milesight-em300-di", 1800)
        for medium, label, (profile, interval) in (
            ("strom", "Stromzähler", ("alpha-omega-klax", 3600)),
            ("wasser", "Wasserzähler", water),
        ):
            yield _Draft(
                f"{medium}-{number:02d}", f"{label} {building} {place.name}", "meter", "energie", place,
                profile, interval, access=Access.INTERNAL if closed else Access.OPEN,
                exemption="data_protection" if closed else None,
            )  # fmt: skip


def _ponds(places: Places) -> Iterator[_Draft]:
    for site, name in (
        ("stadtgarten", "Gondelteich Stadtgarten"), ("haus-goldschmieding", "Teich Haus Goldschmieding"),
        ("schloss-bladenhorst", "Gräfte Schloss Bladenhorst"),
    ):  # fmt: skip
        yield _Draft(f"teich-{site}", name, "pond", "teiche", places.places[site], "decentlab-dl-optod", 900)


def _sound(places: Places) -> Iterator[_Draft]:
    for site in ("altstadt-markt", "muensterplatz", "rathaus", "hbf"):
        place = places.places[site]
        yield _Draft(
            f"schall-{site}",
            f"Schallpegel {place.name}",
            "weather_station",
            "luft",
            place,
            "milesight-ws302",
            900,
        )


def _citizens(seed: int, places: Places) -> Iterator[_Draft]:
    """Hobby and school sensors; the point is rounded to about 100 m because it is somebody's home."""
    for number in range(1, 17):
        district = list(_DISTRICT_SHARE)[number % len(_DISTRICT_SHARE)]
        key = f"buerger-wetter-{number:02d}"
        exact = near(seed, key, places.districts[district], 700)
        place = Place(
            exact.id,
            exact.name,
            exact.district,
            round(exact.latitude, 3),
            round(exact.longitude, 3),
            "sim_only",
        )
        yield _Draft(
            key, f"Bürgerwetter {number:02d} {place.name}", "weather_station", "wetter", place,
            "milesight-wts506", 900, citizen=True,
        )  # fmt: skip
