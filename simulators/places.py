"""Where the virtual city stands: `places.toml` as values that cannot be half filled."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """A named point, WGS 84 degrees; `confidence` tells a fact from a guess (see places.toml)."""

    id: str
    name: str
    district: str
    latitude: float
    longitude: float
    confidence: str
    size: float = 0.0  # antenna height in m of a gateway, catchment in km2 of a stream

    @property
    def measured(self) -> bool:
        """True if the point was read in a public source."""
        return self.confidence == "verified"


@dataclass(frozen=True, slots=True)
class Places:
    """Everything `places.toml` knows; districts by id, the rest in the file's order."""

    districts: dict[str, Place]
    gateways: tuple[Place, ...]
    streams: tuple[Place, ...]
    paper_sites: tuple[Place, ...]
    poles: tuple[Place, ...]
    places: dict[str, Place]
    temperature_mean_c: tuple[float, ...]
    precipitation_mm: tuple[float, ...]


def read_places() -> Places:
    """The places packed with this package."""
    text = resources.files("simulators").joinpath("places.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    districts = {row["id"]: _place({"district": row["id"], **row}) for row in content["district"]}
    return Places(
        districts=districts,
        gateways=tuple(_place(row, size="height_m") for row in content["gateway"]),
        streams=tuple(_place(row, size="catchment_km2") for row in content["stream"]),
        paper_sites=tuple(_place(row) for row in content["paper_site"]),
        poles=tuple(
            _place({"name": f"Pole {row['id'][-1]} Europaplatz", "district": "rauxel", **row})
            for row in content["pole"]
        ),
        places={row["id"]: _place(row) for row in content["place"]},
        temperature_mean_c=tuple(content["climate"]["temperature_mean_c"]),
        precipitation_mm=tuple(content["climate"]["precipitation_mm"]),
    )


def _place(row: dict[str, Any], size: str | None = None) -> Place:
    return Place(
        id=row["id"],
        name=row["name"],
        district=row["district"],
        latitude=row["latitude"],
        longitude=row["longitude"],
        confidence=row["confidence"],
        size=float(row[size]) if size else 0.0,
    )
