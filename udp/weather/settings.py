"""Where weather forecasts come from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from edge.wire.broker import is_loopback


@dataclass(frozen=True, slots=True)
class WeatherSettings:
    """`server`: the DWD's open data server, or one that offers the same paths. `station`: number of the
    MOSMIX station (10416 is Dortmund; the DWD's "MOSMIX-Stationskatalog" lists all). `warncells`:
    whose official warnings are told (8 and the municipality's key; the district is 1, its key and 000);
    none, and nothing is asked. `within`: how long one answer may take. `past`: how far back point
    forecasts are fetched when none was ever kept; the DWD keeps two days. `provider`: who is named as the
    source wherever its forecasts are shown, `licence` under which it gives them (empty: it asks for none).
    `simulated`: whether its weather is a virtual city's; that is said wherever it is shown."""

    server: str = "https://opendata.dwd.de"
    station: str = "10416"
    warncells: tuple[str, ...] = ("805562004",)
    within: timedelta = timedelta(seconds=30)
    past: timedelta = timedelta(days=2)
    provider: str = "Deutscher Wetterdienst"
    licence: str = "CC-BY-4.0"  # of its open data (dwd.de, "Rechtliche Hinweise")
    simulated: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.server)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise ValueError(f"server {self.server!r} must be asked by https")
        if not re.fullmatch(r"[A-Z0-9]{4,5}", self.station):
            raise ValueError(f"station {self.station!r} is no MOSMIX station; 10416 is Dortmund")
        for one in self.warncells:
            if not re.fullmatch(r"[0-9]{9}", one):
                raise ValueError(f"warncells: {one!r} is no warning cell; Castrop-Rauxel is 805562004")
        if not timedelta(seconds=1) <= self.within <= timedelta(minutes=5):
            raise ValueError("within must be 1 to 300 seconds")
        if not self.provider.strip() or len(self.provider) > 80:
            raise ValueError("provider must be named, in at most 80 characters: its data ask for it")
        if len(self.licence) > 40:
            raise ValueError("licence must have at most 40 characters, e.g. CC-BY-4.0")
        if not timedelta(0) <= self.past <= timedelta(days=366):
            raise ValueError("past must be 0 to 366 days, in seconds")
