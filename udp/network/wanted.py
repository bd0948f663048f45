"""What ChirpStack shall hold: the devices of the register in force, their types, and the city's gateways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.wire.identifiers import DevEUI, GatewayEUI
from udp.devices.held import Held, HeldDevice
from udp.devices.register import DeviceRegister
from udp.devices.vault import DeviceKeys
from udp.errors import ConfigurationError
from udp.registry.profiles import Profile
from udp.sensorthings import Thing

_LONGEST_NAME = 100  # ChirpStack's column


@dataclass(frozen=True, slots=True)
class WantedProfile:
    """One device type in one way of activation; ChirpStack needs a device profile for each such pair."""

    key: str
    name: str
    description: str
    interval_s: int
    joins: bool
    lorawan_1_1: bool


@dataclass(frozen=True, slots=True)
class WantedDevice:
    """A device as ChirpStack shall know it; `profile` is a WantedProfile's key.

    `join_eui`: lower-case hexadecimal, "" where the register does not know it.
    """

    dev_eui: DevEUI
    name: str
    description: str
    profile: str
    join_eui: str
    thing: str
    keys: DeviceKeys = field(repr=False)

    @property
    def id(self) -> str:
        """As ChirpStack writes it."""
        return self.dev_eui.hex()


@dataclass(frozen=True, slots=True)
class WantedGateway:
    """A gateway of the city; degrees (WGS 84), altitude in m."""

    eui: GatewayEUI
    name: str
    description: str
    thing: str
    latitude: float
    longitude: float
    altitude: float

    @property
    def id(self) -> str:
        """As ChirpStack writes it."""
        return self.eui.hex()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything, by key, lower-case DevEUI and lower-case gateway EUI; `left_out` tells what and why.

    `in_force`: every DevEUI the register has in force, also what is left out.
    """

    profiles: Mapping[str, WantedProfile] = field(default_factory=dict)
    devices: Mapping[str, WantedDevice] = field(default_factory=dict)
    gateways: Mapping[str, WantedGateway] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    in_force: frozenset[str] = frozenset()


def wanted(register: DeviceRegister, types: Mapping[str, Profile], things: Mapping[str, Thing]) -> Wanted:
    """What the register says now. ConfigurationError if its keys do not open, or a gateway's EUI is none."""
    held = register.held()
    profiles: dict[str, WantedProfile] = {}
    devices: dict[str, WantedDevice] = {}
    left_out: list[str] = []
    simulated = 0
    for dev_eui, device in sorted(held.devices.items()):
        if not (device.registered and device.in_force):
            continue
        thing = held.things[device.thing].thing
        kind = types.get(str(device.row["profile"]))
        if thing.simulated:
            simulated += 1
        elif kind is None:
            left_out.append(f"Gerät {dev_eui}: das Profil {device.row['profile']!r} gibt es nicht mehr")
        else:
            profile, found = _device(register, held, dev_eui, device, kind)
            profiles[profile.key] = profile
            devices[found.id] = found
    if simulated:
        left_out.append(f"{simulated} simulierte Geräte: die gibt es nicht, sie werden nicht übertragen")
    in_force = frozenset(dev_eui.hex() for dev_eui, device in held.devices.items() if device.in_force)
    return Wanted(profiles, devices, _gateways(things), tuple(left_out), in_force)


def _device(
    register: DeviceRegister, held: Held, dev_eui: DevEUI, device: HeldDevice, kind: Profile
) -> tuple[WantedProfile, WantedDevice]:
    keys = register.keys(held, dev_eui)
    profile = _profile(kind, keys)
    thing = held.things[device.thing].thing
    return profile, WantedDevice(
        dev_eui=dev_eui,
        name=shortened(thing.name),
        description=f"{kind.sensor}, Objekt {thing.key}",
        profile=profile.key,
        join_eui="" if keys.personalised else device.record.get("join_eui", "").lower(),
        thing=thing.key,
        keys=keys,
    )


def _profile(kind: Profile, keys: DeviceKeys) -> WantedProfile:
    later = keys.nwk_key is not None and not keys.personalised
    way = "abp" if keys.personalised else "otaa-1.1" if later else "otaa"
    suffix = {"abp": " (ABP)", "otaa-1.1": " (LoRaWAN 1.1)", "otaa": ""}[way]
    return WantedProfile(
        key=f"{kind.name}/{way}",
        name=shortened(kind.name, suffix),
        description=kind.sensor,
        interval_s=round(kind.expected_interval_s),
        joins=not keys.personalised,
        lorawan_1_1=later,
    )


def _gateways(things: Mapping[str, Thing]) -> dict[str, WantedGateway]:
    found: dict[str, WantedGateway] = {}
    for thing in things.values():
        text = thing.properties.get("gateway_eui")
        if not isinstance(text, str) or thing.simulated:
            continue
        try:
            eui = GatewayEUI.parse(text)
        except ValueError as error:
            raise ConfigurationError(
                f"Objekt {thing.key!r}: gateway_eui {text!r} ist keine Gateway-Kennung; 16 Hexadezimal"
                "ziffern in die Stadtdatei schreiben"
            ) from error
        place = thing.location
        found[eui.hex()] = WantedGateway(
            eui=eui,
            name=shortened(thing.name),
            description=thing.description or f"Objekt {thing.key}",
            thing=thing.key,
            latitude=place.latitude,
            longitude=place.longitude,
            altitude=place.elevation_m or 0.0,
        )
    return found


def shortened(name: str, suffix: str = "") -> str:
    """As much of a name as ChirpStack can keep, with its whole suffix."""
    room = _LONGEST_NAME - len(suffix)
    return (name if len(name) <= room else name[: room - 1] + "…") + suffix
