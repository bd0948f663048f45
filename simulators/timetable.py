"""When each device speaks, what it says and who hears it: one day of the whole town in order of time.

A day is a pure function of seed and date. That is what makes a restart harmless: the same frames
come again, to the byte.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter

import numpy as np

from simulators.almanac import DAY, hour_of_day, is_school_day
from simulators.city import City, Device
from simulators.coverage import CHANNELS_HZ, Coverage, Heard
from simulators.noise import Floats, key_of, smooth, uniform
from simulators.sensing import Senses, Values

_LOSS = {"waste_bin": 0.23, "paper_container": 0.23}  # measured on ultrasonic containers; 90 % of gaps <= 2 h
_LOSS_ELSEWHERE = 0.015
_QUANTILE_OF_23_PERCENT = 0.739


@dataclass(slots=True)
class Transmission:
    """One uplink on the air; `heard` is empty where it was lost, its frame counter is spent all the same."""

    time: float
    device: Device
    values: Values
    heard: tuple[Heard, ...]
    spreading_factor: int
    frequency_hz: int
    lost: bool


_time = attrgetter("time")


class Timetable:
    """All transmissions of a city, a UTC day at a time."""

    def __init__(self, city: City, senses: Senses, coverage: Coverage) -> None:
        self._city = city
        self._senses = senses
        self._coverage = coverage
        self._cached: tuple[int, list[Transmission]] | None = None

    def between(self, start: float, end: float) -> list[Transmission]:
        """Transmissions with start <= time < end (epoch seconds), ascending."""
        found: list[Transmission] = []
        for day in range(int(start // DAY), int(np.ceil(end / DAY))):
            whole = self._day(day)
            first = bisect_left(whole, start, key=_time)
            found += whole[first : bisect_left(whole, end, lo=first, key=_time)]
        return found

    def _day(self, day: int) -> list[Transmission]:
        if self._cached is None or self._cached[0] != day:
            found = [one for device in self._city.devices for one in self._device_day(device, day)]
            found.sort(key=lambda one: (one.time, one.device.index))
            self._cached = (day, found)
        return self._cached[1]

    def _device_day(self, device: Device, day: int) -> list[Transmission]:
        times = self.times(device, day)
        if len(times) == 0:
            return []
        heard = self._coverage.hear(device, times)
        lost = self._lost(device, times).tolist()
        values = self._senses.read(device, times)
        factor = self._coverage.reach(device).spreading_factor
        channel = (uniform(key_of(self._city.seed, "hop", device.thing), times.astype(np.int64)) * 8).astype(
            int
        )
        return [
            Transmission(
                time=time,
                device=device,
                values=values[row],
                heard=heard[row],
                spreading_factor=factor,
                frequency_hz=CHANNELS_HZ[channel[row]],
                lost=lost[row] or not heard[row],
            )
            for row, time in enumerate(times.tolist())
        ]

    def times(self, device: Device, day: int) -> Floats:
        """Moments of one UTC day at which the device sends, ascending, in whole milliseconds."""
        start = float(day * DAY)
        if device.kind == "parking_bay":
            changes = self._senses.parking.changes(self._senses.bay(device), start, start + DAY)
            regular = self._regular(device, start)
            apart = [moment for moment in regular if not np.any(np.abs(changes - moment) < 30)]
            return np.asarray(np.sort(np.concatenate((changes, apart))))
        times = self._regular(device, start)
        if device.kind == "school_room":
            weekday = is_school_day(datetime.fromtimestamp(start, tz=UTC).date())
            hours = hour_of_day(times)
            lessons = weekday & (hours >= 6.5) & (hours < 17)
            halves = np.arange(len(times)) % (1800 // device.interval_s) == 0
            return np.asarray(times[lessons | halves])
        return times

    def _regular(self, device: Device, start: float) -> Floats:
        key = key_of(self._city.seed, "phase", device.thing)
        # The interval divides the day, so no jitter can carry a moment over midnight.
        steps = np.arange(0, DAY, device.interval_s, dtype=np.float64)
        if device.profile == "alpha-omega-klax":
            phase = 5 + 120 * float(uniform(key, 0))  # soon after the quarter of an hour it reports
        else:
            phase = float(uniform(key, 0)) * (device.interval_s - 4)
        jitter = 2.0 * uniform(key, ((start + steps) // device.interval_s).astype(np.int64), 1)
        return np.asarray(np.round(start + steps + phase + jitter, 3))

    def _lost(self, device: Device, times: Floats) -> Floats:
        key = key_of(self._city.seed, "lost", device.thing)
        if device.kind in _LOSS:
            return np.asarray(smooth(key, times, 4_000) > _QUANTILE_OF_23_PERCENT)
        return np.asarray(uniform(key, (times * 1000).astype(np.int64)) < _LOSS_ELSEWHERE)
