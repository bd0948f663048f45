"""Statements as the report's sentences, fans and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from models.consumption.readings import energy_kwh
from models.fill_level.cleaning import clean
from models.fill_level.rate import inflow_of
from models.fill_level.tours import Comparison
from models.jobs.fill import FillMaterial
from models.report.document import Table
from models.report.drawing import Band, Line
from models.report.wording import full, number
from models.series import DAY, HOUR, Floats, Series, Times
from udp.forecasting.port import Statement

_SUMS = ("expected_24h", "expected_48h")


def hours_until_critical(said: Statement) -> float:
    hours = said.summary.get("hours_to_critical")
    return float("inf") if hours is None else float(hours)


def valid_times(said: Statement) -> Times:
    issued = np.datetime64(said.issued_at.replace(tzinfo=None), "us")
    return np.asarray(
        issued + np.array(said.leads_s) * np.timedelta64(1_000_000, "us"), dtype="datetime64[us]"
    )


def ahead(said: Statement, before: Series) -> tuple[Line, list[Band]]:
    """From the last measured value on, so that the fan opens where the line ends; what has come since the
    issue is no forecast any more."""
    solid = np.flatnonzero(np.isfinite(before.values))
    start, value = before.times[solid[-1:]], before.values[solid[-1:]]
    valid = valid_times(said)
    to_come = valid > start[0] if len(start) else np.ones(len(valid), dtype=bool)
    times = np.concatenate([start, valid[to_come]])

    def level(key: str) -> Floats:
        return np.concatenate([value, np.array(said.bands[key], dtype=np.float64)[to_come]])

    bands = [
        Band("90 %", times, level("0.05"), level("0.95")),
        Band("80 %", times, level("0.1"), level("0.9")),
    ]
    return Line("Prognose", times, level("0.5"), "expected"), bands


def spoken(said: Statement | None, symbol: str, leads_h: Sequence[int] = ()) -> str:
    """At the leads asked for, else at the last one."""
    if said is None or not said.bands:
        return f"Keine Prognose: {said.reason if said is not None else 'noch nicht gerechnet'}."
    places = [said.leads_s.index(h * 3600) for h in leads_h if h * 3600 in said.leads_s]
    parts = []
    for place in places or [len(said.leads_s) - 1]:
        low, middle, high = (number(said.bands[key][place], 0) for key in ("0.05", "0.5", "0.95"))
        span = f"ziemlich sicher {middle}" if low == high else f"in 9 von 10 Fällen zwischen {low} und {high}"
        parts.append(
            f"in {number(said.leads_s[place] / 3600, 0)} Stunden etwa {middle} {symbol} ({span} {symbol})"
        )
    return f"Prognose vom {full(said.issued_at)}: {', '.join(parts)}."


def visits_told(count: int) -> str:
    """How often a container was emptied."""
    return {0: "keine Leerung", 1: "eine Leerung"}.get(count, f"{count} Leerungen")


def why_silent(said: Iterable[Statement]) -> str:
    """The most frequent reason for saying nothing, and of how many others there are more."""
    counts = Counter(one.reason for one in said if one.reason)
    if not counts:
        return "–"
    reason, _ = counts.most_common(1)[0]
    others = len(counts) - 1
    more = {0: "", 1: " (und ein weiterer Grund)"}.get(others, f" (und {others} weitere Gründe)")
    return reason + more


def in_unit(said: Statement, wanted: str) -> Statement:
    """A load forecast in the unit of the curve beside it: gas is counted in m3 and shown as energy."""
    if said.summary["unit"] == wanted:
        return said

    def energy(values: Sequence[float]) -> list[float]:
        volume = Series(np.arange(len(values)).astype("datetime64[us]"), np.array(values), "m3")
        return [float(one) for one in energy_kwh(volume).values]

    bands = {level: energy(values) for level, values in said.bands.items()}
    sums = dict(zip(_SUMS, energy([said.summary[key] for key in _SUMS]), strict=True))
    return replace(said, bands=bands, summary={**said.summary, **sums, "unit": wanted})


def next_days(said: Statement, symbol: str) -> str:
    """What a meter will probably count in the next day and the one after."""
    day, both = said.summary["expected_24h"], said.summary["expected_48h"]
    return (
        f"Prognose vom {full(said.issued_at)}: etwa {number(day, 0)} {symbol} in den nächsten 24 Stunden, "
        f"{number(both - day, 0)} {symbol} in den 24 danach."
    )


def notes_of(said: Statement | None) -> Sequence[str]:
    return tuple(f"{one.rstrip('.')}." for one in said.remarks) if said is not None else ()


def table_of(
    said: Statement | None, symbol: str, decimals: int
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    if said is None or not said.bands:
        return (), ()
    heads = ("gilt für", *(f"{100 * float(key):g} % ({symbol})" for key in said.bands))
    rows = [
        (full(when), *(number(values[place], decimals) for values in said.bands.values()))
        for place, when in enumerate(valid_times(said))
    ]
    return heads, rows


def inflows_together(materials: Iterable[FillMaterial]) -> tuple[list[Floats], int]:
    """Hourly inflow of each container from one common midnight on (unknown hours NaN), and the weekday of
    that midnight (Monday 0), so that every tour meets the same working days."""
    known = []
    for material in materials:
        cleaned = clean(material.distance_cm, material.container)
        if cleaned is not None:
            known.append(inflow_of(cleaned))
    if not known:
        return [], 0
    first = min(one.times[0] for one in known).astype("datetime64[D]").astype("datetime64[us]") + DAY
    grid_end = max(one.times[-1] for one in known)
    grid = np.arange(first, grid_end + HOUR, HOUR)
    weekday = int((first.astype("datetime64[D]").astype(np.int64) + 3) % 7)
    return [Series(one.times, one.percent, "%").on_grid(grid) for one in known], weekday


def comparison_table(name: str, found: Comparison, count: int) -> Table:
    def span(values: tuple[float, float, float]) -> str:
        return f"{number(values[1], 1)} ({number(values[0], 1)} bis {number(values[2], 1)})"

    rows = [
        (
            "Anfahrten", number(found.fixed_visits, 1), number(found.demand_visits, 1),
            span(found.saved_visits),
        ),
        (
            "Überlaufstunden", number(found.fixed_overflow_hours, 1), number(found.demand_overflow_hours, 1),
            span(found.saved_overflow_hours),
        ),
    ]  # fmt: skip
    caption = f"{name} ({count}), je Behälter und 30 Tage"
    return Table(caption, ("", "feste Tour", "nach Bedarf", "gespart"), rows)
