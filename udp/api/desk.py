"""What every route needs: the ports, the clocks, the gate, and who is asking."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request
from starlette.responses import Response

from udp.access.crowd import Crowd
from udp.access.porter import Porter
from udp.api.asking import identify
from udp.api.current import LatestAnswers, Snapshot, read_snapshot
from udp.api.mobile.weekly import Weeks, read_weeks
from udp.api.refreshed import Refreshed
from udp.api.sensorthings.mqtt.settings import MqttSettings
from udp.api.settings import ApiSettings
from udp.api.standing import Standing
from udp.api.view import View, Views, read_views
from udp.auth import Keys
from udp.citizens.office import Office
from udp.datasets.source import PolicyFile
from udp.devices.sheets import DeviceSheets, NoSheets
from udp.events.port import EventLog, NoEvents
from udp.forecasting.port import Case, Told, Verdict
from udp.ledger.hearing import Hearing
from udp.ledger.port import Packet, Quarantined, Report
from udp.opendata.settings import OpenDataSettings
from udp.policy import PUBLIC, Caller, Gate
from udp.registry.database import Database
from udp.registry.port import Registry
from udp.store.port import ObservationStore
from udp.weather.archive import rain_gauges
from udp.weather.coming import Coming, coming
from udp.weather.settings import WeatherSettings
from udp.weather.warning_state import WarningState

_WEEKS_S = 3600.0
_COMING_S = 60.0


def utc_now() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


class LedgerView(Protocol):
    """What the API reads of the ledger (udp.ledger.port)."""

    def report(self) -> Report:
        """See `Ledger`."""

    def hearing(self) -> Mapping[str, Hearing]:
        """See `SqlLedger`."""

    def packets(self, project: str, limit: int) -> Sequence[Packet]:
        """See `PacketReader`."""

    def quarantined(self, limit: int) -> Sequence[Quarantined]:
        """See `QuarantineReader`."""


class ForecastsView(Protocol):
    """What the API reads and writes of the models' statements (udp.forecasting.port)."""

    def told(self) -> Told:
        """See `Forecasts`."""

    def judge(self, case: int, verdict: Verdict, note: str) -> Case:
        """See `Forecasts`."""


class WarningsView(Protocol):
    """What the API reads of official warnings (udp.weather.warning_state)."""

    def read(self) -> WarningState | None:
        """See `SqlWarnings`."""


@dataclass(frozen=True, slots=True)
class Writable:
    """Where writes through SensorThings go: the register's database, and the store open for appending."""

    database: Database
    store: ObservationStore


@dataclass(frozen=True, slots=True)
class Ports:
    """The parts behind the API; without a `policy`, the shipped one; without a `porter`, nobody signs in
    and keys have no limits; without `writing`, nobody writes. `silent_after`: by subject of events, None
    while nobody watched. `public_url`: the address of the API where nobody has asked by one. `root`: the
    path at which this city is served (udp.api.rooted). `standing`: of a process that serves for long;
    without it nothing is prepared at the start."""

    registry: Registry
    store: ObservationStore
    ledger: LedgerView
    keys: Keys
    pages: Path | None = None
    settings: ApiSettings = field(default_factory=ApiSettings)
    now: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    citizens: Office | None = None
    policy: PolicyFile = field(default_factory=PolicyFile)
    writing: Writable | None = None
    porter: Porter | None = None
    events: EventLog = field(default_factory=NoEvents)
    sheets: DeviceSheets | NoSheets = field(default_factory=NoSheets)
    silent_after: Callable[[str], timedelta | None] = lambda _subject: None
    forecasts: ForecastsView | None = None
    warnings: WarningsView | None = None
    weather: WeatherSettings = field(default_factory=WeatherSettings)
    opendata: OpenDataSettings = field(default_factory=OpenDataSettings)
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    public_url: str = "http://localhost:8080"
    root: str = ""
    standing: Standing | None = None


class Desk:
    """The ports with their memory: each is read at most once per `refresh_s`."""

    def __init__(self, ports: Ports) -> None:
        self.ports = ports
        self.settings = ports.settings
        self.now = ports.now
        self._gate = Gate(ports.policy.current())
        self.views: Refreshed[Views] = self._refreshed(
            lambda before: read_views(ports.registry, self.gate(), before)
        )
        self.current: Refreshed[Snapshot] = self._refreshed(self._read_current)
        self.report: Refreshed[Report] = self._refreshed(lambda _before: ports.ledger.report())
        self.told: Refreshed[Told] = self._refreshed(
            lambda _before: Told() if ports.forecasts is None else ports.forecasts.told()
        )
        self.warned: Refreshed[WarningState | None] = self._refreshed(
            lambda _before: None if ports.warnings is None else ports.warnings.read()
        )
        # A new run is an hour on its way; a minute more costs nobody anything.
        self.coming: Refreshed[Coming] = Refreshed(
            self._read_coming, _COMING_S if self.settings.refresh_s else 0.0, ports.monotonic
        )
        # Eight weeks by the hour change little within one; without patience (tests) they are read anew.
        self.weeks: Refreshed[Weeks] = Refreshed(
            self._read_weeks, _WEEKS_S if self.settings.refresh_s else 0.0, ports.monotonic
        )
        self.latest = LatestAnswers()
        limits = ports.settings
        self.crowd = Crowd(limits.anonymous_per_minute, limits.anonymous_at_once, ports.monotonic)

    async def view(self, caller: Caller) -> View:
        """What the caller may know now."""
        return (await self.views.get()).of(caller)

    def gate(self) -> Gate:
        """The gate with the policy in force now."""
        policy = self.ports.policy.current()
        if policy is not self._gate.policy:
            self._gate = Gate(policy)
        return self._gate

    def _read_current(self, before: Snapshot | None) -> Snapshot:
        views = self.views.newest or read_views(self.ports.registry, self.gate(), None)
        return read_snapshot(self.ports.store, before, views.held, self.now())

    def _read_weeks(self, _before: Weeks | None) -> Weeks:
        views = self.views.newest or read_views(self.ports.registry, self.gate(), None)
        streams = views.inventory.datastreams.values()
        levels = [one.id for one in streams if one.observed_property.key == "fill_level"]
        kinds = {key for key, thing in views.inventory.things.items() if thing.kind == "paper_container"}
        wanted = [number for number in levels if views.inventory.datastreams[number].thing in kinds]
        return read_weeks(self.ports.store, wanted, self.now())

    def _read_coming(self, _before: Coming | None) -> Coming:
        """Numbers of forecasts are few and read anew, so that a first run is seen at once."""
        if self.ports.forecasts is None:
            return Coming()
        views = self.views.newest or read_views(self.ports.registry, self.gate(), None)
        gauges = {one.id for _, one in rain_gauges(views.inventory)}
        return coming(self.ports.store, self.ports.forecasts.told().streams, gauges, self.now())

    def _refreshed(self, read: Callable[[Any], Any]) -> Refreshed[Any]:
        return Refreshed(read, self.settings.refresh_s, self.ports.monotonic)


def desk(request: Request) -> Desk:
    """The desk this application was built with."""
    found: Desk = request.app.state.desk
    return found


async def caller(request: Request) -> Caller:
    """Who asks, and whether they may ask here and now (udp.api.asking)."""
    at = desk(request)
    return await identify(request, at.ports.keys, at.ports.porter, at.crowd)


AtDesk = Annotated[Desk, Depends(desk)]
Asking = Annotated[Caller, Depends(caller)]


def cache_header(who: Caller, seconds: int) -> dict[str, str]:
    """How long others may keep an answer; what a key opened, nobody."""
    value = f"public, max-age={seconds}" if who == PUBLIC else "private, no-store"
    return {"Cache-Control": value, "Vary": "Accept-Encoding, Authorization, X-Api-Key, Cookie"}


def unchanged(request: Request, etag: str) -> bool:
    """Whether the caller already has the representation `etag` (weak comparison, RFC 9110, 13.1.2)."""
    wanted = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    return "*" in wanted or etag.removeprefix("W/") in wanted


def answer(request: Request, who: Caller, body: str, *, media_type: str, seconds: int) -> Response:
    """A 200 with an ETag of its content, or 304."""
    octets = body.encode()
    etag = f'W/"{blake2b(octets, digest_size=12).hexdigest()}"'
    headers = {"ETag": etag, **cache_header(who, seconds)}
    if unchanged(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(octets, headers=headers, media_type=media_type)
