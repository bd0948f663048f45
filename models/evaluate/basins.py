"""Simulate daily runoff of basins on years the catchment models have not seen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models import metrics
from models.evaluate.about import About
from models.evaluate.streams import DEMAND, FLOW, RAIN, WARMTH
from models.evaluate.tables import NOT_EVALUATED, Table, UnusableTable, notes
from models.forecaster import NotCalibrated
from models.rainfall_runoff.daily import DailyCatchment, Forcing
from models.series import DAY, Floats, Times

RUNOFF = dict.fromkeys(("discharge_mm", "runoff_mm", "q_mm", "qobs_mm"), 1.0)
# 1 m3/s over a day from 1 km2 is 86.4 mm.
MM_PER_M3S_AND_KM2 = 86.4
MIDDLE_EUROPE = 50.0
MILD = 15.0


def daily_runoff(data: Path) -> Iterator[str]:
    """Files hydro/daily_*.csv beside one-day persistence (a forecast, which a simulation is not)."""
    rows = []
    for file in sorted((data / "hydro").glob("daily_*.csv")):
        try:
            made = _basin(file, About.of(file))
        except UnusableTable as error:
            yield f"{NOT_EVALUATED}{error}"
            continue
        if made[0] is not None:
            rows.append(made[0])
        yield from made[1]
    if len(rows) > 1:
        nse, kge, peak = np.nanmedian(np.array(rows), axis=0)
        yield (
            f"daily runoff: medians of {len(rows)} basins: NSE {nse:.3f} KGE {kge:.3f} peak error {peak:.0%}"
        )


def _basin(file: Path, about: About) -> tuple[tuple[float, float, float] | None, list[str]]:
    """Scores of one basin if there are any, and what to print."""
    table = Table.read(file)
    times = table.times()
    table.say_times(times)
    days, forcing, runoff = _on_days(table, times, about)
    cut = len(days) // 2 if about.split is None else int((days < about.split).sum())
    model, began = DailyCatchment(), time.process_time()
    refused = model.fit(forcing.head(cut), runoff[:cut])
    made = model.simulate(forcing) if refused is None else refused
    noted = list(notes(table.remarks))
    if isinstance(made, NotCalibrated):
        return None, [f"{file.stem}: {made.reason}", *noted]
    seen, simulated = runoff[cut:], made[cut:]
    peak = metrics.peak_score(seen, simulated, count=10, window=5)
    before = metrics.nash_sutcliffe(seen[1:], seen[:-1])
    blend = ", ".join(f"{name} {weight:.2f}" for name, weight in model.weights.items())
    nse, kge = metrics.nash_sutcliffe(seen, simulated), metrics.kling_gupta(seen, simulated)
    line = (
        f"{file.stem}: NSE {nse:.3f} KGE {kge:.3f} peak error {peak.height:.0%} ({blend}; "
        f"test from {days[cut].astype('datetime64[D]')}; 1-day persistence NSE {before:.3f}; "
        f"{time.process_time() - began:.0f} s CPU)"
    )
    return (nse, kge, peak.height), [line, *noted]


def _on_days(table: Table, times: Times, about: About) -> tuple[Times, Forcing, Floats]:
    """Every day from first to last, what stands in for missing columns said; gaps are NaN."""
    known = times[~np.isnat(times)].astype("datetime64[D]").astype("datetime64[us]")
    days = np.arange(known.min(), known.max() + DAY, DAY)
    if len(days) > len(np.unique(known)):
        table.remarks.append(f"{len(days) - len(np.unique(known))} days missing; read as gaps")

    def column(what: str, names: dict[str, float], unit: str) -> Floats | None:
        found = table.measured(what, names, times.astype("datetime64[D]").astype("datetime64[us]"), unit)
        return None if found is None else found.on_grid(days)

    table.needed("rain per day", tuple(RAIN))
    rain = column("rain", RAIN, "mm")
    warmth = column("temperature", WARMTH, "Cel")
    demand = column("evaporation", DEMAND, "mm")
    runoff = column("runoff", RUNOFF, "mm")
    if runoff is None:
        runoff = _from_flow(table, column("flow", FLOW, "m3/s"), about.area_km2)
    if demand is None:
        latitude = MIDDLE_EUROPE if about.latitude is None else about.latitude
        table.remarks.append(f"no potential evaporation: by Oudin from temperature at latitude {latitude:g}")
        demand = oudin(days, np.full(len(days), MILD) if warmth is None else warmth, latitude)
    if warmth is None:
        table.remarks.append("no temperature_c: simulated without snow")
        warmth = np.full(len(days), MILD)
    return days, Forcing(np.zeros(len(days)) if rain is None else rain, warmth, demand), runoff


def _from_flow(table: Table, flow: Floats | None, area_km2: float | None) -> Floats:
    if flow is None or not area_km2:
        raise UnusableTable(
            f"{table.file}: no column with the runoff; give discharge_mm, or discharge_m3s and area_km2 for "
            f"{table.file.stem} in metadata.json ({table.there})"
        )
    return np.asarray(flow * MM_PER_M3S_AND_KM2 / area_km2)


def oudin(days: Times, temperature: Floats, latitude: float) -> Floats:
    """Potential evaporation (mm/d) from temperature (Cel): extraterrestrial radiation times (T + 5) / 100
    over the latent heat (Oudin et al. 2005, J. Hydrol. 303; radiation: Allen et al. 1998, FAO 56, eq. 21)."""
    number = (days - days.astype("datetime64[Y]")).astype("timedelta64[D]").astype(np.float64) + 1.0
    turn, phi = 2 * np.pi * number / 365.0, np.deg2rad(latitude)
    tilt = 0.409 * np.sin(turn - 1.39)
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(tilt), -1.0, 1.0))
    solar = 24 * 60 / np.pi * 0.0820 * (1 + 0.033 * np.cos(turn))
    radiation = solar * (sunset * np.sin(phi) * np.sin(tilt) + np.cos(phi) * np.cos(tilt) * np.sin(sunset))
    return np.asarray(np.maximum(radiation / 2.45 * (temperature + 5.0) / 100.0, 0.0))
