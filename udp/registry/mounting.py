"""A device at a Thing: which Datastreams it feeds there, and how its raw values become theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from edge.wire.identifiers import DevEUI
from edge.wire.topics import agent_name
from udp.registry.geometry import ASKED_FOR, Linear, linear
from udp.registry.port import Channel, Device, WiredSensor
from udp.registry.profiles import ChannelProfile, Profile
from udp.registry.toml_tables import Table
from udp.sensorthings import Access, Datastream

UNDECIDED = "undecided"
"""The exemption of what stays unpublished because nobody has decided yet."""
_STRICTNESS = (Access.OPEN, Access.INTERNAL, Access.RESTRICTED)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Release:
    """What the file decided about publication of one Thing."""

    access: Access
    exemption: str | None
    licence: str


@dataclass(slots=True)
class Mounted:
    """All sensors of the file so far; a position in `datastreams` stands for the id to come."""

    datastreams: list[Datastream] = field(default_factory=list)
    devices: dict[DevEUI, Device] = field(default_factory=dict)
    wired: dict[tuple[str, str], WiredSensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mount:
    """One Thing as a place for sensors; `keys` are the Datastream keys it already has."""

    thing: str
    release: Release
    profiles: Mapping[str, Profile]
    mounted: Mounted
    keys: set[str] = field(default_factory=set)


def read_device(table: Table, mount: Mount) -> None:
    """Add a `[[thing.device]]` and its Datastreams to `mount.mounted`, or complain."""
    dev_eui = _parse(table, "dev_eui", DevEUI.parse)
    citizen = table.flag("citizen", False)
    counter_reset = table.flag("counter_reset", False)
    profile, interval, channels = _sensor(table, mount)
    if profile is None or dev_eui is None:
        return
    if profile.codec is None:
        table.complain("profile", f"{profile.name!r} is for wired sensors; use it in [[thing.wired]]")
    elif (known := mount.mounted.devices.get(dev_eui)) is not None:
        table.complain("dev_eui", f"{dev_eui} is already a device of thing {known.thing!r}; remove one")
    else:
        mount.mounted.devices[dev_eui] = Device(
            dev_eui=dev_eui,
            thing=mount.thing,
            profile=profile.name,
            codec=profile.codec,
            channels=channels,
            expected_interval_s=interval,
            citizen=citizen,
            counter_reset=counter_reset,
        )


def read_wired(table: Table, mount: Mount) -> None:
    """Add a `[[thing.wired]]` and its Datastreams to `mount.mounted`, or complain."""
    agent = _parse(table, "agent", agent_name)
    sensor = table.text("sensor", pattern=r"[a-z0-9][a-z0-9_-]{0,62}")
    profile, _, channels = _sensor(table, mount)
    if profile is None or agent is None:
        return
    if profile.codec is not None:
        table.complain("profile", f"{profile.name!r} is for LoRaWAN devices; use it in [[thing.device]]")
    elif (known := mount.mounted.wired.get((agent, sensor))) is not None:
        table.complain(
            "sensor", f"{sensor!r} of {agent} is already wired to thing {known.thing!r}; remove one"
        )
    else:
        mount.mounted.wired[agent, sensor] = WiredSensor(agent, sensor, mount.thing, channels)


def _sensor(table: Table, mount: Mount) -> tuple[Profile | None, float, tuple[Channel, ...]]:
    """What devices and wired sensors have in common: profile, expected interval in s, channels."""
    name = table.text("profile")
    profile = mount.profiles.get(name)
    given = table.number("expected_interval_s", None, above=0.0)
    geometry = table.mapping("geometry")
    table.finish()
    if profile is None:
        if name:
            table.complain("profile", f"{name!r} is not known; known are {', '.join(sorted(mount.profiles))}")
        return None, 0.0, ()
    interval = profile.expected_interval_s if given is None else given
    measures = _measures(Table(geometry, f"{table.where}, geometry", table.complaints), profile)
    if measures is None:
        return profile, interval, ()
    return profile, interval, _channels(table, mount, profile, interval, measures)


def _measures(table: Table, profile: Profile) -> dict[str, float] | None:
    """The measures the profile's channels ask for, or None after a complaint."""
    asked = {key for one in profile.channels if one.origin for key in ASKED_FOR[one.origin]}
    before = len(table.complaints.lines)
    found = {key: table.number(key) for key in sorted(asked)}
    table.finish()
    return found if len(table.complaints.lines) == before else None


def _channels(
    table: Table, mount: Mount, profile: Profile, interval: float, measures: Mapping[str, float]
) -> tuple[Channel, ...]:
    channels: list[Channel] = []
    for channel in profile.channels:
        if channel.key in mount.keys:
            table.complain(
                "profile",
                f"{channel.key!r} is measured twice here; make the second device a thing of its own",
            )
            continue
        try:
            line = linear(
                channel.origin, measures, Linear(channel.scale, channel.offset), channel.input_scale
            )
        except ValueError as error:
            table.complain("geometry", str(error))
            break
        mount.keys.add(channel.key)
        position = len(mount.mounted.datastreams)
        channels.append(channel_at(position, channel, line))
        mount.mounted.datastreams.append(
            datastream_at(
                position, profile, channel, thing=mount.thing, release=mount.release, interval=interval
            )
        )
    return tuple(channels)


def channel_at(position: int, channel: ChannelProfile, line: Linear) -> Channel:
    """A profile's channel at one place, its raw values turned by `line`."""
    return Channel(
        datastream=position,
        field=channel.field,
        scale=line.scale,
        offset=line.offset,
        minimum=channel.minimum,
        maximum=channel.maximum,
        max_step=channel.max_step,
        stuck_after_s=channel.stuck_after_s,
    )


def datastream_at(
    position: int,
    profile: Profile,
    channel: ChannelProfile,
    *,
    thing: str,
    release: Release,
    interval: float,
) -> Datastream:
    """The Datastream a channel feeds at a Thing; `position` stands for the id to come."""
    released = _released(release, channel)
    return Datastream(
        id=position,
        key=channel.key,
        name=channel.name,
        thing=thing,
        sensor=profile.sensor,
        observed_property=channel.observed_property,
        unit=channel.unit,
        access=released.access,
        exemption=released.exemption,
        licence=released.licence,
        expected_interval_s=interval,
    )


def _released(place: Release, channel: ChannelProfile) -> Release:
    """The stricter of the two, with its own exemption; between equals, the place knows better."""
    if channel.access is None or _STRICTNESS.index(channel.access) <= _STRICTNESS.index(place.access):
        return place
    return Release(channel.access, channel.exemption or place.exemption or UNDECIDED, "")


def _parse(table: Table, key: str, parser: Callable[[str], T]) -> T | None:
    """The parsed text, or None after a complaint."""
    text = table.text(key)
    try:
        return parser(text) if text else None
    except ValueError as error:
        table.complain(key, str(error))
        return None
