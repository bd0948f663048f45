"""Who lives in the virtual city: gateways, poles and about 250 devices, the same for the same seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from simulators.places import Place, Places


class Way(StrEnum):
    """How a device's frames reach the platform."""

    RADIO = "radio"  # into the edge agents, which hold its keys
    RADIO_UNKNOWN = "radio-unknown"  # into the edge agents, which hold no key: travels as a Frame
    CHIRPSTACK = "chirpstack"  # only through the network server
    THINGS_MQTT = "things-stack-mqtt"
    THINGS_WEBHOOK = "things-stack-webhook"

    @property
    def by_radio(self) -> bool:
        """True if the nine gateways of the town forward the device's frames to the edge agents."""
        return self in (Way.RADIO, Way.RADIO_UNKNOWN)

    @property
    def by_things_stack(self) -> bool:
        """True for devices of citizens and schools in The Things Stack."""
        return self in (Way.THINGS_MQTT, Way.THINGS_WEBHOOK)


class Access(StrEnum):
    """Access class of a Thing as the city file writes it."""

    OPEN = "open"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Keys:
    """Identity and session of one device."""

    dev_eui: bytes
    dev_addr: bytes
    nwk_s_key: bytes
    app_s_key: bytes
    session_key_id: bytes


@dataclass(frozen=True, slots=True)
class Device:
    """One end device and the Thing it is mounted at; times in seconds, places in WGS 84 degrees."""

    index: int
    thing: str
    name: str
    kind: str
    theme: str
    place: Place
    profile: str
    interval_s: int
    keys: Keys
    way: Way
    also_chirpstack: bool
    expected_interval_s: int
    access: Access = Access.OPEN
    exemption: str | None = None
    citizen: bool = False
    geometry: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    note: str = ""

    @property
    def has_clock(self) -> bool:
        """True if its payload carries the device's own time."""
        return self.profile == "adeunis-pulse"


@dataclass(frozen=True, slots=True)
class Gateway:
    """One of the nine gateways; the name is also its edge agent's."""

    index: int
    name: str
    eui: bytes
    place: Place


@dataclass(frozen=True, slots=True)
class City:
    """The whole inventory of one seed."""

    seed: int
    places: Places
    gateways: tuple[Gateway, ...]
    devices: tuple[Device, ...]
    poles: tuple[Place, ...]

    def device(self, name: str) -> Device:
        """The device of a Thing key or DevEUI; ValueError names what was asked for."""
        wanted = name.lower()
        for device in self.devices:
            if wanted in (device.thing, device.keys.dev_eui.hex()):
                return device
        raise ValueError(f"there is no device {name!r}: give a Thing's key (behaelter-001) or a DevEUI")


def digest(seed: int, size: int, *parts: str | int) -> bytes:
    """Octets that depend on nothing but the seed and the parts."""
    text = "\x1f".join(str(part) for part in (seed, *parts))
    return hashlib.blake2b(text.encode(), digest_size=size).digest()


def make_keys(seed: int, thing: str, way: Way) -> Keys:
    """Keys of a virtual device. They protect nothing and are written to no public file all the same.

    DevEUIs have the locally administered bit set, so that no real device can have them; DevAddrs
    are of the experimental NwkID 0 (of The Things Network's 0x13 for its devices).
    """
    address = digest(seed, 4, "addr", thing)
    prefix = bytes([0x26, 0x0B]) if way.by_things_stack else bytes([0x00, address[0] & 0x7F])
    return Keys(
        dev_eui=b"\x02\xca\x57" + digest(seed, 5, "eui", thing),
        dev_addr=prefix + address[2:],
        nwk_s_key=digest(seed, 16, "nwk", thing),
        app_s_key=digest(seed, 16, "app", thing),
        session_key_id=digest(seed, 16, "session", thing),
    )


def gateways(seed: int, places: Iterable[Place]) -> tuple[Gateway, ...]:
    """The nine gateways with EUIs of locally administered kind."""
    return tuple(
        Gateway(index, place.id, b"\x02\xca\x57\xff\xfe" + digest(seed, 3, "gateway", place.id), place)
        for index, place in enumerate(places)
    )
