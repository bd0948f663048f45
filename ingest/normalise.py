"""The one translation from a device's words to SensorThings: which Datastream, which unit, both times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.wire.identifiers import DevEUI
from edge.wire.instants import microseconds
from edge.wire.messages import FieldValue, GatewayStatus, Record
from ingest.heard import Unusable
from udp.citizens.mounting import project_of_thing
from udp.citizens.project import project_of
from udp.registry.port import Channel, Device, Inventory
from udp.store.columns import Floats, Ints

_NEVER = np.iinfo(np.int64).max

FieldChannels = Mapping[str, tuple[int, ...]]
"""Field name to positions in `Channels`: one field may feed several Datastreams."""


@dataclass(frozen=True, slots=True)
class Channels:
    """All channels of one inventory as columns, one element per channel; no limit is an infinite one."""

    datastream: Ints
    scale: Floats
    offset: Floats
    minimum: Floats
    maximum: Floats
    max_step: Floats
    stuck_after_us: Ints
    checked: NDArray[np.bool_]
    citizen: NDArray[np.bool_]

    @classmethod
    def build(cls, channels: Sequence[Channel], citizen: Sequence[bool]) -> Channels:
        """Columns of `channels`, in this order."""
        limits = [(c.minimum, c.maximum, c.max_step, c.stuck_after_s) for c in channels]
        return cls(
            datastream=np.array([c.datastream for c in channels], np.int64),
            scale=np.array([c.scale for c in channels], np.float64),
            offset=np.array([c.offset for c in channels], np.float64),
            minimum=_floats((limit[0] for limit in limits), -np.inf),
            maximum=_floats((limit[1] for limit in limits), np.inf),
            max_step=_floats((limit[2] for limit in limits), np.inf),
            stuck_after_us=np.array(
                [_NEVER if limit[3] is None else int(limit[3] * 1e6) for limit in limits], np.int64
            ),
            checked=np.array([any(one is not None for one in limit) for limit in limits], np.bool_),
            citizen=np.array(citizen, np.bool_),
        )


def _floats(values: Iterable[float | None], absent: float) -> Floats:
    return np.array([absent if value is None else value for value in values], np.float64)


@dataclass(frozen=True, slots=True)
class BoundDevice:
    """A device with where its fields go."""

    device: Device
    fields: FieldChannels


class Bindings:
    """An inventory made ready for the hot path; built anew when the register's version moves."""

    def __init__(self, inventory: Inventory) -> None:
        self.version = inventory.version
        self._datastreams = inventory.datastreams
        self._channels: list[Channel] = []
        self._citizen: list[bool] = []
        self.devices: dict[DevEUI, BoundDevice] = {
            eui: BoundDevice(device, self._bind(device.channels, citizen=device.citizen))
            for eui, device in inventory.devices.items()
        }
        self.wired: dict[tuple[str, str], FieldChannels] = {
            key: self._bind(sensor.channels, citizen=False) for key, sensor in inventory.wired.items()
        }
        self.channels = Channels.build(self._channels, self._citizen)
        self._projects: dict[DevEUI, str] = {
            eui: project
            for eui, device in inventory.devices.items()
            if device.citizen and (project := project_of_thing(inventory.things.get(device.thing)))
        }
        self._living = frozenset(self._projects.values())
        self.restarting = frozenset(str(eui) for eui, one in inventory.devices.items() if one.counter_reset)
        """Devices (DevEUI as text) whose frame counter may begin at 0 again."""

    def has_left(self, origin: str) -> bool:
        """Whether a delivery came in for a citizen's project that was withdrawn: nobody may use it."""
        project = project_of(origin)
        return project is not None and project not in self._living

    def require_entitled(self, origin: str, dev_eui: DevEUI) -> None:
        """Unusable if a citizen's project speaks for a device that is not its own."""
        project = project_of(origin)
        if project is not None and self._projects.get(dev_eui) != project:
            raise Unusable(
                f"device {dev_eui} does not belong to project {project}",
                "compare the DevEUI with the one that was applied for; another device needs an application "
                "of its own",
            )

    def device(self, dev_eui: DevEUI) -> BoundDevice:
        """The device; Unusable if nobody registered it."""
        bound = self.devices.get(dev_eui)
        if bound is None:
            raise Unusable(
                f"device {dev_eui} is not registered",
                f"register DevEUI {dev_eui} with `udp import-city`, then `udp-ingest replay`",
            )
        return bound

    def sensor(self, agent: str, sensor: str) -> FieldChannels:
        """The channels of a wired sensor; Unusable if nobody registered it."""
        fields = self.wired.get((agent, sensor))
        if fields is None:
            raise Unusable(
                f"sensor {sensor!r} of agent {agent} is not registered",
                f"describe it in the city file ([[thing.wired]] agent = {agent!r}, sensor = {sensor!r}), "
                "import it with `udp import-city`, then replay",
            )
        return fields

    def require_units(self, fields: FieldChannels, units: Mapping[str, str]) -> None:
        """Unusable if a mapping file gives a field in another unit than its Datastream has.

        A channel that scales is meant for raw values of a device; foreign values come in their unit."""
        for name, symbol in units.items():
            for position in fields.get(name, ()):
                stream = self._datastreams.get(self._channels[position].datastream)
                if stream is not None and stream.unit.symbol != symbol:
                    raise Unusable(
                        f"field {name!r} is in {symbol}, its Datastream {stream.id} in {stream.unit.symbol}",
                        "correct unit, scale and offset in the mapping file, then replay",
                    )

    def _bind(self, channels: Sequence[Channel], *, citizen: bool) -> FieldChannels:
        fields: dict[str, tuple[int, ...]] = {}
        for channel in channels:
            fields[channel.field] = (*fields.get(channel.field, ()), len(self._channels))
            self._channels.append(channel)
            self._citizen.append(citizen)
        return fields


@dataclass(slots=True)
class Columns:
    """Values on their way to becoming Observations, column by column, in order of arrival.

    `position`, `raw`, `time`: one element per value. `known`, `journalled`, `count`: one element
    per message (`source` number), which brought `count` values. Times in microseconds.
    """

    position: list[int] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    time: list[int] = field(default_factory=list)
    known: list[int] = field(default_factory=list)
    journalled: list[int] = field(default_factory=list)
    count: list[int] = field(default_factory=list)

    def add(
        self,
        records: Sequence[Record],
        fields: FieldChannels,
        *,
        received_at: datetime,
        journalled_at: int,
    ) -> None:
        """All values of one message that have a channel; Unusable, and nothing added, if one is no number."""
        known = microseconds(received_at)
        positions: list[int] = []
        values: list[float] = []
        times: list[int] = []
        for record in records:
            time = known if record.at is None else microseconds(record.at)
            for name, value in record.fields.items():
                for position in fields.get(name, ()):
                    positions.append(position)
                    values.append(_number(name, value))
                    times.append(time)
        self.position += positions
        self.raw += values
        self.time += times
        self.known.append(known)
        self.journalled.append(journalled_at)
        self.count.append(len(positions))


def _number(name: str, value: FieldValue) -> float:
    if value.__class__ is not str:
        try:
            number = float(value)
        except OverflowError:
            number = np.inf
        if -np.inf < number < np.inf:
            return number
    raise Unusable(
        f"field {name!r} holds {str(value)[:40]!r}, which is no finite number",
        "correct the codec, or take the field's channel out of the profile; then replay",
    )


def status_record(status: GatewayStatus) -> Record:
    """A gateway's statistics as the fields of the wired sensor `gateway`."""
    fields: dict[str, Any] = {
        "packets_received": status.packets_received,
        "packets_valid": status.packets_valid,
        "packets_forwarded": status.packets_forwarded,
        "acknowledged_percent": status.acknowledged_percent,
        "downlinks_received": status.downlinks_received,
        "packets_sent": status.packets_sent,
    }
    return Record(fields)
