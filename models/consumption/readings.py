"""Turn meter readings into consumption whose yearly sum is right: roll-over, change, gaps, jumps, units.

What is missing stays missing: consumption over a gap is known in sum but not when it happened, so it is
spread evenly over the gap and marked as a substitute, never put as zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.series import Booleans, Floats, Instant, Series, Step, Times

# DVGW G 685: energy = volume x conversion (state) number x calorific value.
DEFAULT_STATE_NUMBER = 0.95
DEFAULT_CALORIFIC_KWH_PER_M3 = 11.2


@dataclass(frozen=True, slots=True)
class MeterChange:
    """At ``at`` the old meter was removed at ``last`` and the new one started at ``first``."""

    at: Instant
    last: float
    first: float


@dataclass(frozen=True, slots=True)
class Consumption:
    """Per step: ``amount`` (n,) with NaN outside the record, ``substitute`` marks values spread over a gap;
    ``remarks`` say in German what was corrected or refused, with its time."""

    series: Series
    substitute: Booleans
    remarks: tuple[str, ...]


def consumption_of(
    readings: Series, step: Step, *, roll_over: float | None = None, changes: Sequence[MeterChange] = (),
    limit_per_step: float | None = None,
) -> Consumption:  # fmt: skip
    """Counter readings -> consumption on the grid of ``step``.

    A fall of the counter is a roll-over when ``roll_over`` (10^digits) is known and the step across it stays
    within ``limit_per_step``; a listed meter change is bridged exactly; any other fall is refused and its
    interval stays unknown. Readings that jump up beyond the limit and return are left out as misreadings."""
    solid = np.isfinite(readings.values) & (readings.values >= 0)
    times, values = readings.times[solid], readings.values[solid]
    remarks: list[str] = []
    times, values = _without_misreadings(times, values, step, limit_per_step, remarks)
    if len(times) < 2:
        return Consumption(
            Series(times[:0], values[:0], readings.unit), np.zeros(0, dtype=bool), tuple(remarks)
        )
    used = np.diff(values, prepend=values[0])
    widths = np.maximum(1.0, np.diff(times, prepend=times[0]) / step)
    # Years of hours are worked out at once; only what is out of the ordinary is looked at one by one.
    odd = used < 0
    for change in changes:
        odd[1:] |= (times[:-1] < change.at) & (change.at <= times[1:])
    if limit_per_step is not None:
        odd |= used > limit_per_step * widths
    for i in np.flatnonzero(odd):
        found = _used(times, values, int(i), roll_over=roll_over, changes=changes, remarks=remarks)
        if found is not None and limit_per_step is not None and found > limit_per_step * widths[i]:
            remarks.append(f"{_day(times[i])}: Verbrauch {found:g} über dem Möglichen, nicht übernommen")
            found = None
        used[i] = np.nan if found is None else found
    known = np.isfinite(used)
    total = np.cumsum(np.where(known, used, 0.0))
    return _on_grid(times, total, known, step=step, unit=readings.unit, remarks=remarks)


def _on_grid(
    times: Times, total: Floats, known: Booleans, *, step: Step, unit: str, remarks: list[str]
) -> Consumption:
    origin = times[0].astype("datetime64[us]")
    grid = np.arange(origin, times[-1] + np.timedelta64(1, "us"), step)
    at = (times - origin).astype(np.int64).astype(np.float64)
    ticks = (grid - origin).astype(np.int64).astype(np.float64)
    amount = np.diff(np.interp(ticks, at, total))
    # The reading that closes each step tells whether the step was measured or spread over a gap.
    closing = np.searchsorted(at, ticks[1:], side="left")
    opening = np.searchsorted(at, ticks[:-1], side="right") - 1
    gap = np.diff(at)[np.clip(closing - 1, 0, len(at) - 2)] > 1.5 * float(
        step.astype("timedelta64[us]").astype(np.int64)
    )
    refused = np.concatenate([[0], np.cumsum(~known)])
    unknown = refused[np.minimum(closing + 1, len(at))] > refused[opening + 1]
    return Consumption(
        Series(grid[1:], np.where(unknown, np.nan, amount), unit), gap & ~unknown, tuple(remarks)
    )


def _used(
    times: Times,
    values: Floats,
    i: int,
    *,
    roll_over: float | None,
    changes: Sequence[MeterChange],
    remarks: list[str],
) -> float | None:
    for change in changes:
        if times[i - 1] < change.at <= times[i]:
            remarks.append(f"{_day(change.at)}: Zählerwechsel berücksichtigt")
            return float(change.last - values[i - 1] + values[i] - change.first)
    difference = float(values[i] - values[i - 1])
    if difference >= 0:
        return difference
    # Only a counter near its end can have rolled over; anything else is a reset or a wrong meter.
    if roll_over is not None and values[i - 1] > 0.9 * roll_over and values[i] < 0.1 * roll_over:
        remarks.append(f"{_day(times[i])}: Zählerüberlauf berücksichtigt")
        return difference + roll_over
    remarks.append(
        f"{_day(times[i])}: Zählerstand fällt von {values[i - 1]:g} auf {values[i]:g}; bitte klären"
    )
    return None


def _without_misreadings(
    times: Times, values: Floats, step: Step, limit: float | None, remarks: list[str]
) -> tuple[Times, Floats]:
    if limit is None or len(values) < 3:
        return times, values
    keep = np.ones(len(values), dtype=bool)
    for i in range(1, len(values) - 1):
        width = max(1.0, float((times[i] - times[i - 1]) / step))
        up, back = values[i] - values[i - 1], values[i + 1] - values[i - 1]
        if (up > limit * width or up < 0) and 0 <= back <= limit * 2 * width:
            keep[i] = False
            remarks.append(f"{_day(times[i])}: einzelne Fehlablesung {values[i]:g} ausgelassen")
    return times[keep], values[keep]


def energy_kwh(
    volume_m3: Series,
    *,
    state_number: float = DEFAULT_STATE_NUMBER,
    calorific_kwh_per_m3: float = DEFAULT_CALORIFIC_KWH_PER_M3,
) -> Series:
    """Gas volume -> energy (DVGW G 685). Raises ValueError for a series that is not in m3."""
    if volume_m3.unit != "m3":
        raise ValueError(f"gas volume must be in m3, not {volume_m3.unit}")
    return volume_m3.with_values(volume_m3.values * state_number * calorific_kwh_per_m3, "kWh")


def _day(moment: Instant) -> str:
    return str(moment.astype("datetime64[m]"))
