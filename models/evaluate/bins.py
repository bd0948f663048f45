"""Forecast bins that report one ordinal level a day."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from models import metrics
from models.evaluate.echoes import DISTANCE, PERCENT
from models.evaluate.tables import TIME, Table, UnusableTable
from models.fill_level.daily import DailyFillModel, DailyLevels
from models.series import DAY, Booleans, Floats, Integers, Times

BIN = ("bin", "container", "device", "sensor", "id", "bin_id", "container_id", "device_id", "serial", "name")
LEVEL = ("level", "fill_level", "fullness")
TOP = 10.0
USUAL_THRESHOLD = 6.0


def is_daily(table: Table, times: Times, bins: Integers) -> bool:
    """One ordinal level per bin and day."""
    if table.name_of(LEVEL) is None or table.name_of(tuple(DISTANCE)):
        return False
    order = np.lexsort((times, bins))
    same = bins[order][1:] == bins[order][:-1]
    steps = np.diff(times[order])[same]
    return len(steps) > 0 and bool(np.median(steps.astype(np.int64)) > int(DAY.astype(np.int64)) // 2)


def one_row_each(table: Table) -> Table:
    """A file with a column of distances per container becomes one with a row per container and time."""
    wide = table.name_of(BIN) is None and table.name_of((*LEVEL, *DISTANCE, *PERCENT)) is None
    numeric = [name for name in table.columns if name not in TIME]
    return table.long("container", "distance") if wide and len(numeric) > 1 else table


def fill_daily(table: Table, times: Times, bins: Integers) -> Iterator[str]:
    """Level 0-10 (or 0-100) shown as percentage points; the first half of the days teaches."""
    levels = _levels(table, times, bins)
    early = levels.day < np.quantile(levels.day, 0.5)
    past = DailyLevels(levels.bin[early], levels.day[early], levels.level[early], levels.threshold[early])
    for days in (1, 3):
        model = DailyFillModel(days)
        if not model.fit(past):
            yield f"fill daily, {days} d: not calibrated: fewer than 300 days without an emptying"
            continue
        made, (later, reached) = model.predict(levels), levels.ahead(days)
        test = ~early & np.isfinite(later)
        own, still = (
            metrics.mean_absolute_error(later[test], one[test]) for one in (made.median, levels.level)
        )
        cover = metrics.coverage(later[test], made.quantiles[test, 0], made.quantiles[test, -1])
        skill = [_of_chance(reached, made.probability, one) for one in (~early & np.isfinite(reached), test)]
        yield (
            f"fill daily, {days} d ({len(np.unique(levels.bin))} bins): MAE {10 * own:.1f} (persistence "
            f"{10 * still:.1f}) points, 80 % interval covers {cover:.2f}; threshold reached before emptied: "
            f"{skill[0]}; of bins not emptied: {skill[1]}"
        )


def _levels(table: Table, times: Times, bins: Integers) -> DailyLevels:
    name = table.needed("level", LEVEL)
    level = table.numbers(name)
    if np.nanmax(level, initial=0.0) > TOP:
        table.remarks.append(f"{name}: values above 10 taken as percent")
        level = level / 10.0
    threshold = np.full(len(level), USUAL_THRESHOLD)
    if "threshold" in table.columns:
        threshold = table.numbers("threshold")
        threshold = np.where(threshold > TOP, threshold / 10.0, threshold)
    else:
        table.remarks.append(f"no column threshold: {10 * USUAL_THRESHOLD:.0f} % counts as full")
    keep = np.isfinite(level) & np.isfinite(threshold) & ~np.isnat(times)
    if not keep.any():
        raise UnusableTable(f"{table.file}, column {name}: no row holds a level")
    day = times.astype("datetime64[D]").astype(np.int64)
    order = np.flatnonzero(keep)[np.lexsort((times[keep], bins[keep]))]
    # The last level of each day counts.
    last = np.append((np.diff(day[order]) != 0) | (np.diff(bins[order]) != 0), True)
    chosen = order[last]
    return DailyLevels(bins[chosen], day[chosen], level[chosen], threshold[chosen])


def _of_chance(reached: Floats, probability: Floats, which: Booleans) -> str:
    if not which.any():
        return "nothing to measure on"
    share = float(reached[which].mean())
    return (
        f"AUC {metrics.area_under_curve(reached[which] > 0, probability[which]):.3f}, Brier "
        f"{metrics.brier(reached[which] > 0, probability[which]):.3f} (base rate {share * (1 - share):.3f})"
    )
