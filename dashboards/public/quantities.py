"""How each observed property is written, drawn and put into words; new ones work without an entry."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Drawing(Enum):
    """The form of a chart."""

    LINE = "line"
    BARS = "bars"  # sums per hour, axis from 0
    SHARE = "share"  # 0/1 values as a share of time in percent


@dataclass(frozen=True, slots=True)
class Word:
    """From `least` on (in the Datastream's unit), the value is called `word`."""

    least: float
    word: str


@dataclass(frozen=True, slots=True)
class Quantity:
    """`technical` values describe the device and stand last; `source` says whose word classes these are.

    `raw_minutes` is the finest grid that may be shown to the public; 0 means as measured.
    """

    decimals: int = 1
    drawing: Drawing = Drawing.LINE
    words: tuple[Word, ...] = ()
    source: str = ""
    technical: bool = False
    raw_minutes: int = 0

    def word(self, value: float) -> str:
        """The class of `value`; nothing where no class makes sense."""
        return next((entry.word for entry in reversed(self.words) if value >= entry.least), "")


_ANY = float("-inf")
_TECHNICAL = Quantity(decimals=0, technical=True)

# Mid-points between the eight names of the wind rose, north twice.
_ROSE = tuple(
    Word(least, f"aus {name}")
    for least, name in (
        (_ANY, "Nord"), (22.5, "Nordost"), (67.5, "Ost"), (112.5, "Südost"), (157.5, "Süd"),
        (202.5, "Südwest"), (247.5, "West"), (292.5, "Nordwest"), (337.5, "Nord"),
    )
)  # fmt: skip

# Beaufort scale, lower limits in m/s (WMO-No. 8, part I, chapter 5).
_BEAUFORT = tuple(
    Word(least, name)
    for least, name in (
        (_ANY, "Windstille"), (0.3, "leiser Zug"), (1.6, "leichte Brise"), (3.4, "schwache Brise"),
        (5.5, "mäßige Brise"), (8.0, "frische Brise"), (10.8, "starker Wind"), (13.9, "steifer Wind"),
        (17.2, "stürmischer Wind"), (20.8, "Sturm"), (24.5, "schwerer Sturm"),
        (28.5, "orkanartiger Sturm"), (32.7, "Orkan"),
    )
)  # fmt: skip

# In the order in which a page lists them.
QUANTITIES: dict[str, Quantity] = {
    "air_temperature": Quantity(),
    "heat_index": Quantity(source="Heat Index des National Weather Service, nicht vom DWD"),
    "air_quality_index": Quantity(
        decimals=0,
        words=(
            Word(_ANY, "sehr gut"), Word(2, "gut"), Word(3, "mäßig"), Word(4, "schlecht"),
            Word(5, "sehr schlecht"),
        ),
        source="Umweltbundesamt, Luftqualitätsindex, neue Fassung; nur die hier gemessenen Stoffe",
    ),
    "precipitation": Quantity(drawing=Drawing.BARS),
    "wind_speed": Quantity(words=_BEAUFORT, source="Beaufort-Skala"),
    "wind_direction": Quantity(decimals=0, words=_ROSE, source="Windrose"),
    "relative_humidity": Quantity(decimals=0),
    "air_pressure": Quantity(decimals=0),
    "solar_radiation": Quantity(decimals=0),
    "co2": Quantity(
        decimals=0,
        words=(Word(_ANY, "unbedenklich"), Word(1000, "auffällig: lüften"), Word(2000.5, "inakzeptabel")),
        source="Umweltbundesamt, Leitwerte für Kohlendioxid in Innenräumen",
    ),
    # Emptying starts at 80 % in practice (Hattersheim am Main); below 20 % a bin counts as emptied.
    "fill_level": Quantity(
        decimals=0,
        words=(Word(_ANY, "leer"), Word(20, "halb voll"), Word(80, "voll")),
        source="leer unter 20 %, voll ab 80 %",
    ),
    # The class says no more than the fill level beside it.
    "fill_class": Quantity(
        decimals=0, words=(Word(_ANY, "leer"), Word(1, "halb voll"), Word(2, "voll")), technical=True
    ),
    "degree_days": Quantity(drawing=Drawing.BARS, source="VDI 3807, 20/15"),
    "distance": Quantity(decimals=0, technical=True),
    "water_level": Quantity(decimals=0),
    "oxygen_saturation": Quantity(decimals=0),
    "soil_moisture": Quantity(decimals=0),
    "soil_tension": Quantity(
        decimals=0,
        words=(Word(_ANY, "feucht genug"), Word(32.5, "mäßig feucht"), Word(80.5, "zu trocken")),
        source="Berliner Methode: gut bis 32 kPa, mäßig bis 80 kPa",
    ),
    "electrical_conductivity": Quantity(decimals=0),
    # The public sees no single parking event: a 15-minute grid at the finest.
    "parking_occupied": Quantity(
        decimals=0,
        drawing=Drawing.SHARE,
        words=(Word(_ANY, "frei"), Word(0.5, "belegt")),
        raw_minutes=15,
    ),
    "volume": Quantity(decimals=2),
    "charging_sessions": Quantity(decimals=0),
    "power": Quantity(decimals=0),
    "battery_voltage": Quantity(decimals=2, technical=True),
    "battery_level": _TECHNICAL,
    "sound_level": Quantity(decimals=0),
    "pm10": Quantity(decimals=0),
    "pm2_5": Quantity(decimals=0),
    "no2": Quantity(decimals=0),
    "illuminance": Quantity(decimals=0),
    "tilt": _TECHNICAL,
    "light_dim_level": Quantity(decimals=0),
    "clock_offset": Quantity(decimals=3, technical=True),
    **dict.fromkeys(
        (
            "backlog_messages", "backlog_bytes", "backlog_age", "dropped_messages", "disk_free", "memory",
            "packets_received", "packets_valid", "packets_forwarded", "acknowledged_percent",
            "downlinks_received", "packets_sent",
        ),
        _TECHNICAL,
    ),
}  # fmt: skip

_UNKNOWN = Quantity()


_ORDER = {key: position for position, key in enumerate(QUANTITIES)}


def order(key: str) -> int:
    """Where the observed property `key` stands among others; unknown ones last."""
    return _ORDER.get(key, len(_ORDER))


def quantity(key: str) -> Quantity:
    """How to show the observed property `key`."""
    return QUANTITIES.get(key, _UNKNOWN)
