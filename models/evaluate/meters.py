"""Judge alarms on meters: learned before the test, causal within it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.alarm_metrics import Alarm, Event, random_floor, score_alarms
from models.consumption.cases import MeterModel, new_model, open_cases, share_scales
from models.consumption.expected import Calendar
from models.evaluate.tables import Table, UnusableTable, notes
from models.series import HOUR, Booleans, Instant, Series, Times

METER = ("meter", "meter_id", "id", "building", "device", "sensor", "name")
VALUE = ("value", "consumption", "kwh", "value_kwh", "m3", "usage", "load")
UTILITY = ("utility", "medium", "kind", "type", "resource")
WARMTH = dict.fromkeys(("temp_c", "temperature_c", "air_temperature_c", "temperature"), 1.0)
RATES = (1.0, 0.25, 0.1)
WATER = ("water", "wasser", "cold_water", "kaltwasser")


@dataclass(frozen=True, slots=True)
class Meter:
    """Load per step, where the test begins, and whether it is water."""

    name: str
    load: Series
    split: Instant
    water: bool


@dataclass(frozen=True, slots=True)
class Meters:
    """All meters of a directory with their weather and what was corrected on reading."""

    meters: list[Meter]
    temperature: Series | None
    remarks: list[str]


def read_meters(folder: Path) -> Meters | None:
    """None without readings.parquet (or .csv). Raises `UnusableTable`."""
    table = _either(folder, "readings")
    if table is None:
        return None
    times = table.times()
    place, names = table.numbered("meter", METER)
    values = table.numbers(table.needed("consumption per step", VALUE))
    table.say_times(times, place)
    test = _test(table, times)
    kind = table.name_of(UTILITY)
    media = np.full(len(times), "") if kind is None else table.columns[kind].astype(str).to_numpy(dtype=str)
    if kind is None:
        table.remarks.append("no column utility: all meters taken as energy; say water where it is")
    found = []
    for number, name in enumerate(names):
        rows = (place == number) & ~np.isnat(times)
        if not rows.any():
            continue
        water = media[rows][0].strip().lower() in WATER
        later = np.sort(times[rows & test])
        load = Series.tidy(times[rows], values[rows], "m3" if water else "kWh")
        found.append(Meter(name, load, later[0] if len(later) else load.times[-1], water))
    return Meters(found, _weather(folder, table.remarks), table.remarks)


def _either(folder: Path, stem: str) -> Table | None:
    for file in (folder / f"{stem}.parquet", folder / f"{stem}.csv"):
        if file.exists():
            return Table.read(file)
    return None


def _test(table: Table, times: Times) -> Booleans:
    if "test" in table.columns:
        return table.marks("test")
    known = times[~np.isnat(times)]
    middle = known.min() + (known.max() - known.min()) // 2
    table.remarks.append(f"no column test: tested from the middle, {middle.astype('datetime64[h]')}")
    return np.asarray(times >= middle)


def _weather(folder: Path, remarks: list[str]) -> Series | None:
    table = _either(folder, "weather")
    if table is None:
        remarks.append("no weather.parquet: expected without outdoor temperature")
        return None
    found = table.measured("temperature", WARMTH, table.times(), "Cel")
    if found is None:
        raise UnusableTable(
            f"{table.file}: no column with the outdoor temperature; name it temp_c ({table.there})"
        )
    return found


def _events(folder: Path) -> list[Event] | None:
    table = _either(folder, "events")
    if table is None:
        return None
    meter = table.columns[table.needed("meter", METER)].astype(str)
    starts, ends = (
        _every_moment(table, table.needed(names[0], names)) for names in (("start", "begin"), ("end", "stop"))
    )
    kind = table.name_of(("type", "fault", "kind"))
    cost = table.name_of(("cost_eur", "cost", "euro"))
    money = table.numbers(cost) if cost is not None else np.zeros(len(table.columns))
    return [
        Event(
            str(meter.iloc[i]), starts[i], ends[i],
            "" if kind is None else str(table.columns[kind].iloc[i]), float(np.nan_to_num(money[i])),
        )
        for i in range(len(table.columns))
    ]  # fmt: skip


def _every_moment(table: Table, name: str) -> Times:
    """A fault without one of its ends can neither be found nor missed. Raises `UnusableTable`."""
    made = table.moments(name)
    if np.isnat(made).any():
        row = int(np.argmax(np.isnat(made)))
        raise UnusableTable(f"{table.file}, line {row + 2}, column {name}: is empty; a fault needs both ends")
    return made


def consumption(data: Path, calendar: Calendar) -> Iterator[str]:
    """Alarms on meters with faults put in, at three false-alarm budgets, beside the random floor."""
    read = read_meters(data / "consumption")
    if read is None:
        return
    events = _events(data / "consumption")
    models: list[MeterModel] = []
    fresh: list[Series] = []
    for one in read.meters:
        model = new_model(one.name, calendar=calendar, water=one.water)
        refused = model.fit(one.load.between(one.load.times[0], one.split), read.temperature)
        if refused is not None:
            yield refused.reason
            continue
        models.append(model)
        fresh.append(one.load.between(one.split, one.load.times[-1] + HOUR))
    yield from notes(read.remarks)
    if not events:
        yield "consumption: no events.csv (meter, type, start, end, cost_eur): alarms cannot be judged"
        return
    if models:
        yield from _judged(models, fresh, read.temperature, events)


def _judged(
    models: list[MeterModel], fresh: list[Series], temperature: Series | None, events: list[Event]
) -> Iterator[str]:
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
    for rate in RATES:
        allowed = [run for run in runs if run[1].false_per_meter_month <= rate]
        if not allowed:
            yield f"consumption at {rate} false alarms per meter-month: no threshold keeps it"
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
