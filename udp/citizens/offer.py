"""What citizens may choose from: device types, observed properties for formatters of their own, districts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from udp.registry.port import Inventory
from udp.registry.profiles import ChannelProfile, Profile
from udp.sensorthings import Access, ObservedProperty, Unit
from udp.units import unit

FORMATTER = "formatter"
"""The device kind whose values come as TTN's decoded_payload."""
FORMATTER_CODEC = "decoded_payload"
# What says nothing about people: neither presence nor consumption may be published from a home.
_CHOOSABLE: Mapping[str, str] = {
    "air_temperature": "wetter", "relative_humidity": "wetter", "air_pressure": "wetter",
    "wind_speed": "wetter", "wind_direction": "wetter", "precipitation": "regen-und-baeche",
    "solar_radiation": "wetter", "illuminance": "wetter", "pm10": "luft", "pm2_5": "luft", "no2": "luft",
    "water_level": "regen-und-baeche", "water_temperature": "teiche", "soil_moisture": "baeume-und-boden",
    "soil_tension": "baeume-und-boden", "soil_temperature": "baeume-und-boden",
    "electrical_conductivity": "baeume-und-boden",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choice:
    """An observed property one may choose, with the unit its values must have and its plausible range."""

    observed_property: ObservedProperty
    unit: Unit
    theme: str
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True, slots=True)
class Offer:
    """`kinds`: device kinds by name; `districts`: key to name, as the register knows them."""

    kinds: Mapping[str, Profile]
    choices: Mapping[str, Choice]
    districts: Mapping[str, str]


def offer(
    profiles: Mapping[str, Profile],
    properties: Mapping[str, ObservedProperty],
    units: Mapping[str, str],
    inventory: Inventory,
) -> Offer:
    """Everything there is to choose from now; `units`: usual unit by observed property."""
    districts = {
        one.location.district: one.location.district_name
        for one in inventory.things.values()
        if one.location.district
    }
    kinds = {name: kept for name, one in profiles.items() if (kept := _publishable(one)) is not None}
    choices = {
        key: _choice(properties[key], unit(units[key]), theme, profiles.values())
        for key, theme in _CHOOSABLE.items()
        if key in properties and key in units
    }
    return Offer(kinds, choices, dict(sorted(districts.items(), key=lambda item: item[1])))


def _publishable(profile: Profile) -> Profile | None:
    """The profile with the channels that need no measuring tape and tell nothing about people."""
    if profile.codec is None:
        return None
    channels = tuple(
        one
        for one in profile.channels
        if one.origin is None and (one.observed_property.key in _CHOOSABLE or one.access is not None)
    )
    if not any(one.observed_property.key in _CHOOSABLE and one.access is None for one in channels):
        return None
    return Profile(profile.name, profile.codec, profile.sensor, profile.expected_interval_s, channels)


def _choice(observed: ObservedProperty, measured_in: Unit, theme: str, profiles: Iterable[Profile]) -> Choice:
    """The range is the widest that a shipped device type is given for the same property and unit."""
    alike = [
        one
        for profile in profiles
        for one in profile.channels
        if one.observed_property.key == observed.key and one.unit == measured_in
    ]
    lows = [one.minimum for one in alike if one.minimum is not None]
    highs = [one.maximum for one in alike if one.maximum is not None]
    return Choice(observed, measured_in, theme, min(lows, default=None), max(highs, default=None))


def formatter_profile(fields: Mapping[str, str], choices: Mapping[str, Choice], interval_s: float) -> Profile:
    """A profile of one project: field of the decoded payload to observed property."""
    channels = tuple(
        ChannelProfile(
            field=name,
            key=key,
            name=choices[key].observed_property.name,
            observed_property=choices[key].observed_property,
            unit=choices[key].unit,
            minimum=choices[key].minimum,
            maximum=choices[key].maximum,
        )
        for name, key in fields.items()
    )
    return Profile(
        FORMATTER, FORMATTER_CODEC, "Eigener Sensor, eigener Payload-Formatter", interval_s, channels
    )


def theme_of(profile: Profile) -> str:
    """Where the pages list it: by the first thing it measures for the public."""
    for channel in profile.channels:
        theme = _CHOOSABLE.get(channel.observed_property.key)
        if theme is not None and channel.access in (None, Access.OPEN):
            return theme
    return "wetter"
