"""Ask the weather service for what is new, keep it, and say what is wrong; no source stops the other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from udp.registry.port import Registry
from udp.weather import mosmix, radar
from udp.weather.archive import Archive, Runs, rain_gauges
from udp.weather.coming import FRESH_POINT, FRESH_RADAR
from udp.weather.download import Downloads, Fetched, SourceAway, SourceHasNot, SourceUnusable
from udp.weather.settings import WeatherSettings

_LOG = logging.getLogger(__name__)
RADAR, POINT = "Regenradar", "Punktvorhersage"
_FRESH = {RADAR: FRESH_RADAR, POINT: FRESH_POINT}
_LOOK_BACK = timedelta(hours=14)


@dataclass
class WeatherRound:
    """`now` is the clock of this machine (aware UTC)."""

    registry: Registry
    archive: Archive
    downloads: Downloads
    settings: WeatherSettings
    now: Callable[[], datetime]
    _newest: dict[str, datetime] = field(default_factory=dict)
    _past: list[datetime] | None = None

    def round(self) -> dict[str, str]:
        """What is wrong by source, in words for the operator page; empty texts where all is well.
        StoreUnavailable, RegistryUnavailable when forecasts cannot be kept."""
        gauges = rain_gauges(self.registry.inventory())
        numbers = [one.id for _, one in gauges]
        places = [(thing.location.latitude, thing.location.longitude) for thing, _ in gauges]

        def nowcast(file: Fetched) -> datetime:
            made = radar.read_nowcast(file.content, places)
            return self._kept(
                RADAR, made.issued_at, lambda known: self.archive.keep_nowcast(made, numbers, known)
            )

        def forecast(file: Fetched) -> datetime:
            made = mosmix.read_forecast(file.content, self.settings.station)
            return self._kept(POINT, made.issued_at, lambda known: self.archive.keep_forecast(made, known))

        self._remember(numbers)
        self._fetch_past()
        said = {POINT: self._source(POINT, mosmix.path_of(self.settings.station), forecast)}
        # Without a gauge there is no place to look at, and nothing that would use it.
        said[RADAR] = self._source(RADAR, radar.PATH, nowcast) if gauges else ""
        return said

    def _source(self, name: str, path: str, keep: Callable[[Fetched], datetime]) -> str:
        try:
            if (file := self.downloads.fetch(path)) is not None:
                issued_at = keep(file)
                self.downloads.kept(path, file)
                self._newest[name] = max(issued_at, self._newest.get(name, issued_at))
        except (SourceAway, SourceUnusable) as error:
            _LOG.warning("%s: %s", name, error)
            return f"{self._standing(name)}; {error}"
        newest = self._newest.get(name)
        return self._standing(name) if newest is None or self.now() - newest > _FRESH[name] else ""

    def _standing(self, name: str) -> str:
        newest = self._newest.get(name)
        if newest is None:
            return f"{name}: noch keine Vorhersage erhalten; die Modelle rechnen ohne sie"
        return f"{name}: die neueste Vorhersage ist von {newest:%d.%m.%Y %H:%M} UTC"

    def _kept(self, name: str, issued_at: datetime, keep: Callable[[datetime], int]) -> datetime:
        """Once only: kept again, it would seem to have become known later than it was."""
        now = self.now()
        if issued_at > now + timedelta(minutes=5):
            raise SourceUnusable(f"{name}: issued at {issued_at:%H:%M} UTC, which is not yet")
        newest = self._newest.get(name)
        if newest is None or issued_at > newest:
            _LOG.info("%s of %s: %d values", name, issued_at.isoformat(), keep(now))
        return issued_at

    def _remember(self, gauges: list[int]) -> None:
        """After a start: what is kept already."""
        if self._newest:
            return
        now = self.now()
        held: tuple[tuple[str, Runs], ...] = (
            (RADAR, self.archive.nowcasts(gauges, now - _LOOK_BACK, now)),
            (POINT, self.archive.point_forecasts(now - _LOOK_BACK, now)),
        )
        for name, runs in held:
            if len(runs):
                stamp: datetime = runs.issued[-1].astype(datetime)
                self._newest[name] = stamp.replace(tzinfo=now.tzinfo)

    def _fetch_past(self) -> None:
        """Point forecasts of the past, when none was ever kept: they are taken as known when the server had
        published them. Nobody has made a forecast without them by then, so none can become another."""
        now = self.now()
        if self._past is None:
            since = now - self.settings.past
            held = self.archive.point_forecasts(since, now)
            self._past = [] if len(held) else mosmix.issues(since, now)
        while self._past:
            try:
                self._take(self._past[0], now)
            except (SourceHasNot, SourceUnusable) as error:
                _LOG.info("no forecast of then: %s", error)
            except SourceAway as error:
                _LOG.info("forecasts of the past are asked for again: %s", error)
                return
            del self._past[0]

    def _take(self, issued_at: datetime, now: datetime) -> None:
        station = self.settings.station
        file = self.downloads.fetch(mosmix.path_of(station, issued_at))
        if file is None or file.modified is None or not issued_at <= file.modified <= now:
            return  # published who knows when
        made = mosmix.read_forecast(file.content, station)
        if made.issued_at == issued_at:
            count = self.archive.keep_forecast(made, file.modified)
            _LOG.info("%s of %s, published before we asked: %d values", POINT, issued_at.isoformat(), count)
            self._newest[POINT] = max(issued_at, self._newest.get(POINT, issued_at))
