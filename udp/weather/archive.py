"""Keep every weather forecast as it was issued, with the moment it became known here.

Models are calibrated on the forecasts of the past, never on the rain that came; so what was expected must
stay readable, and what was not yet known at a moment must stay hidden. Forecasts are Observations like all
others: lead = valid time - issue time, result_time = when it was fetched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from udp.forecasting.port import CITY, ForecastKey, Forecasts, Kind
from udp.registry.port import Inventory
from udp.sensorthings import Datastream, Quality, QualityRule, Thing
from udp.store.columns import Observations, Period
from udp.store.port import ObservationStore
from udp.weather.mosmix import EXCEEDANCES, PointForecast
from udp.weather.radar import Nowcast

NOWCAST_STEP, NOWCAST_STEPS = timedelta(minutes=5), 24
HOUR, HOURS = timedelta(hours=1), 247
EXPECTED_RAIN = ForecastKey(CITY, Kind.RAIN, 0.0)
EXPECTED_AIR = ForecastKey(CITY, Kind.AIR, 0.0)
AIR_ERROR = ForecastKey(CITY, Kind.AIR_ERROR, 0.0)
_RAIN_PROPERTIES = ("precipitation", "precipitation_total")
_SECOND = np.timedelta64(1_000_000, "us")
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Runs:
    """Forecasts by issue time, ascending. `issued`, `known_at` (runs,), `values` (runs, series, steps):
    element k is valid at issue + (k + 1) x `step`; NaN was not said."""

    issued: NDArray[np.datetime64]
    known_at: NDArray[np.datetime64]
    values: NDArray[np.float64]
    step: timedelta

    def __len__(self) -> int:
        return len(self.issued)


def rain_gauges(inventory: Inventory) -> list[tuple[Thing, Datastream]]:
    """One Datastream per rain gauge: the counter where there is one, because it forgets no lost message."""
    best: dict[str, tuple[Thing, Datastream]] = {}
    for wanted in _RAIN_PROPERTIES:
        for _, one in sorted(inventory.datastreams.items()):
            thing = inventory.things.get(one.thing)
            if thing is not None and thing.kind == "rain_gauge" and one.observed_property.key == wanted:
                best[thing.key] = (thing, one)
    return list(best.values())


@dataclass(frozen=True, slots=True)
class Archive:
    """Forecasts of weather services in the store, under numbers the models' forecasts share."""

    store: ObservationStore
    forecasts: Forecasts

    def keep_nowcast(self, nowcast: Nowcast, gauges: Sequence[int], known_at: datetime) -> int:
        """`gauges`: the measured Datastreams in the order of its places. Returns how many values."""
        keys = [ForecastKey(of, Kind.NOWCAST, 0.0) for of in gauges]
        columns = dict(zip(keys, nowcast.rain.T, strict=True))
        return self._keep(columns, nowcast.issued_at, nowcast.valid, known_at)

    def keep_forecast(self, forecast: PointForecast, known_at: datetime) -> int:
        """Returns how many values."""
        columns = {EXPECTED_RAIN: forecast.rain, EXPECTED_AIR: forecast.temperature}
        if forecast.temperature_error is not None:
            columns[AIR_ERROR] = forecast.temperature_error
        columns |= {ForecastKey(CITY, Kind.RAIN_OVER, mm): row for mm, row in forecast.over.items()}
        return self._keep(columns, forecast.issued_at, forecast.valid, known_at)

    def nowcasts(self, gauges: Sequence[int], since: datetime, as_of: datetime) -> Runs:
        """Radar nowcasts known at `as_of`, series in the order of `gauges`."""
        keys = [ForecastKey(of, Kind.NOWCAST, 0.0) for of in gauges]
        return self._runs(keys, NOWCAST_STEP, NOWCAST_STEPS, since, as_of)

    def point_forecasts(self, since: datetime, as_of: datetime) -> Runs:
        """Point forecasts known at `as_of`; series are rain, temperature, then the probabilities in the order
        of `EXCEEDANCES`."""
        over = [ForecastKey(CITY, Kind.RAIN_OVER, mm) for mm in EXCEEDANCES.values()]
        return self._runs([EXPECTED_RAIN, EXPECTED_AIR, *over], HOUR, HOURS, since, as_of)

    def air_forecasts(self, since: datetime, as_of: datetime) -> Runs:
        """Temperature alone of the point forecasts known at `as_of`."""
        return self._runs([EXPECTED_AIR], HOUR, HOURS, since, as_of)

    def _keep(
        self,
        columns: Mapping[ForecastKey, NDArray[np.float64]],
        issued_at: datetime,
        valid: NDArray[np.datetime64],
        known_at: datetime,
    ) -> int:
        numbers = self.forecasts.number(list(columns))
        issued, known = _instant(issued_at), _instant(known_at)
        lead = ((valid - issued) // _SECOND).astype(np.int64)
        parts = []
        for key, values in columns.items():
            told = np.isfinite(values) & (lead > 0)
            parts.append(
                Observations.build(
                    numbers[key], valid[told], values[told], result_time=known, lead=lead[told],
                    quality=Quality.UNCHECKED, rule=QualityRule.NONE,
                )
            )  # fmt: skip
        batch = Observations.concatenate([one for one in parts if len(one)])
        if len(batch):
            self.store.append(batch)
        return len(batch)

    def _runs(
        self, keys: Sequence[ForecastKey], step: timedelta, steps: int, since: datetime, as_of: datetime
    ) -> Runs:
        streams = self.forecasts.told().streams
        known = {streams[key]: place for place, key in enumerate(keys) if key in streams}
        found = Observations.empty()
        if known:
            period = Period(since, max(since, as_of + steps * step) + _TICK)
            found = self.store.read(list(known), period, as_of=as_of)
        size = np.timedelta64(step, "us")
        place = (found.lead * _SECOND) // size - 1
        issued_at = found.phenomenon_time - found.lead * _SECOND
        keep = (found.lead > 0) & (found.lead * _SECOND % size == np.timedelta64(0, "us")) & (place < steps)
        keep &= issued_at >= _instant(since)
        found, place, issued_at = found.take(keep), place[keep].astype(np.int64), issued_at[keep]
        issued, run = np.unique(issued_at, return_inverse=True)
        values = np.full((len(issued), len(keys), steps), np.nan)
        values[run, [known[int(one)] for one in found.datastream], place] = found.result
        arrived = np.full(len(issued), np.datetime64(0, "us"))
        np.maximum.at(arrived, run, found.result_time)
        return Runs(issued, arrived, values, step)


def _instant(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.replace(tzinfo=None), "us")
