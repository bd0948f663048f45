"""Print how fast the models are: `python tests/benchmarks/bench_models.py`.

CPU seconds of one core, the least of several where it is short; the round of all containers and meters by the
clock too. --days, --bins, --meters, --fleet, --fleet-meters: how much of it, for a run that only shows that
it still runs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from models.consumption.cases import new_model, open_cases, share_scales
from models.consumption.expected import Calendar
from models.consumption.outlook import LoadForecaster
from models.fill_level.cleaning import Container, clean
from models.fill_level.forecast import FillForecaster
from models.forecaster import Forecast
from models.jobs.rain import ExpectedRain, RainRuns
from models.rainfall_runoff import hbv
from models.rainfall_runoff.forecast import RunoffForecaster
from models.rainfall_runoff.members import Memory
from models.series import DAY, HOUR, Record, Series

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "models" / "jobs"))
from model_fleet import refreshed
from small_city import NOW, SmallCity, fill_bins, fill_stream

START = np.datetime64("2025-01-06T00:00", "us")
LEADS = np.array([1, 3, 6]) * HOUR
SCENARIOS = 10
LIMIT_S = 60.0


def timed(work: Callable[[], object], repeats: int = 1) -> float:
    best = np.inf
    for _ in range(repeats):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return float(best)


def show(name: str, figure: str) -> None:
    sys.stdout.write(f"{name:66s} {figure}\n")
    sys.stdout.flush()


def stream(days: int, per_hour: int = 1) -> Record:
    rng = np.random.default_rng(0)
    n = days * 24 * per_hour
    rain = np.where(rng.random(n) < 0.06, rng.gamma(0.7, 3 / per_hour, n), 0.0)
    flow, keep = np.zeros(n), 0.95 ** (1 / per_hour)
    for i in range(1, n):
        flow[i] = keep * flow[i - 1] + 0.1 * rain[i - 1] + 0.005 / per_hour
    times = START + np.arange(n) * (HOUR // per_hour)
    noisy = flow * np.exp(rng.normal(0, 0.03, n))
    return Record(Series(times, noisy, "m3/s"), {"precipitation": Series(times, rain, "mm")})


def scenarios(record: Record, per_hour: int) -> ExpectedRain:
    """A run an hour of the last 62 days, ten scenarios around the rain that came, four of them dry."""
    rng = np.random.default_rng(1)
    by_hour = record.drivers["precipitation"].values.reshape(-1, per_hour).sum(axis=1)
    first = max(0, len(by_hour) - 62 * 24)
    padded = np.append(by_hour, np.zeros(25))
    shares = rng.gamma(2.0, 0.5, (len(by_hour) - first, SCENARIOS, 1))
    shares[:, ::3] = 0.0
    values = np.stack([padded[h + 1 : h + 25] for h in range(first, len(by_hour))])[:, None, :] * shares
    issued = record.target.times[::per_hour][first:]
    runs = RainRuns(issued, issued, values, HOUR, 13 * HOUR)
    none = RainRuns(issued[:0], issued[:0], np.empty((0, 1, 24)), HOUR // 12, HOUR)
    return ExpectedRain(none, runs)


def called(model: RunoffForecaster, record: Record, calls: int = 8) -> tuple[float, float]:
    """Seconds of a call after a start, and of the call after it: a step later, with what came meanwhile."""
    anew, late = [], []
    for back in range(calls, 0, -1):
        fresh = replace(model, memory=Memory())
        for spent, place in ((anew, -1 - back), (late, -back)):
            known, issued = record.as_of(record.target.times[place]), record.target.times[place]
            began = time.process_time()
            made = fresh.predict(known, issued, LEADS)
            spent.append(time.process_time() - began)
            if not isinstance(made, Forecast):
                raise TypeError(made.reason)
    return min(anew), min(late)


def calls(days: int) -> None:
    """One gauge at 1 h and at 5 min steps, errors of two months behind each interval."""
    for per_hour, name in ((1, "1 h"), (12, "5 min")):
        record = stream(min(days, 120), per_hour)
        model = RunoffForecaster(LEADS, generations=2)
        model.fit(record.as_of(record.target.times[len(record.target) * 2 // 5]))
        knowing = replace(model, rain_ahead=scenarios(record, per_hour))
        for one, what in ((model, "no rain ahead"), (knowing, f"{SCENARIOS} rain scenarios")):
            first, again = called(one, record)
            show(
                f"one forecast, {name} steps, {what}, three leads (limit 50 ms)",
                f"{1e3 * again:.0f} ms, first call after a start {1e3 * first:.0f} ms",
            )


def runoff(days: int) -> None:
    record, model = stream(days), RunoffForecaster(LEADS)
    show(
        f"calibrate one gauge, {days} days hourly, three leads (limit 30 s)",
        f"{timed(lambda: model.fit(record)):.1f} s",
    )
    water = np.random.default_rng(0).gamma(0.3, 1.0, 8760)
    p = np.array([250.0, 2, 0.7, 1, 20, 20, 100, 1.5, 1500, 0.2, 9000, 12, 0.05])
    demand = np.full(8760, 0.05)

    def run(loop: Callable[..., object]) -> float:
        return timed(lambda: loop(water, demand, p, hbv.initial_state(p, 0.05, 1.0), 1.0), 3)

    run(hbv.hbv)
    compiled = run(hbv.hbv)
    step, drain, shares = hbv._step, hbv._drain, hbv._shares
    try:
        hbv._step, hbv._drain, hbv._shares = step.py_func, drain.py_func, shares.py_func
        plain = run(hbv.hbv.py_func)
    finally:
        hbv._step, hbv._drain, hbv._shares = step, drain, shares
    show(
        "catchment, one year hourly: compiled, ratio to plain Python",
        f"{1e3 * compiled:.2f} ms, {plain / compiled:.0f} x",
    )


def bins(count: int) -> None:
    rng = np.random.default_rng(1)
    levels = []
    for _ in range(count):
        content = np.cumsum(rng.gamma(0.3, 0.8, 60 * 24)) % 110
        levels.append(Series(START + np.arange(60 * 24) * HOUR, np.round((130 - content) / 2) * 2, "cm"))
    box, made, model = Container(130, 10), {}, FillForecaster()

    def refresh() -> None:
        made.update({str(i): clean(one, box) for i, one in enumerate(levels)})

    clean(levels[0], box)
    cleaning, fitting = timed(refresh), timed(lambda: model.fit(made))
    now = levels[0].times[-1]
    asking = timed(
        lambda: [model.outlook(name, float(one.filtered[-1]), issued_at=now) for name, one in made.items()]
    )
    show(
        f"{count} bins, 60 days hourly: clean, fit, outlook (limit 60 s)",
        f"{cleaning:.1f} + {fitting:.1f} + {asking:.1f} s",
    )


def meters(count: int) -> None:
    rng = np.random.default_rng(2)
    n = 24 * 366
    times = START + np.arange(n) * HOUR
    models, loads = [], []
    for number in range(count):
        hour = np.arange(n) % 24
        loads.append(
            Series(
                times,
                np.round((5 + 20 * ((hour > 7) & (hour < 18))) * np.exp(rng.normal(0, 0.1, n)), 1),
                "kWh",
            )
        )
        models.append(new_model(str(number), calendar=Calendar()))
    new_model("first", calendar=Calendar()).fit(loads[0], None)  # compiles, once per installation
    fitting = timed(lambda: [m.fit(one, None) for m, one in zip(models, loads, strict=True)])
    share_scales(models)
    fresh = [
        Series(one.times + 366 * DAY, one.values, "kWh").between(START + 366 * DAY, START + 396 * DAY)
        for one in loads
    ]

    def refresh() -> None:
        for model, load in zip(models, fresh, strict=True):
            open_cases(model, *model.strangeness(load, None), 2.5)

    refresh()
    seconds = timed(refresh)
    show(
        f"200 meters refreshed, 30 days each (scaled from {count}; limit 60 s)",
        f"{200 * seconds / count:.0f} s",
    )
    show(f"200 meters learned from a year (scaled from {count})", f"{200 * fitting / count:.0f} s")
    leads = np.arange(1, 49) * HOUR
    ahead = LoadForecaster(leads, Calendar())
    learning = timed(lambda: ahead.fit(Record(loads[0])))
    recent = Record(loads[0].between(times[-45 * 24], times[-1] + HOUR))
    asking = timed(lambda: ahead.predict(recent, times[-1], leads))
    show("200 meters, load of two days ahead (scaled from 1; limit 60 s)", f"{200 * asking:.1f} s")
    show("200 meters, learned for that from a year (scaled from 1)", f"{200 * learning:.0f} s")


def city(bins_count: int) -> None:
    """One round of the service over a store: bins of a fleet, a stream with rain, a pond; then once more
    without new data. Scaled to 500 bins where said."""
    with tempfile.TemporaryDirectory() as folder:
        made = SmallCity(Path(folder), bins=bins_count)
        fill_bins(made, days=30, bins=bins_count)
        fill_stream(made, days=30)
        cycle = made.cycle()
        first = timed(lambda: cycle.round(NOW))
        again = timed(lambda: cycle.round(NOW + timedelta(minutes=10)))
        forced = timed(lambda: made.cycle("fuellstand").round(NOW, fit=False, force=True))
        made.close()
    show(
        f"service: first round, {bins_count} bins, stream and pond, with fits (cycle 600 s)", f"{first:.1f} s"
    )
    show("service: a round without new data", f"{again:.2f} s")
    show(
        "service: 500 bins read, cleaned, forecast, stored (scaled; limit 60 s)",
        f"{500 * forced / bins_count:.1f} s",
    )


def fleet(bins_count: int, meters_count: int) -> None:
    """All containers and meters at once, by `udp-models` in processes of their own over one store."""
    with tempfile.TemporaryDirectory() as folder:
        made = refreshed(Path(folder), bins=bins_count, meters=meters_count, taught=2)
    title = f"{bins_count} bins, {meters_count} meters with load forecasts"
    for name, took in made.items():
        line = f"{took.wall:.1f} s by the clock, {took.cpu:.1f} s of CPU, {took.wall / LIMIT_S:.2f} of limit"
        show(f"{title}: {name} (limit {LIMIT_S:.0f} s)", line)


def plain(bins_count: int) -> None:
    """What compiling is worth in a whole step: the same process with numba told to stand aside."""
    command = [sys.executable, __file__, "--only-clean", str(bins_count)]
    seconds = [
        float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)
        for environment in (os.environ, os.environ | {"NUMBA_DISABLE_JIT": "1"})
    ]
    show(
        "a month of one bin cleaned: compiled, ratio to plain Python",
        f"{1e3 * seconds[0] / bins_count:.1f} ms, {seconds[1] / seconds[0]:.0f} x",
    )


def clean_only(count: int) -> None:
    rng = np.random.default_rng(1)
    times, box = START + np.arange(30 * 24) * HOUR, Container(130, 10)
    content = np.cumsum(rng.gamma(0.3, 0.8, 30 * 24)) % 110
    one = Series(times, np.round((130 - content) / 2) * 2, "cm")
    clean(one, box)
    sys.stdout.write(f"{timed(lambda: [clean(one, box) for _ in range(count)])}\n")


def main() -> None:
    """All of it, one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=365, help="record of the gauge")
    parser.add_argument("--bins", type=int, default=500)
    parser.add_argument("--meters", type=int, default=4)
    parser.add_argument("--fleet", type=int, default=500, help="bins of the service's rounds")
    parser.add_argument("--fleet-meters", type=int, default=200, help="meters refreshed with them")
    parser.add_argument("--only-clean", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only_clean:
        clean_only(given.only_clean)
        return
    runoff(given.days)
    calls(given.days)
    bins(given.bins)
    plain(2)
    meters(given.meters)
    city(min(given.fleet, 100))
    fleet(given.fleet, given.fleet_meters)


if __name__ == "__main__":
    main()
