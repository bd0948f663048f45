"""Bind devices by another profile than the register names, to see what it would make of their past."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from edge.wire.identifiers import DevEUI
from udp.errors import ConfigurationError
from udp.registry.geometry import Linear
from udp.registry.port import Channel, Device, Inventory
from udp.registry.profiles import (
    ChannelProfile,
    Profile,
    load_observed_properties,
    load_profiles,
    read_profile,
)


def find_profile(name: str, own: Path | None) -> tuple[Profile, Mapping[str, Profile]]:
    """The profile of that name (shipped, or in the city's folder `own`) or .toml file; and all known."""
    known = load_profiles(own=own)
    if name.endswith(".toml"):
        return read_profile(Path(name), load_observed_properties()), known
    if name not in known:
        raise ConfigurationError(
            f"profile {name!r} is not known; name one of udp profiles list, or a .toml file"
        )
    return known[name], known


def with_profile(
    inventory: Inventory, devices: Collection[DevEUI], profile: Profile, known: Mapping[str, Profile]
) -> tuple[Inventory, list[str]]:
    """The inventory with `devices` bound by `profile`, and what cannot be bound, in words.

    Their Datastreams stay: a channel goes to the one with its key. Mounting measures are taken from
    the present binding. ConfigurationError where a Datastream would change its unit.
    """
    if profile.codec is None:
        raise ConfigurationError(f"profile {profile.name!r} is for wired sensors, it has no codec")
    changed, notes = dict(inventory.devices), []
    for dev_eui in devices:
        device = inventory.devices.get(dev_eui)
        if device is None:
            continue
        channels, missing = _channels(device, inventory, profile, known.get(device.profile))
        notes += [f"device {dev_eui}: {text}" for text in missing]
        changed[dev_eui] = replace(device, profile=profile.name, codec=profile.codec, channels=channels)
        if device.profile != profile.name:
            notes.append(
                f"device {dev_eui} stays registered with profile {device.profile!r}: its next messages are "
                f"decoded by that one until the register names {profile.name!r} (udp devices import)"
            )
    return replace(inventory, devices=changed), notes


def _channels(
    device: Device, inventory: Inventory, profile: Profile, present: Profile | None
) -> tuple[tuple[Channel, ...], list[str]]:
    fed = {inventory.datastreams[one.datastream].key: one for one in device.channels}
    found: list[Channel] = []
    missing: list[str] = []
    for channel in profile.channels:
        old = fed.get(channel.key)
        if old is None:
            missing.append(
                f"no Datastream {channel.key!r} yet; register the device with profile {profile.name!r} first"
            )
            continue
        stream = inventory.datastreams[old.datastream]
        if stream.unit != channel.unit:
            raise ConfigurationError(
                f"{channel.key!r} of {device.dev_eui} is kept in {stream.unit.symbol}, "
                f"profile {profile.name!r} says {channel.unit.symbol}; "
                "a Datastream keeps its unit: choose another key"
            )
        line = _line(channel, old, _channel_of(present, channel.key), device)
        found.append(
            Channel(
                old.datastream, channel.field, line.scale, line.offset,
                channel.minimum, channel.maximum, channel.max_step, channel.stuck_after_s,
            )
        )  # fmt: skip
    # What the other profile leaves out is lost: a channel nobody's field reaches says so in the report.
    kept = {one.datastream for one in found}
    found += [Channel(one.datastream, "") for one in device.channels if one.datastream not in kept]
    return tuple(found), missing


def _channel_of(profile: Profile | None, key: str) -> ChannelProfile | None:
    return next((one for one in profile.channels if one.key == key), None) if profile else None


def _line(new: ChannelProfile, bound: Channel, old: ChannelProfile | None, device: Device) -> Linear:
    """As udp.registry.geometry makes it; the measures are read back from the present binding."""
    if new.origin is None:
        return Linear(new.scale * new.input_scale, new.offset)
    if old is None or old.origin != new.origin:
        raise ConfigurationError(
            f"{new.key!r} of {device.dev_eui} needs mounting measures its present profile does not use; "
            "register the device with the new profile, then replay without --profile"
        )
    scale = bound.scale / (old.scale * old.input_scale)
    offset = (bound.offset - old.offset) / old.scale
    return Linear(new.scale * scale * new.input_scale, new.scale * offset + new.offset)
