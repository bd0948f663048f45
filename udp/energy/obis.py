"""Which OBIS code a meter's Datastream has: EN 62056-61 for electricity, EN 13757-1 for all other media.

A-B:C.D.E*F: medium (1 electricity, 6 heat, 7 gas, 8 cold water, 9 hot water), channel, quantity, kind,
tariff, and 255 for the current reading. What a Thing says itself counts first: its property `obis_<key of
the Datastream>`, or `obis` where only one Datastream can be meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from udp.sensorthings import Datastream, Thing

_CODE = re.compile(r"\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}(\*\d{1,3})?", re.ASCII)
_TARIFF = re.compile(r"_t([1-9])$", re.ASCII)
COUNTED = frozenset({"energy", "volume", "heat_energy"})
"""Observed properties that are readings of a counter."""
_WATER, _HOT, _GAS, _HEAT_WATER = "8-0:1.0.0*255", "9-0:1.0.0*255", "7-0:3.0.0*255", "6-0:2.0.0*255"
_BY_MEDIUM = {"water": _WATER, "wasser": _WATER, "warmwasser": _HOT, "hot_water": _HOT, "gas": _GAS}


def code(stream: Datastream, thing: Thing, beside: Mapping[str, Datastream]) -> str | None:
    """The code of a counter; None for what is none. `beside`: all Datastreams of its Thing by key."""
    counted = stream.observed_property.key
    if counted not in COUNTED:
        return None
    said = thing.properties.get(f"obis_{stream.key}")
    alone = sum(one.observed_property.key in COUNTED for one in beside.values()) == 1
    if said is None and alone:
        said = thing.properties.get("obis")
    if isinstance(said, str) and _CODE.fullmatch(said):
        return said if "*" in said else f"{said}*255"
    if counted == "heat_energy":
        return "6-0:1.0.0*255"
    if counted == "energy":
        return _electric(stream.key, beside)
    if stream.key.startswith("heat_") or any(
        one.observed_property.key == "heat_energy" for one in beside.values()
    ):
        return _HEAT_WATER
    return _BY_MEDIUM.get(str(thing.properties.get("medium", "")).lower(), _WATER)


def _electric(key: str, beside: Mapping[str, Datastream]) -> str:
    """Import is 1.8, export 2.8; where a counter of tariff 2 stands beside, the one without is tariff 1."""
    direction = 2 if "export" in key else 1
    if (match := _TARIFF.search(key)) is not None:
        tariff = int(match[1])
    else:
        tariff = 1 if f"{key}_t2" in beside else 0
    return f"1-0:{direction}.8.{tariff}*255"
