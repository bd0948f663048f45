"""Print what the models reach on real series beside their baselines: `python -m models.evaluate --data DIR`.

Reads whatever of the known files DIR holds (hydro/daily_*.csv, hydro/sub_*.csv with metadata.json,
fill/wyndham_daily.parquet, consumption/). Everything is fitted before the split and measured after it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models import metrics
from models.alarm_metrics import Alarm, Event, random_floor, score_alarms
from models.backtest import truth
from models.baselines import LinearArx, Persistence, SeasonalNaive
from models.consumption.cases import MeterModel, new_model, open_cases, share_scales
from models.consumption.expected import Calendar
from models.consumption.outlook import LoadForecaster
from models.consumption.warmth import MeasuredWarmth, NoWarmthAhead, WarmthAhead
from models.fill_level.daily import DailyFillModel, DailyLevels
from models.forecaster import LEVELS, Leads, NotCalibrated
from models.rainfall_runoff.daily import DailyCatchment, Forcing
from models.rainfall_runoff.forecast import RunoffForecaster
from models.rainfall_runoff.rain_ahead import MeasuredRain, NoRainAhead, RainAhead
from models.series import DAY, HOUR, Booleans, Floats, Record, Series, Times, hours

LEAD_HOURS = (1, 3, 6)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 when something was evaluated, 2 when DIR holds nothing known."""
    parser = argparse.ArgumentParser(prog="python -m models.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--only", choices=("daily", "stream", "fill", "consumption", "load"), default=None)
    asked = parser.parse_args(argv)
    sections: dict[str, Callable[[Path], Iterable[str]]] = {
        "daily": daily_runoff,
        "stream": streams,
        "fill": fill_daily,
        "consumption": consumption,
        "load": loads_ahead,
    }
    printed = 0
    for name, section in sections.items():
        if asked.only in (None, name):
            for line in section(asked.data):
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
                printed += 1
    if not printed:
        sys.stderr.write(f"{asked.data} holds none of the known series (hydro/, fill/, consumption/)\n")
    return 0 if printed else 2


def _metadata(folder: Path) -> dict[str, dict[str, Any]]:
    file = folder / "metadata.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def _times(column: pd.Series) -> Times:
    return pd.to_datetime(column).to_numpy().astype("datetime64[us]")


def daily_runoff(data: Path) -> Iterable[str]:
    """Simulated daily runoff beside one-day persistence (a forecast, which a simulation is not)."""
    folder = data / "hydro"
    known = _metadata(folder)
    for file in sorted(folder.glob("daily_*.csv")):
        table = pd.read_csv(file)
        split = str(known.get(file.stem, {}).get("split", ""))
        cut = int((table["time"] < split).sum()) if split[:2].isdigit() else len(table) // 2
        columns = ("precipitation_mm", "temperature_c", "potential_evaporation_mm")
        forcing = Forcing(*(table[name].to_numpy(dtype=np.float64) for name in columns))
        runoff = table["discharge_mm"].to_numpy(dtype=np.float64)
        model, began = DailyCatchment(), time.process_time()
        refused = model.fit(forcing.head(cut), runoff[:cut])
        made = model.simulate(forcing)
        if refused is not None or isinstance(made, NotCalibrated):
            yield f"{file.stem}: {refused.reason if refused else 'not calibrated'}"
            continue
        seen, simulated = runoff[cut:], made[cut:]
        peak = metrics.peak_score(seen, simulated, count=10, window=5)
        before = metrics.nash_sutcliffe(seen[1:], seen[:-1])
        blend = ", ".join(f"{name} {weight:.2f}" for name, weight in model.weights.items())
        yield (
            f"{file.stem}: NSE {metrics.nash_sutcliffe(seen, simulated):.3f} KGE "
            f"{metrics.kling_gupta(seen, simulated):.3f} peak error {peak.height:.0%} ({blend}; "
            f"1-day persistence NSE {before:.3f}; {time.process_time() - began:.0f} s CPU)"
        )


def streams(data: Path) -> Iterable[str]:
    """Sub-daily forecasts of every target under three kinds of knowledge of the coming rain."""
    folder = data / "hydro"
    known = _metadata(folder)
    for file in sorted(folder.glob("sub_*.csv")):
        about, table = known.get(file.stem, {}), pd.read_csv(file)
        times = _times(table["time"])
        rain = Series.tidy(times, table["precipitation_mm"].to_numpy(dtype=np.float64), "mm")
        drivers = {"precipitation": rain}
        for name, column, unit in (
            ("temperature", "temperature_c", "Cel"),
            ("evaporation", "potential_evaporation_mm", "mm"),
        ):
            if column in table:
                drivers[name] = Series.tidy(times, table[column].to_numpy(dtype=np.float64), unit)
        for target in about.get("targets", [c for c in ("discharge_m3s", "level_m") if c in table]):
            unit = "m" if target.startswith("level") else "m3/s"
            values = Series.tidy(times, table[target].to_numpy(dtype=np.float64), unit)
            yield from _stream(f"{file.stem} {target}", Record(values, drivers), rain)


def _stream(name: str, record: Record, rain: Series) -> Iterable[str]:
    times, step = record.target.times, record.target.step or HOUR
    half = len(times) // 2
    leads = np.array([hours(h) for h in LEAD_HOURS if hours(h) >= step])
    origins = times[half : -(int(leads[-1] // step) + 1)]
    seen, last = truth(record, origins, leads)
    past = record.as_of(times[half])

    def line(label: str, made: tuple[Floats, Floats] | None) -> str:
        if made is None:
            return f"  {label:26s} not calibrated"
        point, bands = made
        cells = [
            f"{h}h NSE {metrics.nash_sutcliffe(seen[:, i], point[:, i]):5.2f} "
            f"PI {metrics.persistence_index(seen[:, i], point[:, i], last[:, i]):5.2f} "
            f"CRPS {metrics.crps(seen[:, i], bands[:, i], LEVELS):.4f} "
            f"cov {metrics.coverage(seen[:, i], bands[:, i, 0], bands[:, i, -1]):.2f}"
            for i, h in enumerate(LEAD_HOURS[: len(leads)])
        ]
        return f"  {label:26s} " + " | ".join(cells)

    yield f"{name}: test from {times[half]}"
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
    yield f"  calibration {took:.0f} s CPU" if model.gauge else f"  {model.reason}"


def fill_daily(data: Path) -> Iterable[str]:
    """Bins with one ordinal level a day; level 0-10 shown as percentage points."""
    file = data / "fill" / "wyndham_daily.parquet"
    if not file.exists():
        return
    table = pd.read_parquet(file).sort_values(["bin", "date"])
    day = _times(table["date"]).astype("datetime64[D]").astype(np.int64)
    columns = [table[name].to_numpy(dtype=np.float64) for name in ("level", "threshold")]
    levels = DailyLevels(table["bin"].to_numpy(dtype=np.int64), day, columns[0], columns[1])
    early = day < np.quantile(day, 0.5)
    past = DailyLevels(levels.bin[early], day[early], columns[0][early], columns[1][early])
    for days in (1, 3):
        model = DailyFillModel(days)
        if not model.fit(past):
            yield f"fill daily, {days} d: not calibrated"
            continue
        made, (later, reached) = model.predict(levels), levels.ahead(days)
        test = ~early & np.isfinite(later)
        own, still = (
            metrics.mean_absolute_error(later[test], one[test]) for one in (made.median, levels.level)
        )
        cover = metrics.coverage(later[test], made.quantiles[test, 0], made.quantiles[test, -1])
        skill = [_of_chance(reached, made.probability, one) for one in (~early & np.isfinite(reached), test)]
        yield (
            f"fill daily, {days} d: MAE {10 * own:.1f} (persistence {10 * still:.1f}) points, "
            f"80 % interval covers {cover:.2f}; threshold reached before emptied: {skill[0]}; "
            f"of bins not emptied: {skill[1]}"
        )


def _of_chance(reached: Floats, probability: Floats, which: Booleans) -> str:
    share = float(reached[which].mean())
    return (
        f"AUC {metrics.area_under_curve(reached[which] > 0, probability[which]):.3f}, Brier "
        f"{metrics.brier(reached[which] > 0, probability[which]):.3f} (base rate {share * (1 - share):.3f})"
    )


def consumption(data: Path) -> Iterable[str]:
    """Alarms on meters with faults put in, at three false-alarm budgets, beside the random floor."""
    folder = data / "consumption"
    if not (folder / "readings.parquet").exists():
        return
    temperature, meters = _meters(folder)
    events = [
        Event(str(meter), np.datetime64(start, "us"), np.datetime64(end, "us"), str(kind), float(cost))
        for meter, start, end, kind, cost in pd.read_csv(folder / "events.csv")[
            ["meter", "start", "end", "type", "cost_eur"]
        ].to_numpy()
    ]
    models: list[MeterModel] = []
    fresh: list[Series] = []
    for meter, load, split, utility in meters:
        model = new_model(meter, calendar=Calendar("GB", "ENG"), water=utility == "water")
        if (refused := model.fit(load.between(load.times[0], split), temperature)) is not None:
            yield refused.reason
            continue
        models.append(model)
        fresh.append(load.between(split, load.times[-1] + HOUR))
    share_scales(models)
    asked = [model.strangeness(load, temperature) for model, load in zip(models, fresh, strict=True)]
    days = float(np.median([(load.times[-1] - load.times[0]) / (24 * HOUR) for load in fresh]))
    runs = []
    for threshold in np.arange(0.5, 8.0, 0.1):
        alarms = [
            Alarm(case.meter, case.opened_at, case.strangeness)
            for model, one in zip(models, asked, strict=True)
            for case in open_cases(model, *one, threshold)
        ]
        runs.append((threshold, score_alarms(events, alarms, meters=len(models), days=days)))
    for rate in (1.0, 0.25, 0.1):
        allowed = [run for run in runs if run[1].false_per_meter_month <= rate]
        if not allowed:
            continue
        threshold, score = max(allowed, key=lambda run: run[1].recall)
        kinds = sorted({event.kind for event in events})
        by_kind = ", ".join(
            f"{kind} {sum(hit for e, hit in zip(events, score.found, strict=True) if e.kind == kind)}"
            f"/{sum(e.kind == kind for e in events)}"
            for kind in kinds
        )
        yield (
            f"consumption at {rate} false alarms per meter-month: recall {score.recall:.2f} (random "
            f"{random_floor(events, rate=rate):.2f}), cost found {score.cost_found:.2f}, median delay "
            f"{score.delay_hours:.0f} h, threshold {threshold:.1f}; {by_kind}"
        )


def _meters(folder: Path) -> tuple[Series, list[tuple[str, Series, np.datetime64, str]]]:
    """Outdoor temperature, and of each meter its name, load, start of the test and medium."""
    warmth = pd.read_parquet(folder / "weather.parquet")
    temperature = Series.tidy(_times(warmth["t"]), warmth["temp_c"].to_numpy(dtype=np.float64), "Cel")
    table = pd.read_parquet(folder / "readings.parquet").sort_values(["meter", "t"])
    found = []
    for meter, rows in table.groupby("meter"):
        load = Series.tidy(_times(rows["t"]), rows["value"].to_numpy(dtype=np.float64), "kWh")
        split = _times(rows["t"][rows["test"]])[0]
        found.append((str(meter), load, split, str(rows["utility"].iloc[0])))
    return temperature, found


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


def loads_ahead(data: Path) -> Iterable[str]:
    """Load of the next two days by the hour, issued every six hours of the test year, with three kinds of
    knowledge of the temperature; medians over meters, errors in shares of the meter's mean."""
    folder = data / "consumption"
    if not (folder / "readings.parquet").exists():
        return
    temperature, meters = _meters(folder)
    leads = np.arange(1, 49) * HOUR
    came = MeasuredWarmth(temperature)
    known: dict[str, WarmthAhead] = {
        "weather as yesterday": NoWarmthAhead(),
        "temperature erring 1-2 K": _ErringWarmth(came),
        "temperature that came": came,
    }
    rows: dict[str, list[tuple[float, ...]]] = {}
    for _, load, split, _ in meters:
        record = Record(load, {"temperature": temperature})
        origins = load.times[load.times >= split][: -len(leads) : 6]
        seen, _ = truth(record, origins, leads)
        level = float(np.nanmean(load.between(load.times[0], split).values))
        naive = (SeasonalNaive(leads, 7 * DAY), SeasonalNaive(leads, DAY))
        own: list[Any] = [
            LoadForecaster(leads, Calendar("GB", "ENG"), warmth=warmth, name=name)
            for name, warmth in known.items()
        ]
        for one in (*own, *naive):
            one.fit(record.as_of(split))
            made = one.hindcast(record, origins, leads)
            if made is None or not level > 0:
                continue
            flat = made[1].reshape(-1, len(LEVELS))
            rows.setdefault(one.name, []).append(
                (
                    metrics.crps(seen.ravel(), flat, LEVELS) / level,
                    metrics.mean_absolute_error(seen.ravel(), made[0].ravel()) / level,
                    metrics.coverage(seen.ravel(), flat[:, 1], flat[:, -2]),
                    metrics.coverage(seen.ravel(), flat[:, 0], flat[:, -1]),
                )
            )
    for name, found in rows.items():
        middle = np.median(np.array(found), axis=0)
        yield (
            f"load, 48 h ahead, {name:26s}: CRPS {middle[0]:.3f} MAE {middle[1]:.3f} of the mean, 80 % "
            f"interval covers {middle[2]:.2f}, 90 % {middle[3]:.2f} ({len(found)} meters)"
        )


if __name__ == "__main__":
    sys.exit(main())
