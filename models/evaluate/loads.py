"""Forecast the load of meters two days ahead, with three kinds of knowledge of the temperature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models import metrics
from models.backtest import truth
from models.baselines import SeasonalNaive
from models.consumption.expected import Calendar
from models.consumption.outlook import LoadForecaster
from models.consumption.warmth import MeasuredWarmth, NoWarmthAhead, WarmthAhead
from models.evaluate.meters import Meter, read_meters
from models.evaluate.tables import notes
from models.forecaster import LEVELS, Leads
from models.series import DAY, HOUR, Floats, Record, Series, Times

LEADS = np.arange(1, 49) * HOUR


@dataclass(frozen=True, slots=True)
class _ErringWarmth:
    """What came, with errors as a weather service makes them: 0.8 K at once and 2 K after two days (standard
    deviation), alike for half a day, drawn anew every six hours."""

    came: MeasuredWarmth
    seed: int = 0

    def table(self, origins: Times, leads: Leads) -> Floats:
        """See WarmthAhead; leads are whole hours up to two days."""
        ahead = (leads / HOUR).astype(np.int64)
        keep, error = np.exp(-1 / 12), np.empty((len(origins), len(leads)))
        for row, run in enumerate(origins.astype("datetime64[h]").astype(np.int64) // 6):
            path = np.random.default_rng((self.seed, int(run))).normal(size=49)
            for hour in range(1, 49):
                path[hour] = keep * path[hour - 1] + np.sqrt(1 - keep**2) * path[hour]
            error[row] = (0.8 + 1.2 * ahead / 48) * path[ahead]
        return self.came.table(origins, leads) + error


def loads_ahead(data: Path, calendar: Calendar) -> Iterator[str]:
    """By the hour, issued every six hours of the test; medians over meters, errors in shares of the meter's
    mean."""
    read = read_meters(data / "consumption")
    if read is None:
        return
    known: dict[str, WarmthAhead] = {"weather as yesterday": NoWarmthAhead()}
    if read.temperature is not None:
        came = MeasuredWarmth(read.temperature)
        known["temperature erring 1-2 K"] = _ErringWarmth(came)
        known["temperature that came"] = came
    rows: dict[str, list[tuple[float, ...]]] = {}
    for one in read.meters:
        own: list[Any] = [
            LoadForecaster(LEADS, calendar, warmth=warmth, name=name) for name, warmth in known.items()
        ]
        for name, score in _scores(one, read.temperature, own):
            rows.setdefault(name, []).append(score)
    if read.meters and not rows:
        yield "load, 48 h ahead: not calibrated: too little load before or after the split"
    for name, found in rows.items():
        middle = np.median(np.array(found), axis=0)
        yield (
            f"load, 48 h ahead, {name:26s}: CRPS {middle[0]:.3f} MAE {middle[1]:.3f} of the mean, 80 % "
            f"interval covers {middle[2]:.2f}, 90 % {middle[3]:.2f} ({len(found)} meters)"
        )
    yield from notes(read.remarks)


def _scores(
    one: Meter, temperature: Series | None, own: list[Any]
) -> Iterator[tuple[str, tuple[float, float, float, float]]]:
    """CRPS, MAE and coverage of 80 and 90 % of each model and of the naive ones."""
    drivers: Mapping[str, Series] = {} if temperature is None else {"temperature": temperature}
    record = Record(one.load, drivers)
    later = one.load.times[one.load.times >= one.split]
    per_six = max(1, round(float(6 * HOUR / (one.load.step or HOUR))))
    origins = later[later <= one.load.times[-1] - LEADS[-1]][::per_six]
    learned = one.load.between(one.load.times[0], one.split).values
    level = float(np.nanmean(learned)) if np.isfinite(learned).any() else 0.0
    if not len(origins) or not level > 0:
        return
    seen, _ = truth(record, origins, LEADS)
    for model in (*own, SeasonalNaive(LEADS, 7 * DAY), SeasonalNaive(LEADS, DAY)):
        model.fit(record.as_of(one.split))
        if (made := model.hindcast(record, origins, LEADS)) is None:
            continue
        flat = made[1].reshape(-1, len(LEVELS))
        yield (
            model.name,
            (
                metrics.crps(seen.ravel(), flat, LEVELS) / level,
                metrics.mean_absolute_error(seen.ravel(), made[0].ravel()) / level,
                metrics.coverage(seen.ravel(), flat[:, 1], flat[:, -2]),
                metrics.coverage(seen.ravel(), flat[:, 0], flat[:, -1]),
            ),
        )
