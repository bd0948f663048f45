"""Buildings whose truth is known, and the faults that are put into them."""

import numpy as np

from models.consumption.expected import Calendar
from models.series import DAY, HOUR, Series

START = np.datetime64("2024-01-01", "us")
CUT = 366 * 24
CALENDAR = Calendar()


def building(seed: int, days: int = 366 + 200) -> tuple[Series, Series]:
    """Load (kWh per hour) and temperature of an office with base load, working hours and electric heating."""
    rng = np.random.default_rng(seed)
    n = days * 24
    times = START + np.arange(n) * HOUR
    day, hour = np.arange(n) // 24, np.arange(n) % 24
    temperature = 10 - 9 * np.cos(2 * np.pi * (day - 15) / 365.25) + rng.normal(0, 2.5, days)[day]
    work = (day % 7 < 5) & ~CALENDAR.off_days(times)
    busy = work & (hour >= 8) & (hour <= 17)
    size = rng.uniform(10, 50)
    load = size * (0.25 + 0.75 * busy + 0.03 * np.maximum(15 - temperature, 0) * (0.4 + 0.6 * busy))
    noise = np.exp(rng.normal(0, 0.06, n) + rng.normal(0, 0.05, days)[day])
    return Series(times, np.round(load * noise, 2), "kWh"), Series(times, temperature, "Cel")


def parts(load: Series) -> tuple[Series, Series]:
    return load.between(START, START + CUT * HOUR), load.between(START + CUT * HOUR, START + 9999 * DAY)


def hours_of(load: Series) -> tuple[np.ndarray, np.ndarray]:
    since = np.arange(len(load))
    return since % 24, (since // 24 + (START + CUT * HOUR).astype("datetime64[D]").astype(int) + 3) % 7


def with_fault(kind: str, load: Series, at: int, length: int) -> Series:
    values, (hour, weekday) = load.values.copy(), hours_of(load)
    inside = (np.arange(len(values)) >= at) & (np.arange(len(values)) < at + length)
    level = float(np.median(values))
    match kind:
        case "spike":
            values[at] *= 20
        case "stuck":
            values[inside] = values[at]
        case "dropout":
            values[inside] = 0.0
        case "base step":
            values[inside] += 0.8 * level
        case "creep":
            values += np.where(inside, 1.2 * level * (np.arange(len(values)) - at) / length, 0.0)
        case "night":
            values += np.where(inside & (hour < 6), 1.0 * level, 0.0)
        case "weekend":
            values += np.where(inside & (weekday >= 5), 0.8 * level, 0.0)
        case "scale":
            values[inside] *= 10
    return load.with_values(values)
