"""The ways from an uplink on the air into the platform: gateways, ChirpStack, The Things Stack."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from simulators.chirpstack import ChirpStack, Event, to_json
from simulators.city import City, Way
from simulators.delivery import Letter, Messenger
from simulators.faults import FaultBoard, FaultKind
from simulators.radio import PacketForwarder
from simulators.things_stack import ThingsStack, topic
from simulators.uplinks import Uplink

_JSON, _PROTOBUF = "application/json", "application/octet-stream"
LETTERS_UNDER_WAY = 512
DATAGRAMS_UNDER_WAY = 24  # of eight packets each, per gateway: keeps an agent busy, leaves little to repeat
STAT_EVERY_S = 30.0  # a packet forwarder's default
STAT_IN_HISTORY_S = 3_600.0  # nobody looks at half minutes of last week


class Carrier(Protocol):
    """Takes every uplink of the city and carries those that go its way."""

    def carry(self, uplink: Uplink) -> None:
        """Take one uplink; never blocks."""

    def pass_time(self, until: float, *, live: bool) -> None:
        """Virtual time (epoch seconds) has come to `until`: send what belongs to it.

        `live` is False while history is being sent.
        """

    @property
    def backlog(self) -> int:
        """What is sent or to be sent and not yet confirmed."""

    async def room(self, *, empty: bool = False) -> None:
        """Wait until more may be sent; with `empty`, until everything is confirmed."""


class RadioWay:
    """Nine gateways and their packet forwarders, with their clocks, their power and their statistics."""

    def __init__(self, city: City, forwarders: Mapping[str, PacketForwarder], faults: FaultBoard) -> None:
        self._forwarders = [forwarders.get(gateway.name) for gateway in city.gateways]
        self._faults = faults
        self._last_stat: float | None = None

    def carry(self, uplink: Uplink) -> None:
        """Offer the frame to every gateway that heard it."""
        if not uplink.device.way.by_radio:
            return
        for heard in uplink.heard:
            forwarder = self._forwarders[heard.gateway]
            if forwarder is not None:
                name = forwarder.gateway.name
                wrong = self._faults.find(FaultKind.WRONG_CLOCK, name, uplink.time)
                forwarder.offer(uplink, heard, wrong.amount if wrong else 0.0)

    def pass_time(self, until: float, *, live: bool) -> None:
        """Flush, switch gateways off and on, send the statistics that are due."""
        due = self._statistics_are_due(until, live=live)
        for forwarder in self._open():
            forwarder.flush()
            name = forwarder.gateway.name
            forwarder.switch(on=self._faults.find(FaultKind.GATEWAY_OFF, name, until) is None)
            if due:
                wrong = self._faults.find(FaultKind.WRONG_CLOCK, name, until)
                forwarder.offer_stat(until + (wrong.amount if wrong else 0.0))

    def _statistics_are_due(self, until: float, *, live: bool) -> bool:
        # Counted from the last ones: whoever becomes live does not wait out the pause history had begun.
        every = STAT_EVERY_S if live else STAT_IN_HISTORY_S
        if self._last_stat is not None and until < self._last_stat + every:
            return False
        self._last_stat = until
        return True

    @property
    def backlog(self) -> int:
        """Unacknowledged datagrams of all gateways."""
        return sum(forwarder.backlog for forwarder in self._open())

    async def room(self, *, empty: bool = False) -> None:
        """Wait for the slowest gateway."""
        for forwarder in self._open():
            await forwarder.room(0 if empty else DATAGRAMS_UNDER_WAY)

    def _open(self) -> list[PacketForwarder]:
        return [forwarder for forwarder in self._forwarders if forwarder is not None]


class ChirpStackWay:
    """The virtual ChirpStack, by MQTT or by its HTTP integration, in JSON, protobuf or both."""

    def __init__(self, city: City, messenger: Messenger, *, encoding: str, by_http: bool) -> None:
        self._server = ChirpStack(city)
        self._messenger = messenger
        self._encoding = encoding
        self._by_http = by_http

    def carry(self, uplink: Uplink) -> None:
        """Publish the events of devices that ChirpStack knows."""
        if uplink.device.way is Way.CHIRPSTACK or uplink.device.also_chirpstack:
            for event in self._server.events(uplink):
                self._messenger.send(self._letter(event))

    def pass_time(self, until: float, *, live: bool) -> None:
        """Nothing hangs on the time alone."""

    @property
    def backlog(self) -> int:
        """Unconfirmed events."""
        return self._messenger.backlog

    async def room(self, *, empty: bool = False) -> None:
        """Wait for confirmations."""
        await self._messenger.room(0 if empty else LETTERS_UNDER_WAY)

    def _letter(self, event: Event) -> Letter:
        protobuf = self._encoding == "protobuf" or (self._encoding == "mixed" and event.device.index % 2 == 1)
        body = event.message.SerializeToString() if protobuf else json.dumps(to_json(event)).encode()
        return Letter(
            address=f"/chirpstack?event={event.kind}" if self._by_http else event.topic,
            body=body,
            content_type=_PROTOBUF if protobuf else _JSON,
            sender=event.device.index,
        )


class ThingsStackWay:
    """The virtual Things Stack: some devices by MQTT, some by webhook; all by webhook without a broker."""

    def __init__(
        self, city: City, by_mqtt: Messenger | None, by_webhook: Messenger | None, project: str
    ) -> None:
        self._server = ThingsStack(city)
        self._by_mqtt = by_mqtt
        self._by_webhook = by_webhook
        self._project = project

    def carry(self, uplink: Uplink) -> None:
        """Publish or post uplinks of devices in The Things Stack, joins before their first."""
        device = uplink.device
        if not device.way.by_things_stack or uplink.repeat:
            return
        messages = [("up", self._server.up(uplink))]
        if uplink.f_cnt == 0:
            messages.insert(0, ("join", self._server.join(uplink)))
        over_mqtt = self._by_webhook is None or (device.way is Way.THINGS_MQTT and self._by_mqtt is not None)
        messenger = self._by_mqtt if over_mqtt else self._by_webhook
        for kind, message in messages:
            if messenger is not None:
                address = topic(device, kind) if over_mqtt else f"/things-stack/{self._project}"
                messenger.send(Letter(address, json.dumps(message).encode(), _JSON, device.index))

    def pass_time(self, until: float, *, live: bool) -> None:
        """Nothing hangs on the time alone."""

    @property
    def backlog(self) -> int:
        """Unconfirmed messages."""
        return sum(messenger.backlog for messenger in self._both())

    async def room(self, *, empty: bool = False) -> None:
        """Wait for confirmations."""
        for messenger in self._both():
            await messenger.room(0 if empty else LETTERS_UNDER_WAY)

    def _both(self) -> Sequence[Messenger]:
        return [messenger for messenger in (self._by_mqtt, self._by_webhook) if messenger is not None]
