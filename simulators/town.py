"""Puts the running city together: truth, radio, network servers, poles, and the loop of time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from edge.wire.identifiers import GatewayEUI
from edge.wire.settings import Secret
from simulators.city import City
from simulators.config import BrokerSettings, CitySettings, DoorSettings, moment
from simulators.coverage import Coverage
from simulators.delivery import HttpMessenger, Messenger, MqttMessenger
from simulators.faults import WEATHER_SERVICE, FaultBoard, FaultKind, check
from simulators.inventory import build_city
from simulators.outlook import Outlook
from simulators.places import read_places
from simulators.player import Player, Progress, Studio
from simulators.poles import PoleServer
from simulators.radio import PacketForwarder
from simulators.sensing import Senses
from simulators.state import CityState, read_state, write_state
from simulators.timetable import Timetable
from simulators.uplinks import Encoder
from simulators.ways import Carrier, ChirpStackWay, RadioWay, ThingsStackWay
from simulators.weather_service import WeatherService

_SLACK_S = 86_400.0

log = logging.getLogger(__name__)


def make_city(settings: CitySettings) -> City:
    """The inventory of the settings' seed, with the gateways' EUIs as set. ValueError names a wrong name."""
    city = build_city(settings.seed, read_places())
    known = {gateway.name for gateway in city.gateways}
    euis = {one.name: GatewayEUI.parse(one.eui) for one in settings.gateway if one.eui}
    for name in (one.name for one in settings.gateway):
        if name not in known:
            raise ValueError(f"gateway {name!r} is unknown; known are {', '.join(sorted(known))}")
    poles = {pole.id for pole in city.poles}
    for name in (one.name for one in settings.pole):
        if name not in poles:
            raise ValueError(f"pole {name!r} is unknown; known are {', '.join(sorted(poles))}")
    gateways = tuple(
        replace(gateway, eui=bytes(euis[gateway.name])) if gateway.name in euis else gateway
        for gateway in city.gateways
    )
    city = replace(city, gateways=gateways)
    for fault in settings.fault:
        check(fault.fault(), city)
    return city


def begin(settings: CitySettings, now: float) -> CityState:
    """The state to go on from: the last run's, or a new city at the beginning of its history.

    A gap longer than `history` by a day is not made up for; the frame counters go on all the same.
    """
    until = min(moment(settings.until).timestamp(), now) if settings.until else now
    oldest = until - settings.history.total_seconds()
    start = moment(settings.since).timestamp() if settings.since else oldest
    state = read_state(settings.state_file, settings.seed)
    if state is None:
        state = CityState(seed=settings.seed, began=start, time=start)
        # At once: whoever is stopped before the first confirmation must send the same frames again,
        # not others under the same counters.
        write_state(settings.state_file, state)
        return state
    # Within the slack nothing is left out: a city stopped soon after it began has sent frames that it
    # has not noted, and must send the very same ones again.
    if state.time < oldest - _SLACK_S and not settings.since:
        log.warning(
            "the city was off for longer than its history; %.1f days are left out",
            (oldest - state.time) / 86_400,
        )
        state.time = oldest
    return state


class Town:
    """Everything that runs; `run` returns after `stop`, or when `until` is reached."""

    def __init__(self, settings: CitySettings, report: Callable[[Progress], None]) -> None:
        self._settings = settings
        self._report = report
        self.city = make_city(settings)
        self.senses = Senses(self.city)
        self.faults = FaultBoard(settings.faults_file, (fault.fault() for fault in settings.fault))
        self._player: Player | None = None

    def stop(self) -> None:
        """End after what is being done; safe to call from a signal handler of the loop."""
        if self._player is not None:
            self._player.stop()

    async def run(self) -> Progress:
        """Open everything, let time pass, close everything. OSError if a pole's port is taken."""
        settings, city = self._settings, self.city
        state = begin(settings, time.time())
        async with contextlib.AsyncExitStack() as stack:
            carriers = [await self._radio(stack), *self._servers(stack)]
            coverage = Coverage(city)
            self._player = Player(
                Timetable(city, self.senses, coverage),
                Studio(Encoder(city), self.senses, self.faults, [gateway.name for gateway in city.gateways]),
                carriers,
                self.faults,
                state,
                save=lambda one: write_state(settings.state_file, one),
                report=self._report,
                now=time.time,
                monotonic=time.monotonic,
                until=moment(settings.until).timestamp() if settings.until else None,
                speed=settings.speed,
            )
            await self._poles(stack)
            self._weather_service(stack)
            await self._player.run()
            return self._player.progress

    async def _radio(self, stack: contextlib.AsyncExitStack) -> Carrier:
        forwarders: dict[str, PacketForwarder] = {}
        gateways = {gateway.name: gateway for gateway in self.city.gateways}
        for one in self._settings.gateway:
            forwarder = PacketForwarder(gateways[one.name])
            await forwarder.open(one.host, one.port)
            stack.push_async_callback(forwarder.close)
            forwarders[one.name] = forwarder
        return RadioWay(self.city, forwarders, self.faults)

    def _servers(self, stack: contextlib.AsyncExitStack) -> list[Carrier]:
        broker, door = self._settings.broker, self._settings.door
        by_mqtt = _open_broker(broker, self._settings.seed) if broker else None
        chirpstack_post = (
            _open_door(door, "Authorization", "Bearer ", door.chirpstack_key) if door and not broker else None
        )
        things_post = _open_door(door, "X-Api-Key", "", door.things_stack_key) if door else None
        for messenger in (by_mqtt, chirpstack_post, things_post):
            if messenger is not None:
                stack.push_async_callback(messenger.close)
        carriers: list[Carrier] = []
        if (chirpstack := by_mqtt or chirpstack_post) is not None:
            encoding = self._settings.chirpstack_encoding
            carriers.append(ChirpStackWay(self.city, chirpstack, encoding=encoding, by_http=by_mqtt is None))
        if by_mqtt is not None or things_post is not None:
            project = door.project if door else ""
            carriers.append(ThingsStackWay(self.city, by_mqtt, things_post, project))
        return carriers

    def _weather_service(self, stack: contextlib.AsyncExitStack) -> None:
        if (one := self._settings.weather_service) is not None:
            outlook = Outlook(self.city.seed, self.senses.weather)
            service = WeatherService(outlook, time.time, self._weather_away)
            service.open(one.host, one.port)
            stack.callback(service.close)

    def _weather_away(self, time: float) -> bool:
        return self.faults.find(FaultKind.WEATHER_AWAY, WEATHER_SERVICE, time) is not None

    async def _poles(self, stack: contextlib.AsyncExitStack) -> None:
        places = {pole.id: pole for pole in self.city.poles}
        for one in self._settings.pole:
            server = PoleServer(places[one.name], self.senses, self.faults, time.time)
            await server.open(one.host, one.port)
            stack.push_async_callback(server.close)


def _open_broker(settings: BrokerSettings, seed: int) -> Messenger:
    return MqttMessenger(
        settings.host,
        settings.port,
        username=settings.username,
        password=settings.password.reveal() if settings.password else None,
        client_id=f"udp-city-{seed}",
    )


def _open_door(settings: DoorSettings, header: str, prefix: str, key: Secret | None) -> Messenger:
    return HttpMessenger(settings.url, {header: prefix + key.reveal()} if key else {})


async def run_until_signalled(town: Town, signals: tuple[int, ...]) -> Progress:
    """Run the town and stop it cleanly at the first of the signals."""
    loop = asyncio.get_running_loop()
    for number in signals:
        loop.add_signal_handler(number, town.stop)
    return await town.run()
