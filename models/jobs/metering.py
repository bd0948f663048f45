"""Read meters: which there are, and what a counter says was used in each hour."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from models.consumption.readings import consumption_of
from models.jobs.inputs import Inputs, binned, streams_of
from models.jobs.product import Group
from models.series import HOUR, Instant, Series
from udp.registry.port import Inventory


def by_medium(inventory: Inventory) -> list[Group]:
    """One group per medium: meters of one kind learn from each other."""
    media: dict[str, list[int]] = {}
    for _, one in streams_of(inventory, ("energy", "volume"), kind="meter"):
        media.setdefault(one.observed_property.key, []).append(one.id)
    return [Group(medium, tuple(targets)) for medium, targets in sorted(media.items())]


def hourly_use(readings: Series, now: Instant) -> tuple[Series, tuple[str, ...]]:
    """Used in the hour that ends at each time, in the counter's unit, and what had to be corrected. Spread
    over a gap the sum is right, but no hour is: such hours stay gaps."""
    hourly = binned(readings, HOUR, now)
    known = np.isfinite(hourly.values)
    made = consumption_of(Series(hourly.times[known], hourly.values[known], hourly.unit), HOUR)
    values = np.where(made.substitute, np.nan, made.series.values)
    return made.series.with_values(values), made.remarks


def use_of(inputs: Inputs, of: int, history: timedelta) -> Series:
    """The same of one meter, as known at the issue time."""
    return hourly_use(inputs.series([of], history)[of], inputs.now)[0]
