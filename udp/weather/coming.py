"""Tell the rain and warmth of the coming hours as the weather service expects them, with how sure it is.

The newest run known at a moment, whole: two runs are never mixed. What is too old is not told at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from udp.forecasting.port import CITY, ForecastKey, Kind
from udp.store.columns import Observations, Period
from udp.store.port import ObservationStore
from udp.weather.archive import AIR_ERROR, EXPECTED_AIR, EXPECTED_RAIN
from udp.weather.mosmix import EXCEEDANCES

Part = TypeVar("Part")
Said: TypeAlias = Mapping[ForecastKey, float]
HORIZON = timedelta(hours=48)
# RV comes every five minutes, MOSMIX_L every six hours, an hour after its issue: what is older is not the
# newest there should be.
FRESH_RADAR, FRESH_POINT = timedelta(minutes=20), timedelta(hours=9)
# Longer than these nobody should plan by it.
_USED_RADAR, _USED_POINT = timedelta(minutes=45), timedelta(hours=24)
_DRY = min(EXCEEDANCES.values())
_ONE_IN_TEN = 0.1
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Hour:
    """The hour that ends at `ends`: `rain` mm expected, `chance` (0 to 1) of more than 0.1 mm, `high` mm that
    one hour in ten exceeds; `air` degrees Celsius at its end and how far off that usually is (kelvin). None
    is not said."""

    ends: datetime
    rain: float | None
    chance: float | None
    high: float | None
    air: float | None
    air_error: float | None


@dataclass(frozen=True, slots=True)
class Minutes:
    """Five minutes that end at `ends`: mm at the rain gauges, mean of all and the most at any."""

    ends: datetime
    rain: float
    most: float


@dataclass(frozen=True, slots=True)
class Run(Generic[Part]):
    """One run of a product, whole; `fresh`: there should be no newer one."""

    issued_at: datetime
    known_at: datetime
    fresh: bool
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Coming:
    """Point forecast and radar nowcast; None where nothing is known, or nothing of any use."""

    point: Run[Hour] | None = None
    radar: Run[Minutes] | None = None


def coming(
    store: ObservationStore, streams: Mapping[ForecastKey, int], gauges: Collection[int], now: datetime
) -> Coming:
    """As known at `now`; `streams` are the numbers of forecasts, `gauges` the measured rain Datastreams."""
    of_city = {number: key for key, number in streams.items() if key.of == CITY}
    of_radar = {n: key for key, n in streams.items() if key.kind is Kind.NOWCAST and key.of in gauges}
    found = Observations.empty()
    if of_city or of_radar:
        period = Period(now + _TICK, now + HORIZON + _TICK)
        found = store.read([*of_city, *of_radar], period, as_of=now)
    return Coming(
        _newest(found, of_city, _hour, now, fresh=FRESH_POINT, used=_USED_POINT),
        _newest(found, of_radar, _minutes, now, fresh=FRESH_RADAR, used=_USED_RADAR),
    )


def _newest(
    found: Observations, keys: Mapping[int, ForecastKey], part: Callable[[datetime, Said], Part],
    now: datetime, *, fresh: timedelta, used: timedelta,
) -> Run[Part] | None:  # fmt: skip
    """What the newest run says that is still of use, by the moments it speaks of."""
    issued = found.phenomenon_time - found.lead * np.timedelta64(1, "s")
    since = np.datetime64((now - used).replace(tzinfo=None), "us")
    own = np.isin(found.datastream, list(keys)) & (issued >= since)
    if not own.any():
        return None
    newest = issued[own].max()
    run = found.take(own & (issued == newest))
    rows: dict[datetime, dict[ForecastKey, float]] = {}
    for number, at, value in zip(run.datastream, run.phenomenon_time, run.result, strict=True):
        rows.setdefault(_moment(at), {})[keys[int(number)]] = float(value)
    issue, known = _moment(newest), _moment(run.result_time.max())
    return Run(issue, known, now - issue <= fresh, tuple(part(ends, rows[ends]) for ends in sorted(rows)))


def _hour(ends: datetime, said: Said) -> Hour:
    over = {key.level: value for key, value in said.items() if key.kind is Kind.RAIN_OVER}
    return Hour(
        ends, said.get(EXPECTED_RAIN), over.get(_DRY), exceeded(over), said.get(EXPECTED_AIR),
        said.get(AIR_ERROR),
    )  # fmt: skip


def _minutes(ends: datetime, said: Said) -> Minutes:
    return Minutes(ends, sum(said.values()) / len(said), max(said.values()))


def exceeded(over: Mapping[float, float], share: float = _ONE_IN_TEN) -> float | None:
    """The amount (mm) that is exceeded with probability `share`, from probabilities of more than so many mm;
    straight between two amounts. None without any, 0 where even the least is less likely."""
    if not over:
        return None
    amounts = np.array(sorted(over))
    # More rain is never likelier than less, whatever rounding says.
    chances = np.minimum.accumulate([over[one] for one in amounts])
    below = np.flatnonzero(chances <= share)
    if not below.size:
        return float(amounts[-1])
    place = int(below[0])
    if place == 0:
        return 0.0
    step = (chances[place - 1] - share) / (chances[place - 1] - chances[place])
    return float(amounts[place - 1] + step * (amounts[place] - amounts[place - 1]))


def _moment(at: np.datetime64) -> datetime:
    plain: datetime = at.astype("datetime64[us]").astype(datetime)
    return plain.replace(tzinfo=UTC)
