"""Forecast every gauge some hours ahead, under three kinds of knowledge of the coming rain."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models import metrics
from models.backtest import truth
from models.baselines import LinearArx, Persistence
from models.evaluate.about import About
from models.evaluate.tables import NOT_EVALUATED, Table, UnusableTable, notes, on_steps, step_hours
from models.forecaster import LEVELS
from models.rainfall_runoff.forecast import RunoffForecaster
from models.rainfall_runoff.rain_ahead import MeasuredRain, NoRainAhead, RainAhead
from models.series import HOUR, Floats, Record, Series, hours

LEAD_HOURS = (1, 3, 6)
RAIN = dict.fromkeys(
    ("precipitation_mm", "rain_mm", "precip_mm", "rainfall_mm", "precipitation", "rain"), 1.0
)
FLOW = {
    **dict.fromkeys(("discharge_m3s", "discharge_m3_s", "flow_m3s", "q_m3s", "discharge", "flow"), 1.0),
    **dict.fromkeys(("discharge_l_s", "discharge_ls", "flow_l_s", "flow_ls", "q_ls"), 0.001),
}
STAGE = {
    **dict.fromkeys(("level_m", "stage_m", "water_level_m", "level", "stage"), 1.0),
    **dict.fromkeys(("level_cm", "stage_cm", "water_level_cm"), 0.01),
    **dict.fromkeys(("level_mm", "stage_mm"), 0.001),
}
WARMTH = dict.fromkeys(("temperature_c", "temp_c", "air_temperature_c", "temperature"), 1.0)
DEMAND = dict.fromkeys(
    ("potential_evaporation_mm", "pet_mm", "evaporation_mm", "evapotranspiration_mm", "pet"), 1.0
)
# What falls in a year on land is within this (mm) nearly everywhere; beyond it the unit is in doubt.
YEARLY_RAIN = (50.0, 6000.0)
Score = tuple[float, float, float, float]


@dataclass
class Medians:
    """Scores (NSE, PI, CRPS in units of persistence, coverage) by method and lead over all gauges so far."""

    scores: dict[tuple[str, int], list[Score]] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """One line per method, once there are two gauges."""
        methods = list(dict.fromkeys(method for method, _ in self.scores))
        count = max((len(rows) for rows in self.scores.values()), default=0)
        if count < 2:
            return
        yield f"streams: medians of {count} series (CRPS in units of persistence)"
        for method in methods:
            cells = [
                _cell(lead, tuple(np.nanmedian(np.array(self.scores[method, lead]), axis=0)))
                for lead in LEAD_HOURS
                if (method, lead) in self.scores
            ]
            yield f"  {method:26s} " + " | ".join(cells)


def streams(data: Path) -> Iterator[str]:
    """Files hydro/sub_*.csv: fitted before the middle, measured after it; medians at the end."""
    medians = Medians()
    for file in sorted((data / "hydro").glob("sub_*.csv")):
        try:
            yield from _file(file, About.of(file), medians)
        except UnusableTable as error:
            yield f"{NOT_EVALUATED}{error}"
    yield from medians.lines()


def _file(file: Path, about: About, medians: Medians) -> Iterator[str]:
    table = Table.read(file)
    times = table.times()
    table.say_times(times)
    targets = _targets(table, about)
    table.needed("rain per step", tuple(RAIN))
    drivers = {}
    for name, what, known, unit in (
        ("precipitation", "rain", RAIN, "mm"),
        ("temperature", "temperature", WARMTH, "Cel"),
        ("evaporation", "evaporation", DEMAND, "mm"),
    ):
        if (found := table.measured(what, known, times, unit)) is not None:
            drivers[name] = on_steps(found)
    rain = drivers["precipitation"]
    _doubt(table, rain)
    for target, (factor, unit) in targets.items():
        values = table.measured(target, {target: factor}, times, unit)
        if values is None:
            continue
        values = on_steps(values)
        if values.step is not None and values.step > hours(LEAD_HOURS[-1]):
            raise UnusableTable(
                f"{file}, column {target}: a value every {step_hours(values.step):g} h; needed is one every "
                f"{LEAD_HOURS[-1]} h or oftener; call a file of daily values daily_*.csv"
            )
        yield from _stream(f"{file.stem} {target}", Record(values, drivers), rain, medians)
    yield from notes(table.remarks)


def _targets(table: Table, about: About) -> dict[str, tuple[float, str]]:
    """Columns to forecast -> factor to the unit."""
    found = {}
    for name in about.targets or [name for name in table.columns if name in FLOW or name in STAGE]:
        if name not in table.columns:
            raise UnusableTable(f"{table.file}: metadata.json names the target {name}, which is no column")
        is_stage = name in STAGE or name.startswith(("level", "stage", "water_level"))
        factor = STAGE.get(name, FLOW.get(name, 1.0))
        found[name] = (factor, "m" if is_stage else "m3/s")
    if not found:
        raise UnusableTable(
            f"{table.file}: no column to forecast; name it discharge_m3s, discharge_l_s, level_m or "
            f"level_cm, or list it under targets in metadata.json ({table.there})"
        )
    return found


def _doubt(table: Table, rain: Series) -> None:
    if len(rain) < 2 or not np.isfinite(rain.values).any() or rain.step is None:
        return
    yearly = float(np.nanmean(rain.values)) / step_hours(rain.step) * 24 * 365.25
    if not YEARLY_RAIN[0] <= yearly <= YEARLY_RAIN[1] and np.nanmax(rain.values) > 0:
        table.remarks.append(f"rain adds up to {yearly:.0f} mm a year: is it really mm per step?")


def _stream(name: str, record: Record, rain: Series, medians: Medians) -> Iterator[str]:
    step = record.target.step or HOUR
    times = record.target.times
    half, leads = len(times) // 2, np.array([hours(h) for h in LEAD_HOURS if hours(h) >= step])
    origins = times[half : max(half, len(times) - (int(leads[-1] // step) + 1 if len(leads) else 0))]
    if not len(origins) or not np.isfinite(record.target.values).any():
        yield f"{name}: nothing to measure on: {np.isfinite(record.target.values).sum()} values"
        return
    seen, last = truth(record, origins, leads)
    past = record.as_of(times[half])
    reference = np.full(len(leads), np.nan)

    def line(label: str, made: tuple[Floats, Floats] | None) -> str:
        if made is None:
            return f"  {label:26s} not calibrated"
        cells = []
        for i, lead in enumerate(LEAD_HOURS[-len(leads) :]):
            score = _score(seen[:, i], last[:, i], made[0][:, i], made[1][:, i])
            if label == "persistence":
                reference[i] = score[2]
            row = (*score[:2], score[2] / reference[i] if reference[i] > 0 else np.nan, score[3])
            medians.scores.setdefault((label, lead), []).append(row)
            cells.append(_cell(lead, score))
        return f"  {label:26s} " + " | ".join(cells)

    unit = record.target.unit
    yield f"{name} ({unit}, step {step_hours(step) * 60:.0f} min): test from {times[half]}, CRPS in {unit}"
    for baseline in (Persistence(leads), LinearArx(leads)):
        baseline.fit(past)
        yield line(baseline.name, baseline.hindcast(record, origins, leads))
    model, began = RunoffForecaster(leads), time.process_time()
    model.fit(past)
    took = time.process_time() - began
    cases: tuple[tuple[str, RainAhead], ...] = (
        ("hybrid, no rain ahead", NoRainAhead()),
        ("hybrid, nowcast 2 h", MeasuredRain(rain, hours(2))),
        ("hybrid, perfect rain", MeasuredRain(rain, leads[-1])),
    )
    for label, source in cases:
        model.rain_ahead = source
        yield line(label, model.hindcast(record, origins, leads))
    yield f"  calibration {took:.0f} s CPU, seed {model.seed}" if model.gauge else f"  {model.reason}"


def _score(seen: Floats, last: Floats, point: Floats, bands: Floats) -> Score:
    return (
        metrics.nash_sutcliffe(seen, point),
        metrics.persistence_index(seen, point, last),
        metrics.crps(seen, bands, LEVELS),
        metrics.coverage(seen, bands[:, 0], bands[:, -1]),
    )


def _cell(lead: int, score: tuple[float, ...]) -> str:
    return f"{lead}h NSE {score[0]:5.2f} PI {score[1]:5.2f} CRPS {score[2]:.4f} cov {score[3]:.2f}"
